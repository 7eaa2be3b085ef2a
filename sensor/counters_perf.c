/* SPDX-License-Identifier: BSD-3-Clause */
/* Engine "perf": a group of events per cgroup and CPU. The kernel counts a cgroup with all below
 * it, and its time_enabled runs only while the cgroup is on the CPU, so a group with nothing
 * enabled is a true zero.
 *
 * Its clock cuts at the switch itself, where the scheduler cuts when a task is woken that will
 * preempt: microseconds each time, which the clock lacks of who sleeps much (30 % were seen) and has
 * too much of who is disturbed much (20 %), besides what was stolen meanwhile. So CPU time is that
 * of the scheduler's books (cgroup_usage.h), and the clock says what they do not have yet and in
 * which package it was; alone it speaks where they cannot be read or are late: in cgroup v1 without
 * cpuacct, of the last stretch of a cgroup that is gone, and where CPUs run without a tick
 * (nohz_full).
 *
 * Beside the targets stands a group per CPU that counts everything, but for CPU time: the
 * system-wide task clock counts the idle task as well, so the total of cpu_ns is the busy time by
 * PROCFS/stat (cpu_busy.h).
 *
 * Descriptors are targets x CPUs x events, and the bill is made before anything is opened. If it is
 * more than allowed, the books are opened for each look instead of kept (perf_watch.h), and then
 * events give way, from the end of the list, CPU time never; those asked for by name stay. Then
 * targets do: nearest to the root first, then the older ones are opened, who is counted stays so,
 * and what the others use is charged to the nearest counted target above. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/events.h"
#include "common/log.h"
#include "common/scope.h"
#include "sensor/cpu_busy.h"
#include "sensor/descriptor_limit.h"
#include "sensor/engine.h"
#include "sensor/perf_booked.h"
#include "sensor/perf_group.h"
#include "sensor/perf_probe.h"
#include "sensor/perf_watch.h"
#include "sensor/tally.h"
#include "sensor/typed_events.h"

#define CPU_NS_NONE SIZE_MAX
#define TICK_MAX_NS 10000000 /* of the scheduler, at 100 Hz */
#define LATE_CPUS_MAX 4      /* more are hardly ever late together */

extern const struct engine_ops counters_perf;

/* One CPU as a whole. */
struct cpu {
    struct perf_group total, clock;
    int32_t package;   /* as last seen online */
    bool went_offline; /* since the last read */
};

struct counters_perf {
    struct engine engine;
    const struct host *host;
    struct typed_events events;
    struct event_set clock_set;
    size_t cpu_ns; /* which column it is, CPU_NS_NONE */
    size_t n_cpus;
    struct cpu *cpus;
    struct cpu_busy busy;
    bool set_is_asked;        /* its events were asked for by name */
    bool keeps_books;         /* open: there are descriptors for that (perf_watch.h) */
    bool takes_booked;        /* they are up to date to a scheduler tick */
    bool is_exact[TYPED_COLUMNS_MAX];
    uint64_t looked_ns;       /* when the books were last looked at */
    int64_t tick_ns;          /* of the scheduler: so late a CPU's books may be */
    struct perf_span span;
    size_t n_open, n_allowed; /* descriptors */
    bool has_warned;
    struct target_tree tree;
    bool tree_is_old;
    struct tally tally;
    bool has_read;
};

static bool is_online(const struct topology *topology, size_t cpu)
{
    return cpu < (size_t)topology->n_cpus && topology->is_online[cpu];
}

/* ---- open and close ---- */

static void close_group(struct counters_perf *perf, struct perf_group *group)
{
    perf->n_open -= group->n_events;
    perf_group_close(group);
}

/* set NULL: a CPU whose type is not known (yet) is as one that is offline. */
static int open_group(struct counters_perf *perf, struct perf_group *group,
                      const struct event_set *set, size_t cpu)
{
    int r = set ? perf_group_open(group, set, -1, (int)cpu) : -ENODEV;
    if (r == 0)
        perf->n_open += group->n_events;
    return r;
}

static void shrink_group(struct counters_perf *perf, struct perf_group *group, size_t n_events)
{
    perf->n_open -= group->n_events;
    perf_group_shrink(group, n_events);
    perf->n_open += group->n_events;
}

