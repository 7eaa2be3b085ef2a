/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads are by group: one system call, one moment for all events. Members are told by their place,
 * which is the order of opening; a group that the kernel took apart has another number of members
 * and is refused. */
#include "sensor/perf_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "sensor/host.h"

/* Layout of a group read: nr, enabled, running, values. */
enum { READ_NR, READ_ENABLED, READ_RUNNING, READ_VALUES };

static int open_event(const struct counted_event *event, int cgroup_fd, int cpu, int leader_fd)
{
    struct perf_event_attr attr = event->attr;
    unsigned long flags = PERF_FLAG_FD_CLOEXEC | (cgroup_fd >= 0 ? PERF_FLAG_PID_CGROUP : 0);
    attr.disabled = leader_fd < 0;
    long fd = syscall(SYS_perf_event_open, &attr, cgroup_fd, cpu, leader_fd, flags);
    return fd < 0 ? -errno : (int)fd;
}

int perf_group_open(struct perf_group *group, const struct event_set *set, int cgroup_fd, int cpu)
{
    struct perf_group opened = {
        .fds = malloc(set->n_events * sizeof(int)),
        .last = calloc(set->n_events + 2, sizeof(uint64_t)),
    };
    int r = opened.fds && opened.last ? 0 : -ENOMEM;
    while (r == 0 && opened.n_events < set->n_events) {
        int fd = open_event(&set->events[opened.n_events], cgroup_fd, cpu,
                            opened.n_events ? opened.fds[0] : -1);
        if (fd < 0)
            r = fd;
        else
            opened.fds[opened.n_events++] = fd;
    }
    if (r == 0 && ioctl(opened.fds[0], PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP) < 0)
        r = -errno;
    if (r < 0) {
        perf_group_close(&opened);
        return r;
    }
    *group = opened;
    return 0;
}

int perf_group_values(const struct perf_group *group, uint64_t *values)
{
    uint64_t read_values[READ_VALUES + EVENT_SET_MAX];
    size_t n = group->n_events;
    ssize_t size = read(group->fds[0], read_values, sizeof(read_values));
    if (size < 0)
        return -errno;
    if ((size_t)size != (READ_VALUES + n) * sizeof(uint64_t) || read_values[READ_NR] != n)
        return -ENODATA;
    for (size_t i = 0; i < n; i++)
        values[i] = read_values[READ_VALUES + i];
    values[n] = read_values[READ_ENABLED];
    values[n + 1] = read_values[READ_RUNNING];
    return 0;
}

int perf_group_read(struct perf_group *group, int64_t *cell)
{
    uint64_t values[EVENT_SET_MAX + 2];
    int r = perf_group_values(group, values);
    for (size_t i = 0; i < group->n_events + 2 && r >= 0; i++) {
        if (values[i] > group->last[i])
            cell[i] += (int64_t)(values[i] - group->last[i]);
        group->last[i] = values[i];
    }
    return r;
}

static bool does_run(const struct event_set *set, int cpu, int *ret_r)
{
    struct perf_group group = {0};
    int64_t cell[EVENT_SET_MAX + 2] = {0};
    size_t n = set->n_events;
    *ret_r = perf_group_open(&group, set, -1, cpu);
    if (*ret_r == 0)
        *ret_r = perf_group_read(&group, cell);
    perf_group_close(&group);
    return *ret_r == 0 && (cell[n] == 0 || cell[n + 1] > 0);
}

const char *perf_group_rival(const struct host *host)
{
    int64_t is_on;
    if (host_read_int64(&is_on, "%s/sys/kernel/nmi_watchdog", host->procfs) < 0 || is_on == 0)
        return "";
    return "; the NMI watchdog holds a counter: sysctl kernel.nmi_watchdog=0 frees it";
}

int perf_group_fit(struct event_set *set, int cpu, bool is_asked, const struct host *host,
                   struct error *err)
{
    int r;
    while (!does_run(set, cpu, &r)) {
        bool does_not_fit = r == 0 || r == -EINVAL || r == -ENOSPC;
        if (!does_not_fit || is_asked || set->n_events == 1)
            return error_set(err, r < 0 ? r : -ENOSPC,
                             "the %zu events cannot be counted together: %s%s", set->n_events,
                             r < 0 ? strerror(-r) : "the counters are taken",
                             perf_group_rival(host));
        log_warning(host->log, "perf: %s does not fit beside the other events%s",
                    set->events[set->n_events - 1].name, perf_group_rival(host));
        set->n_events--;
    }
    return 0;
}

void perf_group_shrink(struct perf_group *group, size_t n_events)
{
    if (group->n_events <= n_events)
        return;
    for (size_t i = 0; i < 2; i++) /* enabled and running follow the counts */
        group->last[n_events + i] = group->last[group->n_events + i];
    while (group->n_events > n_events)
        (void)close(group->fds[--group->n_events]);
}

void perf_group_close(struct perf_group *group)
{
    /* Members first: closing the leader would only detach them. */
    for (size_t i = group->n_events; i-- > 0;)
        (void)close(group->fds[i]);
    free(group->fds);
    free(group->last);
    *group = (struct perf_group){0};
}
