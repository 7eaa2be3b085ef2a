/* SPDX-License-Identifier: BSD-3-Clause */
/* Huber's weight, but for the first odd tick of a row: counters that wrap, reset or come late are
 * odd once, a changed machine stays so. That tick counts for almost nothing, and does not widen
 * what is thought usual either. */
#include "formula/robust.h"

#include <math.h>
#include <stdbool.h>

#include "formula/state_io.h"

#define USUAL_TIMES 4.0
#define TRUST_AFTER 10 /* ticks, before anything is doubted */

double robust_weight(struct robust *robust, double miss_w, double power_w)
{
    double limit_w = USUAL_TIMES * residual_usual_w(&robust->residual, power_w);
    bool is_above = miss_w > 0, is_known = ++robust->n_seen > TRUST_AFTER;
    if (fabs(miss_w) <= limit_w) {
        residual_add(&robust->residual, miss_w);
        robust->n_odd_in_row = 0;
        return 1;
    }
    bool goes_on = robust->n_odd_in_row > 0 && (robust->was_above != 0) == is_above;
    robust->n_odd_in_row = goes_on ? robust->n_odd_in_row + 1 : 1;
    robust->was_above = is_above;
    double weight = limit_w / fabs(miss_w);
    if (goes_on || !is_known) {
        residual_add(&robust->residual, miss_w);
        return weight;
    }
    residual_add(&robust->residual, limit_w);
    return weight * weight * weight * weight;
}

void robust_visit(struct robust *robust, struct state_io *io)
{
    residual_visit(&robust->residual, io);
    state_words(io, "n_seen", &robust->n_seen, 1);
    state_words(io, "n_odd_in_row", &robust->n_odd_in_row, 1);
    state_words(io, "was_above", &robust->was_above, 1);
}
