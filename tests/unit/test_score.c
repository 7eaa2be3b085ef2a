/* SPDX-License-Identifier: BSD-3-Clause */
/* Every score against a case small enough to compute by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/score.h"
#include "cli/solo.h"

static void begin(struct power_record *power, int64_t timestamp_ms)
{
    power_record_clear(power);
    (void)snprintf(power->key.sensor, SENSOR_NAME_SIZE, "n");
    power->key.timestamp_ms = timestamp_ms;
    power->dt_ns = 1000000000;
}

static struct balance_row *balance(struct power_record *power, enum domain domain, int32_t package,
                                   double measured_w)
{
    struct balance_row *row;
    assert_int_equal(power_record_add_balance(power, &row), 0);
    row->domain = domain;
    row->package = package;
    row->dt_ns = power->dt_ns;
    row->measured_w = measured_w;
    row->predicted_w = row->idle_w = row->unattributed_w = row->dynamic_w = NAN;
    return row;
}

static void target(struct power_record *power, const char *name, enum domain domain,
                   double dynamic_w, double sigma_w)
{
    struct power_row *row;
    assert_int_equal(power_record_add_target(power, &row), 0);
    row->target = name;
    row->domain = domain;
    row->package = 0;
    row->dynamic_w = dynamic_w;
    row->sigma_w = sigma_w;
}

static struct score *score;
static struct power_record power;

static int setup(void **state)
{
    (void)state;
    power_record_init(&power);
    return score_new(&score);
}

static int teardown(void **state)
{
    (void)state;
    power_record_deinit(&power);
    score_free(score);
    return 0;
}

/* A true tick in which a used 6 W and b 2 W above 10 W of idle. */
static void add_truth(int64_t timestamp_ms, int64_t dt_ns)
{
    begin(&power, timestamp_ms);
    power.dt_ns = dt_ns;
    (void)balance(&power, DOMAIN_PACKAGE, 0, 18);
    target(&power, "a", DOMAIN_PACKAGE, 6, NAN);
    target(&power, "b", DOMAIN_PACKAGE, 2, NAN);
    assert_int_equal(score_add_truth(score, &power), 0);
}

static void add_said(int64_t timestamp_ms, double idle_w, double a_w, double b_w, double sigma_w)
{
    begin(&power, timestamp_ms);
    struct balance_row *row = balance(&power, DOMAIN_PACKAGE, 0, 18);
    row->idle_w = idle_w;
    row->unattributed_w = 18 - idle_w - a_w - b_w;
    row->predicted_w = 17;
    target(&power, "a", DOMAIN_PACKAGE, a_w, sigma_w);
    target(&power, "b", DOMAIN_PACKAGE, b_w, sigma_w);
    assert_int_equal(score_add_said(score, &power), 0);
}

static const struct score_row *only_row(void)
{
    const struct score_row *rows;
    size_t n_rows;
    assert_int_equal(score_rows(score, &rows, &n_rows), 0);
    assert_int_equal(n_rows, 1);
    return rows;
}

static void near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-12))
        fail_msg("%.15g instead of %.15g", value, expected);
}

static void truth_itself_has_no_error(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    add_said(1000, 10, 6, 2, 0.1);
    const struct score_row *row = only_row();
    assert_int_equal(row->domain, DOMAIN_PACKAGE);
    assert_int_equal(row->package, 0);
    assert_int_equal(row->n_ticks, 1);
    near(row->cover, 1);
    near(row->closure_w, 0);
    near(row->model_error_w, 1);
    near(row->share_error, 0);
    near(row->seen_error, 0);
    near(row->abs_error, 0);
    assert_int_equal(row->n_sigmas, 2);
    near(row->inside_1_sigma, 1);
    near(row->inside_2_sigma, 1);
}

/* 4 and 4 of 8: 2 W stand at the wrong target. Half of everything, 3 and 1, is a right split. */
static void shares_are_scaled_and_watts_are_not(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    add_truth(2000, 1000000000);
    add_said(1000, 10, 4, 4, NAN);
    add_said(2000, 14, 3, 1, NAN);
    const struct score_row *row = only_row();
    near(row->share_error, 2.0 / 16);
    near(row->seen_error, 2.0 / 16);
    near(row->abs_error, (2 + 2 + 3 + 1) / 16.0);
    assert_int_equal(row->n_sigmas, 0);
    assert_true(isnan(row->inside_1_sigma) && isnan(row->inside_2_sigma));
}

