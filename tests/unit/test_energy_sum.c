/* SPDX-License-Identifier: BSD-3-Clause */
/* Joules add up exactly, domains are not counted twice, parts of one tick are one tick, and nothing
 * unknown becomes 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/energy_sum.h"
#include "common/error.h"
#include "common/report.h"

struct bench {
    struct identities *identities;
    struct energy_sum *sum;
    struct power_record power;
};

static void bench_begin(struct bench *bench, enum energy_by by)
{
    assert_int_equal(identities_new(&bench->identities), 0);
    assert_int_equal(energy_sum_new(&bench->sum, by, bench->identities), 0);
    power_record_init(&bench->power);
}

static void bench_end(struct bench *bench)
{
    power_record_deinit(&bench->power);
    energy_sum_free(bench->sum);
    identities_free(bench->identities);
}

static void tick(struct bench *bench, uint64_t seq)
{
    power_record_clear(&bench->power);
    (void)snprintf(bench->power.key.sensor, SENSOR_NAME_SIZE, "n");
    (void)snprintf(bench->power.key.run, RUN_SIZE, "0199d2f4c1a0");
    bench->power.key.seq = seq;
    bench->power.key.timestamp_ms = 1000 * (int64_t)seq;
    bench->power.dt_ns = 1000000000;
    bench->power.valid = true;
}

static struct balance_row *balance(struct bench *bench, enum domain domain, int32_t package,
                                   double measured_w)
{
    struct balance_row *row;
    assert_int_equal(power_record_add_balance(&bench->power, &row), 0);
    row->domain = domain;
    row->package = package;
    row->dt_ns = 1000000000;
    row->measured_w = measured_w;
    row->measured_uj = (int64_t)(measured_w * 1e6);
    row->idle_w = measured_w / 2;
    row->dynamic_w = measured_w / 2;
    row->unattributed_w = 0;
    return row;
}

static void target(struct bench *bench, const char *name, enum domain domain, int32_t package,
                   int64_t dynamic_uj)
{
    struct power_row *row;
    assert_int_equal(power_record_add_target(&bench->power, &row), 0);
    row->target = name;
    row->domain = domain;
    row->package = package;
    row->dynamic_uj = dynamic_uj;
    row->dynamic_w = (double)dynamic_uj / 1e6;
    row->static_w = 1;
    row->share = 0.5;
}

static int add(struct bench *bench)
{
    struct error err = {0};
    return energy_sum_add(bench->sum, &bench->power, &err);
}

static const struct energy_entry *entry(struct bench *bench, const char *key)
{
    struct energy_entry *const *entries;
    size_t n;
    energy_sum_sort(bench->sum, ENERGY_BY_JOULES, &entries, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i]->key, key) == 0)
            return entries[i];
    return NULL;
}

static void packages_and_dram_add_up(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, ENERGY_BY_TARGET);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        tick(&bench, seq);
        (void)balance(&bench, DOMAIN_PACKAGE, 0, 10);
        (void)balance(&bench, DOMAIN_PACKAGE, 1, 20);
        (void)balance(&bench, DOMAIN_DRAM, 0, 2);
        target(&bench, "/a", DOMAIN_PACKAGE, 0, 1000001);
        target(&bench, "/a", DOMAIN_PACKAGE, 1, 2000002);
        target(&bench, "/a", DOMAIN_DRAM, 0, 3);
        if (seq == 2)
            target(&bench, "/b", DOMAIN_PACKAGE, 0, 5);
        assert_int_equal(add(&bench), 0);
    }
    assert_int_equal(entry(&bench, "/a")->dynamic_uj, 3 * 3000006);
    assert_true(fabs(entry(&bench, "/a")->static_uj - 9e6) < 1e-3);
    assert_int_equal(entry(&bench, "/a")->active_ns, 3000000000);
    assert_int_equal(entry(&bench, "/b")->dynamic_uj, 5);
    assert_int_equal(entry(&bench, "/b")->active_ns, 1000000000);
    const struct energy_sensor *sensor = energy_sum_sensor(bench.sum, "n");
    assert_int_equal(sensor->covered_ns, 3000000000);
    assert_int_equal(sensor->n_ticks, 3);
    assert_int_equal(sensor->n_estimated, 0);
    size_t n;
    const struct energy_balance *balances = energy_sum_balances(bench.sum, &n);
    assert_int_equal(n, 3);
    assert_int_equal(balances[1].measured_uj, 60000000);
    assert_true(balances[2].is_counted);
    assert_true(isnan(balances[0].low_uj));
    bench_end(&bench);
}

/* Hardware trap 10, field bug 4.3. */
static void the_machine_stands_for_its_parts(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, ENERGY_BY_TARGET);
    tick(&bench, 1);
    (void)balance(&bench, DOMAIN_PACKAGE, 0, 10);
    struct balance_row *machine = balance(&bench, DOMAIN_MACHINE, PACKAGE_NONE, 30);
    machine->estimate = true;
    machine->measured_low_w = 20;
    machine->measured_high_w = 60;
    target(&bench, "/a", DOMAIN_PACKAGE, 0, 5000000);
    target(&bench, "/a", DOMAIN_MACHINE, PACKAGE_NONE, 15000000);
    assert_int_equal(add(&bench), 0);
    assert_int_equal(entry(&bench, "/a")->dynamic_uj, 15000000);
    assert_int_equal(energy_sum_sensor(bench.sum, "n")->n_estimated, 1);
    size_t n;
    const struct energy_balance *balances = energy_sum_balances(bench.sum, &n);
    assert_false(balances[0].is_counted);
    assert_true(balances[1].is_counted);
    assert_true(balances[1].low_uj == 20e6 && balances[1].high_uj == 60e6);
    bench_end(&bench);
}

