/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts are near 1e9, so that the penalty is next to nothing and the gap closes only when the fit
 * itself is good: most fits of real reports end by max_sweeps, in the middle of a slow descent.
 * That is why the order of features and every detail of the stopping rule matter here. */
#include "formula/elastic_net.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct descent {
    size_t n_samples, n_features;
    const double *x, *y;
    double *residual, *coef;
    double l1, l2;                                /* the penalty's weights, times n_samples */
    double square[ELASTIC_NET_FEATURES_MAX];      /* |column|^2 */
    double correlation[ELASTIC_NET_FEATURES_MAX]; /* column'residual - l2 coef */
    bool is_out[ELASTIC_NET_FEATURES_MAX];
};

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_scaled(size_t n, double factor, const double *a, double *sum)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += factor * a[i];
}

static double centre(size_t n, double *values)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += values[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        values[i] -= mean;
    return mean;
}

static const double *column(const struct descent *descent, size_t j)
{
    return descent->x + j * descent->n_samples;
}

/* How far the objective may still be above its minimum. ret_norm: the largest correlation. */
static double dual_gap(struct descent *descent, double *ret_norm)
{
    double norm = -INFINITY, sum = 0, sum_of_squares = 0;
    for (size_t j = 0; j < descent->n_features; j++) {
        double w = descent->coef[j];
        double correlation = dot(descent->n_samples, column(descent, j), descent->residual);
        descent->correlation[j] = correlation - descent->l2 * w;
        norm = fmax(norm, descent->correlation[j]);
        sum += w;
        sum_of_squares += w * w;
    }
    double square = dot(descent->n_samples, descent->residual, descent->residual);
    square += descent->l2 * sum_of_squares;
    double scale = norm > descent->l1 ? descent->l1 / norm : 1;
    double primal = 0.5 * square + descent->l1 * sum;
    double dual = scale * dot(descent->n_samples, descent->residual, descent->y) -
                  0.5 * scale * scale * square;
    *ret_norm = norm;
    return primal - dual;
}

/* Leaves out what the gap proves to be 0 at the minimum, for good. */
static void screen(struct descent *descent, double gap, double norm)
{
    double radius = sqrt(2 * gap) / descent->l1;
    for (size_t j = 0; j < descent->n_features; j++) {
        if (descent->is_out[j])
            continue;
        double slope = fabs(descent->correlation[j] / fmax(descent->l1, norm));
        if ((1 - slope) / sqrt(descent->square[j] + descent->l2) <= radius)
            continue;
        if (descent->coef[j] > 0)
            add_scaled(descent->n_samples, descent->coef[j], column(descent, j), descent->residual);
        descent->coef[j] = 0;
        descent->is_out[j] = true;
    }
}

/* One step per feature; whether none moved by more than tolerance of the largest coefficient. */
static bool sweep(struct descent *descent, double tolerance)
{
    double largest = 0, largest_step = 0;
    for (size_t j = 0; j < descent->n_features; j++) {
        if (descent->is_out[j])
            continue;
        double before = descent->coef[j];
        double pull = dot(descent->n_samples, column(descent, j), descent->residual) +
                      before * descent->square[j];
        double after = fmax(pull - descent->l1, 0) / (descent->square[j] + descent->l2);
        if (after != before)
            add_scaled(descent->n_samples, before - after, column(descent, j), descent->residual);
        descent->coef[j] = after;
        largest_step = fmax(largest_step, fabs(after - before));
        largest = fmax(largest, after);
    }
    return largest == 0 || largest_step / largest <= tolerance;
}

static unsigned descend(struct descent *descent, double tolerance, unsigned max_sweeps)
{
    double wanted = tolerance * dot(descent->n_samples, descent->y, descent->y), norm;
    double gap = dual_gap(descent, &norm);
    if (gap <= wanted)
        return 0;
    screen(descent, gap, norm);
    for (unsigned n = 1; n <= max_sweeps; n++) {
        if (!sweep(descent, tolerance) && n < max_sweeps)
            continue;
        gap = dual_gap(descent, &norm);
        if (gap <= wanted)
            return n;
        screen(descent, gap, norm);
    }
    return max_sweeps;
}

unsigned elastic_net_fit(const struct elastic_net_settings *settings, size_t n_samples,
                         size_t n_features, double *x, double *y, double *residual,
                         double *ret_coef, double *ret_intercept)
{
    assert(n_samples > 0 && n_features > 0 && n_features <= ELASTIC_NET_FEATURES_MAX);
    struct descent descent = {
        .n_samples = n_samples,
        .n_features = n_features,
        .x = x,
        .y = y,
        .residual = residual,
        .coef = ret_coef,
        .l1 = settings->alpha * settings->l1_ratio * (double)n_samples,
        .l2 = settings->alpha * (1 - settings->l1_ratio) * (double)n_samples,
    };
    double offset[ELASTIC_NET_FEATURES_MAX] = {0};
    double y_offset = settings->fit_intercept ? centre(n_samples, y) : 0;
    for (size_t j = 0; j < n_features; j++) {
        if (settings->fit_intercept)
            offset[j] = centre(n_samples, x + j * n_samples);
        descent.square[j] = dot(n_samples, x + j * n_samples, x + j * n_samples);
        descent.is_out[j] = !(descent.square[j] > 0);
        ret_coef[j] = 0;
    }
    memcpy(residual, y, n_samples * sizeof(*y));
    unsigned n_sweeps = descend(&descent, settings->tolerance, settings->max_sweeps);
    *ret_intercept = settings->fit_intercept ? y_offset - dot(n_features, offset, ret_coef) : 0;
    return n_sweeps;
}
