/* SPDX-License-Identifier: BSD-3-Clause */
/* A sample in the making: exact sums, honest spans, nothing impossible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "sensor/energy_meter.h"

static struct report report;

static int set_up(void **state)
{
    (void)state;
    report_init(&report);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    report_deinit(&report);
    return 0;
}

static void begin(struct energy_meter *meter, uint64_t span_ns)
{
    report_clear(&report);
    energy_meter_begin(meter);
    meter->now_ns = meter->last_ns + span_ns;
}

static void sums_stay_exact(void **state)
{
    (void)state;
    struct energy_meter meter;
    energy_meter_init(&meter, DOMAIN_PACKAGE, 1, 1000);
    int64_t sum_uj = 0;
    for (int i = 0; i < 100000; i++) { /* one count of 2^-14 J each, from two dies */
        begin(&meter, NS_PER_MS);
        energy_meter_add(&meter, 61.03515625 / 2);
        energy_meter_add(&meter, 61.03515625 / 2);
        assert_int_equal(energy_meter_end(&meter, "test", &report), ENERGY_METER_TAKEN);
        assert_int_equal(report.n_energy, 1);
        assert_true(report.energy[0].valid);
        assert_int_equal(report.energy[0].dt_ns, (int64_t)NS_PER_MS);
        sum_uj += report.energy[0].energy_uj;
    }
    assert_int_equal(sum_uj, 6103515); /* 6103515.625 */
}

/* Hardware trap 11. */
static void psys_is_left_out_until_it_moves(void **state)
{
    (void)state;
    struct energy_meter meter;
    struct host_record host;
    energy_meter_init(&meter, DOMAIN_PSYS, PACKAGE_NONE, 1000);
    host_record_init(&host);
    for (int i = 0; i < 3; i++) {
        begin(&meter, NS_PER_S);
        energy_meter_add(&meter, 0);
        assert_int_equal(energy_meter_end(&meter, "test", &report), ENERGY_METER_TAKEN);
        assert_int_equal(report.n_energy, 0);
    }
    assert_int_equal(energy_meter_describe(&meter, "test", &host), 0);
    assert_int_equal(host.n_sources, 0);
    begin(&meter, NS_PER_S);
    energy_meter_add(&meter, 1e6);
    assert_int_equal(energy_meter_end(&meter, "test", &report), ENERGY_METER_MOVED);
    assert_int_equal(report.n_energy, 1);
    assert_int_equal(report.energy[0].energy_uj, 1000000);
    assert_int_equal(report.energy[0].dt_ns, (int64_t)NS_PER_S);
    begin(&meter, NS_PER_S);
    assert_int_equal(energy_meter_end(&meter, "test", &report), ENERGY_METER_TAKEN);
    assert_int_equal(report.energy[0].energy_uj, 0); /* from now on a zero is a zero */
    assert_int_equal(energy_meter_describe(&meter, "test", &host), 0);
    assert_int_equal(host.n_sources, 1);
    host_record_deinit(&host);
}

static void expect_reason(const char *reason)
{
    assert_int_equal(report.n_energy, 1);
    assert_false(report.energy[0].valid);
    assert_string_equal(report.energy[0].reason, reason);
    assert_int_equal(report.energy[0].energy_uj, VALUE_ABSENT);
    assert_int_equal(report.energy[0].dt_ns, VALUE_ABSENT);
}

static void a_held_reading_belongs_to_the_next_span(void **state)
{
    (void)state;
    struct energy_meter meter;
    energy_meter_init(&meter, DOMAIN_DRAM, 0, 1000);
    begin(&meter, NS_PER_S);
    energy_meter_hold(&meter, "read_error");
    energy_meter_fail(&meter, "later");
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    expect_reason("read_error");
    begin(&meter, 2 * NS_PER_S);
    energy_meter_add(&meter, 1999e6);
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    assert_true(report.energy[0].valid);
    assert_int_equal(report.energy[0].dt_ns, 2 * (int64_t)NS_PER_S);
}

static void expect_energy(int64_t energy_uj, uint64_t span_ns)
{
    assert_int_equal(report.n_energy, 1);
    assert_true(report.energy[0].valid);
    assert_int_equal(report.energy[0].energy_uj, energy_uj);
    assert_int_equal(report.energy[0].dt_ns, (int64_t)span_ns);
}