static void an_estimated_machine_does_not_stand_for_its_gpus(void **state)
{
    (void)state;
    for (int is_estimate = 0; is_estimate < 2; is_estimate++) {
        struct bench bench;
        bench_begin(&bench, ENERGY_BY_TARGET);
        tick(&bench, 1);
        (void)balance(&bench, DOMAIN_GPU, 1, 100);
        balance(&bench, DOMAIN_MACHINE, PACKAGE_NONE, 30)->estimate = is_estimate;
        target(&bench, "/a", DOMAIN_GPU, 1, 5000000);
        target(&bench, "/a", DOMAIN_MACHINE, PACKAGE_NONE, 15000000);
        assert_int_equal(add(&bench), 0);
        assert_int_equal(entry(&bench, "/a")->dynamic_uj, is_estimate ? 20000000 : 15000000);
        size_t n;
        const struct energy_balance *balances = energy_sum_balances(bench.sum, &n);
        assert_int_equal(balances[0].is_counted, is_estimate);
        assert_true(balances[1].is_counted);
        bench_end(&bench);
    }
}

static void parts_are_one_tick(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, ENERGY_BY_TARGET);
    tick(&bench, 1);
    bench.power.part = 1;
    bench.power.parts = 2;
    (void)balance(&bench, DOMAIN_PACKAGE, 0, 10);
    target(&bench, "/a", DOMAIN_PACKAGE, 0, 1);
    assert_int_equal(add(&bench), 0);
    tick(&bench, 1);
    bench.power.part = bench.power.parts = 2;
    target(&bench, "/b", DOMAIN_PACKAGE, 0, 2);
    assert_int_equal(add(&bench), 0);
    const struct energy_sensor *sensor = energy_sum_sensor(bench.sum, "n");
    assert_int_equal(sensor->n_ticks, 1);
    assert_int_equal(sensor->covered_ns, 1000000000);
    assert_true(fabs(entry(&bench, "/b")->static_uj - 1e6) < 1e-3);
    bench_end(&bench);
}

