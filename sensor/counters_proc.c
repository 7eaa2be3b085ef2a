/* SPDX-License-Identifier: BSD-3-Clause */
/* Engine "proc": CPU time from files that anybody may read. With process granularity it looks at
 * every process (process_table.h); with cgroup granularity it reads cpu.stat of each target's
 * cgroup, which the kernel keeps in microseconds whatever controllers are on, descendants included;
 * cgroup v1 keeps the same in cpuacct.usage, in a tree of its own that runtimes fill alike.
 * It cannot tell packages. Nothing needs a right; CAP_NET_ADMIN, at the opening only, adds what
 * ended between two ticks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/events.h"
#include "common/log.h"
#include "common/scope.h"
#include "sensor/cgroup_usage.h"
#include "sensor/cpu_busy.h"
#include "sensor/descriptor_limit.h"
#include "sensor/engine.h"
#include "sensor/process_table.h"
#include "sensor/tally.h"

/* cpu.stat or cpuacct.usage of one cgroup. */
struct usage {
    int fd;
    uint64_t last_us;
    const char *reason; /* why there is no fd */
};

struct counters_proc {
    struct engine engine;
    const struct host *host;
    enum granularity granularity;
    struct cpu_busy busy;
    size_t n_open, n_allowed; /* descriptors of cgroups */
    bool has_warned;
    struct process_table *processes;
    struct target_tree tree;
    bool tree_is_old;
    struct tally tally;
    bool has_read;
    bool has_lost; /* ends of processes, in the last tick */
};

static void probe_exits(const struct host *host, struct engine_probe *probe)
{
    struct process_table *processes;
    struct error why = {0};
    probe->is_usable = process_table_new(&processes, host, &why) == 0;
    if (!probe->is_usable) {
        (void)snprintf(probe->reason, sizeof(probe->reason), "%s", why.text);
        return;
    }
    const struct error *blindness = process_table_blindness(processes);
    (void)snprintf(probe->reason, sizeof(probe->reason),
                   "CPU time per process, not per package; what ends between two ticks is %s%s",
                   blindness ? "not seen: " : "seen too", blindness ? blindness->text : "");
    if (blindness && blindness->code == -EPERM)
        (void)snprintf(probe->advice, sizeof(probe->advice),
                       "run as root, or setcap cap_net_admin=ep watt-sensor");
    process_table_free(processes);
}

static void proc_probe(const struct host *host, const struct topology *topology,
                       enum granularity granularity, struct engine_probe *ret_probe)
{
    *ret_probe = (struct engine_probe){0};
    struct cpu_busy busy;
    struct error err = {0};
    if (cpu_busy_open(&busy, host, topology->n_cpus, &err) < 0) {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "%s", err.text);
        return;
    }
    cpu_busy_close(&busy);
    if (granularity == GRANULARITY_CGROUP && host->perf_cgroupfs && !host->cpuacct_cgroupfs) {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                       "cgroup v1 without its cpuacct controller");
        (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice), "--granularity process");
        return;
    }
    if (granularity == GRANULARITY_CGROUP && !host_perf_tree(host)) {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "there is no cgroup2 mount");
        (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice),
                       "mount -t cgroup2 none /sys/fs/cgroup, or --granularity process");
        return;
    }
    ret_probe->is_usable = true;
    if (granularity == GRANULARITY_CGROUP)
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                       "CPU time per cgroup, not per package; needs no privilege");
    else
        probe_exits(host, ret_probe);
}

static void proc_close(struct engine *engine)
{
    struct counters_proc *proc = (struct counters_proc *)engine;
    cpu_busy_close(&proc->busy);
    process_table_free(proc->processes);
    target_tree_deinit(&proc->tree);
    tally_deinit(&proc->tally);
    free(proc);
}

extern const struct engine_ops counters_proc;

