/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a model says, what is published adds up, is not negative and not above what was
 * measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "formula/balance.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

#define N_MAX 64

static double dynamic_w[N_MAX], target_sigma_w[N_MAX];

static struct model_output output_of(double idle_w, double sigma_w, bool scale)
{
    return (struct model_output){
        .predicted_w = NAN,
        .sigma_w = sigma_w,
        .idle_w = idle_w,
        .dynamic_w = dynamic_w,
        .target_sigma_w = target_sigma_w,
        .scale_to_measured = scale,
    };
}

static struct scope_tick tick_of(double measured_w, size_t n)
{
    return (struct scope_tick){.measured_w = measured_w, .n_activities = n};
}

static void assert_balanced(const struct scope_tick *tick, const struct balance_row *row)
{
    double sum = 0;
    for (size_t i = 0; i < tick->n_activities; i++) {
        assert_true(isfinite(dynamic_w[i]) && dynamic_w[i] >= 0);
        assert_true(dynamic_w[i] <= tick->measured_w);
        sum += dynamic_w[i];
    }
    assert_true(sum == row->dynamic_w);
    assert_true(row->idle_w >= 0 && row->idle_w <= tick->measured_w);
    assert_true(row->dynamic_w <= tick->measured_w);
    assert_true(row->unattributed_w >= 0);
    double closure_w = fabs(row->idle_w + row->dynamic_w + row->unattributed_w - tick->measured_w);
    assert_true(closure_w <= 1e-6);
    assert_true(closure_w <= tick->measured_w * 1e-15);
}

static void weights_are_scaled_to_the_room(void **state)
{
    (void)state;
    struct scope_tick tick = tick_of(30, 2);
    struct model_output output = output_of(10, NAN, true);
    struct balance_row row = {0};
    dynamic_w[0] = 3e9;
    dynamic_w[1] = 1e9;
    balance_close(&tick, &output, &row);
    assert_balanced(&tick, &row);
    assert_near(dynamic_w[0], 15, 1e-9);
    assert_near(dynamic_w[1], 5, 1e-9);
    assert_near(row.idle_w, 10, 1e-9);
    assert_true(row.unattributed_w == 0);
}

static void what_is_beyond_doubt_stays_unattributed(void **state)
{
    (void)state;
    struct scope_tick tick = tick_of(30, 1);
    struct model_output output = output_of(10, 1, false);
    struct balance_row row = {0};
    dynamic_w[0] = 12;
    balance_close(&tick, &output, &row);
    assert_balanced(&tick, &row);
    assert_near(row.unattributed_w, 8, 1e-9);
    dynamic_w[0] = 18.5; /* 1.5 W short: within two sigma */
    balance_close(&tick, &output, &row);
    assert_balanced(&tick, &row);
    assert_near(dynamic_w[0], 20, 1e-9);
    dynamic_w[0] = 50; /* too much is cut whatever the doubt */
    output.sigma_w = 1;
    balance_close(&tick, &output, &row);
    assert_balanced(&tick, &row);
    assert_near(dynamic_w[0], 20, 1e-9);
}

static void nobody_active_leaves_the_rest_unattributed(void **state)
{
    (void)state;
    struct scope_tick tick = tick_of(30, 1);
    struct model_output output = output_of(10, 100, true);
    struct balance_row row = {0};
    dynamic_w[0] = 0;
    balance_close(&tick, &output, &row);
    assert_balanced(&tick, &row);
    assert_near(row.unattributed_w, 20, 1e-9);
    tick.n_activities = 0;
    balance_close(&tick, &output, &row);
    assert_balanced(&tick, &row);
}

static void nothing_measured_is_not_zero(void **state)
{
    (void)state;
    struct scope_tick tick = tick_of(NAN, 1);
    struct model_output output = output_of(10, 1, true);
    output.predicted_w = 12;
    struct balance_row row = {0};
    dynamic_w[0] = 1;
    balance_close(&tick, &output, &row);
    assert_true(isnan(row.idle_w) && isnan(row.dynamic_w) && isnan(row.unattributed_w));
    assert_true(row.predicted_w == 12);
}

