/* SPDX-License-Identifier: BSD-3-Clause */
/* The solver finds the constrained optimum, and stays finite on equations that have none of their
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "formula/nnls.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void the_free_optimum_is_found(void **state)
{
    (void)state;
    const double a[] = {4, 1, 1, 3};
    const double b[] = {1 * 4 + 2 * 1, 1 * 1 + 2 * 3}; /* of x = (1, 2) */
    double x[2] = {0, 0};
    assert_true(nnls_solve(2, a, b, x, 100, 1e-14) < 100);
    assert_near(x[0], 1, 1e-10);
    assert_near(x[1], 2, 1e-10);
}

static void a_negative_unknown_ends_at_zero_and_the_rest_is_solved_without_it(void **state)
{
    (void)state;
    const double a[] = {2, 1, 1, 2};
    const double b[] = {-1, 3}; /* free: x0 < 0 */
    double x[2] = {5, 5};
    (void)nnls_solve(2, a, b, x, 100, 1e-14);
    assert_true(x[0] == 0);
    assert_near(x[1], 1.5, 1e-12);
}

static void twins_share_without_breaking(void **state)
{
    (void)state;
    const double a[] = {1, 1, 1, 1};
    const double b[] = {2, 2};
    double x[2] = {NAN, -3};
    (void)nnls_solve(2, a, b, x, 100, 1e-12);
    assert_near(x[0] + x[1], 2, 1e-12);
}

static void hostile_equations_stay_finite(void **state)
{
    (void)state;
    const double a[] = {0, 0, 0, 0, 1e300, 1e300, 0, 1e300, NAN};
    const double b[] = {1, 1e308, 5};
    double x[3] = {INFINITY, 1, 1};
    (void)nnls_solve(3, a, b, x, 50, 1e-12);
    for (size_t i = 0; i < 3; i++)
        assert_true(isfinite(x[i]) && x[i] >= 0);
}

/* Every solution must satisfy the conditions of optimality: no feasible direction goes down. */
static void random_systems_are_optimal(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        double m[8][4], a[16] = {0}, b[4], x[4] = {0};
        for (int i = 0; i < 8; i++)
            for (int j = 0; j < 4; j++)
                m[i][j] = rand_r(&seed) / (double)RAND_MAX;
        for (int i = 0; i < 4; i++) {
            b[i] = rand_r(&seed) / (double)RAND_MAX * 4 - 1;
            for (int j = 0; j < 4; j++)
                for (int k = 0; k < 8; k++)
                    a[i * 4 + j] += m[k][i] * m[k][j];
        }
        (void)nnls_solve(4, a, b, x, 100000, 1e-15);
        for (int i = 0; i < 4; i++) {
            double slope = -b[i];
            for (int j = 0; j < 4; j++)
                slope += a[i * 4 + j] * x[j];
            assert_true(slope >= -1e-8);
            assert_true(fabs(slope * x[i]) <= 1e-7);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_free_optimum_is_found),
        cmocka_unit_test(a_negative_unknown_ends_at_zero_and_the_rest_is_solved_without_it),
        cmocka_unit_test(twins_share_without_breaking),
        cmocka_unit_test(hostile_equations_stay_finite),
        cmocka_unit_test(random_systems_are_optimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
