/* SPDX-License-Identifier: BSD-3-Clause */
/* What SmartWatts learns at one clock frequency: a window of samples, the model fitted to it, and a window of that model's errors which says when to fit
 * again. Knows no records: counts in, watts out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct frequency_layer;

struct frequency_layer_settings {
    size_t n_features;    /* 1 to ELASTIC_NET_FEATURES_MAX */
    size_t min_samples;   /* before the first fit */
    size_t history_size;  /* samples; the intercept is fitted only when so many are held, and 0 before */
    size_t errors_size;
    bool use_mean_error;  /* of the error window, else the median */
    double threshold_w;   /* an error above it demands a new fit */
    double max_intercept_w; /* a fit with this intercept or more, or one below 0, is not taken */
};

int frequency_layer_new(struct frequency_layer **ret_layer, const struct frequency_layer_settings *settings);
void frequency_layer_free(struct frequency_layer *layer);

bool frequency_layer_is_fitted(const struct frequency_layer *layer);
/* Watts of these counts without the intercept, and the intercept; only once fitted. */
double frequency_layer_dynamic_w(const struct frequency_layer *layer, const double *features);
double frequency_layer_intercept_w(const struct frequency_layer *layer);
/* Keeps a sample; fits when the layer is not fitted, or its errors, this one included, are too large. Returns 0 or -ENOMEM. */
int frequency_layer_learn(struct frequency_layer *layer, const double *features, double power_w);
/* Watts per count of each feature, n_features of them. */
const double *frequency_layer_prices(const struct frequency_layer *layer);
/* Samples held, and the usual error since the last fit: the watts that are held against the threshold, NAN where there is none. */
size_t frequency_layer_samples(const struct frequency_layer *layer);
double frequency_layer_error_w(struct frequency_layer *layer);

struct state_io;
/* Reading needs a new layer of the same settings. -ENOMEM. */
int frequency_layer_visit(struct frequency_layer *layer, struct state_io *io);
