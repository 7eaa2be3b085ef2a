/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Where between two ticks of the timer the counters are updated, so that ticks can be taken just after it: each reading then shows one update
 * more than the last. A timer alone drifts through the updates, and a reading near one shows none or two of them by chance.
 *
 * Only what a tick does anyway is used: whether its reading showed an update. As long as it did, ticks come a little earlier each time, until one
 * comes too early; that one reads again until the update is there, and the next ones come later. So ticks stay at the edge, whatever the
 * counter's period is exactly, at the price of a few readings repeated. The repeated ones tell when an update happened, the others are counted on
 * from there: how late the sensor woke up is then no matter. (Hähnel et al., "Measuring energy consumption for short code paths
 * using RAPL", 2012, wait for the update in a loop each time, which at 1 kHz takes half a core.) */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* At longer intervals every reading shows an update, and nothing can be seen. */
#define UPDATE_PHASE_INTERVAL_MAX_NS UINT64_C(2000000)

enum update_seen {
    UPDATE_AT_ONCE, /* by the first reading of the tick */
    UPDATE_LATER,   /* by a repeated one */
    UPDATE_NOT,     /* by none */
};

struct update_phase {
    uint64_t interval_ns;
    int64_t offset_ns;    /* of ticks, within an interval before or after the timer's own: a step beyond it is taken back by a whole one */
    bool is_found;        /* the edge was met */
    uint64_t edge_ns;     /* of the clock: an update, or somewhat after it */
    uint64_t shown_ns;    /* the update that the last reading showed */
    unsigned n_at_once;   /* in a row */
    unsigned n_not;       /* in a row */
    unsigned n_resting;   /* ticks left in which nothing is tried */
};

void update_phase_init(struct update_phase *phase, uint64_t interval_ns);

/* How long after a tick began it may wait for the update. 0: not at all. */
uint64_t update_phase_patience_ns(const struct update_phase *phase);
/* A reading at at_ns, waited_ns after the tick's first one (0: the first), shows an update: how long before at_ns that was; 0: not known. */
uint64_t update_phase_lag_ns(struct update_phase *phase, uint64_t at_ns, uint64_t waited_ns);
/* What a tick saw; waited_ns: of UPDATE_LATER. Ticks that began late say nothing of the phase: leave them out. */
void update_phase_note(struct update_phase *phase, enum update_seen seen, uint64_t waited_ns);
