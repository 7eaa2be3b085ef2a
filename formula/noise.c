/* SPDX-License-Identifier: BSD-3-Clause */
/* Noise that is returned is a moving average of first order, e[t] = u[t] - r u[t - 1]: then the
 * correlation of a miss with the one before is -r / (1 + r^2), and u[t] is e[t] + r u[t - 1]. Where
 * the correlation is positive, the variance of a mean of many misses is (1 + c) / (1 - c) times
 * that of as many independent ones, as of an autoregression. */
#include "formula/noise.h"

#include <math.h>

#include "formula/state_io.h"

#define DECAY 0.995
#define EXPECTED_TICKS 10 /* that what was expected counts as */
#define VARIANCE_MIN 1e-4
#define CORRELATION_MAX 0.9
#define RETURNED_MAX 0.8

void noise_init(struct noise *noise)
{
    *noise = (struct noise){.square = 1};
}

void noise_add(struct noise *noise, double miss)
{
    double rate = fmax(1.0 / (double)(EXPECTED_TICKS + noise->n_seen), 1 - DECAY);
    noise->n_seen++;
    noise->square += rate * (miss * miss - noise->square);
    noise->square = fmax(noise->square, VARIANCE_MIN);
    noise->product += rate * (miss * noise->last_miss - noise->product);
    noise->last_miss = miss;
}

static double correlation(const struct noise *noise)
{
    return fmin(fmax(noise->product / noise->square, -CORRELATION_MAX), CORRELATION_MAX);
}

double noise_returned(const struct noise *noise)
{
    double c = fmin(-correlation(noise), 0.5);
    return c > 0 ? fmin((1 - sqrt(1 - 4 * c * c)) / (2 * c), RETURNED_MAX) : 0;
}

double noise_variance(const struct noise *noise)
{
    double c = correlation(noise), returned = noise_returned(noise);
    return noise->square * fmax((1 + c) / (1 - c), 1) / (1 + returned * returned);
}

void noise_visit(struct noise *noise, struct state_io *io)
{
    state_doubles(io, "noise_square", &noise->square, 1);
    state_doubles(io, "noise_product", &noise->product, 1);
    state_doubles(io, "noise_last_miss", &noise->last_miss, 1);
    state_words(io, "noise_n_seen", &noise->n_seen, 1);
}
