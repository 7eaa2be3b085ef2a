/* SPDX-License-Identifier: BSD-3-Clause */
/* What the perf engine has open for one cgroup: a group of events per CPU. Beside them the books (cgroup_usage.h), which have the scheduler's own
 * CPU time (perf_booked.h). In cgroup2 one reading of them also tells whether any group can have gained something, and most cgroups sleep; those of
 * cgroup v1 are another tree's and say nothing of that. */
#pragma once

#include "sensor/perf_group.h"
#include "sensor/targets.h"
#include "sensor/topology.h"
#include "sensor/typed_events.h"

struct perf_watch {
    struct perf_group *groups; /* [n_cpus] */
    size_t n_cpus;
    int usage_fd; /* -1: it is opened for each look, for want of descriptors or because it is not there */
    uint64_t usage_us; /* UINT64_MAX: not known */
    int64_t booked_us;   /* what that grew by between the last two looks; VALUE_ABSENT: not known */
    /* perf_booked.h */
    int64_t whole_ns, own_ns; /* CPU time of this tick, with all below it and without */
    int64_t owed_ns;          /* below 0: it had too much before */
    size_t last_package;      /* where it gained last */
    size_t n_ran;             /* CPUs on which it gained, at its last reading, and lives before it that ended */
    bool is_still;      /* nothing to read since */
    bool has_gap;       /* a CPU that may be online has no group */
    bool is_refused;    /* the kernel may not be asked for perf events any more */
    const char *reason; /* why nothing is open; NULL: it is */
};

/* Nothing is open yet. NULL: out of memory. */
struct perf_watch *perf_watch_new(size_t n_cpus);
void perf_watch_free(struct perf_watch *watch);

size_t perf_watch_descriptors(const struct perf_watch *watch);
/* Opens what is missing, all of it or nothing (half a cgroup would be a wrong number), if that takes n_left descriptors at most; sets reason.
 * keeps_books: a descriptor for them is to spare. */
void perf_watch_fill(struct perf_watch *watch, struct typed_events *events, const struct target *target, const struct host *host,
                     const struct topology *topology, size_t n_left, bool keeps_books);
/* Goes on with opening the books for each look. */
void perf_watch_close_usage(struct perf_watch *watch);
/* Reads the books, and finds out whether it is still. What began to run less than a scheduler tick ago and still runs may be taken for still: it is in the next reading (on a
 * CPU without ticks, nohz_full, within a second). A cgroup that was removed never is: its groups hold what it did last. */
void perf_watch_look(struct perf_watch *watch, const struct target *target, const struct host *host);
/* Adds what its group on that CPU gained; 0 if it has none or is still. Else as typed_events_read. */
int perf_watch_read(struct perf_watch *watch, const struct typed_events *events, size_t cpu, int64_t *cell);
