/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/reading.h"

#include "common/clock.h"

#define TRIES_MAX 3

uint64_t reading_bound_ns(uint64_t span_ns)
{
    return span_ns / 100 > NS_PER_MS ? span_ns / 100 : NS_PER_MS;
}

uint64_t reading_take(const struct clock *clock, uint64_t last_ns, void (*read)(void *context),
                      void *context)
{
    uint64_t before_ns = 0, after_ns = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        before_ns = clock_monotonic_ns(clock);
        read(context);
        after_ns = clock_monotonic_ns(clock);
        uint64_t span_ns = last_ns ? before_ns - last_ns : 0;
        if (after_ns - before_ns <= reading_bound_ns(span_ns))
            break;
    }
    return before_ns + (after_ns - before_ns) / 2;
}
