/* SPDX-License-Identifier: BSD-3-Clause */
/* The sliding minimum agrees with looking at the whole window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "formula/lowest.h"

static void it_is_the_minimum_of_the_window(void **state)
{
    (void)state;
    static struct lowest lowest;
    static double values[5000];
    unsigned seed = 3;
    assert_true(isnan(lowest_get(&lowest)));
    for (size_t i = 0; i < 5000; i++) {
        values[i] = i > 2000 && i < 3000 ? (double)i : rand_r(&seed) % 1000;
        lowest_add(&lowest, values[i]);
        double expected = values[i];
        for (size_t j = i >= LOWEST_WINDOW - 1 ? i - (LOWEST_WINDOW - 1) : 0; j <= i; j++)
            expected = fmin(expected, values[j]);
        assert_true(lowest_get(&lowest) == expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_the_minimum_of_the_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
