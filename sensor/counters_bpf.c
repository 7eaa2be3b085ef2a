/* SPDX-License-Identifier: BSD-3-Clause */
/* Engine "bpf": the kernel adds up each process or cgroup at every context switch (counters.bpf.c),
 * so that nothing is opened per target and what lives shorter than a tick is seen too. The total is
 * the sum of everything that was counted, and what CPUs were awake for beside tasks (awake_time.h):
 * interrupt time stays where the kernel books it, the idle task is nobody.
 *
 * A slot is a process or a cgroup; a target may have several (a cgroup with cgroups below that are
 * no targets of their own, short-lived processes of one command). A slot that has ended is kept
 * until it gains no more: its last task still ran when it said so, and may take long to go. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/magic.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/events.h"
#include "common/log.h"
#include "common/scope.h"
#include "sensor/awake_time.h"
#include "sensor/bpf_clock.h"
#include "sensor/bpf_columns.h"
#include "sensor/bpf_events.h"
#include "sensor/bpf_settings.h"
#include "sensor/bpf_slots.h"
#include "sensor/cgroup_paths.h"
#include "sensor/descriptor_limit.h"
#include "sensor/engine.h"
#include "sensor/tally.h"

#define PROCESS_SLOTS 65536 /* room for what is born and dies within a few ticks */
#define CGROUP_SLOTS 16384
#define PROBE_SLOTS 64
#define SLOTS_MAX (1 << 20)
#define REFUSALS_MAX 2 /* readings in a row in which a CPU handed nothing in: it never will */
#define STILL_LOOKS                                                               \
    256 /* a slot that gained nothing for so long is asked whether it still lives \
         */

/* What is remembered of a slot between two ticks. */
struct slot_state {
    struct target *target; /* of a process in this tick; NULL: other */
    bool is_known;         /* it was there in an earlier tick */
    bool is_unlooked;      /* its cgroup was made after this tick's look at the tree */
    bool is_brief;         /* it had ended when it was first seen */
    bool is_leaving;       /* it had ended at the last look */
    uint16_t n_still;      /* looks since it last gained something */
};

struct counters_bpf {
    struct engine engine;
    enum granularity granularity;
    const struct host *host;
    struct bpf_slots *slots;
    struct slot_state *states; /* [capacity of slots] */
    uint32_t *found;           /* [capacity of slots], numbers of the slots of this tick */
    uint32_t n_found;
    struct typed_events typed; /* that need a perf event */
    struct bpf_columns columns;
    bool is_exact[BPF_COLUMNS_MAX]; /* what needs no perf event */
    struct bpf_events events;
    struct bpf_clock clock;
    struct cgroup_paths *paths;
    struct tally tally;
    struct awake_times awake;
    size_t n_packages;
    int32_t *packages; /* [n_packages] ids, as they were at open */
    uint64_t last_missing, last_tree_changes;
    uint64_t looked_tree_changes; /* as they stood when ends were last looked for */
    bool has_changed_before;      /* at the look before */
    bool may_have_ended;          /* some cgroup, as far as this tick's look goes */
    size_t n_without_events, n_misplaced; /* CPUs */
    int refusal;                          /* of the last reading, a negative errno */
    unsigned n_refusals;                  /* in a row */
    uint64_t ns_per_tick;
    bool has_read;
    bool tells_short_lived_apart;
};

extern const struct engine_ops counters_bpf;

/* ---- probe, open, close ---- */

/* The kernel counts itself, so that the roots have to be its own. NULL if they are. */
static const char *find_obstacle(const struct host *host, enum granularity granularity)
{
    struct statfs status;
    if (strcmp(host->procfs, "/proc") != 0 || strcmp(host->sysfs, "/sys") != 0)
        return "counts the running kernel, not the one under --procfs and --sysfs";
    if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
        return "this kernel has no type information (/sys/kernel/btf/vmlinux, "
               "CONFIG_DEBUG_INFO_BTF)";
    if (!host->cgroupfs)
        return granularity == GRANULARITY_CGROUP ? "there is no cgroup2 mount" : NULL;
    if (statfs(host->cgroupfs, &status) < 0 || status.f_type != CGROUP2_SUPER_MAGIC)
        return "the cgroup root is no cgroup2 mount";
    return NULL;
}