static int check_events(const char *const *events, size_t n_events, struct error *err)
{
    for (size_t i = 0; i < n_events; i++)
        if (strcmp(event_canonical(events[i]), EVENT_CPU_NS) != 0)
            return error_set(
                err, -EINVAL,
                "event \"%s\": the proc engine counts only %s; watt doctor says what others need",
                events[i], EVENT_CPU_NS);
    if (n_events > 1)
        return error_set(err, -EINVAL, "event \"%s\": \"%s\" is asked for twice", events[1],
                         EVENT_CPU_NS);
    return 0;
}

static int proc_open(struct engine **ret_engine, const struct host *host,
                     const struct topology *topology, enum granularity granularity,
                     const char *const *events, size_t n_events, const void *settings,
                     struct error *err)
{
    (void)settings;
    int r = check_events(events, n_events, err);
    if (r < 0)
        return r;
    struct counters_proc *proc = calloc(1, sizeof(*proc));
    if (!proc)
        return error_set(err, -ENOMEM, "out of memory");
    proc->engine.ops = &counters_proc;
    proc->host = host;
    proc->granularity = granularity;
    proc->tree_is_old = true;
    proc->n_allowed = descriptor_limit_raise();
    r = cpu_busy_open(&proc->busy, host, topology->n_cpus, err);
    if (r == 0 && granularity == GRANULARITY_PROCESS)
        r = process_table_new(&proc->processes, host, err);
    if (r < 0) {
        proc_close(&proc->engine);
        return r;
    }
    *ret_engine = &proc->engine;
    return 0;
}

static int proc_describe(const struct engine *engine, struct host_record *host_record)
{
    (void)engine;
    struct host_event *event;
    int r = host_record_add_event(host_record, &event);
    if (r == 0)
        (void)snprintf(event->name, sizeof(event->name), "%s", EVENT_CPU_NS);
    return r;
}

/* Once: the rows say it from then on. */
static void warn_of_limit(struct counters_proc *proc)
{
    if (!proc->has_warned)
        log_warning(proc->host->log,
                    "proc: cgroups beyond %zu are not counted, their use is charged to what is "
                    "above them: each takes a descriptor; raise LimitNOFILE (ulimit -n), or watch "
                    "fewer targets (--target)",
                    proc->n_open);
    proc->has_warned = true;
}

static void open_usage(struct counters_proc *proc, struct usage *usage, const struct target *target)
{
    bool is_allowed = proc->n_open < proc->n_allowed;
    SCOPED(scope_close) int fd = is_allowed ? cgroup_usage_open_target(target, proc->host) : -EMFILE;
    int r = fd < 0 ? fd : cgroup_usage_read(fd, &usage->last_us);
    if (r == 0) {
        usage->fd = STEAL_FD(fd);
        usage->reason = NULL;
        proc->n_open++;
    } else if (r == -EMFILE || r == -ENFILE) {
        usage->reason = "no_descriptors";
        warn_of_limit(proc);
    } else {
        usage->reason = r == -ENOENT || r == -ENODEV || r == -ESTALE ? "vanished" : "read_error";
    }
}

static int proc_set_targets(struct engine *engine, struct targets *targets,
                            const struct topology *topology, struct error *err)
{
    (void)topology;
    struct counters_proc *proc = (struct counters_proc *)engine;
    if (proc->granularity == GRANULARITY_PROCESS)
        return 0;
    for (size_t i = 0; i < targets_count(targets); i++) {
        struct target *target = targets_at(targets, i);
        struct usage *usage = target->engine_data;
        if (!target->cgroup)
            continue;
        if (!usage) {
            proc->tree_is_old = true;
            usage = calloc(1, sizeof(*usage));
            if (!usage)
                return error_set(err, -ENOMEM, "out of memory");
            usage->fd = -1;
            target->engine_data = usage;
        }
        if (usage->fd < 0 && !target_has_vanished(targets, target))
            open_usage(proc, usage, target);
    }
    if (!proc->tree_is_old)
        return 0;
    int r = target_tree_build(&proc->tree, targets);
    if (r < 0)
        return error_set(err, r, "out of memory");
    proc->tree_is_old = false;
    return 0;
}

