/* SPDX-License-Identifier: BSD-3-Clause */
/* A miss that keeps coming in one place is foreseen there, not elsewhere, and forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "formula/recent.h"

static void near_misses_are_foreseen(void **state)
{
    (void)state;
    static struct recent recent;
    const double here[FEATURE_COUNT] = {1, 1, 1, 1}, there[FEATURE_COUNT] = {9, 3, 20, 3};
    double guess[2];
    recent_guess(&recent, here, 2, guess);
    assert_true(guess[0] == 0 && guess[1] == 0);
    for (int i = 0; i < 40; i++)
        recent_add(&recent, i % 2 ? here : there, 2, (double[]){i % 2 ? 5 : 0, -2});
    recent_guess(&recent, here, 2, guess);
    assert_true(guess[0] > 4 && guess[0] < 6 && guess[1] < -1.5 && guess[1] > -2.5);
    recent_guess(&recent, there, 2, guess);
    assert_true(fabs(guess[0]) < 0.5);
    const double nowhere[FEATURE_COUNT] = {1e-9, 1e9, 0, 0};
    recent_guess(&recent, nowhere, 2, guess);
    assert_true(fabs(guess[0]) < 0.1);
    for (int i = 0; i < RECENT_TICKS; i++)
        recent_add(&recent, there, 2, (double[]){0, 0});
    recent_guess(&recent, here, 2, guess);
    assert_true(fabs(guess[0]) < 0.1 && fabs(guess[1]) < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(near_misses_are_foreseen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