static void a_silent_tick_costs_half(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    add_truth(2000, 1000000000);
    add_truth(3000, 1000000000);
    add_truth(4000, 1000000000);
    add_said(1000, 10, 4, 4, NAN);
    begin(&power, 2000); /* measured, and nobody charged */
    (void)balance(&power, DOMAIN_PACKAGE, 0, 18);
    assert_int_equal(score_add_said(score, &power), 0);
    add_said(3000, 18, 0, 0, NAN); /* everybody charged nothing */
    const struct score_row *row = only_row();
    assert_int_equal(row->n_ticks, 4);
    assert_int_equal(row->n_covered, 2);
    near(row->cover, 0.5);
    near(row->share_error, (2 + 4 + 4 + 4) / 32.0);
    near(row->seen_error, (2 + 4) / 16.0);
    near(row->abs_error, (4 + 8 + 8 + 8) / 32.0);
    near(row->closure_w, 0);
}

/* Three seconds weigh three times as much. */
static void energy_is_the_weight(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    add_truth(4000, 3000000000);
    add_said(1000, 10, 6, 2, NAN);
    add_said(4000, 10, 4, 4, NAN);
    near(only_row()->share_error, 3 * 2 / 32.0);
}

/* b is missing and c never ran: 2 W missed and 2 W too many are 2 W at the wrong place. */
static void unknown_and_missing_targets_count(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    begin(&power, 1000);
    (void)balance(&power, DOMAIN_PACKAGE, 0, 18);
    target(&power, "c", DOMAIN_PACKAGE, 2, 1.5);
    target(&power, "a", DOMAIN_PACKAGE, 6, 0.5);
    assert_int_equal(score_add_said(score, &power), 0);
    const struct score_row *row = only_row();
    near(row->share_error, 2.0 / 8);
    near(row->abs_error, 4.0 / 8);
    assert_int_equal(row->n_sigmas, 2);
    near(row->inside_1_sigma, 0.5); /* a; c is off by 2 */
    near(row->inside_2_sigma, 1);
}

static void closure_is_the_worst_and_summed_from_targets(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= 3; i++) {
        add_truth(1000 * i, 1000000000);
        begin(&power, 1000 * i);
        struct balance_row *row = balance(&power, DOMAIN_PACKAGE, 0, 18);
        row->idle_w = 10;
        row->dynamic_w = 8; /* a claim that the rows do not bear out */
        row->unattributed_w = 1;
        target(&power, "a", DOMAIN_PACKAGE, i == 2 ? 2 : 7, NAN);
        assert_int_equal(score_add_said(score, &power), 0);
    }
    near(only_row()->closure_w, 5);
}

static void the_truth_measures_where_it_can(void **state)
{
    (void)state;
    add_truth(1000, 1000000000); /* 18 W */
    begin(&power, 1000);
    struct balance_row *row = balance(&power, DOMAIN_PACKAGE, 0, 60); /* an outlier was recorded */
    row->predicted_w = 17.5;
    assert_int_equal(score_add_said(score, &power), 0);
    near(only_row()->model_error_w, 0.5);
}

static void parts_and_repeats_are_one_tick(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    begin(&power, 1000);
    target(&power, "b", DOMAIN_PACKAGE, 2, NAN);
    assert_int_equal(score_add_said(score, &power), 0);
    begin(&power, 1000);
    (void)balance(&power, DOMAIN_PACKAGE, 0, 18);
    target(&power, "a", DOMAIN_PACKAGE, 1, NAN);
    assert_int_equal(score_add_said(score, &power), 0);
    begin(&power, 1000);
    target(&power, "a", DOMAIN_PACKAGE, 6, NAN);
    assert_int_equal(score_add_said(score, &power), 0);
    const struct score_row *row = only_row();
    assert_int_equal(row->n_ticks, 1);
    near(row->share_error, 0);
    near(row->abs_error, 0);
}

static void domains_and_packages_stand_apart(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    add_said(1000, 10, 6, 2, NAN);
    begin(&power, 1000);
    (void)balance(&power, DOMAIN_DRAM, 0, 3);
    target(&power, "a", DOMAIN_DRAM, 1, NAN);
    (void)balance(&power, DOMAIN_PACKAGE, 1, 5);
    assert_int_equal(score_add_truth(score, &power), 0);
    const struct score_row *rows;
    size_t n_rows;
    assert_int_equal(score_rows(score, &rows, &n_rows), 0);
    assert_int_equal(n_rows, 2); /* nothing ever happened in package 1 */
    assert_int_equal(rows[1].domain, DOMAIN_DRAM);
    near(rows[0].share_error, 0);
    near(rows[1].cover, 0);
    near(rows[1].share_error, 0.5);
    assert_true(isnan(rows[1].seen_error) && isnan(rows[1].closure_w));
}

static void without_truth_only_records_are_judged(void **state)
{
    (void)state;
    add_said(1000, 10, 5, 2, 1);
    begin(&power, 2000);
    (void)balance(&power, DOMAIN_PACKAGE, 0, 18);
    assert_int_equal(score_add_said(score, &power), 0);
    const struct score_row *row = only_row();
    near(row->cover, 0.5);
    near(row->closure_w, 0);
    near(row->model_error_w, 1);
    assert_true(isnan(row->share_error) && isnan(row->abs_error));
    assert_int_equal(row->n_sigmas, 0);
}

