/* SPDX-License-Identifier: BSD-3-Clause */
/* The factor gives back its matrix, solves, and bears what is singular. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "formula/cholesky.h"

enum { N = 9 };

static double entry(size_t index)
{
    return (double)(index * index * 2654435761u % 1009) / 1009;
}

static void make(double *a, size_t rank)
{
    memset(a, 0, N * N * sizeof(*a));
    for (size_t k = 0; k < rank; k++)
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++)
                a[i * N + j] += entry(k * N + i) * entry(k * N + j);
}

static void a_system_is_solved(void **state)
{
    (void)state;
    double a[N * N], l[N * N], b[N] = {0};
    make(a, 2 * N);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            b[i] += a[i * N + j] * (double)(j + 1);
    assert_true(cholesky_factor(N, N, a, l));
    cholesky_forward(N, N, l, 0, b);
    cholesky_backward(N, N, l, N, b);
    for (size_t i = 0; i < N; i++)
        assert_true(fabs(b[i] - (double)(i + 1)) < 1e-9);
}

static void fixed_rows_stay(void **state)
{
    (void)state;
    double a[N * N], l[N * N], b[N] = {1, 2, 3, 4, 5, 6, 7}, y[N];
    make(a, 2 * N);
    memcpy(y, b, sizeof(y));
    assert_true(cholesky_factor(N, N, a, l));
    cholesky_forward(N, N, l, 0, y);
    y[N - 1] = 0.5;
    y[N - 2] = 0.25;
    cholesky_backward(N, N, l, N - 2, y);
    assert_true(y[N - 1] == 0.5 && y[N - 2] == 0.25);
    for (size_t i = 0; i < N - 2; i++) { /* the other equations still hold */
        double left = 0;
        for (size_t j = 0; j < N; j++)
            left += a[i * N + j] * y[j];
        assert_true(fabs(left - b[i]) < 1e-9);
    }
}

static void singular_and_hostile_matrices_are_survived(void **state)
{
    (void)state;
    double a[N * N], l[N * N];
    make(a, 3);
    assert_true(cholesky_factor(N, N, a, l));
    for (size_t i = 0; i < N; i++)
        assert_true(isfinite(l[i * N + i]) && l[i * N + i] > 0);
    a[0] = NAN;
    assert_false(cholesky_factor(N, N, a, l));
    make(a, 2 * N);
    a[4 * N + 4] = -1;
    assert_false(cholesky_factor(N, N, a, l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_system_is_solved),
        cmocka_unit_test(fixed_rows_stay),
        cmocka_unit_test(singular_and_hostile_matrices_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
