/* SPDX-License-Identifier: BSD-3-Clause */
/* The energy events of one CPU that a power PMU lists: those of its package, die or core. They are read when asked, or the kernel takes readings of them at a
 * period and keeps them. */
#pragma once

#include "sensor/perf_recording.h"
#include "sensor/power_pmu.h"

struct power_group {
    int cpu;
    int32_t package;
    bool is_wanted; /* the PMU lists its CPU */
    struct perf_group group;
    struct perf_recording recording;
    uint64_t taken_ns;   /* at_ns of the last recorded reading that was taken */
    uint64_t moment_ns;  /* what that one shows was true then: when the counters were updated, as far as that is known */
    bool has_last;
    uint64_t last[POWER_PMU_EVENTS_MAX];
    uint64_t last_running_ns;
    const char *reason; /* why it has no baseline */
    int outcome;        /* of the reading under way: negative errno, POWER_GROUP_NOTHING, or 0 and values */
    uint64_t now[POWER_PMU_EVENTS_MAX + 2];
};

void power_group_open(struct power_group *group, const struct event_set *set);
static inline bool power_group_is_open(const struct power_group *group)
{
    return perf_group_is_open(&group->group);
}
/* Ends a recording too. */
void power_group_close(struct power_group *group, const char *reason);

enum { POWER_GROUP_NOTHING = 1 }; /* no reading was recorded since */
/* Fills now and outcome: with what stands in the counters or, while it is recorded, with the last reading up to until_ns, and moment_ns. */
void power_group_read(struct power_group *group, uint64_t until_ns);
