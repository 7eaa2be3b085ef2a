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
    double x[FEATURE_COUNT], seen[FEATURE_COUNT];
    assert_true(features_begin(&features, &tick, totals));
    features_of(&features, &tick, totals, x);
    assert_true(x[FEATURE_WORK] == 1 && x[FEATURE_INSTRUCTIONS] == 1 && x[FEATURE_MISSES] == 1);
    features_learn(&features, &tick, x);
    features_of(&features, &tick, half, x);
    assert_true(x[FEATURE_WORK] == 0.5 && x[FEATURE_MISSES] == 0.5); /* its stand-in */
    features_view(&features, CLOCK_SQUARE, SHARED_ROOT, 1, x, seen);
    assert_true(fabs(seen[FEATURE_WORK] - 0.5 * 2.25) < 1e-12);
    assert_true(seen[FEATURE_MISSES] == 0.5);
}

/* Every curve is 1 at the base clock and rises; what is shared grows less than work does. */
static void views_differ_in_the_clock_and_in_what_is_shared(void **state)
{
    (void)state;
    static const char *const events[] = {"cpu_ns"};
    const double x[FEATURE_COUNT] = {1, 1, 1, 0.5};
    struct features features;
    for (int curve = 0; curve < CLOCK_CURVES; curve++) {
        double last = 0, seen[FEATURE_COUNT];
        for (double ratio = 0.5; ratio < 2; ratio += 0.25) {
            struct scope_tick tick = tick_of(1, events, ratio);
            features_init(&features, DOMAIN_PACKAGE);
            assert_true(features_begin(&features, &tick, (double[]){3e9}));
            features_view(&features, (enum clock_curve)curve, SHARED_ROOT, 4, x, seen);
            assert_true(seen[FEATURE_WORK] > last &&
                        seen[FEATURE_WORK] == seen[FEATURE_INSTRUCTIONS]);
            assert_true(ratio != 1 || seen[FEATURE_WORK] == 1);
            assert_true(seen[FEATURE_MISSES] == 1 && seen[FEATURE_SHARED] == 0.5 * 2);
            last = seen[FEATURE_WORK];
        }
        features_view(&features, (enum clock_curve)curve, SHARED_AWAKE, 4, x, seen);
        assert_true(fabs(seen[FEATURE_SHARED] - 0.5 * (1 - exp(-3))) < 1e-12);
    }
    struct scope_tick tick = tick_of(1, events, 2);
    double seen[FEATURE_COUNT];
    features_init(&features, DOMAIN_DRAM);
    assert_true(features_begin(&features, &tick, (double[]){3e9}));
    features_view(&features, CLOCK_SQUARE, SHARED_ROOT, 4, x, seen);
    assert_true(seen[FEATURE_WORK] == 1 && seen[FEATURE_SHARED] == 0);
}

static void any_misses_explain_memory(void **state)
{
    (void)state;
    static const char *const events[] = {"L3_CACHE_MISSES", "cycles", "l2_misses"};
    struct scope_tick tick = tick_of(3, events, NAN);
    struct features features;
    double x[FEATURE_COUNT];
    features_init(&features, DOMAIN_DRAM);
    assert_true(features_begin(&features, &tick, (double[]){1e6, 1e9, 4e6}));
    features_of(&features, &tick, (double[]){5e5, 0, 0}, x);
    assert_true(x[FEATURE_MISSES] == 0.5);
    assert_true(features_begin(&features, &tick, (double[]){NAN, 1e9, 4e6}));
    features_of(&features, &tick, (double[]){NAN, 0, 1e6}, x);
    assert_true(x[FEATURE_MISSES] == 0.25); /* in units of its own */
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

/* A row whose hardware events found no counter does in its time what the others do in theirs. */
static void time_stands_in_for_what_was_not_counted(void **state)
{
    (void)state;
    static const char *const events[] = {"cpu_ns", "cycles", "instructions"};
    const double counted[] = {2e9, 6e9, 9e9}, uncounted[] = {1e9, NAN, NAN};
    const struct activity activities[] = {{.rates = counted}, {.rates = uncounted}};
    struct scope_tick tick = tick_of(3, events, 1);
    tick.activities = activities;
    tick.n_activities = 2;
    struct features features;
    double x[FEATURE_COUNT];
    features_init(&features, DOMAIN_PACKAGE);
    assert_true(features_begin(&features, &tick, (double[]){3e9, 9e9, 13.5e9}));
    features_of(&features, &tick, counted, x);
    features_learn(&features, &tick, x);
    assert_true(fabs(x[FEATURE_WORK] - 2.0 / 3) < 1e-12);
    features_of(&features, &tick, uncounted, x);
    assert_true(fabs(x[FEATURE_WORK] - 1.0 / 3) < 1e-12);
    assert_true(fabs(x[FEATURE_INSTRUCTIONS] - 1.0 / 3) < 1e-12);
    tick.n_activities = 0; /* nobody to learn it from */
    assert_true(features_begin(&features, &tick, (double[]){3e9, 9e9, 13.5e9}));
    features_of(&features, &tick, uncounted, x);
    assert_true(x[FEATURE_WORK] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_found_by_name),
        cmocka_unit_test(views_differ_in_the_clock_and_in_what_is_shared),
        cmocka_unit_test(any_misses_explain_memory),
        cmocka_unit_test(software_events_suffice),
        cmocka_unit_test(time_stands_in_for_what_was_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
