/* SPDX-License-Identifier: BSD-3-Clause */
/* Huber's weight, with a limit far beyond it where a tick counts for nothing. */
#include "formula/robust.h"

#include <math.h>

#include "formula/state_io.h"

#define USUAL_TIMES 4.0
#define REFUSE_TIMES 20.0
#define REFUSE_IN_ROW 3 /* then the machine has changed */
#define TRUST_AFTER 10  /* ticks, before anything is refused */

double robust_weight(struct robust *robust, double miss_w, double power_w)
{
    double limit_w = USUAL_TIMES * residual_usual_w(&robust->residual, power_w);
    residual_add(&robust->residual, miss_w);
    robust->n_seen++;
    if (fabs(miss_w) <= limit_w) {
        robust->n_refused_in_row = 0;
        return 1;
    }
    if (fabs(miss_w) > REFUSE_TIMES * limit_w && robust->n_seen > TRUST_AFTER &&
        robust->n_refused_in_row < REFUSE_IN_ROW) {
        robust->n_refused_in_row++;
        return 0;
    }
    return limit_w / fabs(miss_w);
}

void robust_visit(struct robust *robust, struct state_io *io)
{
    residual_visit(&robust->residual, io);
    state_words(io, "n_seen", &robust->n_seen, 1);
    state_words(io, "n_refused_in_row", &robust->n_refused_in_row, 1);
}
