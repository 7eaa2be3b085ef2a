/* SPDX-License-Identifier: BSD-3-Clause */
/* The fit gives what scikit-learn 1.9.1's ElasticNet(positive=True) gave of the same numbers,
 * after as many sweeps: where a fit stops short, the place is the result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/scope.h"
#include "formula/elastic_net.h"

#define SAMPLES_MAX 60

enum kind { PLAIN, COLLINEAR, NEAR, EMPTY, NEGATIVE };

static const struct fit {
    size_t n_samples, n_features;
    double scale;
    enum kind kind;
    bool fit_intercept;
    unsigned n_sweeps;
    double intercept;
    double coef[4];
} fits[] = {
    {60,
     4,
     1e6,
     PLAIN,
     true,
     11,
     23.158835843167353,
     {9.745552710353601e-09, 1.99988310529173e-08, 2.9731117675005013e-08, 3.9809001468558906e-08}},
    {30,
     4,
     1e6,
     PLAIN,
     false,
     27,
     0,
     {1.9807098166982177e-08, 3.2157802746742286e-08, 3.9378065446752825e-08,
      4.8837085190810814e-08}},
    {60,
     3,
     1e6,
     COLLINEAR,
     true,
     5,
     21.377478979844618,
     {2.787517279924842e-08, 0, 3.0732105157255065e-08}},
    {25, 3, 1e6, NEAR, false, 998, 0, {0, 5.3198120502419e-08, 5.321508111552262e-08}},
    {40,
     3,
     0.01,
     PLAIN,
     true,
     5,
     25.063971207289626,
     {0.7648703234464775, 1.889765462137646, 2.78763611579112}},
    {40,
     3,
     0.002,
     PLAIN,
     true,
     4,
     41.9808207833669,
     {0.9175267432928148, 3.7375404297033445, 5.135565162755822}},
    {20, 3, 1e6, EMPTY, false, 13, 0, {2.9609792386435232e-08, 4.253626483008872e-08, 0}},
    {20, 3, 1e6, NEGATIVE, true, 0, -5.852000000000002, {0, 0, 0}},
    {20, 3, 1e6, NEGATIVE, false, 0, 0, {0, 0, 0}},
    {10, 2, 1e6, PLAIN, false, 11, 0, {3.222362645345246e-08, 5.058551022918763e-08}},
};

static uint32_t draw(uint32_t *seed)
{
    *seed = (*seed * 1103515245u + 12345u) & 0x7fffffffu;
    return *seed;
}

/* The same numbers as were given to scikit-learn. */
static void make(const struct fit *fit, double *x, double *y)
{
    uint32_t seed = (uint32_t)(fit->n_samples + fit->n_features);
    size_t n = fit->n_samples;
    for (size_t i = 0; i < n; i++) {
        for (size_t f = 0; f < fit->n_features; f++)
            x[f * n + i] = (draw(&seed) >> 8) % 1000 * fit->scale;
        if (fit->kind == COLLINEAR)
            x[n + i] = x[i] * 0.84;
        if (fit->kind == NEAR)
            x[n + i] = x[i] * 0.84 + (seed >> 16) % 10 * fit->scale;
        if (fit->kind == EMPTY)
            x[2 * n + i] = 0;
        double sum = 0;
        for (size_t f = 0; f < fit->n_features; f++)
            sum += (double)(f + 1) * x[f * n + i] / fit->scale * 0.01;
        y[i] = 20 + (fit->kind == NEGATIVE ? -sum : sum) + (draw(&seed) >> 8) % 100 * 0.05;
    }
}

static void fits_as_scikit_learn_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fits); i++) {
        const struct fit *fit = &fits[i];
        double x[4 * SAMPLES_MAX], y[SAMPLES_MAX], residual[SAMPLES_MAX], coef[4], intercept;
        const struct elastic_net_settings settings = {
            .alpha = 1,
            .l1_ratio = 0.5,
            .tolerance = 1e-4,
            .max_sweeps = 1000,
            .fit_intercept = fit->fit_intercept,
        };
        make(fit, x, y);
        unsigned n_sweeps = elastic_net_fit(&settings, fit->n_samples, fit->n_features, x, y,
                                            residual, coef, &intercept);
        assert_int_equal(n_sweeps, fit->n_sweeps);
        assert_true(fabs(intercept - fit->intercept) <= 1e-9 * fabs(fit->intercept));
        for (size_t f = 0; f < fit->n_features; f++)
            assert_true(fabs(coef[f] - fit->coef[f]) <= 1e-9 * fabs(fit->coef[f]));
    }
}

static void sweeps_end(void **state)
{
    (void)state;
    double x[4 * SAMPLES_MAX], y[SAMPLES_MAX], residual[SAMPLES_MAX], coef[4], intercept;
    const struct elastic_net_settings settings = {
        .alpha = 1, .l1_ratio = 0.5, .tolerance = 0, .max_sweeps = 7};
    make(&fits[1], x, y);
    assert_int_equal(elastic_net_fit(&settings, 30, 4, x, y, residual, coef, &intercept), 7);
    for (size_t f = 0; f < 4; f++)
        assert_true(coef[f] >= 0 && isfinite(coef[f]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_as_scikit_learn_does),
        cmocka_unit_test(sweeps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
