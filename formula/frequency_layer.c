/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows are rings that grow to their size. The window of errors is emptied at each try to fit,
 * even one whose result is refused, so that the next bad tick tries again: that is SmartWatts'
 * behaviour and kept. */
#include "formula/frequency_layer.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "formula/elastic_net.h"
#include "formula/state_io.h"

struct frequency_layer {
    struct frequency_layer_settings settings;
    double *samples; /* rows of power and features */
    size_t n_samples, next_sample, samples_capacity;
    double *errors_w;
    size_t n_errors, next_error, errors_capacity;
    double *scratch; /* of a fit: features by column, power, residual; of a median: errors */
    size_t scratch_capacity;
    double coef[ELASTIC_NET_FEATURES_MAX], intercept_w;
    bool is_fitted;
};

int frequency_layer_new(struct frequency_layer **ret_layer,
                        const struct frequency_layer_settings *settings)
{
    assert(settings->n_features > 0 && settings->n_features <= ELASTIC_NET_FEATURES_MAX);
    assert(settings->history_size > 0 && settings->errors_size > 0);
    struct frequency_layer *layer = calloc(1, sizeof(*layer));
    if (!layer)
        return -ENOMEM;
    layer->settings = *settings;
    *ret_layer = layer;
    return 0;
}

void frequency_layer_free(struct frequency_layer *layer)
{
    if (!layer)
        return;
    free(layer->samples);
    free(layer->errors_w);
    free(layer->scratch);
    free(layer);
}

bool frequency_layer_is_fitted(const struct frequency_layer *layer)
{
    return layer->is_fitted;
}

double frequency_layer_dynamic_w(const struct frequency_layer *layer, const double *features)
{
    double sum_w = 0;
    for (size_t f = 0; f < layer->settings.n_features; f++)
        sum_w += layer->coef[f] * features[f];
    return sum_w;
}

double frequency_layer_intercept_w(const struct frequency_layer *layer)
{
    return layer->intercept_w;
}

/* ---- windows ---- */

/* Where the next value of a ring goes; keeps its book. */
static size_t take_place(size_t size, size_t *n, size_t *next)
{
    size_t place = *next;
    *next = (place + 1) % size;
    *n += *n < size;
    return place;
}

static int keep_sample(struct frequency_layer *layer, const double *features, double power_w)
{
    size_t width = layer->settings.n_features + 1;
    int r = array_reserve(&layer->samples, &layer->samples_capacity,
                          (layer->next_sample + 1) * width, sizeof(double));
    if (r < 0)
        return r;
    size_t place = take_place(layer->settings.history_size, &layer->n_samples, &layer->next_sample);
    layer->samples[place * width] = power_w;
    memcpy(layer->samples + place * width + 1, features, (width - 1) * sizeof(*features));
    return 0;
}

