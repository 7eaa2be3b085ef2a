/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks that only the test moves. */
#pragma once

#include "common/clock.h"

static inline uint64_t made_clock_ns(void *context)
{
    return *(const uint64_t *)context;
}

/* All three show the same: now_ns, a variable of the test. */
#define MADE_CLOCK(now_ns)                                     \
    {                                                          \
        made_clock_ns, made_clock_ns, made_clock_ns, &(now_ns) \
    }

/* Three that may be moved apart: those of a machine that sleeps, or whose time is set. */
struct made_times {
    uint64_t monotonic_ns, boottime_ns, realtime_ns;
};

static inline uint64_t made_times_monotonic(void *context)
{
    return ((const struct made_times *)context)->monotonic_ns;
}

static inline uint64_t made_times_boottime(void *context)
{
    return ((const struct made_times *)context)->boottime_ns;
}

static inline uint64_t made_times_realtime(void *context)
{
    return ((const struct made_times *)context)->realtime_ns;
}

static inline struct clock made_times_clock(struct made_times *times)
{
    return (struct clock){made_times_monotonic, made_times_boottime, made_times_realtime, times};
}

static inline void made_times_pass(struct made_times *times, uint64_t ns)
{
    times->monotonic_ns += ns;
    times->boottime_ns += ns;
    times->realtime_ns += ns;
}