static void an_open_balance_says_what_the_model_says(void **state)
{
    (void)state;
    struct scope_tick tick = tick_of(30, 2);
    struct model_output output = output_of(10, NAN, false);
    struct balance_row row = {0};
    dynamic_w[0] = 300; /* far above what was measured */
    dynamic_w[1] = -1;
    output.predicted_w = 310;
    assert_true(balance_leave_open(&tick, &output, &row));
    assert_true(dynamic_w[0] == 300 && dynamic_w[1] == 0);
    assert_true(row.idle_w == 10 && row.dynamic_w == 300 && row.predicted_w == 310);
    assert_true(isnan(row.unattributed_w));
    output = output_of(10, NAN, true); /* weights have a meaning beside a prediction only */
    output.predicted_w = 16;
    dynamic_w[0] = 2e9;
    dynamic_w[1] = 1e9;
    assert_true(balance_leave_open(&tick, &output, &row));
    assert_near(dynamic_w[0], 4, 1e-9);
    assert_near(dynamic_w[1], 2, 1e-9);
    output.predicted_w = NAN;
    assert_false(balance_leave_open(&tick, &output, &row));
    assert_true(isnan(row.idle_w) && isnan(row.dynamic_w) && isnan(row.unattributed_w));
}

static void silence_is_unattributed(void **state)
{
    (void)state;
    struct scope_tick tick = tick_of(30, 1);
    struct model_output output = output_of(10, NAN, true);
    struct balance_row row = {0};
    output.is_silent = true;
    dynamic_w[0] = NAN; /* never written by a silent model */
    balance_close(&tick, &output, &row);
    assert_near(row.unattributed_w, 20, 1e-9);
    assert_true(row.dynamic_w == 0 && row.idle_w == 10);
    assert_false(balance_leave_open(&tick, &output, &row));
    assert_true(isnan(row.idle_w) && isnan(row.dynamic_w));
}

static double awkward(unsigned *seed)
{
    static const double values[] = {0,         -0.0,         -1,     1,      NAN,   INFINITY,
                                    -INFINITY, DBL_MAX,      5e-324, 1e-310, 1e308, 1e300,
                                    1e-300,    3.3333333333, 1e9,    7};
    unsigned pick = (unsigned)rand_r(seed) % 40;
    return pick < 16 ? values[pick] : rand_r(seed) / (double)RAND_MAX * pow(10, pick % 13);
}

static void any_output_closes(void **state)
{
    (void)state;
    unsigned seed = 20260101;
    for (int round = 0; round < 200000; round++) {
        size_t n = (size_t)rand_r(&seed) % N_MAX;
        for (size_t i = 0; i < n; i++)
            dynamic_w[i] = awkward(&seed);
        double measured_w = rand_r(&seed) / (double)RAND_MAX * 500;
        if (round % 17 == 0)
            measured_w = round % 2 ? 0 : 1e-9;
        struct scope_tick tick = tick_of(measured_w, n);
        struct model_output output = output_of(awkward(&seed), awkward(&seed), rand_r(&seed) & 1);
        output.predicted_w = awkward(&seed);
        struct balance_row row = {0};
        balance_close(&tick, &output, &row);
        assert_balanced(&tick, &row);
        assert_false(isinf(row.predicted_w) || row.predicted_w < 0);
        assert_false(isinf(row.sigma_w) || row.sigma_w < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_scaled_to_the_room),
        cmocka_unit_test(what_is_beyond_doubt_stays_unattributed),
        cmocka_unit_test(nobody_active_leaves_the_rest_unattributed),
        cmocka_unit_test(nothing_measured_is_not_zero),
        cmocka_unit_test(an_open_balance_says_what_the_model_says),
        cmocka_unit_test(silence_is_unattributed),
        cmocka_unit_test(any_output_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
