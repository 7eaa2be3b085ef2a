/* SPDX-License-Identifier: BSD-3-Clause */
/* Refuses counts no machine can make, before any model sees them: one wrapped counter would ruin a regression for hours. */
#pragma once

#include <stddef.h>

struct gate_limits {
    double cpus;         /* how many there are, NAN: unknown */
    double cycles_per_s; /* of all of them together at the highest clock, NAN: unknown */
};

/* Looks at rates[n_rows][n_events] (NAN: not counted). A rate above what the machine or any machine can do, more than 8 instructions a cycle, or more misses
 * than cycles is replaced by a plausible stand-in: the row's other activity times the mean ratio of the sound rows, or 0 where there is none.
 * Returns how many rates were replaced: with any, learn nothing from the tick. */
size_t gate_rates(const struct gate_limits *limits, size_t n_events, const char *const *events, size_t n_rows, double *rates);