static void bpf_probe(const struct host *host, const struct topology *topology,
                      enum granularity granularity, struct engine_probe *ret_probe)
{
    *ret_probe = (struct engine_probe){0};
    const char *obstacle = find_obstacle(host, granularity);
    const struct bpf_slots_counts nothing = {0};
    struct bpf_slots *slots;
    struct error err = {0};
    if (obstacle) {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "%s", obstacle);
        return;
    }
    (void)descriptor_limit_raise();
    bool is_process = granularity == GRANULARITY_PROCESS;
    int r = bpf_slots_open(&slots, is_process, PROBE_SLOTS, &nothing, topology, &err);
    if (r < 0) {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "%s", err.text);
        if (r == -EPERM)
            (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice),
                           "run as root, or setcap "
                           "cap_bpf,cap_perfmon,cap_dac_read_search=ep watt-sensor   (in a "
                           "container: --cap-add BPF --cap-add PERFMON)");
        else if (r == -EMFILE)
            (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice),
                           "ulimit -n, or LimitNOFILE");
        return;
    }
    bpf_slots_close(slots);
    ret_probe->is_usable = true;
    (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                   "added up in the kernel per %s and package, nothing opened per target",
                   is_process ? "process" : "cgroup");
}

static void bpf_close(struct engine *engine)
{
    struct counters_bpf *bpf = (struct counters_bpf *)engine;
    bpf_events_deinit(&bpf->events);
    bpf_clock_deinit(&bpf->clock);
    typed_events_deinit(&bpf->typed);
    bpf_slots_close(bpf->slots);
    cgroup_paths_free(bpf->paths);
    tally_deinit(&bpf->tally);
    awake_times_deinit(&bpf->awake);
    free(bpf->states);
    free(bpf->found);
    free(bpf->packages);
    free(bpf);
}

/* Without hardware events CPU time remains. */
static int count_no_events(struct counters_bpf *bpf, struct error *err)
{
    typed_events_cut(&bpf->typed, 0);
    return bpf_columns_choose(&bpf->columns, &bpf->typed, false, err);
}

static int choose_asked(struct counters_bpf *bpf, const struct topology *topology,
                        const char *const *events, size_t n_events, struct error *err)
{
    int r = typed_events_choose(&bpf->typed, bpf->host, topology, events, n_events, err);
    if (r == 0)
        r = bpf_columns_choose(&bpf->columns, &bpf->typed, true, err);
    return r == 0 ? typed_events_fit(&bpf->typed, bpf->host, true, err) : r;
}

/* Of a set of our own choice events give way, all of them if need be. */
static int choose_columns(struct counters_bpf *bpf, const struct topology *topology,
                          struct error *err)
{
    struct error why = {0};
    if (typed_events_choose(&bpf->typed, bpf->host, topology, NULL, 0, &why) < 0) {
        log_warning(bpf->host->log, "bpf: CPU time, switches and faults alone are counted: %s",
                    why.text);
        return count_no_events(bpf, err);
    }
    int r = bpf_columns_choose(&bpf->columns, &bpf->typed, false, err);
    if (r < 0)
        return r;
    if (typed_events_fit(&bpf->typed, bpf->host, false, &why) == 0)
        return bpf_columns_choose(&bpf->columns, &bpf->typed, false, err);
    log_warning(bpf->host->log, "bpf: no hardware event is counted: %s", why.text);
    return count_no_events(bpf, err);
}

/* Where a CPU is may be known only once it is online; a whole package that was offline at the
 * opening has no place in the kernel's sums. */
static void place_cpus(struct counters_bpf *bpf, const struct topology *topology)
{
    size_t n_misplaced = 0;
    for (int cpu = 0; cpu < topology->n_cpus && (size_t)cpu < bpf->events.n_cpus; cpu++) {
        size_t i = 0;
        while (i < bpf->n_packages && bpf->packages[i] != topology->package[cpu])
            i++;
        if (!topology->is_online[cpu])
            continue;
        bpf_slots_put_package(bpf->slots, cpu, i < bpf->n_packages ? i : 0);
        n_misplaced += i == bpf->n_packages && topology->n_packages > 0;
    }
    if (n_misplaced > 0 && bpf->n_misplaced == 0)
        log_warning(bpf->host->log,
                    "bpf: CPUs of a package that was offline at the start count in package %" PRId32
                    " until the sensor is restarted",
                    bpf->packages[0]);
    bpf->n_misplaced = n_misplaced;
}

