/* SPDX-License-Identifier: BSD-3-Clause */
/* Exponential weights on recent error, in units of the best one's error, so that neither a large
 * nor a small machine needs another rate. */
#include "formula/experts.h"

#include <math.h>

#include "formula/state_io.h"

#define DECAY 0.9
#define SHARPNESS 8.0

double experts_predict(const struct experts *experts, size_t n, const double *predictions_w)
{
    double best = INFINITY, sum = 0, weights = 0;
    for (size_t e = 0; e < n; e++)
        if (isfinite(predictions_w[e]))
            best = fmin(best, experts->loss[e]);
    for (size_t e = 0; e < n; e++) {
        if (!isfinite(predictions_w[e]))
            continue;
        double worse = experts->loss[e] - best;
        double weight = worse > 0 ? exp(-SHARPNESS * worse / fmax(best, 1e-6)) : 1;
        sum += weight * predictions_w[e];
        weights += weight;
    }
    return weights > 0 ? sum / weights : NAN;
}

void experts_learn(struct experts *experts, size_t n, const double *predictions_w,
                   double measured_w)
{
    for (size_t e = 0; e < n; e++)
        if (isfinite(predictions_w[e]))
            experts->loss[e] =
                DECAY * experts->loss[e] + (1 - DECAY) * fabs(predictions_w[e] - measured_w);
}

void experts_visit(struct experts *experts, struct state_io *io)
{
    state_doubles(io, "loss", experts->loss, EXPERTS_MAX);
}
