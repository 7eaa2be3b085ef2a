/* SPDX-License-Identifier: BSD-3-Clause */
/* One prediction out of several: each counts by how right it was lately. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct state_io;

#define EXPERTS_MAX 16

/* Zeroed: all are equal. */
struct experts {
    double loss[EXPERTS_MAX]; /* decaying means of |miss| */
};

/* The weighted mean of the predictions that are numbers; NAN where none is. */
double experts_predict(const struct experts *experts, size_t n, const double *predictions_w);
void experts_learn(struct experts *experts, size_t n, const double *predictions_w, double measured_w);
void experts_visit(struct experts *experts, struct state_io *io);