static int make_room(struct counters_bpf *bpf, const struct topology *topology)
{
    uint32_t n_slots = bpf_slots_capacity(bpf->slots);
    bpf->n_packages = topology->n_packages ? topology->n_packages : 1;
    bpf->states = calloc(n_slots, sizeof(*bpf->states));
    bpf->found = calloc(n_slots, sizeof(*bpf->found));
    bpf->packages = calloc(bpf->n_packages, sizeof(*bpf->packages));
    if (!bpf->states || !bpf->found || !bpf->packages)
        return -ENOMEM;
    for (size_t i = 0; i < topology->n_packages; i++)
        bpf->packages[i] = topology->packages[i];
    place_cpus(bpf, topology);
    return 0;
}

/* A descriptor per event and CPU: what the limit does not allow is given up beforehand, the clock
 * first, then events from the end of the list, those asked for by name never. */
static int fit_descriptors(struct counters_bpf *bpf, const struct topology *topology, bool is_asked,
                           struct error *err)
{
    size_t n_allowed = descriptor_limit_raise(), n_cpus = 0;
    size_t n_before = typed_events_most(&bpf->typed), n_events = n_before;
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        n_cpus += topology->is_online[cpu];
    if (n_cpus * (n_events + bpf->clock.set.n_events) <= n_allowed)
        return 0;
    bpf->clock.set.n_events = 0;
    while (n_events > 0 && n_cpus * n_events > n_allowed)
        n_events--;
    log_warning(bpf->host->log,
                "bpf: %zu of %zu events and no clock are counted: each takes a descriptor per CPU, "
                "of which there are %zu, and %zu are allowed; raise LimitNOFILE (ulimit -n)",
                n_events, n_before, n_cpus, n_allowed);
    if (n_events == n_before)
        return 0;
    if (is_asked)
        return error_set(err, -EMFILE,
                         "%zu events on %zu CPUs take more descriptors than the %zu that are "
                         "allowed: raise LimitNOFILE (ulimit -n), or ask for fewer",
                         n_before, n_cpus, n_allowed);
    typed_events_cut(&bpf->typed, n_events);
    return bpf_columns_choose(&bpf->columns, &bpf->typed, false, err);
}

static int open_all(struct counters_bpf *bpf, const struct topology *topology,
                    const char *const *events, size_t n_events, uint32_t n_slots, struct error *err)
{
    int r = n_events > 0 ? choose_asked(bpf, topology, events, n_events, err)
                         : choose_columns(bpf, topology, err);
    if (r < 0)
        return r;
    bpf_clock_choose(&bpf->clock, bpf->host);
    r = fit_descriptors(bpf, topology, n_events > 0, err);
    if (r < 0)
        return r;
    const struct bpf_slots_counts counts = {.n_extra = typed_events_most(&bpf->typed),
                                            .n_columns = bpf->typed.n_columns,
                                            .n_clock = bpf->clock.set.n_events};
    r = bpf_slots_open(&bpf->slots, bpf->granularity == GRANULARITY_PROCESS, n_slots, &counts,
                       topology, err);
    if (r < 0)
        return r;
    r = bpf_events_init_extra(&bpf->events, &bpf->typed, bpf->host, topology);
    if (r == 0)
        r = bpf_clock_init(&bpf->clock, topology);
    if (r == 0)
        r = cgroup_paths_new(&bpf->paths, bpf->host->cgroupfs);
    if (r == 0)
        r = make_room(bpf, topology);
    if (r == 0)
        r = awake_times_init(&bpf->awake, bpf->host, topology, bpf->packages, bpf->n_packages,
                             clock_monotonic_ns(bpf->host->clock));
    return r < 0 ? error_set(err, r, "the bpf engine: %s", strerror(-r)) : 0;
}

