/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps are judged against boottime, which a suspend moves as it moves real time: waking up is no
 * step of the clock. */
#include "sensor/tick_clock.h"

#include <stdlib.h>

#include "common/clock.h"

#define SUSPEND_MIN_NS ((int64_t)(100 * NS_PER_MS))
#define STEP_MIN_NS ((int64_t)(500 * NS_PER_MS))

struct reading {
    int64_t monotonic_ns, suspended_ns, offset_ns;
};

static struct reading look(const struct clock *clock)
{
    int64_t boottime_ns = (int64_t)clock_boottime_ns(clock);
    int64_t monotonic_ns = (int64_t)clock_monotonic_ns(clock);
    int64_t realtime_ns = (int64_t)clock_realtime_ns(clock);
    return (struct reading){.monotonic_ns = monotonic_ns,
                            .suspended_ns = boottime_ns - monotonic_ns,
                            .offset_ns = realtime_ns - boottime_ns};
}

void tick_clock_start(struct tick_clock *ticks, const struct clock *clock)
{
    struct reading now = look(clock);
    *ticks = (struct tick_clock){
        .clock = clock,
        .suspended_ns = now.suspended_ns,
        .offset_ns = now.offset_ns,
        .last_stamp_ms = (now.monotonic_ns + now.suspended_ns + now.offset_ns) / (int64_t)NS_PER_MS,
    };
}

bool tick_clock_stamp(struct tick_clock *ticks, uint64_t at_ns, int64_t *ret_stamp_ms,
                      struct reasons *reasons)
{
    struct reading now = look(ticks->clock);
    bool has_slept = now.suspended_ns - ticks->suspended_ns > SUSPEND_MIN_NS;
    if (has_slept)
        reasons_add(reasons, "suspend");
    if (llabs(now.offset_ns - ticks->offset_ns) > STEP_MIN_NS)
        reasons_add(reasons, "clock_step");
    int64_t stamp_ms = ((int64_t)at_ns + now.suspended_ns + now.offset_ns) / (int64_t)NS_PER_MS;
    if (stamp_ms <= ticks->last_stamp_ms)
        stamp_ms = ticks->last_stamp_ms + 1;
    ticks->suspended_ns = now.suspended_ns;
    ticks->offset_ns = now.offset_ns;
    ticks->last_stamp_ms = stamp_ms;
    *ret_stamp_ms = stamp_ms;
    return has_slept;
}
