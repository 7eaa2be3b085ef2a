/* SPDX-License-Identifier: BSD-3-Clause */
/* Every invalid sample is counted, none is logged more than once a minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "sensor/energy_health.h"

static struct energy_health health;
static struct report report;
static struct host_record record;

static int set_up(void **state)
{
    (void)state;
    report_init(&report);
    host_record_init(&record);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    energy_health_deinit(&health);
    report_deinit(&report);
    host_record_deinit(&record);
    return 0;
}

static void note(enum domain domain, int32_t package, const char *reason, uint64_t now_ns,
                 const struct log *log)
{
    struct energy_sample *sample;
    report_clear(&report);
    assert_int_equal(report_add_energy(&report, &sample), 0);
    sample->domain = domain;
    sample->package = package;
    sample->valid = !reason;
    (void)snprintf(sample->source, sizeof(sample->source), "msr");
    (void)snprintf(sample->reason, sizeof(sample->reason), "%s", reason ? reason : "");
    assert_int_equal(energy_health_note(&health, &report, now_ns, log), 0);
}

static void invalid_samples_are_counted(void **state)
{
    (void)state;
    uint64_t now_ns = 1000 * NS_PER_S;
    note(DOMAIN_PACKAGE, 0, NULL, now_ns, NULL);
    assert_false(energy_health_is_due(&health, now_ns));
    for (int i = 0; i < 7; i++)
        note(DOMAIN_PACKAGE, 0, "stuck", now_ns, NULL);
    note(DOMAIN_PACKAGE, 1, "stuck", now_ns, NULL);
    note(DOMAIN_PACKAGE, 0, "counter_reset", now_ns, NULL);
    assert_true(energy_health_is_due(&health, now_ns));
    assert_int_equal(energy_health_describe(&health, now_ns, &record), 0);
    assert_int_equal(record.n_invalid, 3);
    assert_string_equal(record.invalid[0].reason, "stuck");
    assert_int_equal(record.invalid[0].count, 7);
    assert_int_equal(record.invalid[1].package, 1);
    assert_int_equal(record.invalid[1].count, 1);
    assert_string_equal(record.invalid[2].reason, "counter_reset");
    assert_false(energy_health_is_due(&health, now_ns + 100 * NS_PER_S)); /* nothing new */
    note(DOMAIN_PACKAGE, 0, "stuck", now_ns + NS_PER_S, NULL);
    assert_false(energy_health_is_due(&health, now_ns + NS_PER_S));
    assert_true(energy_health_is_due(&health, now_ns + 60 * NS_PER_S));
}

/* Ten minutes of a counter that fails every second. */
static void the_log_is_not_flooded(void **state)
{
    (void)state;
    struct log log;
    char text[16384] = "";
    int ends[2], kept = dup(STDERR_FILENO);
    log_init(&log, "test");
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    for (uint64_t i = 0; i < 600; i++)
        note(DOMAIN_DRAM, 3, i % 2 ? "read_error" : "no_update", (1000 + i) * NS_PER_S, &log);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(kept), 0);
    size_t n_lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        n_lines++;
    assert_in_range(n_lines, 9, 11);
    const char *first = "energy of dram-3 (msr) is missing: read_error, 1 times, the first";
    assert_non_null(strstr(text, first));
    assert_non_null(strstr(text, "read_error, 30 times since the last word on it"));
    assert_null(strstr(text, "no_update"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(invalid_samples_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_is_not_flooded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