static void perf_close(struct engine *engine)
{
    struct counters_perf *perf = (struct counters_perf *)engine;
    for (size_t i = 0; perf->cpus && i < perf->n_cpus; i++) {
        close_group(perf, &perf->cpus[i].total);
        close_group(perf, &perf->cpus[i].clock);
    }
    cpu_busy_close(&perf->busy);
    typed_events_deinit(&perf->events);
    target_tree_deinit(&perf->tree);
    tally_deinit(&perf->tally);
    free(perf->cpus);
    free(perf);
}

static void open_cpu(struct counters_perf *perf, size_t cpu, int32_t package)
{
    struct cpu *whole = &perf->cpus[cpu];
    whole->package = package;
    const struct event_set *set = typed_events_of(&perf->events, perf->host, cpu, NULL);
    if (open_group(perf, &whole->total, set, cpu) == 0 && perf->clock_set.n_events > 0 &&
        open_group(perf, &whole->clock, &perf->clock_set, cpu) < 0)
        log_debug(perf->host->log, "perf: no clock counters on CPU %zu", cpu);
}

static int open_whole(struct counters_perf *perf, const struct topology *topology,
                      struct error *err)
{
    perf->n_cpus = (size_t)topology->n_cpus;
    perf->cpus = calloc(perf->n_cpus, sizeof(*perf->cpus));
    if (!perf->cpus)
        return error_set(err, -ENOMEM, "out of memory");
    event_set_clock(&perf->clock_set, perf->host);
    for (size_t cpu = 0; cpu < perf->n_cpus; cpu++)
        if (is_online(topology, cpu))
            open_cpu(perf, cpu, topology->package[cpu]);
    return cpu_busy_open(&perf->busy, perf->host, topology->n_cpus, err);
}

/* The books need no counter. */
static void find_cpu_ns(struct counters_perf *perf)
{
    perf->cpu_ns = CPU_NS_NONE;
    for (size_t i = 0; i < perf->events.n_columns; i++) {
        perf->is_exact[i] = !strcmp(perf->events.columns[i].name, EVENT_CPU_NS);
        if (perf->is_exact[i])
            perf->cpu_ns = i;
    }
    perf->tally.is_exact = perf->takes_booked ? perf->is_exact : NULL;
}

/* What runs there undisturbed is booked once a second. The list of CPUs is empty or "(null)" if
 * there is none. */
static bool has_tickless_cpus(const struct host *host)
{
    char list[4096];
    ssize_t length =
        host_read_text(list, sizeof(list), "%s/devices/system/cpu/nohz_full", host->sysfs);
    return length == -EFBIG || (length > 0 && isdigit((unsigned char)list[0]));
}

/* The coarse clocks move with the scheduler's tick. Source: clock_getres(2); KTIME_LOW_RES in
 * kernel/time/posix-timers.c. */
static int64_t find_tick_ns(void)
{
    struct timespec tick;
    bool is_known = clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && tick.tv_sec == 0 &&
                    tick.tv_nsec > 0 && tick.tv_nsec < TICK_MAX_NS;
    return is_known ? tick.tv_nsec : TICK_MAX_NS;
}

static int perf_open(struct engine **ret_engine, const struct host *host,
                     const struct topology *topology, enum granularity granularity,
                     const char *const *events, size_t n_events, const void *settings,
                     struct error *err)
{
    (void)settings;
    struct engine_probe probe;
    perf_probe(host, topology, granularity, &probe);
    if (!probe.is_usable)
        return error_set(err, -ENODEV, "%s", probe.reason);
    struct counters_perf *perf = calloc(1, sizeof(*perf));
    if (!perf)
        return error_set(err, -ENOMEM, "out of memory");
    perf->engine.ops = &counters_perf;
    perf->host = host;
    perf->tree_is_old = true;
    perf->n_allowed = descriptor_limit_raise();
    perf->set_is_asked = n_events > 0;
    perf->keeps_books = !host->perf_cgroupfs || host->cpuacct_cgroupfs;
    perf->takes_booked = !has_tickless_cpus(host);
    perf->tick_ns = find_tick_ns();
    int r = typed_events_choose(&perf->events, host, topology, events, n_events, err);
    if (r == 0)
        r = typed_events_fit(&perf->events, host, n_events > 0, err);
    find_cpu_ns(perf);
    if (r == 0)
        r = open_whole(perf, topology, err);
    if (r < 0) {
        perf_close(&perf->engine);
        return r;
    }
    *ret_engine = &perf->engine;
    return 0;
}

