/* SPDX-License-Identifier: BSD-3-Clause */
/* The mean of squares follows fast (20 ticks); the median-like value moves by 5 % of itself,
 * whatever the size of the miss, so that outliers do not teach it to accept outliers. */
#include "formula/residual.h"

#include <math.h>

#include "formula/state_io.h"

#define DECAY 0.95
#define STEP 1.05
#define USUAL_SHARE 0.02
#define USUAL_W 0.3
#define SIGMA_MIN_W 0.01

void residual_add(struct residual *residual, double residual_w)
{
    double miss_w = fabs(residual_w);
    if (residual->n_seen++ == 0) {
        residual->mean_square_w2 = miss_w * miss_w;
        residual->middle_w = miss_w;
        return;
    }
    residual->mean_square_w2 = DECAY * residual->mean_square_w2 + (1 - DECAY) * miss_w * miss_w;
    residual->middle_w = fmax(residual->middle_w, SIGMA_MIN_W);
    residual->middle_w *= miss_w > residual->middle_w ? STEP : 1 / STEP;
}

double residual_sigma_w(const struct residual *residual)
{
    return residual->n_seen == 0 ? NAN : fmax(sqrt(residual->mean_square_w2), SIGMA_MIN_W);
}

double residual_usual_w(const struct residual *residual, double power_w)
{
    return fmax(residual->middle_w, fmax(USUAL_SHARE * power_w, USUAL_W));
}

void residual_visit(struct residual *residual, struct state_io *io)
{
    state_doubles(io, "mean_square_w2", &residual->mean_square_w2, 1);
    state_doubles(io, "middle_w", &residual->middle_w, 1);
    state_words(io, "n_missed", &residual->n_seen, 1);
}