static void report(const char *name, double power_w, const char *socket)
{
    struct power_report one = {.timestamp_ms = 1000,
                               .target = name,
                               .power_w = power_w,
                               .scope = "cpu",
                               .socket = socket,
                               .formula = "f",
                               .ratio = 1};
    memcpy(one.sensor, "n", 2);
    assert_int_equal(score_add_said_report(score, &one), 0);
}

/* Shares of idle are in each target's power, in proportion: the split is the same. Nobody says what
 * the difference between the prediction and the measurement is: that is the closure. */
static void power_reports_are_judged_too(void **state)
{
    (void)state;
    add_truth(1000, 1000000000);
    report("rapl", 18, "0");
    report("global", 16, "0");
    report("a", 12, "0");
    report("b", 4, "0");
    report("a", 12, "x"); /* no package */
    report("a", 12, "99999999999999999999");
    const struct score_row *row = only_row();
    near(row->cover, 1);
    near(row->closure_w, 2);
    near(row->model_error_w, 2);
    near(row->share_error, 0);
    assert_true(isnan(row->abs_error));
}

static void solo_runs_are_a_truth(void **state)
{
    (void)state;
    struct solo solos[3];
    assert_int_equal(solo_parse("/a:12@34=30", &solos[0], NULL), 0);
    assert_int_equal(solo_parse("package:/b=x=10.0", &solos[1], NULL), 0);
    assert_int_equal(solo_parse("dram:/a:12@34=2", &solos[2], NULL), 0);
    assert_true(solos[0].target_size == strlen("/a:12@34") &&
                solos[1].target_size == strlen("/b=x"));
    assert_true(solos[1].domain == DOMAIN_PACKAGE && solos[2].domain == DOMAIN_DRAM);
    static const char *const bad[] = {"",       "/a",    "/a=",       "=5",     "/a=-1",
                                      "/a=nan", "/a=5x", "core:/a=5", "x:/a=5", "package:=5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(solo_parse(bad[i], &solos[2], NULL) < 0);
    for (int tick = 0; tick < 2; tick++) {
        power_record_clear(&power);
        power.key.timestamp_ms = 1000 + tick * 1000;
        power.dt_ns = 1000000000;
        struct balance_row *row = balance(&power, DOMAIN_PACKAGE, 0, 50);
        target(&power, "/a:12@34", DOMAIN_PACKAGE, tick == 0 ? 30 : 20, NAN);
        target(&power, "/b=x", DOMAIN_PACKAGE, tick == 0 ? 10 : 20, NAN);
        assert_int_equal(score_add_said(score, &power), 0);
        assert_int_equal(
            solo_add_truth(score, solos, 2, &power.key, row->domain, row->package, row->dt_ns), 0);
        assert_int_equal(solo_add_truth(score, solos, 2, &power.key, DOMAIN_GPU, 0, row->dt_ns), 0);
    }
    const struct score_row *rows;
    size_t n_rows;
    assert_int_equal(score_rows(score, &rows, &n_rows), 0);
    assert_int_equal(n_rows, 1);
    assert_int_equal(rows[0].n_ticks, 2);
    assert_true(rows[0].cover == 1);
    assert_true(fabs(rows[0].share_error - 10.0 / 80) < 1e-12); /* 10 W of 40 in one of two ticks */
    assert_true(fabs(rows[0].abs_error - 20.0 / 80) < 1e-12);
}

static void sides_that_do_not_meet_are_known(void **state)
{
    (void)state;
    add_said(1000, 10, 6, 2, NAN);
    assert_true(score_meets_truth(score)); /* there is none */
    add_truth(2000, 1000000000);
    assert_false(score_meets_truth(score));
    add_truth(1000, 1000000000);
    assert_true(score_meets_truth(score));
    begin(&power, 1000);
    target(&power, "true alone", DOMAIN_PACKAGE, 1, NAN);
    assert_int_equal(score_add_truth(score, &power), 0);
    assert_true(score_names(score, "a", 1));
    assert_false(score_names(score, "aa", 2));
    assert_false(score_names(score, "true alone", strlen("true alone")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sides_that_do_not_meet_are_known),  TEST(solo_runs_are_a_truth),
        TEST(truth_itself_has_no_error),         TEST(shares_are_scaled_and_watts_are_not),
        TEST(a_silent_tick_costs_half),          TEST(energy_is_the_weight),
        TEST(unknown_and_missing_targets_count), TEST(closure_is_the_worst_and_summed_from_targets),
        TEST(the_truth_measures_where_it_can),   TEST(parts_and_repeats_are_one_tick),
        TEST(domains_and_packages_stand_apart),  TEST(without_truth_only_records_are_judged),
        TEST(power_reports_are_judged_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