static bool is_capacity(uint64_t n_slots)
{
    return n_slots >= PROBE_SLOTS && n_slots <= SLOTS_MAX && (n_slots & (n_slots - 1)) == 0;
}

static int bpf_open(struct engine **ret_engine, const struct host *host,
                    const struct topology *topology, enum granularity granularity,
                    const char *const *events, size_t n_events, const void *settings,
                    struct error *err)
{
    const struct counters_bpf_settings *own = settings;
    bool is_process = granularity == GRANULARITY_PROCESS;
    uint64_t n_slots = own ? own->n_slots : 0;
    if (n_slots == 0)
        n_slots = is_process ? PROCESS_SLOTS : CGROUP_SLOTS;
    assert(is_capacity(n_slots)); /* see check_slots */
    struct counters_bpf *bpf = calloc(1, sizeof(*bpf));
    if (!bpf)
        return error_set(err, -ENOMEM, "out of memory");
    bpf->engine.ops = &counters_bpf;
    bpf->host = host;
    bpf->granularity = granularity;
    bpf->tells_short_lived_apart = own && own->short_lived && strcmp(own->short_lived, "each") == 0;
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    bpf->ns_per_tick = NS_PER_S / (uint64_t)(ticks_per_s > 0 ? ticks_per_s : 100);
    int r = open_all(bpf, topology, events, n_events, (uint32_t)n_slots, err);
    if (r < 0) {
        bpf_close(&bpf->engine);
        return r;
    }
    *ret_engine = &bpf->engine;
    return 0;
}

static int bpf_describe(const struct engine *engine, struct host_record *host_record)
{
    const struct counters_bpf *bpf = (const struct counters_bpf *)engine;
    return bpf_columns_describe(&bpf->columns, &bpf->typed, host_record);
}

/* ---- targets ---- */

static bool bpf_tree_has_changed(struct engine *engine)
{
    struct counters_bpf *bpf = (struct counters_bpf *)engine;
    uint64_t changes = bpf_slots_tree_changes(bpf->slots);
    bool has_changed = changes != bpf->last_tree_changes;
    bpf->last_tree_changes = changes;
    return has_changed;
}

/* Without a slot it is counted under other, which the report says, and asks again next time. */
static bool add_cgroup(uint64_t inode, void *context)
{
    struct counters_bpf *bpf = context;
    return bpf_slots_add_cgroup(bpf->slots, inode) == 0;
}

static int bpf_set_targets(struct engine *engine, struct targets *targets,
                           const struct topology *topology, struct error *err)
{
    struct counters_bpf *bpf = (struct counters_bpf *)engine;
    if (bpf->n_refusals >= REFUSALS_MAX)
        return error_set(err, bpf->refusal,
                         "the kernel does not let CPUs hand in what they have counted any more: %s",
                         strerror(-bpf->refusal));
    place_cpus(bpf, topology);
    bpf_clock_follow(&bpf->clock, bpf->slots, topology, bpf->host->log);
    bpf->n_without_events = bpf_events_follow(&bpf->events, bpf->slots, topology, bpf->host->log);
    if (bpf->granularity == GRANULARITY_CGROUP)
        targets_each_new_cgroup(targets, add_cgroup, bpf);
    return 0;
}

static void bpf_release_target(struct engine *engine, struct target *target)
{
    (void)engine;
    (void)target; /* slots look their targets up anew each tick */
}

/* A cgroup that was made and removed between two looks is charged to the one above it. */
static struct target *find_cgroup(const struct targets *targets, const struct bpf_slot *slot)
{
    struct target *target;
    if (targets_find_cgroup(targets, slot->cgroup_id, &target) ||
        targets_find_cgroup(targets, slot->parent_id, &target))
        return target;
    return NULL;
}

/* The target of a process' slot. One that was born and ended between two looks counts under its
 * command. */
