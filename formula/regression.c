/* SPDX-License-Identifier: BSD-3-Clause */
/* Features are divided by a typical rate, so that prices are watts of one size and one ridge suits
 * all of them. The prior is made from the first tick: half of its watts are idle (or the known
 * floor), and the rest is the price of CPU time; it is weak, so that a few ticks of differing load
 * outweigh it, and never forgotten, so that a machine under constant load keeps a sensible split.
 * Forgetting 0.995 and the robust weight: docs/architecture.md, "Formula". */
#include "formula/regression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formula/nnls.h"

#define STRIDE (REGRESSION_FEATURES_MAX + 1)
#define FORGETTING 0.995
#define IDLE_GUESS 0.5   /* of the first tick's watts, where no floor is known */
#define FLOOR_DOUBT 0.05 /* relative doubt of a known floor */
#define PRIOR_DOUBT 0.5  /* of the prior, relative to the first tick's watts */
#define NOISE_SHARE 0.03
#define NOISE_W 0.3
#define USUAL_TIMES 4.0   /* beyond this many usual misses a tick counts less */
#define REFUSE_TIMES 20.0 /* and beyond this many of those not at all */
#define REFUSE_IN_ROW 3   /* unless it goes on: then the machine has changed */
#define TRUST_AFTER 10    /* ticks, before anything is refused */
#define RESCALE_AT 16.0
#define RATIO_DECAY 0.95
#define PREDICTION_HEADROOM 1.3
#define SWEEPS_MAX 400
#define TOLERANCE 1e-9

void regression_init(struct regression *regression)
{
    *regression = (struct regression){0};
}

/* ---- features ---- */

static size_t find_feature(const struct regression *regression, const char *name)
{
    size_t i = 0;
    while (i < regression->n_features && strcmp(regression->features[i].name, name) != 0)
        i++;
    return i;
}

/* A feature that joins later has no history: its rows are zero and its prior price is none. */
static size_t add_feature(struct regression *regression, const char *name, double rate)
{
    size_t f = regression->n_features;
    if (f == REGRESSION_FEATURES_MAX || strlen(name) >= REGRESSION_NAME_SIZE || !(rate > 0))
        return REGRESSION_FEATURES_MAX;
    struct regression_feature *feature = &regression->features[f];
    (void)snprintf(feature->name, sizeof(feature->name), "%s", name);
    feature->scale = rate;
    feature->per_cpu = NAN;
    regression->prior_weight[f + 1] = regression->ridge;
    if (regression->cpu_feature == regression->n_features)
        regression->cpu_feature++;
    regression->n_features++;
    return f;
}

/* A rate far above the unit would drown the others' ridge: the unit grows, and what was learned is
 * restated in it. */
static void rescale(struct regression *regression, size_t f, double scale)
{
    double factor = regression->features[f].scale / scale;
    size_t row = f + 1;
    for (size_t j = 0; j <= regression->n_features; j++) {
        regression->a[row * STRIDE + j] *= factor;
        regression->a[j * STRIDE + row] *= factor;
    }
    regression->b[row] *= factor;
    regression->theta[row] /= factor;
    regression->prior[row] /= factor;
    regression->prior_weight[row] *= factor * factor;
    for (size_t i = 0; i < regression->n_features; i++)
        if (i != f && f == regression->cpu_feature)
            regression->features[i].per_cpu /= factor;
    if (f != regression->cpu_feature)
        regression->features[f].per_cpu *= factor;
    regression->features[f].scale = scale;
}

void regression_map(struct regression *regression, size_t n_events, const char *const *events,
                    const double *sums, size_t cpu_event, size_t *ret_feature)
{
    for (size_t e = 0; e < n_events; e++) {
        size_t f = REGRESSION_FEATURES_MAX;
        if (isfinite(sums[e])) {
            f = find_feature(regression, events[e]);
            if (f == regression->n_features)
                f = add_feature(regression, events[e], sums[e]);
            else if (sums[e] > RESCALE_AT * regression->features[f].scale)
                rescale(regression, f, sums[e]);
        }
        ret_feature[e] = f;
        bool is_open = !regression->is_primed || regression->cpu_feature >= regression->n_features;
        if (e == cpu_event && f < REGRESSION_FEATURES_MAX && is_open)
            regression->cpu_feature = f;
    }
}

void regression_features(const struct regression *regression, size_t n_events,
                         const size_t *feature, const double *rates, double *x)
{
    size_t n = regression->n_features;
    for (size_t f = 0; f < n; f++)
        x[f] = NAN;
    for (size_t e = 0; e < n_events; e++)
        if (feature[e] < n && !isnan(rates[e]))
            x[feature[e]] = rates[e] / regression->features[feature[e]].scale;
    size_t cpu = regression->cpu_feature;
    double cpu_x = cpu < n ? x[cpu] : NAN;
    for (size_t f = 0; f < n && isnan(cpu_x);
         f++) /* without CPU time another event stands in for it */
        if (!isnan(x[f]) && regression->features[f].per_cpu > 0)
            cpu_x = x[f] / regression->features[f].per_cpu;
    for (size_t f = 0; f < n; f++) {
        if (isnan(x[f]))
            x[f] = f == cpu ? cpu_x : cpu_x * regression->features[f].per_cpu;
        if (!isfinite(x[f]))
            x[f] = 0;
    }
}

