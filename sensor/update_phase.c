/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Compiled for the kernel too (perf_recorder.bpf.c), which knows no division of signed numbers.
 *
 * The steps are parts of the interval. A step back of 1/256 follows counters that are up to 0.4 %
 * faster than the ticks (measured periods differ from 1 ms by 0.1 %); a step forward of 1/16 beyond
 * the update keeps repeated readings to one tick in 16. */
#include "sensor/update_phase.h"

#define SEARCH_PART 16
#define BACK_PART 256
#define FORWARD_PART 16
#define PATIENCE_PART 4
#define AT_ONCE_MAX 128 /* half an interval back without an edge: it was lost */
#define SEARCH_MAX 32   /* two intervals back without an edge: there is none to be seen */
#define NOT_MAX 8
#define REST_TICKS 1000

void update_phase_init(struct update_phase *phase, uint64_t interval_ns)
{
    *phase = (struct update_phase){.interval_ns = interval_ns};
}

uint64_t update_phase_patience_ns(const struct update_phase *phase)
{
    return phase->n_resting ? 0 : phase->interval_ns / PATIENCE_PART;
}

static int64_t part_ns(const struct update_phase *phase, unsigned n_parts)
{
    return (int64_t)(phase->interval_ns / n_parts);
}

/* Where the offset leaves its range, ticks go on in the middle of it: a whole interval further from
 * the edge of the range, so that small steps to and fro do not cross it again and again. */
static void move(struct update_phase *phase, int64_t delta_ns)
{
    int64_t interval_ns = (int64_t)phase->interval_ns;
    phase->offset_ns += delta_ns;
    if (phase->offset_ns >= interval_ns)
        phase->offset_ns -= interval_ns;
    else if (phase->offset_ns <= -interval_ns)
        phase->offset_ns += interval_ns;
}

static void rest(struct update_phase *phase)
{
    phase->is_found = false;
    phase->n_at_once = phase->n_not = 0;
    phase->n_resting = REST_TICKS;
}

static void note_at_once(struct update_phase *phase)
{
    phase->n_not = 0;
    phase->n_at_once++;
    if (phase->is_found && phase->n_at_once >= AT_ONCE_MAX) {
        phase->is_found = false;
        phase->n_at_once = 0;
    }
    if (!phase->is_found && phase->n_at_once >= SEARCH_MAX)
        rest(phase);
    else
        move(phase, -part_ns(phase, phase->is_found ? BACK_PART : SEARCH_PART));
}

/* An update that would lie too near to the one before it came earlier than was expected, and the
 * one that is counted from was seen late. */
uint64_t update_phase_lag_ns(struct update_phase *phase, uint64_t at_ns, uint64_t waited_ns)
{
    uint64_t lag_ns = 0;
    if (waited_ns > 0) {
        phase->edge_ns = at_ns;
        phase->is_found = true;
    } else if (phase->is_found) {
        lag_ns = (at_ns - phase->edge_ns) % phase->interval_ns;
        if (at_ns - lag_ns < phase->shown_ns + phase->interval_ns / 2) {
            phase->edge_ns = at_ns;
            lag_ns = 0;
        }
    }
    phase->shown_ns = at_ns - lag_ns;
    return lag_ns;
}

void update_phase_note(struct update_phase *phase, enum update_seen seen, uint64_t waited_ns)
{
    if (phase->n_resting > 0) {
        phase->n_resting--;
        return;
    }
    if (seen == UPDATE_AT_ONCE) {
        note_at_once(phase);
        return;
    }
    phase->n_at_once = 0;
    if (seen == UPDATE_LATER) {
        phase->n_not = 0;
        if (waited_ns > phase->interval_ns / PATIENCE_PART)
            waited_ns = phase->interval_ns / PATIENCE_PART;
        move(phase, (int64_t)waited_ns + part_ns(phase, FORWARD_PART));
    } else if (++phase->n_not >= NOT_MAX) {
        rest(phase);
    } else {
        move(phase, part_ns(phase, PATIENCE_PART));
    }
}