static int find_process(struct counters_bpf *bpf, struct targets *targets,
                        const struct bpf_slot *slot, struct slot_state *state)
{
    char comm[BPF_COMM_SIZE + 1] = "";
    memcpy(comm, slot->comm, BPF_COMM_SIZE);
    const char *path = cgroup_paths_find(bpf->paths, slot->cgroup_id);
    if (!path)
        return 0;
    const struct seen_process process = {.pid = (pid_t)slot->tgid,
                                         .parent_pid = (pid_t)slot->parent_tgid,
                                         .start_ticks = slot->start_ns / bpf->ns_per_tick,
                                         .comm = comm,
                                         .cgroup = path,
                                         .uid = slot->uid};
    if (state->is_brief && !bpf->tells_short_lived_apart)
        return targets_find_command(targets, &process, &state->target);
    return targets_find_process(targets, &process, &state->target);
}

/* A cgroup that is known is not looked for before it has gained something: many are idle. */
static int find_target(struct counters_bpf *bpf, struct targets *targets, uint32_t number)
{
    struct slot_state *state = &bpf->states[number];
    struct target *any;
    if (state->is_known && bpf->granularity == GRANULARITY_CGROUP) {
        state->is_unlooked = false;
        return 0;
    }
    const struct bpf_slot *slot = bpf_slots_at(bpf->slots, number);
    if (!state->is_known)
        state->is_brief = slot->has_ended;
    state->is_unlooked = !state->is_known && !slot->has_ended && number != BPF_SLOT_OTHER &&
                         bpf->granularity == GRANULARITY_CGROUP &&
                         !targets_find_cgroup(targets, slot->cgroup_id, &any);
    state->is_known = true;
    state->target = NULL;
    if (number == BPF_SLOT_OTHER || bpf->granularity == GRANULARITY_CGROUP)
        return 0;
    return find_process(bpf, targets, slot, state);
}

static int find_targets(struct counters_bpf *bpf, struct targets *targets)
{
    uint32_t n = bpf_slots_capacity(bpf->slots);
    bpf->n_found = 0;
    for (uint32_t number = bpf_slots_next(bpf->slots, 0); number < n;
         number = bpf_slots_next(bpf->slots, number + 1)) {
        int r = find_target(bpf, targets, number);
        if (r < 0)
            return r;
        bpf->found[bpf->n_found++] = number;
    }
    return 0;
}

/* ---- read ---- */

static void add_gain(const struct bpf_columns *columns, const struct bpf_sums *gained,
                     int64_t *cell)
{
    for (size_t i = 0; i < columns->n_columns; i++) {
        uint64_t count;
        memcpy(&count, (const char *)gained + columns->columns[i].offset, sizeof(count));
        cell[i] += (int64_t)count;
    }
    cell[columns->n_columns] += (int64_t)gained->enabled_ns;
    cell[columns->n_columns + 1] += (int64_t)gained->running_ns;
}

static const struct target *target_of(const struct counters_bpf *bpf, const struct targets *targets,
                                      uint32_t number)
{
    if (bpf->granularity == GRANULARITY_PROCESS)
        return bpf->states[number].target;
    return number == BPF_SLOT_OTHER ? NULL : find_cgroup(targets, bpf_slots_at(bpf->slots, number));
}

/* Hands a slot's increases to its target and to the total; false if there are none. Those of whom
 * nobody has looked for yet wait until the next tick. */
static bool take_slot(struct counters_bpf *bpf, const struct targets *targets, uint32_t number)
{
    bool has_gained = false;
    if (bpf->states[number].is_unlooked)
        return true;
    for (size_t package = 0; package < bpf->n_packages; package++) {
        struct bpf_sums gained;
        if (!bpf_slots_take(bpf->slots, number, package, &gained))
            continue;
        has_gained = true;
        add_gain(&bpf->columns, &gained, tally_total(&bpf->tally, package));
        const struct target *target = target_of(bpf, targets, number);
        if (target)
            add_gain(&bpf->columns, &gained, tally_cell(&bpf->tally, target->index, package));
    }
    return has_gained;
}

/* What ended unseen, for instance the old life of a process whose second thread called exec. */
static bool is_gone(const struct counters_bpf *bpf, const struct targets *targets,
                    const struct bpf_slot *slot)
{
    struct target *target;
    if (bpf->granularity == GRANULARITY_CGROUP)
        return !targets_find_cgroup(targets, slot->cgroup_id, &target);
    return kill((pid_t)slot->tgid, 0) < 0 && errno == ESRCH;
}