static void proc_release_target(struct engine *engine, struct target *target)
{
    struct counters_proc *proc = (struct counters_proc *)engine;
    if (proc->granularity == GRANULARITY_PROCESS) {
        process_table_release(target);
        return;
    }
    struct usage *usage = target->engine_data;
    if (!usage)
        return;
    proc->n_open -= usage->fd >= 0;
    if (usage->fd >= 0)
        (void)close(usage->fd);
    free(usage);
    target->engine_data = NULL;
    proc->tree_is_old = true;
}

/* A removed cgroup's file fails at once, so its last stretch shows in the target above it or in
 * other. */
static void count_cgroup(struct tally *tally, size_t index, struct usage *usage, bool has_vanished)
{
    uint64_t now_us;
    if (usage->fd < 0) {
        if (!has_vanished)
            tally_mark(tally, index, usage->reason, true);
        return;
    }
    int r = cgroup_usage_read(usage->fd, &now_us);
    if (r < 0) {
        if (!has_vanished && r != -ENODEV)
            tally_mark(tally, index, "read_error", true);
        return;
    }
    if (now_us > usage->last_us)
        tally_cell(tally, index, 0)[0] = (int64_t)((now_us - usage->last_us) * 1000);
    usage->last_us = now_us;
}

static void count_targets(struct counters_proc *proc, struct targets *targets)
{
    for (size_t i = 0; i < targets_count(targets); i++) {
        const struct target *target = targets_at(targets, i);
        if (!target->engine_data)
            continue;
        if (proc->granularity == GRANULARITY_PROCESS)
            tally_cell(&proc->tally, i, 0)[0] = (int64_t)process_table_cpu_ns(targets, target);
        else
            count_cgroup(&proc->tally, i, target->engine_data,
                         target_has_vanished(targets, target));
    }
}

static void note_lost(struct counters_proc *proc, bool has_lost, struct report *report)
{
    if (has_lost)
        reasons_add(&report->reasons, "exits_lost");
    if (has_lost && !proc->has_lost)
        log_warning(proc->host->log,
                    "proc: more processes ended than the kernel could tell of until this tick; the "
                    "rest of them is in \"other\" (a shorter interval holds more a second)");
    proc->has_lost = has_lost;
}

static int proc_read(struct engine *engine, struct targets *targets,
                     const struct topology *topology, struct report *report)
{
    (void)topology;
    struct counters_proc *proc = (struct counters_proc *)engine;
    int scanned = proc->processes ? process_table_scan(proc->processes, targets) : 0;
    int r = tally_begin(&proc->tally, targets_count(targets), 1, 1, false);
    if (r < 0 || scanned == -ENOMEM)
        return -ENOMEM;
    if (scanned >= 0)
        count_targets(proc, targets);
    note_lost(proc, scanned == PROCESSES_LOST, report);
    if (proc->granularity == GRANULARITY_CGROUP)
        tally_settle(&proc->tally, &proc->tree);
    if (cpu_busy_read(&proc->busy) < 0)
        tally_mark_total(&proc->tally, 0, "read_error", true);
    else
        tally_total(&proc->tally, 0)[0] =
            cpu_busy_take(&proc->busy, NULL, PACKAGE_NONE, tally_sum(&proc->tally, 0, 0));
    if (!proc->has_read) {
        proc->has_read = true;
        return 0;
    }
    if (scanned < 0)
        reasons_add(&report->reasons, "read_error");
    r = report_add_event(report, EVENT_CPU_NS);
    return r < 0 ? r : tally_publish(&proc->tally, targets, NULL, report);
}

const struct engine_ops counters_proc = {
    .name = "proc",
    .about = "CPU time per process or cgroup from /proc and cpu.stat, without privileges",
    .does_process = true,
    .does_cgroup = true,
    .is_in_perf_tree = true,
    .probe = proc_probe,
    .open = proc_open,
    .describe = proc_describe,
    .set_targets = proc_set_targets,
    .read = proc_read,
    .release_target = proc_release_target,
    .close = proc_close,
};
