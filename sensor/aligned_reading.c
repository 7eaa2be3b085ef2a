/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/aligned_reading.h"

#include <string.h>

#define LOOKS_MAX 1000 /* at a clock that stands still; a look takes a microsecond or more */

void aligned_reading_init(struct aligned_reading *aligned, uint64_t interval_ns)
{
    *aligned = (struct aligned_reading){0};
    update_phase_init(&aligned->phase, interval_ns);
}

void aligned_reading_deinit(struct aligned_reading *aligned)
{
    held_spans_deinit(&aligned->held);
}

void aligned_reading_forget(struct aligned_reading *aligned)
{
    held_spans_forget(&aligned->held);
}

/* The first package speaks for the rest. */
static bool is_updated(const struct report *report)
{
    const struct energy_sample *lead = report->n_energy > 0 ? &report->energy[0] : NULL;
    for (size_t i = 0; i < report->n_energy; i++) {
        if (report->energy[i].domain == DOMAIN_PACKAGE) {
            lead = &report->energy[i];
            break;
        }
    }
    return lead && lead->valid && lead->energy_uj > 0;
}

/* What does not answer (slow_source.h) says at each look that it does not. */
static bool is_silent(const struct energy_sample *sample)
{
    return sample_is_no_update(sample) ||
           (!sample->valid && strcmp(sample->reason, "no_answer") == 0);
}

static bool has_news(const struct report *report)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        if (!is_silent(&report->energy[i]))
            return true;
    }
    return false;
}

/* A tick that began late is no sign of where updates are. */
static bool is_regular(const struct aligned_reading *aligned, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - aligned->last_ns, interval_ns = aligned->phase.interval_ns;
    return since_ns >= interval_ns / 2 && since_ns <= interval_ns * 3 / 2;
}

int aligned_reading_take(struct aligned_reading *aligned, struct ladder *ladder,
                         const struct topology *topology, struct report *report)
{
    const struct clock *clock = ladder->host->clock;
    uint64_t began_ns = clock_monotonic_ns(clock), waited_ns = 0, patience_ns = 0;
    bool regular = is_regular(aligned, began_ns);
    enum update_seen seen = UPDATE_NOT;
    aligned->last_ns = began_ns;
    if (regular)
        patience_ns = update_phase_patience_ns(&aligned->phase);
    for (int n_looks = 1;; n_looks++) {
        uint64_t lag_ns = 0;
        int r = ladder_read(ladder, topology, report);
        uint64_t at_ns = clock_monotonic_ns(clock);
        if (r >= 0 && is_updated(report)) {
            seen = waited_ns ? UPDATE_LATER : UPDATE_AT_ONCE;
            lag_ns = update_phase_lag_ns(&aligned->phase, at_ns, waited_ns);
        }
        if (r >= 0)
            r = held_spans_fold(&aligned->held, report, lag_ns);
        if (r < 0)
            return r;
        if (has_news(report) || at_ns - began_ns >= patience_ns || n_looks >= LOOKS_MAX)
            break;
        waited_ns = at_ns - began_ns;
        report->n_energy = 0;
    }
    if (regular)
        update_phase_note(&aligned->phase, seen, waited_ns);
    return 0;
}
