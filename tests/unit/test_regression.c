/* SPDX-License-Identifier: BSD-3-Clause */
/* The fit finds known prices, survives outliers and missing events, and says nothing impossible on
 * the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "formula/regression.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static const char *const events[] = {"cpu_ns", "instructions", "llc_misses"};

struct machine {
    struct regression regression;
    size_t feature[3];
    double x[REGRESSION_FEATURES_MAX];
    double predicted_w;
};

static void step(struct machine *machine, const double *rates, double measured_w)
{
    struct regression *regression = &machine->regression;
    regression_map(regression, 3, events, rates, 0, machine->feature);
    regression_features(regression, 3, machine->feature, rates, machine->x);
    machine->predicted_w = regression_predict(regression, machine->x);
    assert_true(isnan(machine->predicted_w) || machine->predicted_w >= 0);
    regression_learn(regression, machine->x, measured_w, NAN, NAN);
    for (size_t i = 0; i <= regression->n_features; i++)
        assert_true(isfinite(regression->theta[i]) && regression->theta[i] >= 0);
}

static double truth_w(const double *rates)
{
    return 20 + rates[0] * 3e-9 + rates[1] * 2e-9 + rates[2] * 1e-7;
}

static void draw(unsigned *seed, double *rates)
{
    rates[0] = rand_r(seed) / (double)RAND_MAX * 8e9;
    rates[1] = rates[0] * (0.5 + rand_r(seed) / (double)RAND_MAX * 2);
    rates[2] = rates[0] * 0.01 * rand_r(seed) / (double)RAND_MAX;
}

static void known_prices_are_found(void **state)
{
    (void)state;
    static struct machine machine;
    regression_init(&machine.regression);
    unsigned seed = 11;
    double rates[3];
    for (int i = 0; i < 600; i++) {
        draw(&seed, rates);
        step(&machine, rates, truth_w(rates));
    }
    assert_near(machine.regression.theta[0], 20, 0.5);
    draw(&seed, rates);
    step(&machine, rates, truth_w(rates));
    assert_near(machine.predicted_w, truth_w(rates), 0.3);
}

static void the_first_tick_gives_a_prediction(void **state)
{
    (void)state;
    static struct machine machine;
    regression_init(&machine.regression);
    const double rates[] = {1e9, 2e9, 1e6};
    step(&machine, rates, 50);
    assert_true(isnan(machine.predicted_w));
    step(&machine, rates, 50);
    assert_near(machine.predicted_w, 50, 0.5);
    assert_true(machine.regression.theta[0] < 50 && machine.regression.theta[0] > 0);
}

static void outliers_do_not_teach(void **state)
{
    (void)state;
    static struct machine machine;
    regression_init(&machine.regression);
    unsigned seed = 5;
    double rates[3];
    for (int i = 0; i < 600; i++) {
        draw(&seed, rates);
        step(&machine, rates, i % 50 == 40 ? 5000 : truth_w(rates));
    }
    draw(&seed, rates);
    step(&machine, rates, truth_w(rates));
    assert_near(machine.predicted_w, truth_w(rates), 2);
}

static void a_missing_event_is_stood_in_for(void **state)
{
    (void)state;
    static struct machine machine;
    regression_init(&machine.regression);
    double rates[3];
    for (int i = 0; i < 400; i++) {
        rates[0] = (1 + i % 7) * 1e9;
        rates[1] = rates[0] * 1.5;
        rates[2] = rates[0] * 0.004;
        double measured_w = truth_w(rates);
        if (i % 100 > 60)
            rates[1] = NAN;
        if (i % 100 > 80)
            rates[0] = NAN;
        step(&machine, rates, measured_w);
        if (i > 100)
            assert_near(machine.predicted_w, measured_w, 1);
    }
}

static void an_idle_start_does_not_blind(void **state)
{
    (void)state;
    static struct machine machine;
    regression_init(&machine.regression);
    unsigned seed = 9;
    double rates[3], error_w = 0;
    for (int i = 0; i < 400; i++) {
        draw(&seed, rates);
        if (i < 100) /* almost asleep: a thousandth of what comes */
            for (int e = 0; e < 3; e++)
                rates[e] /= 1000;
        step(&machine, rates, truth_w(rates));
        if (i >= 200)
            error_w += fabs(machine.predicted_w - truth_w(rates)) / 200;
    }
    assert_true(error_w < 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_prices_are_found),
        cmocka_unit_test(the_first_tick_gives_a_prediction),
        cmocka_unit_test(outliers_do_not_teach),
        cmocka_unit_test(a_missing_event_is_stood_in_for),
        cmocka_unit_test(an_idle_start_does_not_blind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
