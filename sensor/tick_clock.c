/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps are judged against boottime, which a suspend moves as it moves real time: waking up is no
 * step of the clock. The three clocks cannot be read at one moment: a process that is stopped
 * between them would see a sleep or a step that never was, so that a slow look is repeated. */
#include "sensor/tick_clock.h"

#include <stdlib.h>

#include "common/clock.h"

#define SUSPEND_MIN_NS ((int64_t)(100 * NS_PER_MS))
#define STEP_MIN_NS ((int64_t)(500 * NS_PER_MS))
#define LOOK_MAX_NS ((int64_t)(10 * NS_PER_MS))
#define LOOKS_MAX 5

struct clock_reading clock_reading_take(const struct clock *clock)
{
    int64_t monotonic_ns = 0, boottime_ns = 0, realtime_ns = 0;
    for (int i = 0; i < LOOKS_MAX; i++) {
        monotonic_ns = (int64_t)clock_monotonic_ns(clock);
        boottime_ns = (int64_t)clock_boottime_ns(clock);
        realtime_ns = (int64_t)clock_realtime_ns(clock);
        if ((int64_t)clock_monotonic_ns(clock) - monotonic_ns <= LOOK_MAX_NS)
            break;
    }
    return (struct clock_reading){.monotonic_ns = monotonic_ns,
                                  .suspended_ns = boottime_ns - monotonic_ns,
                                  .offset_ns = realtime_ns - boottime_ns};
}

void tick_clock_start(struct tick_clock *ticks, const struct clock *clock)
{
    struct clock_reading now = clock_reading_take(clock);
    *ticks = (struct tick_clock){
        .clock = clock,
        .suspended_ns = now.suspended_ns,
        .offset_ns = now.offset_ns,
        .last_stamp_ms = (now.monotonic_ns + now.suspended_ns + now.offset_ns) / (int64_t)NS_PER_MS,
    };
}

static void note_sleep(struct tick_clock *ticks, const struct clock_reading *now)
{
    if (now->suspended_ns - ticks->suspended_ns > SUSPEND_MIN_NS) {
        ticks->has_slept = true;
        ticks->slept_until_ns = (uint64_t)now->monotonic_ns;
    }
    ticks->suspended_ns = now->suspended_ns;
}

void tick_clock_look(struct tick_clock *ticks)
{
    struct clock_reading now = clock_reading_take(ticks->clock);
    note_sleep(ticks, &now);
}

bool tick_clock_stamp(struct tick_clock *ticks, uint64_t at_ns, int64_t *ret_stamp_ms,
                      struct reasons *reasons)
{
    struct clock_reading now = clock_reading_take(ticks->clock);
    note_sleep(ticks, &now);
    bool has_slept = ticks->has_slept;
    if (has_slept)
        reasons_add(reasons, "suspend");
    int64_t real_ns = (int64_t)at_ns + now.suspended_ns + now.offset_ns;
    int64_t stamp_ms = real_ns / (int64_t)NS_PER_MS;
    if (stamp_ms <= ticks->last_stamp_ms)
        stamp_ms = ticks->last_stamp_ms + 1;
    if (llabs(now.offset_ns - ticks->offset_ns) > STEP_MIN_NS ||
        stamp_ms - real_ns / (int64_t)NS_PER_MS > STEP_MIN_NS / (int64_t)NS_PER_MS)
        reasons_add(reasons, "clock_step");
    ticks->offset_ns = now.offset_ns;
    ticks->last_stamp_ms = stamp_ms;
    ticks->has_slept = false;
    *ret_stamp_ms = stamp_ms;
    return has_slept;
}