/* The end of a cgroup is told by a change of the tree, and a moment later by its slot. */
static void look_for_ends(struct counters_bpf *bpf)
{
    uint64_t changes = bpf_slots_tree_changes(bpf->slots);
    bool has_changed = changes != bpf->looked_tree_changes;
    bpf->may_have_ended = has_changed || bpf->has_changed_before;
    bpf->has_changed_before = has_changed;
    bpf->looked_tree_changes = changes;
}

static bool has_ended(const struct counters_bpf *bpf, uint32_t number)
{
    if (bpf->granularity == GRANULARITY_CGROUP && !bpf->may_have_ended)
        return false;
    return bpf_slots_at(bpf->slots, number)->has_ended;
}

static void look_at_end(struct counters_bpf *bpf, const struct targets *targets, uint32_t number,
                        bool has_gained)
{
    struct slot_state *state = &bpf->states[number];
    if (number == BPF_SLOT_OTHER)
        return;
    state->n_still = has_gained ? 0 : (uint16_t)(state->n_still + 1);
    if (state->is_leaving && !has_gained) {
        bpf_slots_release(bpf->slots, number);
        *state = (struct slot_state){0};
    } else if (has_ended(bpf, number)) {
        state->is_leaving = true;
    } else if (state->n_still == STILL_LOOKS) {
        state->n_still = 0;
        state->is_leaving = is_gone(bpf, targets, bpf_slots_at(bpf->slots, number));
    }
}

/* The plain counts are exact; where the extra events could not count all the time, they are brought
 * to the same part of it, so that one scale holds for the row. Where those could not count at all,
 * nothing is to be scaled. */
static void put_on_one_scale(const struct counters_bpf *bpf, int64_t *cell)
{
    int64_t enabled_ns = cell[bpf->columns.n_columns],
            running_ns = cell[bpf->columns.n_columns + 1];
    if (running_ns <= 0 || running_ns >= enabled_ns)
        return;
    double share = (double)running_ns / (double)enabled_ns;
    for (size_t i = 0; i < bpf->columns.n_columns; i++)
        if (bpf->is_exact[i])
            cell[i] = (int64_t)((double)cell[i] * share + 0.5);
}

/* What CPUs were awake for beside tasks is nobody's, but part of the total. */
static void book_awake_time(struct counters_bpf *bpf, const struct topology *topology)
{
    size_t cpu_ns = 0;
    while (cpu_ns < bpf->columns.n_columns &&
           strcmp(bpf->columns.columns[cpu_ns].name, EVENT_CPU_NS) != 0)
        cpu_ns++;
    if (cpu_ns == bpf->columns.n_columns)
        return;
    uint64_t now_ns = clock_monotonic_ns(bpf->host->clock);
    for (size_t i = 0; i < bpf->n_packages; i++) {
        int64_t *total_ns = &tally_total(&bpf->tally, i)[cpu_ns];
        *total_ns +=
            awake_times_book(&bpf->awake, topology, bpf->packages, i, *total_ns, now_ns);
    }
    awake_times_end_tick(&bpf->awake, topology, bpf->packages, now_ns);
}

static int take_slots(struct counters_bpf *bpf, struct targets *targets,
                      const struct topology *topology)
{
    bool has_times = bpf->typed.n_columns > 0;
    size_t n_targets = targets_count(targets);
    int r = tally_begin(&bpf->tally, n_targets, bpf->n_packages, bpf->columns.n_columns, has_times);
    if (r < 0)
        return r;
    look_for_ends(bpf);
    for (size_t i = 0; i < bpf->columns.n_columns; i++)
        bpf->is_exact[i] = bpf->columns.columns[i].extra < 0;
    bpf->tally.is_exact = bpf->is_exact;
    for (uint32_t i = 0; i < bpf->n_found; i++)
        look_at_end(bpf, targets, bpf->found[i], take_slot(bpf, targets, bpf->found[i]));
    book_awake_time(bpf, topology);
    for (size_t target = 0; target <= n_targets && has_times; target++)
        for (size_t package = 0; package < bpf->n_packages; package++)
            put_on_one_scale(bpf, tally_cell(&bpf->tally, target, package));
    return 0;
}

