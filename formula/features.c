/* SPDX-License-Identifier: BSD-3-Clause */
/* Power goes with V^2 f, and counts per second hold one f already. Where the clock is not reported,
 * cycles per reference cycle say the same. Memory's watts follow misses and instructions; its clock
 * is its own. What misses a cache is counted under many names and on some CPUs not for the last
 * level: any count of misses explains memory better than none. */
#include "formula/features.h"

#include <math.h>
#include <string.h>

#include "common/events.h"
#include "formula/state_io.h"

#define RATIO_DECAY 0.98
#define MEAN_DECAY 0.98
#define CLOCK_MIN 0.1
#define CLOCK_MAX 5.0
#define FLOOR_SHARE 0.75 /* of energy per event at the base clock does not follow it */
#define CPU_HZ 2.5e9     /* of a CPU whose time is not counted */

enum { SOURCE_CYCLES, SOURCE_CPU_NS, SOURCE_REF_CYCLES, SOURCE_INSTRUCTIONS, SOURCE_FIRST };
enum { MISSES_LAST_LEVEL, MISSES_THIRD_LEVEL, MISSES_ANY };

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
    return features->domain != DOMAIN_DRAM || feature != FEATURE_SHARED;
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

static void find_misses(struct features *features, const struct scope_tick *tick,
                        const double *totals)
{
    features->misses_source = MISSES_LAST_LEVEL;
    features->misses_event = find_event(tick, totals, EVENT_LLC_MISSES);
    for (size_t e = 0; e < tick->n_events && features->misses_event == tick->n_events; e++) {
        if (isnan(totals[e]) || !strcasestr(tick->events[e], "miss"))
            continue;
        features->misses_event = e;
        bool is_deep = strcasestr(tick->events[e], "llc") || strcasestr(tick->events[e], "l3");
        features->misses_source = is_deep ? MISSES_THIRD_LEVEL : MISSES_ANY;
    }
}

/* A row whose hardware events could not be counted still has its CPU time. */
static void find_work_per_time(struct features *features, const struct scope_tick *tick,
                               const double *totals)
{
    double work_sum = 0, time_sum = 0;
    features->time_event = find_event(tick, totals, EVENT_CPU_NS);
    features->work_per_time = NAN;
    if (features->time_event == tick->n_events || features->work_event == tick->n_events)
        return;
    for (size_t i = 0; i < tick->n_activities; i++) {
        double work = tick->activities[i].rates[features->work_event];
        double time = tick->activities[i].rates[features->time_event];
        if (isnan(work) || isnan(time))
            continue;
        work_sum += work;
        time_sum += time;
    }
    if (time_sum > 0)
        features->work_per_time = work_sum / time_sum;
}

/* CPUs that work: by their time where it is counted. */
static double busy_cpus(const struct features *features, const struct scope_tick *tick,
                        const double *totals)
{
    size_t time = find_event(tick, totals, EVENT_CPU_NS);
    if (time < tick->n_events)
        return totals[time] * 1e-9;
    double work = totals[features->work_event];
    double unit = features->work_unit[features->work_source];
    if (features->work_source == SOURCE_FIRST)
        return unit > 0 ? work / unit : 0;
    return work / CPU_HZ;
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
    find_work_per_time(features, tick, totals);
    follow_clock(features, tick, totals);
    features->instructions_event = find_event(tick, totals, EVENT_INSTRUCTIONS);
    find_misses(features, tick, totals);
    features->busy_cpus = 0;
    if (features->work_event == tick->n_events)
        return false;
    double *unit = &features->work_unit[features->work_source];
    double known = features->mean[FEATURE_WORK] > 0 ? features->mean[FEATURE_WORK] : 1;
    double work = totals[features->work_event] * work_factor(features);
    if (*unit == 0 && work > 0)
        *unit = work / known;
    if (features->instructions_event < tick->n_events && features->instructions_unit == 0)
        features->instructions_unit = fmax(totals[features->instructions_event], 0) / known;
    double *misses_unit = &features->misses_unit[features->misses_source];
    if (features->misses_event < tick->n_events && *misses_unit == 0)
        *misses_unit = fmax(totals[features->misses_event], 0) / known;
    features->busy_cpus = busy_cpus(features, tick, totals);
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
        take(tick, rates, features->instructions_event, 1, features->instructions_unit);
    double misses = take(tick, rates, features->misses_event, 1,
                         features->misses_unit[features->misses_source]);
    if (isnan(work) && features->ratio[FEATURE_INSTRUCTIONS] > 0)
        work = instructions / features->ratio[FEATURE_INSTRUCTIONS];
    if (isnan(work))
        work = take(tick, rates, features->time_event,
                    features->work_per_time * work_factor(features),
                    features->work_unit[features->work_source]);
    if (isnan(instructions))
        instructions = work * features->ratio[FEATURE_INSTRUCTIONS];
    if (isnan(misses))
        misses = work * features->ratio[FEATURE_MISSES];
    ret_x[FEATURE_WORK] = isfinite(work) ? work : 0;
    ret_x[FEATURE_INSTRUCTIONS] = isfinite(instructions) ? instructions : 0;
    ret_x[FEATURE_MISSES] = isfinite(misses) ? misses : 0;
    ret_x[FEATURE_SHARED] = 0;
}

static double energy_at(enum clock_curve curve, double ratio)
{
    switch (curve) {
    case CLOCK_SQUARE:
        return ratio * ratio;
    case CLOCK_FLOOR:
        return FLOOR_SHARE + (1 - FLOOR_SHARE) * ratio * ratio * ratio;
    case CLOCK_LINEAR:
    case CLOCK_CURVES:
        break;
    }
    return ratio;
}

void features_view(const struct features *features, enum clock_curve curve, enum shared_shape shape,
                   double all_work, const double *x, double *ret_x)
{
    double boost = features->domain != DOMAIN_DRAM ? energy_at(curve, features->clock_ratio) : 1;
    double shared = 0;
    if (features_has(features, FEATURE_SHARED) && all_work > 0)
        shared = shape == SHARED_AWAKE ? 1 - exp(-features->busy_cpus) : sqrt(all_work);
    memcpy(ret_x, x, FEATURE_COUNT * sizeof(*ret_x));
    ret_x[FEATURE_WORK] *= boost;
    ret_x[FEATURE_INSTRUCTIONS] *= boost;
    ret_x[FEATURE_SHARED] *= shared;
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
    state_doubles(io, "instructions_unit", &features->instructions_unit, 1);
    state_doubles(io, "misses_unit", features->misses_unit, FEATURE_MISS_SOURCES);
    state_doubles(io, "ratio", features->ratio, FEATURE_COUNT);
    state_doubles(io, "mean", features->mean, FEATURE_COUNT);
    state_doubles(io, "clock_ratio", &features->clock_ratio, 1);
    state_doubles(io, "n_learned", &features->n_learned, 1);
}
