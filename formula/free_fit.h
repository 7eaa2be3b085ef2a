/* SPDX-License-Identifier: BSD-3-Clause */
/* Least squares without bounds on the signs, forgetting fast: for predictions alone. What it says of one target means nothing. */
#pragma once

#include <stddef.h>

#include "formula/features.h"

#define FREE_FIT_TERMS (FEATURE_COUNT + 2) /* idle, the features, the root of instructions */

struct free_fit {
    double forgetting;
    double a[FREE_FIT_TERMS * FREE_FIT_TERMS], b[FREE_FIT_TERMS];
    double theta[FREE_FIT_TERMS];
    double weight[FREE_FIT_TERMS]; /* of the prior; 0 in the first: nothing learned */
    double prior_w;
};

void free_fit_init(struct free_fit *fit, double forgetting);
double free_fit_predict(const struct free_fit *fit, const double *all_x); /* NAN before the first tick; may be negative */
/* weight: of the tick, 0 to 1. */
void free_fit_learn(struct free_fit *fit, const double *all_x, double measured_w, double weight);
void free_fit_visit(struct free_fit *fit, struct state_io *io);