static int perf_describe(const struct engine *engine, struct host_record *host_record)
{
    return typed_events_describe(&((const struct counters_perf *)engine)->events, host_record);
}

/* ---- targets ---- */

/* Groups of a CPU that went away are dead for good, also when it comes back: they are closed and
 * opened anew. */
static void follow_cpus(struct counters_perf *perf, struct targets *targets,
                        const struct topology *topology)
{
    for (size_t cpu = 0; cpu < perf->n_cpus; cpu++) {
        struct cpu *whole = &perf->cpus[cpu];
        bool was_online = perf_group_is_open(&whole->total);
        if (was_online == is_online(topology, cpu))
            continue;
        if (!was_online)
            open_cpu(perf, cpu, topology->package[cpu]);
        else {
            whole->went_offline = true;
            close_group(perf, &whole->total);
            close_group(perf, &whole->clock);
        }
        for (size_t i = 0; i < targets_count(targets); i++) {
            struct perf_watch *watch = targets_at(targets, i)->engine_data;
            if (watch && was_online)
                close_group(perf, &watch->groups[cpu]);
            else if (watch)
                watch->has_gap = true;
        }
    }
}

/* Descriptors of all live targets, of the machine as a whole and of its clock, with so many events.
 */
static size_t bill_of(const struct counters_perf *perf, struct targets *targets,
                      const struct topology *topology, size_t n_events)
{
    size_t n_online = 0, n_groups = 0, n_clock = 0;
    for (size_t cpu = 0; cpu < perf->n_cpus; cpu++) {
        n_online += is_online(topology, cpu);
        n_clock += perf->cpus[cpu].clock.n_events;
    }
    for (size_t i = 0; i < targets_count(targets); i++) {
        const struct target *target = targets_at(targets, i);
        n_groups += !target->cgroup || !target_has_vanished(targets, target) ? n_online : 0;
    }
    return n_clock + n_groups * n_events;
}

static void shrink_all(struct counters_perf *perf, struct targets *targets, size_t n_events)
{
    for (size_t cpu = 0; cpu < perf->n_cpus; cpu++)
        shrink_group(perf, &perf->cpus[cpu].total, n_events);
    for (size_t i = 0; i < targets_count(targets); i++) {
        struct perf_watch *watch = targets_at(targets, i)->engine_data;
        for (size_t cpu = 0; watch && cpu < perf->n_cpus; cpu++)
            shrink_group(perf, &watch->groups[cpu], n_events);
    }
    typed_events_cut(&perf->events, n_events);
    find_cpu_ns(perf);
}

static void stop_keeping_books(struct counters_perf *perf, struct targets *targets)
{
    for (size_t i = 0; i < targets_count(targets); i++) {
        struct perf_watch *watch = targets_at(targets, i)->engine_data;
        perf->n_open -= watch && watch->usage_fd >= 0;
        if (watch)
            perf_watch_close_usage(watch);
    }
    perf->keeps_books = false;
}

/* What was given up stays so: a set that changes to and fro would be worth less. */
static int fit_events(struct counters_perf *perf, struct targets *targets,
                      const struct topology *topology)
{
    const struct counted_event *own = perf->events.sets[0].events; /* as all types */
    size_t n_before = typed_events_most(&perf->events), n_events = n_before;
    size_t n_least =
        perf->cpu_ns == CPU_NS_NONE ? 1 : (size_t)perf->events.columns[perf->cpu_ns].index + 1;
    char names[EVENT_SET_MAX * 32] = "";
    if (perf->keeps_books &&
        bill_of(perf, targets, topology, n_events) + targets_count(targets) > perf->n_allowed)
        stop_keeping_books(perf, targets);
    while (!perf->set_is_asked && n_events > n_least &&
           bill_of(perf, targets, topology, n_events) > perf->n_allowed)
        n_events--;
    if (n_events == n_before)
        return 0;
    for (size_t i = n_events; i < n_before; i++) {
        size_t length = strlen(names);
        (void)snprintf(names + length, sizeof(names) - length, " %s", own[i].name);
    }
    log_warning(perf->host->log,
                "perf: not counted from here on:%s: %zu targets x %zu CPUs x %zu events are more "
                "than the %zu descriptors allowed; raise LimitNOFILE (ulimit -n) and restart",
                names, targets_count(targets) - 1, perf->n_cpus, n_before, perf->n_allowed);
    shrink_all(perf, targets, n_events);
    return ENGINE_HAS_CHANGED;
}

