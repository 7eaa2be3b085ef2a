/* SPDX-License-Identifier: BSD-3-Clause */
/* When a reading was taken. A process may be stopped, or denied the CPU, in the middle of one: then the moment is not known well enough to
 * divide by, and it is taken again. */
#pragma once

#include <stdint.h>

struct clock;

/* How well moments have to be known in a span: to 1 % of it, but no better than to a millisecond, in which counters are updated. Beyond
 * that a reading is repeated, and a tick whose energy and counts lie further apart is marked (energy_skew). */
uint64_t reading_bound_ns(uint64_t span_ns);

/* Calls read until that took at most the bound of the span since last_ns (0: there was none), three times at most. Returns the middle of the last call,
 * monotonic clock. */
uint64_t reading_take(const struct clock *clock, uint64_t last_ns, void (*read)(void *context), void *context);
