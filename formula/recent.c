/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts are compared by their logarithms: a doubling is as far at any load. */
#include "formula/recent.h"

#include <math.h>
#include <string.h>

#include "formula/cholesky.h"
#include "formula/state_io.h"

#define COUNT_LENGTH 0.3
#define MEMORY_TICKS 30.0
#define NOISE 0.3 /* variance, of the guessed miss's own */

static void locate(const double *all_x, double *ret_where)
{
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        ret_where[f] = f == FEATURE_SHARED ? 0 : log(fmax(all_x[f], 0) + 1e-3) / COUNT_LENGTH;
}

static double likeness(const double *a, double a_when, const double *b, double b_when)
{
    double square = 0;
    for (size_t f = 0; f < FEATURE_SHARED; f++)
        square += (a[f] - b[f]) * (a[f] - b[f]);
    return exp(-square / 2 - fabs(a_when - b_when) / MEMORY_TICKS);
}

void recent_guess(const struct recent *recent, const double *all_x, size_t n_experts,
                  double *ret_guess)
{
    size_t n = recent->n_seen < RECENT_TICKS ? recent->n_seen : RECENT_TICKS;
    double where[FEATURE_COUNT], when = (double)recent->n_seen;
    double a[RECENT_TICKS * RECENT_TICKS], l[RECENT_TICKS * RECENT_TICKS], weights[RECENT_TICKS];
    memset(ret_guess, 0, n_experts * sizeof(*ret_guess));
    locate(all_x, where);
    for (size_t i = 0; i < n; i++) {
        weights[i] = likeness(where, when, recent->where[i], recent->when[i]);
        for (size_t j = 0; j < i; j++)
            a[i * n + j] =
                likeness(recent->where[i], recent->when[i], recent->where[j], recent->when[j]);
        a[i * n + i] = 1 + NOISE;
    }
    if (n == 0 || !cholesky_factor(n, n, a, l))
        return;
    cholesky_forward(n, n, l, 0, weights);
    cholesky_backward(n, n, l, n, weights);
    for (size_t i = 0; i < n; i++)
        for (size_t e = 0; e < n_experts; e++)
            ret_guess[e] += weights[i] * recent->miss[i][e];
}

void recent_add(struct recent *recent, const double *all_x, size_t n_experts, const double *miss)
{
    size_t i = recent->n_seen % RECENT_TICKS;
    locate(all_x, recent->where[i]);
    recent->when[i] = (double)recent->n_seen;
    memcpy(recent->miss[i], miss, n_experts * sizeof(*miss));
    recent->n_seen++;
}

void recent_visit(struct recent *recent, struct state_io *io)
{
    state_doubles(io, "where", recent->where[0], RECENT_TICKS * FEATURE_COUNT);
    state_doubles(io, "when", recent->when, RECENT_TICKS);
    state_doubles(io, "miss", recent->miss[0], RECENT_TICKS * RECENT_EXPERTS);
    state_words(io, "n_seen", &recent->n_seen, 1);
}
