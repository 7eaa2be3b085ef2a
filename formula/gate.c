/* SPDX-License-Identifier: BSD-3-Clause */
/* Judges each rate by itself and against the cycles of its row. What is replaced stays plausible,
 * so that the target still gets a share of the tick's energy near its usual one. */
#include "formula/gate.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/events.h"

#define ANY_MACHINE_PER_S 1e14     /* 16,000 CPUs at 6 GHz */
#define INSTRUCTIONS_PER_CYCLE 8.0 /* wider than any core retires */
#define SLACK 1.25                 /* clocks and readings are not exact */
#define FEW_PER_S 1e6              /* below this, skew between counters makes any ratio */

static double cap_of(const struct gate_limits *limits, const char *event)
{
    double cap = NAN;
    if (strcmp(event, EVENT_CPU_NS) == 0)
        cap = limits->cpus * 1e9;
    else if (strcmp(event, EVENT_GPU_NS) == 0)
        cap = 1e9;
    else if (strcmp(event, EVENT_CYCLES) == 0 || strcmp(event, EVENT_REF_CYCLES) == 0)
        cap = limits->cycles_per_s;
    else if (strcmp(event, EVENT_INSTRUCTIONS) == 0)
        cap = limits->cycles_per_s * INSTRUCTIONS_PER_CYCLE;
    return isfinite(cap) && cap > 0 ? cap * SLACK : ANY_MACHINE_PER_S;
}

static size_t find(size_t n_events, const char *const *events, const char *name)
{
    size_t i = 0;
    while (i < n_events && strcmp(events[i], name) != 0)
        i++;
    return i;
}

static bool is_possible(const char *event, double rate, double cap, double cycles_per_s)
{
    if (isnan(rate))
        return true;
    if (rate < 0 || rate > cap)
        return false;
    if (isnan(cycles_per_s) || rate < FEW_PER_S)
        return true;
    if (strcmp(event, EVENT_INSTRUCTIONS) == 0)
        return rate <= cycles_per_s * INSTRUCTIONS_PER_CYCLE;
    return strcmp(event, EVENT_LLC_MISSES) != 0 || rate <= cycles_per_s;
}

/* Marks what is impossible as infinite, so that sums over sound rates can leave it out. */
static size_t mark(const struct gate_limits *limits, size_t n_events, const char *const *events,
                   size_t n_rows, double *rates)
{
    size_t cycles = find(n_events, events, EVENT_CYCLES);
    size_t n_marked = 0;
    for (size_t e = 0; e < n_events; e++) {
        double cap = cap_of(limits, events[e]);
        for (size_t i = 0; i < n_rows; i++) {
            double *row = rates + i * n_events;
            double cycles_per_s = cycles < n_events && isfinite(row[cycles]) ? row[cycles] : NAN;
            if (is_possible(events[e], row[e], cap, cycles_per_s))
                continue;
            row[e] = INFINITY;
            n_marked++;
        }
    }
    return n_marked;
}

/* sum of event / sum of reference over rows where both are sound. */
static double mean_ratio(size_t n_events, size_t n_rows, const double *rates, size_t event,
                         size_t reference)
{
    double sum = 0, reference_sum = 0;
    for (size_t i = 0; i < n_rows; i++) {
        const double *row = rates + i * n_events;
        if (!isfinite(row[event]) || !isfinite(row[reference]))
            continue;
        sum += row[event];
        reference_sum += row[reference];
    }
    return reference_sum > 0 ? sum / reference_sum : 0;
}

static double stand_in(size_t n_events, size_t n_rows, const double *rates, size_t row_index,
                       size_t event)
{
    const double *row = rates + row_index * n_events;
    for (size_t reference = 0; reference < n_events; reference++)
        if (isfinite(row[reference]) && row[reference] > 0)
            return row[reference] * mean_ratio(n_events, n_rows, rates, event, reference);
    return 0;
}

size_t gate_rates(const struct gate_limits *limits, size_t n_events, const char *const *events,
                  size_t n_rows, double *rates)
{
    size_t n_marked = mark(limits, n_events, events, n_rows, rates);
    if (n_marked == 0)
        return 0;
    for (size_t i = 0; i < n_rows; i++) {
        double *row = rates + i * n_events;
        for (size_t e = 0; e < n_events; e++)
            if (isinf(row[e]))
                row[e] = fmin(stand_in(n_events, n_rows, rates, i, e), cap_of(limits, events[e]));
    }
    return n_marked;
}
