/* SPDX-License-Identifier: BSD-3-Clause */
/* Any signs are found, changes are followed, and hostile numbers do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "formula/free_fit.h"

static void signs_are_free(void **state)
{
    (void)state;
    struct free_fit fit;
    free_fit_init(&fit, 0.98);
    double x[FEATURE_COUNT] = {0}, worst = 0;
    assert_true(isnan(free_fit_predict(&fit, x)));
    for (int i = 0; i < 300; i++) {
        x[FEATURE_WORK] = 1 + sin(i);
        x[FEATURE_INSTRUCTIONS] = 1 + sin(i * 1.7);
        x[FEATURE_SHARED] = sqrt(x[FEATURE_WORK]);
        double watts = 30 + 20 * x[FEATURE_WORK] - 8 * x[FEATURE_INSTRUCTIONS];
        if (i > 200)
            worst = fmax(worst, fabs(free_fit_predict(&fit, x) - watts));
        free_fit_learn(&fit, x, watts, 1);
    }
    print_message("worst miss %.3f W\n", worst);
    assert_true(worst < 0.3);
    double before = free_fit_predict(&fit, x);
    free_fit_learn(&fit, x, 1e5, 0);
    assert_true(free_fit_predict(&fit, x) == before);
}

static void hostile_numbers_stay_finite(void **state)
{
    (void)state;
    struct free_fit fit;
    free_fit_init(&fit, 0.9);
    const double large[] = {0, 1e-300, 1e12, 1, 1e-12};
    for (int i = 0; i < 200; i++) {
        double x[FEATURE_COUNT] = {large[i % 5], large[i / 5 % 5], large[i / 25 % 5], 0};
        free_fit_learn(&fit, x, large[i % 3 + 2], 1);
        assert_true(isfinite(free_fit_predict(&fit, x)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_are_free),
        cmocka_unit_test(hostile_numbers_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
