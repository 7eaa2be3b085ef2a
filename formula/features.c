/* SPDX-License-Identifier: BSD-3-Clause */
/* Power goes with V^2 f, and counts per second hold one f already. Where the clock is not reported,
 * cycles per reference cycle say the same. Memory's watts follow misses and instructions; its clock
 * is its own. */
#include "formula/features.h"

#include <math.h>
#include <string.h>

#include "common/events.h"
#include "formula/state_io.h"

#define RATIO_DECAY 0.98
#define MEAN_DECAY 0.98
#define CLOCK_MIN 0.1
#define CLOCK_MAX 5.0

enum { SOURCE_CYCLES, SOURCE_CPU_NS, SOURCE_REF_CYCLES, SOURCE_INSTRUCTIONS, SOURCE_FIRST };

static const char *const source_names[FEATURE_SOURCES - 1] = {
    [SOURCE_CYCLES] = EVENT_CYCLES,
    [SOURCE_CPU_NS] = EVENT_CPU_NS,
    [SOURCE_REF_CYCLES] = EVENT_REF_CYCLES,
    [SOURCE_INSTRUCTIONS] = EVENT_INSTRUCTIONS,
};

void features_init(struct features *features, enum domain domain)
{
    *features = (struct features){.domain = domain, .clock_ratio = 1};
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        features->ratio[f] = NAN;
}

bool features_has(const struct features *features, enum feature feature)
{
    return features->domain != DOMAIN_DRAM || feature != FEATURE_ROOT;
}

static size_t find_event(const struct scope_tick *tick, const double *totals, const char *name)
{
    for (size_t e = 0; e < tick->n_events; e++)
        if (strcmp(tick->events[e], name) == 0)
            return isnan(totals[e]) ? tick->n_events : e;
    return tick->n_events;
}

static void find_work(struct features *features, const struct scope_tick *tick,
                      const double *totals)
{
    size_t source = 0, event = tick->n_events;
    for (; source < SOURCE_FIRST; source++) {
        event = find_event(tick, totals, source_names[source]);
        if (event < tick->n_events)
            break;
    }
    for (size_t e = 0; e < tick->n_events && event == tick->n_events; e++)
        if (!isnan(totals[e]))
            event = e;
    features->work_source = source;
    features->work_event = event;
}

static void follow_clock(struct features *features, const struct scope_tick *tick,
                         const double *totals)
{
    double ratio = tick->clock_ratio;
    size_t cycles = find_event(tick, totals, EVENT_CYCLES);
    size_t reference = find_event(tick, totals, EVENT_REF_CYCLES);
    if (isnan(ratio) && cycles < tick->n_events && reference < tick->n_events)
        ratio = totals[cycles] / totals[reference];
    if (isfinite(ratio) && ratio > 0)
        features->clock_ratio = fmin(fmax(ratio, CLOCK_MIN), CLOCK_MAX);
}

/* Cycles hold the clock already, times do not. */
static double work_factor(const struct features *features)
{
    bool is_time =
        features->work_source == SOURCE_CPU_NS || features->work_source == SOURCE_REF_CYCLES;
    return is_time && features->domain != DOMAIN_DRAM ? features->clock_ratio : 1;
}

bool features_begin(struct features *features, const struct scope_tick *tick, const double *totals)
{
    find_work(features, tick, totals);
    follow_clock(features, tick, totals);
    features->instructions_event = find_event(tick, totals, EVENT_INSTRUCTIONS);
    features->misses_event = find_event(tick, totals, EVENT_LLC_MISSES);
    if (features->work_event == tick->n_events)
        return false;
    double *unit = &features->work_unit[features->work_source];
    double known = features->mean[FEATURE_WORK] > 0 ? features->mean[FEATURE_WORK] : 1;
    double work = totals[features->work_event] * work_factor(features);
    if (*unit == 0 && work > 0)
        *unit = work / known;
    if (features->instructions_event < tick->n_events && features->unit[FEATURE_INSTRUCTIONS] == 0)
        features->unit[FEATURE_INSTRUCTIONS] =
            fmax(totals[features->instructions_event], 0) / known;
    if (features->misses_event < tick->n_events && features->unit[FEATURE_MISSES] == 0)
        features->unit[FEATURE_MISSES] = fmax(totals[features->misses_event], 0) / known;
    return *unit > 0;
}

static double take(const struct scope_tick *tick, const double *rates, size_t event, double factor,
                   double unit)
{
    return event < tick->n_events && unit > 0 ? rates[event] * factor / unit : NAN;
}

void features_of(const struct features *features, const struct scope_tick *tick,
                 const double *rates, double *ret_x)
{
    double work = take(tick, rates, features->work_event, work_factor(features),
                       features->work_unit[features->work_source]);
    double instructions =
        take(tick, rates, features->instructions_event, 1, features->unit[FEATURE_INSTRUCTIONS]);
    double misses = take(tick, rates, features->misses_event, 1, features->unit[FEATURE_MISSES]);
    if (isnan(work) && features->ratio[FEATURE_INSTRUCTIONS] > 0)
        work = instructions / features->ratio[FEATURE_INSTRUCTIONS];
    if (isnan(instructions))
        instructions = work * features->ratio[FEATURE_INSTRUCTIONS];
    if (isnan(misses))
        misses = work * features->ratio[FEATURE_MISSES];
    ret_x[FEATURE_WORK] = isfinite(work) ? work : 0;
    ret_x[FEATURE_INSTRUCTIONS] = isfinite(instructions) ? instructions : 0;
    ret_x[FEATURE_MISSES] = isfinite(misses) ? misses : 0;
    ret_x[FEATURE_ROOT] = 0;
}

void features_boost(const struct features *features, double exponent, const double *x,
                    double *ret_x)
{
    bool is_clocked = features->domain != DOMAIN_DRAM && features->clock_ratio != 1;
    double boost = is_clocked ? pow(features->clock_ratio, exponent) : 1;
    memcpy(ret_x, x, FEATURE_COUNT * sizeof(*ret_x));
    ret_x[FEATURE_WORK] *= boost;
    ret_x[FEATURE_INSTRUCTIONS] *= boost;
}

void features_learn(struct features *features, const struct scope_tick *tick, const double *all_x)
{
    bool is_first = features->n_learned == 0;
    features->n_learned++;
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        features->mean[f] =
            is_first ? all_x[f] : MEAN_DECAY * features->mean[f] + (1 - MEAN_DECAY) * all_x[f];
    if (!(all_x[FEATURE_WORK] > 0))
        return;
    const size_t events[] = {tick->n_events, features->instructions_event, features->misses_event};
    for (size_t f = FEATURE_INSTRUCTIONS; f <= FEATURE_MISSES; f++) {
        if (events[f] >= tick->n_events)
            continue;
        double now = all_x[f] / all_x[FEATURE_WORK];
        double *ratio = &features->ratio[f];
        *ratio = isnan(*ratio) ? now : RATIO_DECAY * *ratio + (1 - RATIO_DECAY) * now;
    }
}

void features_visit(struct features *features, struct state_io *io)
{
    state_doubles(io, "work_unit", features->work_unit, FEATURE_SOURCES);
    state_doubles(io, "unit", features->unit, FEATURE_COUNT);
    state_doubles(io, "ratio", features->ratio, FEATURE_COUNT);
    state_doubles(io, "mean", features->mean, FEATURE_COUNT);
    state_doubles(io, "clock_ratio", &features->clock_ratio, 1);
    state_doubles(io, "n_learned", &features->n_learned, 1);
}
