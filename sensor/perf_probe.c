/* SPDX-License-Identifier: BSD-3-Clause */
/* The only proof that cgroups can be counted is to open such an event: the kernel's answer then
 * tells what is amiss. */
#include "sensor/perf_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/events.h"
#include "common/scope.h"
#include "sensor/descriptor_limit.h"
#include "sensor/perf_group.h"
#include "sensor/typed_events.h"

static void explain(const struct host *host, int r, struct engine_probe *probe)
{
    int64_t paranoid = -1;
    switch (-r) {
    case EACCES:
    case EPERM:
        (void)host_read_int64(&paranoid, "%s/sys/kernel/perf_event_paranoid", host->procfs);
        (void)snprintf(
            probe->reason, sizeof(probe->reason),
            "perf events of cgroups may not be opened (kernel.perf_event_paranoid is %d)",
            (int)paranoid);
        (void)snprintf(probe->advice, sizeof(probe->advice),
                       paranoid >= 3 ? "run as root, or sysctl kernel.perf_event_paranoid=0"
                                     : "setcap cap_perfmon=ep watt-sensor, or sysctl "
                                       "kernel.perf_event_paranoid=0");
        break;
    case ENOENT:
        (void)snprintf(probe->reason, sizeof(probe->reason),
                       "the perf_event controller is not on the tree of cgroups %s",
                       host_perf_tree(host));
        (void)snprintf(probe->advice, sizeof(probe->advice),
                       "grep perf_event /proc/mounts: leave --cgroupfs out, name that mount, or "
                       "unmount it");
        break;
    case EBADF:
        (void)snprintf(probe->reason, sizeof(probe->reason), "%s is no cgroup mount",
                       host_perf_tree(host));
        break;
    case ENOSYS:
        (void)snprintf(probe->reason, sizeof(probe->reason), "this kernel has no perf events");
        break;
    default:
        (void)snprintf(probe->reason, sizeof(probe->reason), "perf events cannot be opened: %s",
                       strerror(-r));
    }
}

static int try_cgroup_event(const struct host *host, const struct topology *topology)
{
    struct event_set set = {0};
    struct perf_group group = {0};
    int r = event_set_add(&set, EVENT_CPU_NS, "perf::TASK-CLOCK", NULL);
    if (r < 0)
        return r;
    SCOPED(scope_close) int fd = open(host_perf_tree(host), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = perf_group_open(&group, &set, fd, topology_first_online(topology));
    if (r == 0)
        perf_group_close(&group);
    return r;
}

/* What the limit of descriptors allows: that many targets, less the machine as a whole. */
static void explain_limit(const struct host *host, const struct topology *topology,
                          struct engine_probe *probe)
{
    struct typed_events events;
    struct host silent = *host;
    size_t n_cpus = 0, n_allowed = descriptor_limit_raise();
    silent.log = NULL;
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        n_cpus += topology->is_online[cpu];
    size_t n_events = 1;
    if (typed_events_choose(&events, &silent, topology, NULL, 0, NULL) == 0) {
        n_events = typed_events_most(&events);
        typed_events_deinit(&events);
    }
    size_t n_groups = n_cpus > 0 ? n_allowed / n_cpus : 0;
    probe->is_usable = n_groups >= 2;
    (void)snprintf(probe->reason, sizeof(probe->reason),
                   "perf events per cgroup and CPU; the limit of descriptors allows %zu cgroups "
                   "with all %zu events, %zu with CPU time alone",
                   n_groups / n_events ? n_groups / n_events - 1 : 0, n_events,
                   n_groups ? n_groups - 1 : 0);
    if (!probe->is_usable)
        (void)snprintf(probe->advice, sizeof(probe->advice), "ulimit -n, or LimitNOFILE");
}

void perf_probe(const struct host *host, const struct topology *topology,
                enum granularity granularity, struct engine_probe *ret_probe)
{
    (void)granularity; /* cgroups, always */
    *ret_probe = (struct engine_probe){0};
    if (!host_perf_tree(host)) {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "there is no cgroup2 mount");
        (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice),
                       "mount -t cgroup2 none /sys/fs/cgroup");
        return;
    }
    int r = try_cgroup_event(host, topology);
    if (r < 0) {
        explain(host, r, ret_probe);
        return;
    }
    explain_limit(host, topology, ret_probe);
}

bool perf_wants_admin(const struct host *host)
{
    int64_t paranoid;
    return host_read_int64(&paranoid, "%s/sys/kernel/perf_event_paranoid", host->procfs) == 0 &&
           paranoid >= 3;
}

bool perf_controller_has_left(const struct host *host)
{
    static const char name[] = "\nperf_event\t";
    char text[4096];
    if (host_read_text(text, sizeof(text), "%s/cgroups", host->procfs) < 0)
        return false;
    const char *line = strstr(text, name);
    return line && (strtol(line + strlen(name), NULL, 10) > 0) != (host->perf_cgroupfs != NULL);
}