static void warn_of_limit(struct counters_perf *perf, size_t n_unpaid, size_t n_targets)
{
    if (n_unpaid > 0 && !perf->has_warned)
        log_warning(perf->host->log,
                    "perf: %zu of %zu targets are not counted, their use is charged to what is "
                    "above them: each takes %zu events x %zu CPUs descriptors and %zu are allowed; "
                    "raise LimitNOFILE (ulimit -n), watch fewer targets (--target) or events "
                    "(--event)",
                    n_unpaid, n_targets, typed_events_most(&perf->events), perf->n_cpus,
                    perf->n_allowed);
    perf->has_warned = n_unpaid > 0;
}

static int meet_targets(struct counters_perf *perf, struct targets *targets)
{
    for (size_t i = 0; i < targets_count(targets); i++) {
        struct target *target = targets_at(targets, i);
        if (!target->cgroup || target->engine_data)
            continue;
        target->engine_data = perf_watch_new(perf->n_cpus);
        if (!target->engine_data)
            return -ENOMEM;
        perf->tree_is_old = true;
    }
    int r = perf->tree_is_old ? target_tree_build(&perf->tree, targets) : 0;
    perf->tree_is_old = r < 0;
    return r;
}

static void fill_watch(struct counters_perf *perf, const struct target *target,
                       const struct topology *topology)
{
    struct perf_watch *watch = target->engine_data;
    size_t n_left = perf->n_allowed > perf->n_open ? perf->n_allowed - perf->n_open : 0;
    perf->n_open -= perf_watch_descriptors(watch);
    perf_watch_fill(watch, &perf->events, target, perf->host, topology, n_left, perf->keeps_books);
    perf->n_open += perf_watch_descriptors(watch);
}

/* Returns whether the kernel opens such events at all. */
static bool open_targets(struct counters_perf *perf, struct targets *targets,
                         const struct topology *topology)
{
    size_t n_unpaid = 0;
    bool is_refused = false;
    for (size_t i = 0; i < perf->tree.n_targets; i++) {
        struct target *target = targets_at(targets, perf->tree.order[i]);
        struct perf_watch *watch = target->engine_data;
        if (!watch)
            continue;
        if ((watch->has_gap || watch->reason) && !target_has_vanished(targets, target))
            fill_watch(perf, target, topology);
        is_refused |= watch->is_refused;
        n_unpaid += watch->reason && !strcmp(watch->reason, "no_descriptors");
    }
    warn_of_limit(perf, n_unpaid, targets_count(targets) - 1);
    return !is_refused;
}

static int perf_set_targets(struct engine *engine, struct targets *targets,
                            const struct topology *topology, struct error *err)
{
    struct counters_perf *perf = (struct counters_perf *)engine;
    if (perf_controller_has_left(perf->host))
        return error_set(err, -ENOENT,
                         perf->host->perf_cgroupfs
                             ? "the perf_event controller has left the cgroup v1 hierarchy: "
                               "restart the sensor"
                             : "a cgroup v1 hierarchy has taken the perf_event controller: unmount "
                               "it (grep perf_event /proc/mounts) and restart the sensor");
    follow_cpus(perf, targets, topology);
    int r = meet_targets(perf, targets);
    if (r < 0)
        return error_set(err, r, "out of memory");
    r = fit_events(perf, targets, topology);
    if (!open_targets(perf, targets, topology))
        return error_set(err, -EACCES,
                         "perf events of new cgroups may not be opened any more: see "
                         "kernel.perf_event_paranoid and the capabilities kept");
    return r;
}

static void perf_release_target(struct engine *engine, struct target *target)
{
    struct counters_perf *perf = (struct counters_perf *)engine;
    struct perf_watch *watch = target->engine_data;
    if (!watch)
        return;
    perf->n_open -= perf_watch_descriptors(watch);
    perf_watch_free(watch);
    target->engine_data = NULL;
    perf->tree_is_old = true;
}