static void a_tick_without_energy_covers_nothing(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, ENERGY_BY_TARGET);
    tick(&bench, 1);
    bench.power.valid = false;
    struct balance_row *row = balance(&bench, DOMAIN_PACKAGE, 0, 10);
    row->measured_w = row->idle_w = row->dynamic_w = row->unattributed_w = NAN;
    row->measured_uj = VALUE_ABSENT;
    assert_int_equal(add(&bench), 0);
    const struct energy_sensor *sensor = energy_sum_sensor(bench.sum, "n");
    assert_int_equal(sensor->n_invalid, 1);
    assert_int_equal(sensor->covered_ns, 0);
    size_t n;
    assert_int_equal(energy_sum_balances(bench.sum, &n)[0].covered_ns, 0);
    bench_end(&bench);
}

static void a_sum_too_large_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, ENERGY_BY_TARGET);
    int r = 0;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        tick(&bench, seq);
        (void)balance(&bench, DOMAIN_PACKAGE, 0, 10);
        target(&bench, "/a", DOMAIN_PACKAGE, 0, INT64_C(1) << 62);
        r = add(&bench);
        if (r < 0)
            break;
    }
    assert_int_equal(r, -ERANGE);
    bench_end(&bench);
}

static void targets_of_a_cgroup_share_a_line(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, ENERGY_BY_CGROUP);
    tick(&bench, 1);
    (void)balance(&bench, DOMAIN_PACKAGE, 0, 10);
    target(&bench, "/a:1@5", DOMAIN_PACKAGE, 0, 1);
    target(&bench, "/a:2@6", DOMAIN_PACKAGE, 0, 2);
    target(&bench, "other", DOMAIN_PACKAGE, 0, 4);
    assert_int_equal(add(&bench), 0);
    assert_int_equal(entry(&bench, "/a")->dynamic_uj, 3);
    assert_int_equal(entry(&bench, "/a")->active_ns, 1000000000);
    assert_int_equal(entry(&bench, "other")->dynamic_uj, 4);
    bench_end(&bench);
}

static void cpu_time_joins_its_tick(void **state)
{
    (void)state;
    struct bench bench;
    struct report report;
    struct count_row *row;
    struct error err = {0};
    bench_begin(&bench, ENERGY_BY_TARGET);
    report_init(&report);
    report_clear(&report);
    tick(&bench, 1);
    report.key = bench.power.key;
    report.dt_ns = 2000000000;
    assert_int_equal(report_add_event(&report, "instructions"), 0);
    assert_int_equal(report_add_event(&report, "cpu_ns"), 0);
    assert_int_equal(report_add_target(&report, &row), 0);
    row->target = "/a";
    row->has_counts = true;
    row->enabled_ns = 200;
    row->running_ns = 100;
    report_counts(&report, row)[1] = 500000000;
    assert_int_equal(report_add_target(&report, &row), 0);
    row->target = "/unread";
    row->has_counts = false;
    assert_int_equal(energy_sum_add_counts(bench.sum, &report, &err), 0);
    assert_true(fabs(entry(&bench, "/a")->tick_cpus - 0.5) < 1e-12);
    assert_true(isnan(entry(&bench, "/a")->tick_dynamic_w));
    assert_null(entry(&bench, "/unread"));
    assert_int_equal(energy_sum_sensor(bench.sum, "n")->n_ticks, 0);
    report_deinit(&report);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages_and_dram_add_up),
        cmocka_unit_test(the_machine_stands_for_its_parts),
        cmocka_unit_test(an_estimated_machine_does_not_stand_for_its_gpus),
        cmocka_unit_test(parts_are_one_tick),
        cmocka_unit_test(a_tick_without_energy_covers_nothing),
        cmocka_unit_test(a_sum_too_large_is_refused),
        cmocka_unit_test(targets_of_a_cgroup_share_a_line),
        cmocka_unit_test(cpu_time_joins_its_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
