/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a tick counts becomes features: by name, scaled, with stand-ins for what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "formula/features.h"

static struct scope_tick tick_of(size_t n, const char *const *events, double clock_ratio)
{
    return (struct scope_tick){.n_events = n, .events = events, .clock_ratio = clock_ratio};
}

static void features_are_found_by_name(void **state)
{
    (void)state;
    static const char *const events[] = {"cycles", "instructions", "llc_misses"};
    struct scope_tick tick = tick_of(3, events, 1.5);
    struct features features;
    features_init(&features, DOMAIN_PACKAGE);
    const double totals[] = {4e9, 8e9, 1e6}, half[] = {2e9, 4e9, NAN};
    double x[FEATURE_COUNT], boosted[FEATURE_COUNT];
    assert_true(features_begin(&features, &tick, totals));
    features_of(&features, &tick, totals, x);
    assert_true(x[FEATURE_WORK] == 1 && x[FEATURE_INSTRUCTIONS] == 1 && x[FEATURE_MISSES] == 1);
    features_learn(&features, &tick, x);
    features_of(&features, &tick, half, x);
    assert_true(x[FEATURE_WORK] == 0.5 && x[FEATURE_MISSES] == 0.5); /* its stand-in */
    features_boost(&features, 2, x, boosted);
    assert_true(fabs(boosted[FEATURE_WORK] - 0.5 * 2.25) < 1e-12);
    assert_true(boosted[FEATURE_MISSES] == 0.5);
}

static void software_events_suffice(void **state)
{
    (void)state;
    static const char *const events[] = {"cpu_ns"}, *const odd[] = {"odd_one"};
    struct scope_tick tick = tick_of(1, events, NAN);
    struct features features;
    features_init(&features, DOMAIN_PACKAGE);
    double x[FEATURE_COUNT];
    assert_true(features_begin(&features, &tick, (double[]){3e9}));
    features_of(&features, &tick, (double[]){1.5e9}, x);
    assert_true(x[FEATURE_WORK] == 0.5 && x[FEATURE_INSTRUCTIONS] == 0);
    tick.events = odd;
    assert_true(features_begin(&features, &tick, (double[]){500}));
    features_of(&features, &tick, (double[]){500}, x);
    assert_true(x[FEATURE_WORK] == 1);
    assert_false(features_begin(&features, &tick, (double[]){NAN}));
    tick.n_events = 0;
    assert_false(features_begin(&features, &tick, NULL));
    features_of(&features, &tick, NULL, x);
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        assert_true(x[f] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_found_by_name),
        cmocka_unit_test(software_events_suffice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