/* ---- read ---- */

/* Index of the package among those that have a CPU online, or n_packages. */
static size_t find_package(const struct topology *topology, int32_t package)
{
    size_t index = 0;
    while (index < topology->n_packages && topology->packages[index] != package)
        index++;
    return index;
}

static void read_watch(struct counters_perf *perf, struct targets *targets, size_t index,
                       size_t cpu, size_t package)
{
    struct perf_watch *watch = targets_at(targets, index)->engine_data;
    if (!watch)
        return;
    int r =
        perf_watch_read(watch, &perf->events, cpu, tally_cell(&perf->tally, index, package));
    if (r < 0) {
        tally_mark(&perf->tally, index, "read_error", true);
        close_group(perf, &watch->groups[cpu]);
        watch->has_gap = true;
    }
}

static void read_clock(struct counters_perf *perf, struct cpu *whole, struct clock_sample *sample)
{
    int64_t cell[EVENT_SET_MAX + 2] = {0};
    int64_t *const values[] = {&sample->tsc, &sample->aperf, &sample->mperf};
    static const char *const names[] = {"tsc", "aperf", "mperf"};
    if (!perf_group_is_open(&whole->clock) || perf_group_read(&whole->clock, cell) < 0)
        return;
    for (size_t i = 0; i < perf->clock_set.n_events; i++)
        for (size_t k = 0; k < ARRAY_SIZE(names); k++)
            if (!strcmp(perf->clock_set.events[i].name, names[k]))
                *values[k] = (*values[k] == VALUE_ABSENT ? 0 : *values[k]) + cell[i];
}

/* Targets deepest first, then the whole: what is read later has more, so that nothing becomes
 * negative. */
static void read_cpu(struct counters_perf *perf, struct targets *targets, size_t cpu,
                     size_t package, struct clock_sample *clock)
{
    struct cpu *whole = &perf->cpus[cpu];
    for (size_t i = perf->tree.n_targets; i-- > 0;)
        read_watch(perf, targets, perf->tree.order[i], cpu, package);
    int r = perf_group_is_open(&whole->total)
                ? typed_events_read(&perf->events, &whole->total, cpu,
                                    tally_total(&perf->tally, package))
                : -ENODEV;
    if (r < 0) {
        tally_mark_total(&perf->tally, package, "read_error", true);
        close_group(perf, &whole->total); /* it is opened again before the next read */
        close_group(perf, &whole->clock);
    }
    read_clock(perf, whole, clock);
}

/* The rows of targets that were on a CPU which has left lack what it counted last. */
static void mark_offline(struct counters_perf *perf, struct targets *targets,
                         const struct topology *topology, struct report *report)
{
    for (size_t cpu = 0; cpu < perf->n_cpus; cpu++) {
        if (!perf->cpus[cpu].went_offline)
            continue;
        perf->cpus[cpu].went_offline = false;
        reasons_add(&report->reasons, "cpu_offline");
        size_t package = find_package(topology, perf->cpus[cpu].package);
        if (package < topology->n_packages)
            tally_mark_total(&perf->tally, package, "cpu_offline", false);
        for (size_t i = 1; i < targets_count(targets); i++)
            tally_mark(&perf->tally, i, "cpu_offline", false);
    }
}

static void mark_unopened(struct counters_perf *perf, struct targets *targets)
{
    for (size_t i = 0; i < targets_count(targets); i++) {
        const struct target *target = targets_at(targets, i);
        const struct perf_watch *watch = target->engine_data;
        if (watch && watch->reason && !target_has_vanished(targets, target))
            tally_mark(&perf->tally, i, watch->reason, true);
    }
}

/* Busy time in place of the system-wide task clock, for the share of the time that the group was
 * counted: one scale then holds for the whole row. Not less than what the targets have. */
static void put_busy_time(struct counters_perf *perf, const struct topology *topology)
{
    size_t n_events = perf->events.n_columns;
    int r = cpu_busy_read(&perf->busy);
    for (size_t package = 0; package < topology->n_packages; package++) {
        if (r < 0) {
            tally_mark_total(&perf->tally, package, "read_error", true);
            continue;
        }
        int64_t *total = tally_total(&perf->tally, package);
        int64_t enabled = total[n_events], running = total[n_events + 1];
        double share = enabled > 0 && running > 0 ? (double)running / (double)enabled : 1;
        double used_ns = (double)tally_sum(&perf->tally, package, perf->cpu_ns) / share;
        int64_t busy_ns = cpu_busy_take(&perf->busy, topology, topology->packages[package],
                                        (int64_t)(used_ns + 0.5));
        total[perf->cpu_ns] = (int64_t)((double)busy_ns * share + 0.5);
    }
}

