/* SPDX-License-Identifier: BSD-3-Clause */
/* How wrong a model's predictions were lately. */
#pragma once

#include <stdint.h>

struct state_io;

/* Zeroed: nothing known. */
struct residual {
    double mean_square_w2; /* decaying mean of squares */
    double middle_w;       /* follows the median of the absolute residual */
    uint64_t n_seen;
};

void residual_add(struct residual *residual, double residual_w);
/* One standard deviation of the prediction, NAN while nothing is known. */
double residual_sigma_w(const struct residual *residual);
/* What counts as a usual miss at this power: the median-like residual, but at least 2 % and 0.3 W. */
double residual_usual_w(const struct residual *residual, double power_w);
void residual_visit(struct residual *residual, struct state_io *io);
