/* SPDX-License-Identifier: BSD-3-Clause */
/* Watts = idle + sum of price x rate, fitted online: non-negative, forgetting, robust, with a prior that is never forgotten. Features are known by the name of
 * their event and may come and go. Knows no targets and no records: rates in, watts out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "formula/residual.h"

#define REGRESSION_FEATURES_MAX 24
#define REGRESSION_NAME_SIZE 128

struct regression {
    size_t n_features;
    struct regression_feature {
        char name[REGRESSION_NAME_SIZE];
        double scale;     /* one unit of the normalised feature, in events per second */
        double per_cpu;   /* decaying mean ratio to the CPU feature, normalised: stands in while the event is missing */
    } features[REGRESSION_FEATURES_MAX];
    size_t cpu_feature;   /* carries the prior price; n_features: none yet */
    /* Normal equations over (idle, features), weighted and forgetting. */
    double a[(REGRESSION_FEATURES_MAX + 1) * (REGRESSION_FEATURES_MAX + 1)];
    double b[REGRESSION_FEATURES_MAX + 1];
    double theta[REGRESSION_FEATURES_MAX + 1]; /* watts: idle, then price of one normalised unit */
    double prior[REGRESSION_FEATURES_MAX + 1], prior_weight[REGRESSION_FEATURES_MAX + 1];
    double ridge;         /* prior weight of a price */
    bool is_primed;       /* the prior stands */
    unsigned n_learned, n_refused_in_row;
    double largest_w;     /* measured so far */
    struct residual residual;
};

/* Zeroes. */
void regression_init(struct regression *regression);

/* Finds the features of a tick's events, adding new ones: ret_feature[n_events] gets an index, or REGRESSION_FEATURES_MAX for an event that has no room or was not counted
 * (is_counted false). cpu_event: index of the event the prior prices, n_events: none. */
void regression_map(struct regression *regression, size_t n_events, const char *const *events, const double *sums,
                    size_t cpu_event, size_t *ret_feature);

/* Normalises rates[n_events] of a target or of all into x[n_features]; what is missing or NAN gets its stand-in from the CPU feature. */
void regression_features(const struct regression *regression, size_t n_events, const size_t *feature, const double *rates,
                         double *x);

/* Idle plus prices; NAN before the first tick was learned. Within [0, 1.3 x the largest power seen]. */
double regression_predict(const struct regression *regression, const double *x);
/* The part of the features alone, without idle. */
double regression_dynamic(const struct regression *regression, const double *x);

/* Learns one tick. floor_w, lowest_w: what idle is known to be, and what it cannot exceed; NAN: unknown. */
void regression_learn(struct regression *regression, const double *x, double measured_w, double floor_w, double lowest_w);