static void follow_ratios(struct regression *regression, const double *x)
{
    size_t cpu = regression->cpu_feature;
    if (cpu >= regression->n_features || !(x[cpu] > 0))
        return;
    for (size_t f = 0; f < regression->n_features; f++) {
        struct regression_feature *feature = &regression->features[f];
        double ratio = x[f] / x[cpu];
        feature->per_cpu = isnan(feature->per_cpu)
                               ? ratio
                               : RATIO_DECAY * feature->per_cpu + (1 - RATIO_DECAY) * ratio;
    }
}

/* ---- watts ---- */

double regression_dynamic(const struct regression *regression, const double *x)
{
    double watts = 0;
    for (size_t f = 0; f < regression->n_features; f++)
        watts += regression->theta[f + 1] * x[f];
    return watts;
}

double regression_predict(const struct regression *regression, const double *x)
{
    if (!regression->is_primed)
        return NAN;
    double watts = regression->theta[0] + regression_dynamic(regression, x);
    return fmin(watts, PREDICTION_HEADROOM * regression->largest_w);
}

/* ---- learning ---- */

static void prime(struct regression *regression, const double *x, double measured_w, double floor_w)
{
    bool has_floor = !isnan(floor_w);
    double idle_w = has_floor ? fmin(floor_w, measured_w) : IDLE_GUESS * measured_w;
    double doubt_w = fmax(PRIOR_DOUBT * measured_w, NOISE_W);
    double idle_doubt_w = has_floor ? fmax(FLOOR_DOUBT * floor_w, 0.01) : doubt_w;
    regression->ridge = 1 / (doubt_w * doubt_w);
    for (size_t i = 0; i <= regression->n_features; i++)
        regression->prior_weight[i] = regression->ridge;
    regression->prior[0] = idle_w;
    regression->prior_weight[0] = 1 / (idle_doubt_w * idle_doubt_w);
    size_t cpu = regression->cpu_feature;
    if (cpu < regression->n_features && x[cpu] > 0)
        regression->prior[cpu + 1] = (measured_w - idle_w) / x[cpu];
    memcpy(regression->theta, regression->prior, sizeof(regression->theta));
    regression->is_primed = true;
}

/* 1 for a usual miss, less for a large one, 0 for an outlier; what keeps coming is believed. */
static double robust_weight(struct regression *regression, double miss_w, double measured_w)
{
    double limit_w = USUAL_TIMES * residual_usual_w(&regression->residual, measured_w);
    if (fabs(miss_w) <= limit_w) {
        regression->n_refused_in_row = 0;
        return 1;
    }
    if (fabs(miss_w) > REFUSE_TIMES * limit_w && regression->n_learned >= TRUST_AFTER &&
        regression->n_refused_in_row < REFUSE_IN_ROW) {
        regression->n_refused_in_row++;
        return 0;
    }
    return limit_w / fabs(miss_w);
}

static void accumulate(struct regression *regression, const double *x, double measured_w,
                       double weight)
{
    double h[STRIDE] = {1};
    size_t n = regression->n_features + 1;
    memcpy(h + 1, x, regression->n_features * sizeof(*x));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            regression->a[i * STRIDE + j] =
                FORGETTING * regression->a[i * STRIDE + j] + weight * h[i] * h[j];
        regression->b[i] = FORGETTING * regression->b[i] + weight * h[i] * measured_w;
    }
}

/* Solves with idle at most lowest_w: if it would be more, idle is fixed there and the prices are
 * solved again. */
static void solve(struct regression *regression, double lowest_w)
{
    double a[STRIDE * STRIDE] = {0}, b[STRIDE] = {0};
    size_t n = regression->n_features + 1;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            a[i * n + j] = regression->a[i * STRIDE + j];
        a[i * n + i] += regression->prior_weight[i];
        b[i] = regression->b[i] + regression->prior_weight[i] * regression->prior[i];
    }
    (void)nnls_solve(n, a, b, regression->theta, SWEEPS_MAX, TOLERANCE);
    if (!(regression->theta[0] > lowest_w))
        return;
    for (size_t i = 1; i < n; i++) {
        b[i] -= a[i * n] * lowest_w;
        a[i * n] = a[i] = 0;
    }
    b[0] = a[0] * lowest_w;
    (void)nnls_solve(n, a, b, regression->theta, SWEEPS_MAX, TOLERANCE);
}

void regression_learn(struct regression *regression, const double *x, double measured_w,
                      double floor_w, double lowest_w)
{
    double weight = 1;
    if (!regression->is_primed) {
        prime(regression, x, measured_w, floor_w);
    } else {
        double miss_w = measured_w - regression_predict(regression, x);
        weight = robust_weight(regression, miss_w, measured_w);
        residual_add(&regression->residual, miss_w);
    }
    regression->largest_w = fmax(regression->largest_w, measured_w);
    follow_ratios(regression, x);
    if (weight <= 0)
        return;
    double noise_w2 = pow(NOISE_SHARE * measured_w, 2) + NOISE_W * NOISE_W;
    accumulate(regression, x, measured_w, weight / noise_w2);
    regression->n_learned++;
    solve(regression, lowest_w);
}
