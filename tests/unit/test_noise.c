/* SPDX-License-Identifier: BSD-3-Clause */
/* Noise of a known kind is recognised by its misses: independent, returned by the next tick, or
 * going on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "formula/noise.h"

/* Nearly normal, of variance 1. */
static double chance(unsigned *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += rand_r(seed) / (double)RAND_MAX;
    return sum - 6;
}

/* Misses u[t] - returned u[t - 1], which go on by so much of themselves. */
static struct noise learned(double sigma, double returned, double going_on)
{
    struct noise noise;
    unsigned seed = 1;
    double last = 0, miss = 0;
    noise_init(&noise);
    for (int i = 0; i < 20000; i++) {
        double now = sigma * chance(&seed);
        miss = going_on * miss + now - returned * last;
        last = now;
        noise_add(&noise, miss);
    }
    return noise;
}

static void what_nothing_is_known_of_is_as_expected(void **state)
{
    (void)state;
    struct noise noise;
    noise_init(&noise);
    assert_true(noise_variance(&noise) == 1);
    assert_true(noise_returned(&noise) == 0);
}

static void kinds_of_noise_are_told_apart(void **state)
{
    (void)state;
    struct noise independent = learned(0.5, 0, 0);
    assert_true(fabs(noise_variance(&independent) - 0.25) < 0.1);
    assert_true(noise_returned(&independent) < 0.2);
    struct noise returned = learned(0.5, 0.6, 0);
    assert_true(fabs(noise_returned(&returned) - 0.6) < 0.2);
    assert_true(fabs(noise_variance(&returned) - 0.25) < 0.1);
    struct noise lasting = learned(0.5, 0, 0.6);
    assert_true(noise_returned(&lasting) == 0);
    double of_a_mean = 0.25 / ((1 - 0.6) * (1 - 0.6));
    assert_true(noise_variance(&lasting) > 0.5 * of_a_mean);
    assert_true(noise_variance(&lasting) < 2 * of_a_mean);
}

static void nothing_is_unbounded(void **state)
{
    (void)state;
    struct noise none = learned(0, 0, 0);
    assert_true(noise_variance(&none) > 0 && noise_returned(&none) == 0);
    struct noise alternating, rising;
    noise_init(&alternating);
    noise_init(&rising);
    for (int i = 0; i < 5000; i++) {
        noise_add(&alternating, i % 2 ? 1e9 : -1e9);
        noise_add(&rising, 1e9);
    }
    assert_true(noise_returned(&alternating) == 0.8);
    assert_true(isfinite(noise_variance(&alternating)) && isfinite(noise_variance(&rising)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nothing_is_known_of_is_as_expected),
        cmocka_unit_test(kinds_of_noise_are_told_apart),
        cmocka_unit_test(nothing_is_unbounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
