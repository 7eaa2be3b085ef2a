/* SPDX-License-Identifier: BSD-3-Clause */
/* Where time comes from. Nothing below main() calls clock_gettime itself: whole daemons can then run in simulated time. */
#pragma once

#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

struct clock {
    /* CLOCK_MONOTONIC for differences, CLOCK_BOOTTIME to see suspends, CLOCK_REALTIME for stamps; in ns. */
    uint64_t (*monotonic_ns)(void *context);
    uint64_t (*boottime_ns)(void *context);
    uint64_t (*realtime_ns)(void *context);
    void *context;
};

/* The machine's own clocks. */
extern const struct clock clock_system;

static inline uint64_t clock_monotonic_ns(const struct clock *clock)
{
    return clock->monotonic_ns(clock->context);
}

static inline uint64_t clock_boottime_ns(const struct clock *clock)
{
    return clock->boottime_ns(clock->context);
}

static inline uint64_t clock_realtime_ns(const struct clock *clock)
{
    return clock->realtime_ns(clock->context);
}
