/* SPDX-License-Identifier: BSD-3-Clause */
/* Readings that were lost, because the kernel held its timer back or nobody came to fetch them, are
 * gaps in the moments, and periods without a tick like any other. Which readings lie before a sleep
 * of the machine cannot be told afterwards: those up to when it was noticed are one tick. */
#include "sensor/recorded_ticks.h"

#include <stddef.h>

#include "sensor/recorded_reading.h"
#include "sensor/source.h"

#define SILENT_MAX 2 /* rows */
#define SLEEP_MIN_NS ((int64_t)(100 * NS_PER_MS))

/* ---- the clock ---- */

static uint64_t monotonic_ns(void *context)
{
    const struct recorded_ticks *ticks = context;
    return ticks->tick_ns ? ticks->tick_ns : clock_monotonic_ns(ticks->machine);
}

static uint64_t boottime_ns(void *context)
{
    const struct recorded_ticks *ticks = context;
    return ticks->tick_ns ? ticks->tick_ns + (uint64_t)ticks->row.suspended_ns
                          : clock_boottime_ns(ticks->machine);
}

static uint64_t realtime_ns(void *context)
{
    const struct recorded_ticks *ticks = context;
    return ticks->tick_ns ? boottime_ns(context) + (uint64_t)ticks->row.offset_ns
                          : clock_realtime_ns(ticks->machine);
}

void recorded_ticks_init(struct recorded_ticks *ticks, const struct clock *machine)
{
    *ticks = (struct recorded_ticks){.machine = machine,
                                     .clock = {.monotonic_ns = monotonic_ns,
                                               .boottime_ns = boottime_ns,
                                               .realtime_ns = realtime_ns,
                                               .context = ticks}};
}

/* ---- recording ---- */

int recorded_ticks_start(struct recorded_ticks *ticks, struct source *source,
                         const struct recording_plan *plan)
{
    int r = source->ops->record(source, plan);
    if (r < 0)
        return r;
    ticks->source = source;
    ticks->interval_ns = plan->interval_ns;
    ticks->last_ns = plan->first_ns - plan->interval_ns;
    ticks->row = clock_reading_take(ticks->machine);
    ticks->surplus_ns = 0;
    ticks->awake_ns = ticks->n_passed = 0;
    ticks->n_silent = 0;
    return 0;
}

/* Between none and two periods after the last tick it is the next period's, so that being somewhat
 * early or late loses none. */
static uint64_t count_periods(struct recorded_ticks *ticks, uint64_t at_ns)
{
    int64_t interval_ns = (int64_t)ticks->interval_ns;
    int64_t since_ns = ticks->surplus_ns + (int64_t)(at_ns - ticks->last_ns);
    int64_t n_periods = since_ns <= 0 ? 0 : 1;
    if (since_ns >= 2 * interval_ns)
        n_periods = (since_ns + interval_ns / 2) / interval_ns;
    ticks->surplus_ns = since_ns - n_periods * interval_ns;
    ticks->last_ns = at_ns;
    return (uint64_t)n_periods;
}

static void begin_row(struct recorded_ticks *ticks)
{
    int64_t suspended_ns = ticks->row.suspended_ns;
    ticks->row = clock_reading_take(ticks->machine);
    if (ticks->row.suspended_ns > suspended_ns + SLEEP_MIN_NS)
        ticks->awake_ns = (uint64_t)ticks->row.monotonic_ns;
    ticks->until_ns = (uint64_t)ticks->row.monotonic_ns - ticks->interval_ns;
    ticks->n_silent++;
}

uint64_t recorded_ticks_take(struct recorded_ticks *ticks)
{
    const struct recorded_reading *reading;
    uint64_t n_periods = 0;
    if (ticks->until_ns == 0)
        begin_row(ticks);
    while (n_periods == 0 &&
           (reading = ticks->source->ops->next(ticks->source, ticks->until_ns))) {
        ticks->n_silent = 0;
        ticks->n_passed += count_periods(ticks, reading->at_ns);
        if (ticks->n_passed == 0 || reading->at_ns < ticks->awake_ns)
            continue;
        ticks->tick_ns = reading->at_ns;
        n_periods = ticks->n_passed;
        ticks->n_passed = 0;
    }
    return n_periods;
}

bool recorded_ticks_end_row(struct recorded_ticks *ticks)
{
    ticks->tick_ns = ticks->until_ns = 0;
    return ticks->n_silent <= SILENT_MAX;
}

uint64_t recorded_ticks_end(struct recorded_ticks *ticks)
{
    (void)ticks->source->ops->record(ticks->source, NULL);
    ticks->source = NULL;
    return ticks->n_passed + count_periods(ticks, clock_monotonic_ns(ticks->machine));
}
