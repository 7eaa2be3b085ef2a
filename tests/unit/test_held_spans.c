/* SPDX-License-Identifier: BSD-3-Clause */
/* No joule and no nanosecond is lost between samples that run from update to update. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sensor/held_spans.h"

static void add(struct report *report, enum domain domain, int32_t package, int64_t energy_uj,
                int64_t dt_ns, const char *reason)
{
    struct energy_sample *sample;
    assert_int_equal(report_add_energy(report, &sample), 0);
    sample->domain = domain;
    sample->package = package;
    sample->valid = !reason;
    sample->energy_uj = reason ? VALUE_ABSENT : energy_uj;
    sample->dt_ns = reason ? VALUE_ABSENT : dt_ns;
    sample->skew_ns = 5000000;
    (void)snprintf(sample->reason, sizeof(sample->reason), "%s", reason ? reason : "");
}

static const struct energy_sample *only(const struct report *report)
{
    assert_int_equal(report->n_energy, 1);
    return &report->energy[0];
}

static void fold(struct held_spans *held, struct report *report, uint64_t lag_ns)
{
    assert_int_equal(held_spans_fold(held, report, lag_ns), 0);
}

static void a_zero_waits_for_the_next_update(void **state)
{
    (void)state;
    struct held_spans held = {0};
    struct report report;
    report_init(&report);
    add(&report, DOMAIN_DRAM, 0, 0, 1000, NULL);
    add(&report, DOMAIN_DRAM, 1, 7, 1000, NULL);
    fold(&held, &report, 0);
    assert_int_equal(only(&report)->package, 1);
    report_clear(&report);
    add(&report, DOMAIN_DRAM, 0, 61, 2000, NULL);
    add(&report, DOMAIN_DRAM, 1, 7, 1000, NULL);
    fold(&held, &report, 0);
    assert_int_equal(report.n_energy, 2);
    assert_int_equal(report.energy[0].dt_ns, 3000);
    assert_int_equal(report.energy[1].dt_ns, 1000);
    report_clear(&report);
    add(&report, DOMAIN_DRAM, 0, 61, 2000, NULL);
    fold(&held, &report, 0);
    assert_int_equal(only(&report)->dt_ns, 2000); /* given once */
    report_deinit(&report);
    held_spans_deinit(&held);
}

static void so_long_a_zero_is_one(void **state)
{
    (void)state;
    struct held_spans held = {0};
    struct report report;
    report_init(&report);
    for (int i = 0; i < 9; i++) {
        report_clear(&report);
        add(&report, DOMAIN_CORE, 0, 0, HELD_SPAN_MAX_NS / 10, NULL);
        fold(&held, &report, 0);
        assert_int_equal(report.n_energy, 0);
    }
    add(&report, DOMAIN_CORE, 0, 0, HELD_SPAN_MAX_NS / 10, NULL);
    fold(&held, &report, 0);
    assert_int_equal(only(&report)->dt_ns, HELD_SPAN_MAX_NS);
    assert_int_equal(only(&report)->energy_uj, 0);
    report_deinit(&report);
    held_spans_deinit(&held);
}

static void spans_run_from_update_to_update(void **state)
{
    (void)state;
    struct held_spans held = {0};
    struct report report;
    report_init(&report);
    static const struct {
        int64_t read_dt_ns, lag_ns, dt_ns;
    } ticks[] = {{1000000, 0, 1000000}, {1070000, 70000, 1000000},  {980000, 50000, 1000000},
                 {950000, 0, 1000000},  {1900000, 900000, 1000000}, {110000, 10000, 1000000},
                 {5000, 600000, 15000}}; /* not within the span: left alone */
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        report_clear(&report);
        add(&report, DOMAIN_PACKAGE, 0, 50000, ticks[i].read_dt_ns, NULL);
        fold(&held, &report, (uint64_t)ticks[i].lag_ns);
        assert_int_equal(only(&report)->dt_ns, ticks[i].dt_ns);
        if (i < 6)
            assert_int_equal(only(&report)->skew_ns, 5000000 - ticks[i].lag_ns);
    }
    report_deinit(&report);
    held_spans_deinit(&held);
}

static void a_failure_ends_what_was_kept(void **state)
{
    (void)state;
    struct held_spans held = {0};
    struct report report;
    report_init(&report);
    add(&report, DOMAIN_PACKAGE, 0, 50, 1000, NULL);
    fold(&held, &report, 300);
    report_clear(&report);
    add(&report, DOMAIN_PACKAGE, 0, 0, 0, "no_update"); /* its source keeps the span */
    fold(&held, &report, 0);
    assert_true(sample_is_no_update(only(&report)));
    report_clear(&report);
    add(&report, DOMAIN_PACKAGE, 0, 100, 2000, NULL);
    fold(&held, &report, 100);
    assert_int_equal(only(&report)->dt_ns, 2200);
    report_clear(&report);
    add(&report, DOMAIN_PACKAGE, 0, 0, 0, "counter_reset");
    fold(&held, &report, 0);
    assert_false(sample_is_no_update(only(&report)));
    report_clear(&report);
    add(&report, DOMAIN_PACKAGE, 0, 50, 1000, NULL);
    fold(&held, &report, 0);
    assert_int_equal(only(&report)->dt_ns, 1000);
    report_clear(&report);
    add(&report, DOMAIN_PACKAGE, 0, 0, 1000, NULL);
    fold(&held, &report, 0);
    held_spans_forget(&held);
    report_clear(&report);
    add(&report, DOMAIN_PACKAGE, 0, 50, 1000, NULL);
    fold(&held, &report, 0);
    assert_int_equal(only(&report)->dt_ns, 1000);
    report_deinit(&report);
    held_spans_deinit(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zero_waits_for_the_next_update),
        cmocka_unit_test(so_long_a_zero_is_one),
        cmocka_unit_test(spans_run_from_update_to_update),
        cmocka_unit_test(a_failure_ends_what_was_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
