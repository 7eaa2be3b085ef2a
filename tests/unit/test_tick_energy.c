/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy and counts that do not belong together are marked, and no sample contains a sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "sensor/tick_energy.h"

#define S ((int64_t)NS_PER_S)
#define MS ((int64_t)NS_PER_MS)

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

/* A tick of dt_ns that ends at at_ns, whose one sample of span_ns was read skew_ns earlier. */
static struct energy_sample *tick(struct tick_energy *energy, enum domain domain, int64_t at_ns,
                                  int64_t dt_ns, int64_t span_ns, int64_t skew_ns,
                                  int64_t slept_until_ns, bool has_slept)
{
    struct energy_sample *sample;
    report_clear(&report);
    assert_int_equal(report_add_energy(&report, &sample), 0);
    sample->domain = domain;
    sample->skew_ns = at_ns - skew_ns;
    sample->valid = true;
    sample->energy_uj = 7;
    sample->dt_ns = span_ns;
    report.dt_ns = dt_ns;
    tick_energy_end(energy, &report, (uint64_t)at_ns, (uint64_t)slept_until_ns, has_slept);
    assert_int_equal(sample->skew_ns, skew_ns);
    return sample;
}

static bool is_skewed(int64_t dt_ns, int64_t skew_ns)
{
    struct tick_energy energy = {0};
    struct energy_sample *sample =
        tick(&energy, DOMAIN_PACKAGE, 100 * S, dt_ns, dt_ns, skew_ns, 0, false);
    assert_true(sample->valid && report.valid);
    return reasons_have(&report.reasons, "energy_skew");
}

/* What a GPU did is counted with its energy, however far from the engine's reading. */
static void a_gpu_is_not_skewed(void **state)
{
    (void)state;
    struct tick_energy energy = {0};
    (void)tick(&energy, DOMAIN_GPU, 100 * S, S, S, 500 * MS, 0, false);
    assert_false(reasons_have(&report.reasons, "energy_skew"));
    (void)tick(&energy, DOMAIN_PACKAGE, 101 * S, S, S, 0, 0, false);
    assert_false(reasons_have(&report.reasons, "energy_skew"));
}

static void a_skew_above_its_bound_is_marked(void **state)
{
    (void)state;
    assert_false(is_skewed(S, 10 * MS));
    assert_true(is_skewed(S, 10 * MS + 1));
    assert_true(is_skewed(S, -10 * MS - 1));
    assert_false(is_skewed(MS, MS)); /* counters are not updated more often */
    assert_true(is_skewed(MS, MS + 1));
}

/* What ends apart begins apart in the next tick. */
static void a_skew_is_marked_at_both_its_ends(void **state)
{
    (void)state;
    struct tick_energy energy = {0};
    (void)tick(&energy, DOMAIN_PACKAGE, 100 * S, S, S, 90 * S, 0, false);
    assert_true(reasons_have(&report.reasons, "energy_skew"));
    (void)tick(&energy, DOMAIN_PACKAGE, 101 * S, S, 91 * S, 0, 0, false);
    assert_true(reasons_have(&report.reasons, "energy_skew"));
    (void)tick(&energy, DOMAIN_PACKAGE, 102 * S, S, S, 0, 0, false);
    assert_false(reasons_have(&report.reasons, "energy_skew"));
    (void)tick(&energy, DOMAIN_WALL, 103 * S, S, S, 90 * MS, 0, false); /* nobody divides it */
    assert_false(reasons_have(&report.reasons, "energy_skew"));
}

static void no_sample_contains_a_sleep(void **state)
{
    (void)state;
    struct tick_energy energy = {0};
    struct energy_sample *sample =
        tick(&energy, DOMAIN_DRAM, 100 * S, S, S, 0, 99 * S + 500 * MS, true);
    assert_false(report.valid);
    assert_false(sample->valid);
    assert_string_equal(sample->reason, "suspend");
    assert_int_equal(sample->energy_uj, VALUE_ABSENT);
    assert_int_equal(sample->dt_ns, VALUE_ABSENT);
    /* Two ticks later, held over since before it: a counter that failed in between. */
    sample = tick(&energy, DOMAIN_DRAM, 102 * S, S, 3 * S, 0, 99 * S + 500 * MS, false);
    assert_true(report.valid);
    assert_false(sample->valid);
    assert_string_equal(sample->reason, "suspend");
    sample = tick(&energy, DOMAIN_DRAM, 103 * S, S, S, 0, 99 * S + 500 * MS, false);
    assert_true(sample->valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_skew_above_its_bound_is_marked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gpu_is_not_skewed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_skew_is_marked_at_both_its_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_sample_contains_a_sleep, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
