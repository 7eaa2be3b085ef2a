/* SPDX-License-Identifier: BSD-3-Clause */
/* The stamps of ticks: when an interval ended in real time, and whether the clocks behaved meanwhile. */
#pragma once

#include <stdint.h>

#include "common/record.h"

struct clock;

struct tick_clock {
    const struct clock *clock; /* borrowed */
    int64_t suspended_ns;      /* boottime - monotonic */
    int64_t offset_ns;         /* realtime - boottime */
    int64_t last_stamp_ms;     /* stamps grow strictly */
    bool has_slept;            /* since the last stamp */
    uint64_t slept_until_ns;   /* monotonic clock, 0: never. The latest sleep ended before this; what began before it may contain that sleep */
};

/* The machine's clocks at one moment. */
struct clock_reading {
    int64_t monotonic_ns;
    int64_t suspended_ns; /* boottime - monotonic */
    int64_t offset_ns;    /* realtime - boottime */
};

/* Reads all three, again where it took long: a process may be stopped between two of them. */
struct clock_reading clock_reading_take(const struct clock *clock);

/* Begins at the present; the first stamp lies after the present too. */
void tick_clock_start(struct tick_clock *ticks, const struct clock *clock);

/* Looks whether the machine slept: call it right before the readings of a tick, so that a sleep is known to lie before or within them. */
void tick_clock_look(struct tick_clock *ticks);

/* The real time, ms since 1970, of the moment at_ns of the monotonic clock (just past), later than every stamp before it. Adds the reasons
 * "suspend" (the machine slept since the previous stamp) and "clock_step" (the real-time clock was set by more than half a
 * second, or the stamp is that far ahead of it, because the clock was set back and stamps must grow). Returns whether the machine slept. */
bool tick_clock_stamp(struct tick_clock *ticks, uint64_t at_ns, int64_t *ret_stamp_ms, struct reasons *reasons);
