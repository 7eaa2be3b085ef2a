/* SPDX-License-Identifier: BSD-3-Clause */
/* Least squares with a mixed penalty and no negative coefficient, fitted as scikit-learn's ElasticNet(positive=True) fits it: the same objective, the same
 * order of steps, and the same moment to stop, because with collinear features the place where it stops is the result. The arithmetic alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ELASTIC_NET_FEATURES_MAX 64

struct elastic_net_settings {
    double alpha, l1_ratio; /* weight of the penalty, and the part of it that is the sum of coefficients (the rest: of squares) */
    double tolerance;       /* of a sweep's largest step, relative to the largest coefficient, and of the dual gap, relative to y'y */
    unsigned max_sweeps;
    bool fit_intercept;     /* else it is 0 */
};

/* Minimises |y - X w - b|^2 / (2 n) + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|^2 / 2 over w >= 0 by cyclic coordinate descent from w = 0.
 * x: n_features columns of n_samples values, y: n_samples; both are centred in place when the intercept is fitted. residual: room for n_samples values.
 * n_samples and n_features > 0, n_features <= ELASTIC_NET_FEATURES_MAX. ret_coef[n_features], all >= 0. Returns the sweeps made.
 * Source: scikit-learn 1.9, linear_model/_cd_fast.pyx (enet_coordinate_descent) and _base.py; the rule that leaves features out: Fercoq, Gramfort, Salmon,
 * "Mind the duality gap", arXiv 1505.03410, and Ndiaye et al., arXiv 1802.07481. */
unsigned elastic_net_fit(const struct elastic_net_settings *settings, size_t n_samples, size_t n_features, double *x, double *y,
                         double *residual, double *ret_coef, double *ret_intercept);
