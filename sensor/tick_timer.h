/* SPDX-License-Identifier: BSD-3-Clause */
/* When to tick: periods that begin on the boundaries of the interval in real time, so that the sensors of a cluster tick together, and a
 * descriptor that is readable when the next tick is due. Absolute times of the monotonic clock: being late once delays nothing else. */
#pragma once

#include <stdint.h>

struct clock;
struct error;

struct tick_timer {
    const struct clock *clock; /* borrowed */
    int fd;
    uint64_t interval_ns;
    uint64_t first_ns;  /* end of the first period */
    int64_t offset_ns;  /* of the tick that is due */
    uint64_t due_ns;
    uint64_t n_passed;  /* periods, up to the last tick */
};

/* The first tick falls on the next boundary that is at least half an interval away. */
int tick_timer_open(struct tick_timer *timer, const struct clock *clock, uint64_t interval_ns, struct error *err);
void tick_timer_close(struct tick_timer *timer);

/* If a tick is due: how many periods have passed since the last one, 1 or more; else 0. */
uint64_t tick_timer_take(struct tick_timer *timer);
/* Sets the next tick: offset_ns (less than an interval) after or before the end of the next period, and no sooner than half an interval after the
 * last one was due. What is past already is due at once. */
int tick_timer_set(struct tick_timer *timer, int64_t offset_ns, struct error *err);
