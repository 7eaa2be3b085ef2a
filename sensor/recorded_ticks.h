/* SPDX-License-Identifier: BSD-3-Clause */
/* Ticks made afterwards, from readings that the kernel took: the sensor is woken ten times a second instead of once per tick, and makes a row of them. While such a tick is
 * made, the clock of the sensor and its sources stands at its moment: nothing may be read then but what was recorded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "sensor/tick_clock.h"

struct recording_plan;
struct source;

struct recorded_ticks {
    const struct clock *machine; /* borrowed */
    struct clock clock;          /* the machine's; at a tick under way its moment */
    uint64_t tick_ns;            /* that moment, monotonic; 0: none is under way */
    struct clock_reading row;    /* of the machine's clocks, when the row began */
    uint64_t until_ns;           /* readings up to then are the row's; 0: none is under way */
    struct source *source;       /* borrowed; NULL: nothing is recorded */
    uint64_t interval_ns;
    uint64_t last_ns;            /* moment of the last reading */
    int64_t surplus_ns;          /* by which it lies behind the end of its period; less than an interval, either way */
    uint64_t n_passed;           /* periods without a tick so far */
    uint64_t awake_ns;           /* from here on no reading was taken before a sleep */
    unsigned n_silent;           /* rows in a row that were empty */
};

/* Only the clock. It is used by address. */
void recorded_ticks_init(struct recorded_ticks *ticks, const struct clock *machine);
/* Lets the source record; periods count from the one that ends at plan->first_ns. Negative errno: it does not, see source_ops.record. */
int recorded_ticks_start(struct recorded_ticks *ticks, struct source *source, const struct recording_plan *plan);
/* Lets the source read again. Returns how many periods have passed since the last tick. */
uint64_t recorded_ticks_end(struct recorded_ticks *ticks);

/* The next tick of the row: how many periods have passed since the last one, 1 or more, and the clock is at its moment; 0: the row is over. A row holds what was recorded up to an interval before
 * it began: by then every package has its reading. */
uint64_t recorded_ticks_take(struct recorded_ticks *ticks);
/* To be called after each row, taken to its end or not: the clock is the machine's. False: nothing has come for so long that nothing will. */
bool recorded_ticks_end_row(struct recorded_ticks *ticks);
