/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/perf_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/scope.h"
#include "sensor/cgroup_usage.h"

struct perf_watch *perf_watch_new(size_t n_cpus)
{
    struct perf_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    *watch = (struct perf_watch){.n_cpus = n_cpus,
                                  .usage_fd = -1,
                                  .usage_us = UINT64_MAX,
                                  .booked_us = VALUE_ABSENT,
                                  .has_gap = true};
    watch->groups = calloc(n_cpus ? n_cpus : 1, sizeof(*watch->groups));
    if (watch->groups)
        return watch;
    free(watch);
    return NULL;
}

static void close_all(struct perf_watch *watch)
{
    for (size_t cpu = 0; cpu < watch->n_cpus; cpu++)
        perf_group_close(&watch->groups[cpu]);
    perf_watch_close_usage(watch);
    watch->usage_us = UINT64_MAX; /* what passes until it is opened again is not its own */
}

void perf_watch_free(struct perf_watch *watch)
{
    if (!watch)
        return;
    close_all(watch);
    free(watch->groups);
    free(watch);
}

size_t perf_watch_descriptors(const struct perf_watch *watch)
{
    size_t n = watch->usage_fd >= 0;
    for (size_t cpu = 0; cpu < watch->n_cpus; cpu++)
        n += watch->groups[cpu].n_events;
    return n;
}

static const char *reason_of(int r)
{
    switch (-r) {
    case EMFILE:
    case ENFILE:
        return "no_descriptors";
    case ENOENT:
    case ENODEV:
    case ESTALE:
        return "vanished";
    case EACCES:
    case EPERM:
        return "permission";
    default:
        return "open_error";
    }
}

static bool lacks_group(const struct perf_watch *watch, const struct topology *topology, size_t cpu)
{
    return cpu < (size_t)topology->n_cpus && topology->is_online[cpu] &&
           !perf_group_is_open(&watch->groups[cpu]);
}

/* The books of a cgroup, from the file that is kept open or from one that is opened for this. */
static bool read_usage(const struct perf_watch *watch, const struct target *target,
                       const struct host *host, uint64_t *ret_us)
{
    if (watch->usage_fd >= 0)
        return cgroup_usage_read(watch->usage_fd, ret_us) == 0;
    SCOPED(scope_close) int fd = cgroup_usage_open_target(target, host);
    return fd >= 0 && cgroup_usage_read(fd, ret_us) == 0;
}

/* From here on, as the groups count. */
static void begin_books(struct perf_watch *watch, const struct target *target,
                        const struct host *host, bool keeps_books)
{
    if (keeps_books && watch->usage_fd < 0) {
        int fd = cgroup_usage_open_target(target, host);
        watch->usage_fd = fd < 0 ? -1 : fd;
    }
    if (watch->usage_us == UINT64_MAX && !read_usage(watch, target, host, &watch->usage_us))
        watch->usage_us = UINT64_MAX;
}

/* A CPU that went offline meanwhile is a gap to close later. */
static int open_missing(struct perf_watch *watch, struct typed_events *events,
                        const struct target *target, const struct host *host,
                        const struct topology *topology, size_t n_left, bool keeps_books)
{
    size_t n_wanted = keeps_books && watch->usage_fd < 0;
    for (size_t cpu = 0; cpu < watch->n_cpus; cpu++) {
        const struct event_set *set = lacks_group(watch, topology, cpu)
                                          ? typed_events_of(events, host, cpu, NULL)
                                          : NULL;
        n_wanted += set ? set->n_events : 0;
    }
    if (n_wanted > n_left)
        return -EMFILE;
    SCOPED(scope_close) int cgroup_fd = target_open_cgroup(target, host_perf_tree(host));
    if (cgroup_fd < 0)
        return cgroup_fd;
    watch->has_gap = false;
    for (size_t cpu = 0; cpu < watch->n_cpus; cpu++) {
        if (!lacks_group(watch, topology, cpu))
            continue;
        const struct event_set *set = typed_events_of(events, host, cpu, NULL);
        int r = set ? perf_group_open(&watch->groups[cpu], set, cgroup_fd, (int)cpu) : -ENODEV;
        watch->is_refused = r == -EACCES || r == -EPERM;
        if (r == -ENODEV)
            watch->has_gap = true;
        else if (r < 0)
            return r;
    }
    begin_books(watch, target, host, keeps_books);
    return 0;
}

void perf_watch_fill(struct perf_watch *watch, struct typed_events *events,
                     const struct target *target, const struct host *host,
                     const struct topology *topology, size_t n_left, bool keeps_books)
{
    int r = open_missing(watch, events, target, host, topology, n_left, keeps_books);
    if (r < 0)
        close_all(watch);
    watch->reason = r < 0 ? reason_of(r) : NULL;
}

void perf_watch_close_usage(struct perf_watch *watch)
{
    if (watch->usage_fd >= 0)
        (void)close(watch->usage_fd);
    watch->usage_fd = -1;
    watch->is_still = false;
}

void perf_watch_look(struct perf_watch *watch, const struct target *target,
                     const struct host *host)
{
    uint64_t now_us;
    bool is_known = !watch->reason && read_usage(watch, target, host, &now_us);
    watch->is_still = is_known && !host->perf_cgroupfs && now_us == watch->usage_us &&
                      watch->n_ran == 0;
    watch->n_ran = 0;
    watch->booked_us = VALUE_ABSENT;
    if (is_known && watch->usage_us != UINT64_MAX)
        watch->booked_us = now_us > watch->usage_us ? (int64_t)(now_us - watch->usage_us) : 0;
    watch->usage_us = is_known ? now_us : UINT64_MAX;
}

int perf_watch_read(struct perf_watch *watch, const struct typed_events *events, size_t cpu,
                    int64_t *cell)
{
    struct perf_group *group = &watch->groups[cpu];
    if (watch->is_still || !perf_group_is_open(group))
        return 0;
    uint64_t enabled_ns = group->last[group->n_events];
    int r = typed_events_read(events, group, cpu, cell);
    watch->n_ran += r == 0 && group->last[group->n_events] != enabled_ns;
    return r;
}