static int keep_error(struct frequency_layer *layer, double error_w)
{
    int r = array_reserve(&layer->errors_w, &layer->errors_capacity, layer->next_error + 1,
                          sizeof(double));
    if (r < 0)
        return r;
    size_t place = take_place(layer->settings.errors_size, &layer->n_errors, &layer->next_error);
    layer->errors_w[place] = error_w;
    return 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static int usual_error(struct frequency_layer *layer, double *ret_error_w)
{
    size_t n = layer->n_errors;
    if (layer->settings.use_mean_error) {
        *ret_error_w = mean(layer->errors_w, n);
        return 0;
    }
    int r = array_reserve(&layer->scratch, &layer->scratch_capacity, n, sizeof(double));
    if (r < 0)
        return r;
    memcpy(layer->scratch, layer->errors_w, n * sizeof(double));
    qsort(layer->scratch, n, sizeof(double), compare_doubles);
    *ret_error_w = (layer->scratch[(n - 1) / 2] + layer->scratch[n / 2]) / 2;
    return 0;
}

/* ---- fitting ---- */

static int fit(struct frequency_layer *layer)
{
    const struct frequency_layer_settings *settings = &layer->settings;
    size_t n = layer->n_samples, n_features = settings->n_features;
    layer->n_errors = layer->next_error = 0;
    if (n < settings->min_samples)
        return 0;
    int r = array_reserve(&layer->scratch, &layer->scratch_capacity, n * (n_features + 2),
                          sizeof(double));
    if (r < 0)
        return r;
    double *power = layer->scratch + n * n_features, *residual = power + n;
    for (size_t i = 0; i < n; i++) {
        const double *sample = layer->samples + i * (n_features + 1);
        power[i] = sample[0];
        for (size_t f = 0; f < n_features; f++)
            layer->scratch[f * n + i] = sample[1 + f];
    }
    struct elastic_net_settings net = {
        .alpha = 1,
        .l1_ratio = 0.5,
        .tolerance = 1e-4,
        .max_sweeps = 1000,
        .fit_intercept = n == settings->history_size,
    };
    double coef[ELASTIC_NET_FEATURES_MAX], intercept_w;
    (void)elastic_net_fit(&net, n, n_features, layer->scratch, power, residual, coef, &intercept_w);
    if (!(intercept_w >= 0 && intercept_w < settings->max_intercept_w))
        return 0;
    memcpy(layer->coef, coef, n_features * sizeof(*coef));
    layer->intercept_w = intercept_w;
    layer->is_fitted = true;
    return 0;
}

int frequency_layer_learn(struct frequency_layer *layer, const double *features, double power_w)
{
    double predicted_w = layer->intercept_w + frequency_layer_dynamic_w(layer, features);
    int r = keep_sample(layer, features, power_w);
    if (r >= 0 && layer->is_fitted)
        r = keep_error(layer, fabs(power_w - predicted_w));
    double error_w = INFINITY;
    if (r >= 0 && layer->is_fitted)
        r = usual_error(layer, &error_w);
    if (r < 0)
        return r;
    return error_w > layer->settings.threshold_w ? fit(layer) : 0;
}

/* ---- for people, and state ---- */

const double *frequency_layer_prices(const struct frequency_layer *layer)
{
    return layer->coef;
}

size_t frequency_layer_samples(const struct frequency_layer *layer)
{
    return layer->n_samples;
}

double frequency_layer_error_w(struct frequency_layer *layer)
{
    double error_w = NAN;
    return layer->n_errors > 0 && usual_error(layer, &error_w) >= 0 ? error_w : NAN;
}

/* How many of a ring are in use, and where its next one goes; the rest follows from its size. */
static bool is_ring(const uint64_t *n_and_next, size_t size)
{
    uint64_t n = n_and_next[0], next = n_and_next[1];
    return n <= size && next < size && (n == size || next == n);
}

static int read_counts(struct frequency_layer *layer, struct state_io *io, uint64_t *counts)
{
    const struct frequency_layer_settings *settings = &layer->settings;
    state_words(io, "counts", counts, 5);
    io->is_damaged |= !is_ring(counts, settings->history_size) ||
                      !is_ring(counts + 2, settings->errors_size) || counts[4] > 1;
    if (io->is_damaged)
        return 0;
    layer->n_samples = counts[0];
    layer->next_sample = counts[1];
    layer->n_errors = counts[2];
    layer->next_error = counts[3];
    layer->is_fitted = counts[4];
    int r = array_reserve(&layer->samples, &layer->samples_capacity,
                          (layer->n_samples + 1) * (settings->n_features + 1), sizeof(double));
    return r < 0 ? r
                 : array_reserve(&layer->errors_w, &layer->errors_capacity, layer->n_errors + 1,
                                 sizeof(double));
}

int frequency_layer_visit(struct frequency_layer *layer, struct state_io *io)
{
    size_t n_features = layer->settings.n_features;
    uint64_t counts[5] = {layer->n_samples, layer->next_sample, layer->n_errors, layer->next_error,
                          layer->is_fitted};
    int r = 0;
    if (io->out)
        state_words(io, "counts", counts, 5);
    else
        r = read_counts(layer, io, counts);
    if (r < 0 || io->is_damaged)
        return r;
    state_doubles(io, "samples", layer->samples, layer->n_samples * (n_features + 1));
    state_doubles(io, "errors_w", layer->errors_w, layer->n_errors);
    state_doubles(io, "coef", layer->coef, n_features);
    state_doubles(io, "intercept_w", &layer->intercept_w, 1);
    return 0;
}
