/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/power_group.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(POWER_PMU_EVENTS_MAX <= RECORDED_EVENTS_MAX, "every event can be recorded");

void power_group_open(struct power_group *group, const struct event_set *set)
{
    int r = perf_group_open(&group->group, set, -1, group->cpu);
    group->last_running_ns = UINT64_MAX;
    if (r == -ENODEV)
        group->reason = "cpu_offline";
    else if (r == -EACCES || r == -EPERM)
        group->reason = "permission";
    else if (r < 0)
        group->reason = "read_error";
}

void power_group_close(struct power_group *group, const char *reason)
{
    perf_recording_close(&group->recording);
    if (power_group_is_open(group))
        perf_group_close(&group->group);
    group->has_last = false;
    group->reason = reason;
}

/* The timer of a CPU that went offline fires on another one, where these counters are not. */
static int outcome_of(const struct recorded_reading *reading)
{
    return reading->error == -EINVAL ? -ENODEV : (int)reading->error;
}

static int take_recorded(struct power_group *group, uint64_t until_ns)
{
    const struct recorded_reading *reading = &group->recording.reading;
    size_t n = group->group.n_events;
    while (perf_recording_next(&group->recording, until_ns))
        ;
    if (reading->at_ns <= group->taken_ns)
        return POWER_GROUP_NOTHING;
    group->taken_ns = reading->at_ns;
    group->moment_ns = reading->at_ns - reading->lag_ns;
    memcpy(group->now, reading->values, n * sizeof(*group->now));
    group->now[n] = reading->enabled_ns;
    group->now[n + 1] = reading->running_ns;
    return outcome_of(reading);
}

void power_group_read(struct power_group *group, uint64_t until_ns)
{
    group->outcome = perf_recording_is_open(&group->recording)
                         ? take_recorded(group, until_ns)
                         : perf_group_values(&group->group, group->now);
}
