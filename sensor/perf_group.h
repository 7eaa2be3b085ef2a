/* SPDX-License-Identifier: BSD-3-Clause */
/* One group of events on one CPU, of one cgroup or of everything. All its events are on the hardware together or not at all, so one
 * enabled and running time holds for all. Source: perf_event_open(2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sensor/event_set.h"

struct error;
struct host;

/* The zero value is closed. */
struct perf_group {
    size_t n_events;
    int *fds;       /* [n_events], the leader first */
    uint64_t *last; /* [n_events + 2]: counts, enabled, running */
};

static inline bool perf_group_is_open(const struct perf_group *group)
{
    return group->fds != NULL;
}

/* cgroup_fd: its directory, -1: everything on the CPU. Counting starts at 0, now. The errno of perf_event_open: -ENODEV CPU offline, -ENOENT
 * cgroup gone (or the perf hierarchy is elsewhere), -EMFILE, -EACCES; -EINVAL the events do not fit together. */
int perf_group_open(struct perf_group *group, const struct event_set *set, int cgroup_fd, int cpu);
/* A group that fits on paper may never get onto the hardware, for instance when the NMI watchdog holds a counter: takes events from the end of
 * the set until the group really runs on that CPU, with a warning for each. A set that was asked for is not cut: -ENOSPC, as for one event
 * that cannot run, or the errno of perf_group_open. */
int perf_group_fit(struct event_set *set, int cpu, bool is_asked, const struct host *host, struct error *err);
/* Who may hold a counter that is missing, and what frees it, to follow a sentence: the NMI watchdog where it is on (PROCFS/sys/kernel/nmi_watchdog), else "". */
const char *perf_group_rival(const struct host *host);
/* Adds the increases since the last read to cell[n_events + 2]. -ENODATA: the kernel took the group apart (its CPU went offline). */
int perf_group_read(struct perf_group *group, int64_t *cell);
/* What stands in the counters: values[n_events + 2], as above. Errors as perf_group_read; the increases it gives are not touched. */
int perf_group_values(const struct perf_group *group, uint64_t *values);
/* Goes on with the first n_events of the set alone; what they counted stays. */
void perf_group_shrink(struct perf_group *group, size_t n_events);
void perf_group_close(struct perf_group *group);
