/* SPDX-License-Identifier: BSD-3-Clause */
/* The sliding minimum agrees with looking at the whole window, and one low tick alone is not
 * believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "formula/lowest.h"

static void it_is_the_minimum_of_what_two_ticks_confirm(void **state)
{
    (void)state;
    static struct lowest lowest;
    static double values[5000];
    unsigned seed = 3;
    assert_true(isnan(lowest_get(&lowest)));
    for (size_t i = 0; i < 5000; i++) {
        values[i] = i > 2000 && i < 3000 ? (double)i : 1 + rand_r(&seed) % 1000;
        lowest_add(&lowest, values[i]);
        double expected = INFINITY;
        for (size_t j = i >= LOWEST_WINDOW ? i - (LOWEST_WINDOW - 1) : 1; j <= i; j++)
            expected = fmin(expected, fmax(values[j - 1], values[j]));
        assert_true(lowest_get(&lowest) == (i == 0 ? values[0] : expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_minimum_of_what_two_ticks_confirm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
