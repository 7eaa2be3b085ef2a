/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of a tick's energy once the counters have been read too: how far the two lie apart, and that nobody knows what was used in a
 * sleep. */
#pragma once

#include "common/report.h"

struct tick_energy {
    uint64_t last_skew_ns; /* the largest of the tick before: the present spans begin with it */
};

/* The samples' skew_ns hold the moments of their readings (source.h); counted_at_ns is the middle of the counters' reading, all on the monotonic clock.
 * Writes the skews. Samples whose span begins before slept_until_ns (0: the machine never slept), and all of a tick in which it slept, are void ("suspend"): counters
 * go on or start anew in a sleep that the monotonic clock does not see. Adds the
 * reason "energy_skew" where the spans of counts and of an attributed domain's energy (but gpu's, whose counts come with it) begin or end further apart than reading_bound_ns of the tick. */
void tick_energy_end(struct tick_energy *energy, struct report *report, uint64_t counted_at_ns, uint64_t slept_until_ns,
                     bool has_slept);
