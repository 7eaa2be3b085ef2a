/* SPDX-License-Identifier: BSD-3-Clause */
/* How much a tick may teach: 1 for a usual miss, less for a large one, next to nothing for an outlier; but what keeps coming is believed. */
#pragma once

#include "formula/residual.h"

struct state_io;

/* Zeroed: nothing known. */
struct robust {
    struct residual residual;
    uint64_t n_seen, n_odd_in_row, was_above;
};

/* The weight of a tick that was missed by miss_w at power_w, and notes the miss. */
double robust_weight(struct robust *robust, double miss_w, double power_w);
void robust_visit(struct robust *robust, struct state_io *io);
