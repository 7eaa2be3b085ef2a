/* SPDX-License-Identifier: BSD-3-Clause */
/* Known prices and deviations are found, bounds hold, slots change hands, and doubt shrinks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formula/mixed.h"

static double uniform(unsigned *seed)
{
    return rand_r(seed) / (double)RAND_MAX;
}

struct bench {
    struct mixed mixed;
    double x[3][FEATURE_COUNT];
};

/* One tick of three targets whose watts per work are prices[]. */
static double step(struct bench *bench, unsigned *seed, const double *prices, double idle_w)
{
    double all[FEATURE_COUNT] = {0}, watts = idle_w;
    mixed_begin(&bench->mixed);
    for (size_t i = 0; i < 3; i++) {
        memset(bench->x[i], 0, sizeof(bench->x[i]));
        bench->x[i][FEATURE_WORK] = uniform(seed);
        watts += prices[i] * bench->x[i][FEATURE_WORK];
        all[FEATURE_WORK] += bench->x[i][FEATURE_WORK];
        (void)mixed_admit(&bench->mixed, 100 + i, 0);
        if (mixed_find(&bench->mixed, 100 + i) == MIXED_NO_SLOT)
            (void)mixed_admit(&bench->mixed, 100 + i, 1);
        mixed_add(&bench->mixed, mixed_find(&bench->mixed, 100 + i), bench->x[i]);
    }
    const struct mixed_tick tick = {
        .measured_w = watts, .dt_s = 1, .floor_w = NAN, .lowest_w = NAN};
    double predicted_w = mixed_explain(&bench->mixed, all);
    mixed_learn(&bench->mixed, all, &tick);
    for (size_t i = 0; i < MIXED_UNKNOWNS; i++)
        assert_true(isfinite(bench->mixed.theta[i]));
    for (size_t i = MIXED_POOLED; i < MIXED_UNKNOWNS; i++)
        assert_true(bench->mixed.theta[i] >= 0);
    return predicted_w - watts;
}

static void deviations_are_found(void **state)
{
    (void)state;
    static struct bench bench;
    mixed_init(&bench.mixed, DOMAIN_PACKAGE, MIXED_SLOTS_MAX, 0.995);
    unsigned seed = 5;
    const double prices[] = {10, 16, 24};
    double miss_w = 0, early = 0, early_idle_w = 0;
    for (int i = 0; i < 400; i++) {
        miss_w = step(&bench, &seed, prices, 20);
        if (i == 0)
            assert_true(isnan(miss_w));
        if (i == 3)
            early_idle_w = mixed_idle_sigma(&bench.mixed);
        if (i == 3)
            early = mixed_sigma(&bench.mixed, mixed_find(&bench.mixed, 102), bench.x[2]) /
                    bench.x[2][FEATURE_WORK];
    }
    assert_true(fabs(miss_w) < 0.5);
    double idle_sigma_w = mixed_idle_sigma(&bench.mixed);
    assert_true(fabs(bench.mixed.theta[MIXED_IDLE] - 20) < 1);
    assert_true(fabs(bench.mixed.theta[MIXED_IDLE] - 20) < 3 * idle_sigma_w);
    assert_true(idle_sigma_w > 0 && idle_sigma_w < early_idle_w / 2);
    for (size_t i = 0; i < 3; i++) {
        size_t slot = mixed_find(&bench.mixed, 100 + i);
        double price = mixed_price(&bench.mixed, slot, bench.x[i]) / bench.x[i][FEATURE_WORK];
        double sigma = mixed_sigma(&bench.mixed, slot, bench.x[i]) / bench.x[i][FEATURE_WORK];
        assert_true(fabs(price - prices[i]) < 1);
        assert_true(sigma > 0 && sigma < early / 2);
        double stranger =
            mixed_sigma(&bench.mixed, MIXED_NO_SLOT, bench.x[i]) / bench.x[i][FEATURE_WORK];
        assert_true(stranger > 2 * sigma);
    }
}

/* A counter read early or late by chance: energy is as it was, but in the neighbouring tick. Price
 * and prediction are nearer the truth than those of a regression to which every tick is the first.
 */