/* Deepest first, as they are read: who is above a cgroup that ran is not taken for still. */
static void look_at_watches(struct counters_perf *perf, struct targets *targets)
{
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    perf->span = (struct perf_span){
        .wall_ns = (int64_t)(now_ns - perf->looked_ns),
        .n_late = (int64_t)(perf->n_cpus < LATE_CPUS_MAX ? perf->n_cpus : LATE_CPUS_MAX)};
    perf->looked_ns = now_ns;
    for (size_t i = perf->tree.n_targets; i-- > 0;) {
        const struct target *target = targets_at(targets, perf->tree.order[i]);
        if (target->engine_data)
            perf_watch_look(target->engine_data, target, perf->host);
    }
}

/* Targets below out of those above, and the scheduler's own CPU time where it is known. All groups
 * were read after all books. */
static void settle(struct counters_perf *perf, struct targets *targets)
{
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    perf->span.late_ns = perf->tick_ns + (int64_t)(now_ns - perf->looked_ns);
    bool takes_booked = perf->takes_booked && perf->cpu_ns != CPU_NS_NONE;
    if (takes_booked)
        perf_booked_note(&perf->tally, targets, perf->cpu_ns);
    tally_settle(&perf->tally, &perf->tree);
    if (takes_booked)
        perf_booked_put(&perf->tally, &perf->tree, targets, perf->cpu_ns, perf->span);
}

/* Fills the tally; clock samples go straight into the report. */
static int count(struct counters_perf *perf, struct targets *targets,
                 const struct topology *topology, struct report *report)
{
    look_at_watches(perf, targets);
    for (size_t package = 0; package < topology->n_packages; package++) {
        struct clock_sample sample = {topology->packages[package], VALUE_ABSENT, VALUE_ABSENT,
                                      VALUE_ABSENT};
        for (size_t cpu = 0; cpu < perf->n_cpus; cpu++)
            if (is_online(topology, cpu) && topology->package[cpu] == sample.package)
                read_cpu(perf, targets, cpu, package, &sample);
        if (!perf->has_read || perf->clock_set.n_events == 0)
            continue;
        struct clock_sample *added;
        int r = report_add_clock(report, &added);
        if (r < 0)
            return r;
        *added = sample;
    }
    return 0;
}

static int perf_read(struct engine *engine, struct targets *targets,
                     const struct topology *topology, struct report *report)
{
    struct counters_perf *perf = (struct counters_perf *)engine;
    if (perf->tree.n_targets != targets_count(targets))
        return 0; /* set_targets failed and said so */
    int r = tally_begin(&perf->tally, targets_count(targets), topology->n_packages,
                        perf->events.n_columns, true);
    if (r < 0)
        return r;
    mark_offline(perf, targets, topology, report);
    mark_unopened(perf, targets);
    r = count(perf, targets, topology, report);
    if (r < 0)
        return r;
    settle(perf, targets);
    if (perf->cpu_ns != CPU_NS_NONE)
        put_busy_time(perf, topology);
    if (!perf->has_read) {
        perf->has_read = true;
        return 0;
    }
    for (size_t i = 0; i < perf->events.n_columns; i++) {
        r = report_add_event(report, perf->events.columns[i].name);
        if (r < 0)
            return r;
    }
    return tally_publish(&perf->tally, targets, topology->packages, report);
}

const struct engine_ops counters_perf = {
    .name = "perf",
    .capabilities = UINT64_C(1) << CAP_PERFMON, /* new targets and CPUs */
    .does_events = true,
    .opens_events = true,
    .about = "perf events per cgroup and CPU, through libpfm4",
    .does_cgroup = true,
    .is_in_perf_tree = true,
    .probe = perf_probe,
    .open = perf_open,
    .describe = perf_describe,
    .set_targets = perf_set_targets,
    .read = perf_read,
    .release_target = perf_release_target,
    .close = perf_close,
};