/* Field bug 4.17: a package that stands still is no package at 0 W, and no spike follows. */
static void a_package_that_stands_still_is_stuck(void **state)
{
    (void)state;
    struct energy_meter meter;
    energy_meter_init(&meter, DOMAIN_PACKAGE, 0, 1000);
    begin(&meter, NS_PER_S);
    energy_meter_add(&meter, 20e6);
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    for (uint64_t span_s = 1; span_s <= 30; span_s++) {
        begin(&meter, span_s * NS_PER_S);
        energy_meter_add(&meter, 0);
        assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
        expect_reason("stuck");
    }
    begin(&meter, 31 * NS_PER_S);
    energy_meter_add(&meter, 31 * 20e6);
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    expect_energy(31 * 20000000, 31 * NS_PER_S);
    begin(&meter, NS_PER_S); /* one die of two */
    energy_meter_add(&meter, 20e6);
    energy_meter_add(&meter, 0);
    energy_meter_fail(&meter, "vanished"); /* says more */
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    expect_reason("vanished");
}

/* A counter that is updated every 60 ms, read every millisecond: each sample is the mean of a whole
 * update period, none is 0 and none is sixty times too much. */
static void a_slow_counter_is_not_stuck(void **state)
{
    (void)state;
    struct energy_meter meter;
    size_t n_valid = 0;
    energy_meter_init(&meter, DOMAIN_PACKAGE, 0, 1000);
    for (int ms = 1; ms <= 600; ms++) {
        report_clear(&report);
        energy_meter_begin(&meter);
        meter.now_ns = (uint64_t)ms * NS_PER_MS;
        energy_meter_add(&meter, ms % 60 == 0 ? 60 * 20e3 : 0);
        assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
        n_valid += report.energy[0].valid;
        if (report.energy[0].valid)
            expect_energy(60 * 20000, 60 * NS_PER_MS);
        else
            expect_reason("no_update");
    }
    assert_int_equal(n_valid, 10);
}

/* Memory in self-refresh, cores in deep sleep, graphics that are off. */
static void other_domains_can_rest(void **state)
{
    (void)state;
    static const enum domain domains[] = {DOMAIN_DRAM, DOMAIN_CORE, DOMAIN_UNCORE};
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct energy_meter meter;
        energy_meter_init(&meter, domains[i], 0, 1000);
        begin(&meter, NS_PER_S);
        energy_meter_add(&meter, 0);
        assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
        expect_energy(0, NS_PER_S);
        begin(&meter, NS_PER_S / 10); /* too short to tell */
        energy_meter_add(&meter, 0);
        assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
        expect_reason("no_update");
    }
}

/* Field bugs 4.1 and 4.24. */
static void the_impossible_is_not_published(void **state)
{
    (void)state;
    struct energy_meter meter;
    energy_meter_init(&meter, DOMAIN_PACKAGE, 0, 1000);
    begin(&meter, NS_PER_S);
    energy_meter_add(&meter, 1020e6); /* in a second and the ten milliseconds of a late update */
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    expect_reason("implausible");
    begin(&meter, NS_PER_S);
    energy_meter_add(&meter, -1);
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    expect_reason("implausible");
    begin(&meter, NS_PER_S);
    energy_meter_add(&meter, 999e6);
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    assert_true(report.energy[0].valid);
    assert_int_equal(report.energy[0].dt_ns, (int64_t)NS_PER_S); /* a new baseline each time */
    begin(&meter, NS_PER_MS);
    energy_meter_add(&meter, 5e6); /* 5 kW, or an update of five milliseconds */
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    expect_reason("no_update");
    begin(&meter, 6 * NS_PER_MS);
    energy_meter_add(&meter, 5.1e6);
    assert_int_equal(energy_meter_end(&meter, "test", &report), 0);
    assert_true(report.energy[0].valid);
    assert_int_equal(report.energy[0].energy_uj, 5100000);
    assert_int_equal(report.energy[0].dt_ns, 6 * (int64_t)NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_stay_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(psys_is_left_out_until_it_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_held_reading_belongs_to_the_next_span, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_package_that_stands_still_is_stuck, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_counter_is_not_stuck, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_domains_can_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_impossible_is_not_published, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