static void returned_noise_is_left_out(void **state)
{
    (void)state;
    static struct mixed follows, alone;
    mixed_init(&follows, DOMAIN_PACKAGE, 0, 0.995);
    mixed_init(&alone, DOMAIN_PACKAGE, 0, 0.995);
    unsigned seed = 4;
    double read_j = 0, missed_w[2] = {0}, off_w[2] = {0};
    for (int i = 0; i < 2000; i++) {
        double work = 1 + 0.1 * uniform(&seed), late_j = 3 * uniform(&seed), dt_s = i % 3 ? 1 : 2;
        double x[FEATURE_COUNT] = {[FEATURE_WORK] = work};
        const struct mixed_tick tick = {.measured_w = 20 + 15 * work + (late_j - read_j) / dt_s,
                                        .dt_s = dt_s,
                                        .floor_w = NAN,
                                        .lowest_w = NAN};
        read_j = late_j;
        mixed_break(&alone);
        if (i >= 500) {
            missed_w[0] += fabs(mixed_predict(&follows, x, dt_s) - tick.measured_w);
            missed_w[1] += fabs(mixed_predict(&alone, x, dt_s) - tick.measured_w);
            off_w[0] += fabs(mixed_explain(&follows, x) - 20 - 15 * work);
            off_w[1] += fabs(mixed_explain(&alone, x) - 20 - 15 * work);
        }
        mixed_learn(&follows, x, &tick);
        mixed_learn(&alone, x, &tick);
    }
    assert_true(missed_w[0] < 0.9 * missed_w[1]);
    assert_true(off_w[0] < 0.6 * off_w[1]);
}

static void bounds_hold(void **state)
{
    (void)state;
    static struct mixed mixed;
    mixed_init(&mixed, DOMAIN_PACKAGE, 0, 0.99);
    unsigned seed = 9;
    for (int i = 0; i < 300; i++) { /* watts fall with misses: no price may */
        double x[FEATURE_COUNT] = {1 + uniform(&seed), 0, uniform(&seed), 0};
        const struct mixed_tick tick = {
            .measured_w = 40 + 10 * x[FEATURE_WORK] - 15 * x[FEATURE_MISSES],
            .dt_s = 1,
            .floor_w = NAN,
            .lowest_w = 30};
        mixed_learn(&mixed, x, &tick);
        assert_true(mixed.theta[MIXED_POOLED + FEATURE_MISSES] >= 0);
        assert_true(mixed.theta[MIXED_IDLE] >= 0 && mixed.theta[MIXED_IDLE] <= 30 * (1 + 1e-9));
    }
    assert_true(mixed.theta[MIXED_POOLED + FEATURE_MISSES] < 1e-6);
}

static void no_target_costs_less_than_its_floor(void **state)
{
    (void)state;
    static struct bench bench;
    mixed_init(&bench.mixed, DOMAIN_PACKAGE, MIXED_SLOTS_MAX, 0.995);
    unsigned seed = 5;
    const double prices[] = {-20, 16, 24};
    for (int i = 0; i < 200; i++)
        (void)step(&bench, &seed, prices, 60);
    double pooled = mixed_price(&bench.mixed, MIXED_NO_SLOT, bench.x[0]);
    assert_true(pooled > 0);
    assert_true(mixed_price(&bench.mixed, mixed_find(&bench.mixed, 100), bench.x[0]) >=
                0.1499 * pooled);
}

static void slots_go_to_the_costly(void **state)
{
    (void)state;
    static struct mixed mixed;
    mixed_init(&mixed, DOMAIN_PACKAGE, 2, 0.99);
    assert_int_equal(mixed_admit(&mixed, 1, 5), 0);
    assert_false(mixed_is_full(&mixed));
    assert_int_equal(mixed_admit(&mixed, 2, 8), 1);
    assert_true(mixed_is_full(&mixed));
    assert_true(mixed_admit(&mixed, 3, 6) == MIXED_NO_SLOT);
    assert_int_equal(mixed_admit(&mixed, 3, 11), 0);
    assert_true(mixed_find(&mixed, 1) == MIXED_NO_SLOT);
    assert_int_equal(mixed_find(&mixed, 3), 0);
    mixed_init(&mixed, DOMAIN_PACKAGE, 0, 0.99);
    assert_true(mixed_admit(&mixed, 1, 5) == MIXED_NO_SLOT);
}

static void hostile_numbers_stay_finite(void **state)
{
    (void)state;
    static struct bench bench;
    mixed_init(&bench.mixed, DOMAIN_PACKAGE, MIXED_SLOTS_MAX, 0.9);
    unsigned seed = 3;
    for (int i = 0; i < 500; i++) {
        double prices[] = {1e-9, 1e6 * uniform(&seed), i % 7 ? 1 : 1e9};
        (void)step(&bench, &seed, prices, i % 50 ? 1 : 1e6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deviations_are_found),
        cmocka_unit_test(returned_noise_is_left_out),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(no_target_costs_less_than_its_floor),
        cmocka_unit_test(slots_go_to_the_costly),
        cmocka_unit_test(hostile_numbers_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