static void say_what_is_missing(struct counters_bpf *bpf, struct report *report)
{
    uint64_t missing = bpf_slots_missing(bpf->slots);
    if (missing != bpf->last_missing)
        reasons_add(&report->reasons, "targets_dropped");
    if (bpf->n_without_events > 0)
        reasons_add(&report->reasons, "events_missing");
    if (bpf->n_misplaced > 0) {
        reasons_add(&report->reasons, "package_unknown");
        tally_mark_total(&bpf->tally, 0, "package_unknown", false);
    }
    for (size_t package = 0; package < bpf->n_packages && bpf->n_refusals > 0; package++) {
        reasons_add(&report->reasons, "read_error");
        tally_mark_total(&bpf->tally, package, "read_error", true);
    }
    bpf->last_missing = missing;
}

static int bpf_read(struct engine *engine, struct targets *targets, const struct topology *topology,
                    struct report *report)
{
    struct counters_bpf *bpf = (struct counters_bpf *)engine;
    bpf->refusal = bpf_slots_flush(bpf->slots, topology);
    bpf->n_refusals = bpf->refusal < 0 ? bpf->n_refusals + 1 : 0;
    int r = find_targets(bpf, targets);
    if (r >= 0)
        r = take_slots(bpf, targets, topology);
    if (r >= 0)
        r = bpf_clock_read(&bpf->clock, bpf->slots, topology,
                           bpf->has_read && bpf->n_refusals == 0 ? report : NULL);
    if (r < 0)
        return r;
    cgroup_paths_trim(bpf->paths);
    if (!bpf->has_read) {
        bpf->has_read = true;
        return 0;
    }
    say_what_is_missing(bpf, report);
    for (size_t i = 0; i < bpf->columns.n_columns && r >= 0; i++)
        r = report_add_event(report, bpf->columns.columns[i].name);
    return r < 0 ? r : tally_publish(&bpf->tally, targets, bpf->packages, report);
}

static int check_slots(const char *text, struct error *err)
{
    uint64_t n_slots = strtoull(text, NULL, 10);
    if (n_slots == 0 || is_capacity(n_slots))
        return 0;
    return error_set(err, -EINVAL, "\"%s\": a power of two from %d to %d is wanted, or 0", text,
                     PROBE_SLOTS, SLOTS_MAX);
}

static const char *const short_lived_ways[] = {"folded", "each", NULL};

static const struct option_spec bpf_options[] = {
    {.key = "bpf-slots",
     .type = OPTION_COUNT,
     .offset = offsetof(struct counters_bpf_settings, n_slots),
     .argument = "N",
     .fallback = "0",
     .check = check_slots,
     .help = "room for N processes or cgroups at once in the engine bpf, those that ended within "
             "the last ticks included; a power of two, 0: 65536 processes or 16384 cgroups"},
    {.key = "bpf-short-lived",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct counters_bpf_settings, short_lived),
     .argument = "WAY",
     .fallback = "folded",
     .choices = short_lived_ways,
     .help = "processes that are born and end between two ticks: folded into one target per "
             "command and cgroup, so that identities stay few, or each by itself"},
};

const struct engine_ops counters_bpf = {
    .name = "bpf",
    .about = "CPU time, switches, faults and perf events per process or cgroup, added up in the "
             "kernel",
    .does_process = true,
    .does_cgroup = true,
    .does_events = true,
    /* Programs and maps are asked, in kernels before 5.19 by who may; CPUs that come are opened. */
    .capabilities = UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON,
    .options = bpf_options,
    .n_options = ARRAY_SIZE(bpf_options),
    .settings_size = sizeof(struct counters_bpf_settings),
    .probe = bpf_probe,
    .open = bpf_open,
    .describe = bpf_describe,
    .tree_has_changed = bpf_tree_has_changed,
    .set_targets = bpf_set_targets,
    .read = bpf_read,
    .release_target = bpf_release_target,
    .close = bpf_close,
};
