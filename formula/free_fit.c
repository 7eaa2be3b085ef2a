/* SPDX-License-Identifier: BSD-3-Clause */
/* A faint prior, never forgotten, keeps collinear and absent features from growing without bound.
 */
#include "formula/free_fit.h"

#include <math.h>
#include <string.h>

#include "formula/cholesky.h"
#include "formula/state_io.h"

#define T FREE_FIT_TERMS
#define NOISE_SHARE 0.01
#define NOISE_W 0.3

void free_fit_init(struct free_fit *fit, double forgetting)
{
    *fit = (struct free_fit){.forgetting = forgetting};
}

static void make_terms(const double *all_x, double *h)
{
    h[0] = 1;
    memcpy(h + 1, all_x, FEATURE_COUNT * sizeof(*h));
    h[T - 1] = sqrt(fmax(all_x[FEATURE_INSTRUCTIONS], 0));
}

double free_fit_predict(const struct free_fit *fit, const double *all_x)
{
    if (fit->weight[0] <= 0)
        return NAN;
    double h[T], watts = 0;
    make_terms(all_x, h);
    for (size_t i = 0; i < T; i++)
        watts += fit->theta[i] * h[i];
    return watts;
}

static void solve(struct free_fit *fit)
{
    double a[T * T], l[T * T], y[T];
    memcpy(a, fit->a, sizeof(a));
    for (size_t i = 0; i < T; i++) {
        a[i * T + i] += fit->weight[i];
        y[i] = fit->b[i] + (i < 2 ? fit->weight[i] * fit->prior_w : 0);
    }
    if (!cholesky_factor(T, T, a, l))
        return;
    cholesky_forward(T, T, l, 0, y);
    cholesky_backward(T, T, l, T, y);
    memcpy(fit->theta, y, sizeof(y));
}

void free_fit_learn(struct free_fit *fit, const double *all_x, double measured_w, double weight)
{
    double h[T];
    make_terms(all_x, h);
    bool is_first = fit->weight[0] <= 0;
    for (size_t i = 0; i < T && is_first; i++)
        fit->weight[i] = 1 / (measured_w * measured_w + NOISE_W * NOISE_W);
    if (fit->prior_w <= 0)
        fit->prior_w = measured_w / 2;
    if (weight <= 0)
        return;
    double noise_w2 = NOISE_SHARE * NOISE_SHARE * measured_w * measured_w + NOISE_W * NOISE_W;
    for (size_t i = 0; i < T; i++) {
        double factor = weight / noise_w2 * h[i];
        for (size_t j = 0; j < T; j++)
            fit->a[i * T + j] = fit->forgetting * fit->a[i * T + j] + factor * h[j];
        fit->b[i] = fit->forgetting * fit->b[i] + factor * measured_w;
    }
    solve(fit);
}

void free_fit_visit(struct free_fit *fit, struct state_io *io)
{
    state_doubles(io, "a", fit->a, T * T);
    state_doubles(io, "b", fit->b, T);
    state_doubles(io, "theta", fit->theta, T);
    state_doubles(io, "weight", fit->weight, T);
    state_doubles(io, "prior_w", &fit->prior_w, 1);
}
