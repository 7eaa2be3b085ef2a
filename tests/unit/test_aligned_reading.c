/* SPDX-License-Identifier: BSD-3-Clause */
/* What makes a reading look again, on sources that the test scripts. The clock stands still in a
 * tick, so that a tick that waits for an update looks as often as it may. */
#include "common/scope.h"
#include "sensor/aligned_reading.h"
#include "tests/unit/scripted_sources.h"

static struct aligned_reading aligned;
static struct report report;

static int set_up(void **state)
{
    (void)set_up_sources(state);
    aligned_reading_init(&aligned, NS_PER_MS);
    report_init(&report);
    return 0;
}

static int tear_down(void **state)
{
    aligned_reading_deinit(&aligned);
    report_deinit(&report);
    return tear_down_sources(state);
}

/* Looks of the first source in a tick that comes in time. */
static int looks_of_tick(void)
{
    int n_before = scripts[0].n_reads;
    now_ns += NS_PER_MS;
    report_clear(&report);
    assert_int_equal(aligned_reading_take(&aligned, &ladder, &topology, &report), 0);
    return scripts[0].n_reads - n_before;
}

static void open_both(const char *first_reason, const char *third_reason)
{
    const struct ladder_settings settings = {.energy = "auto"};
    make_script(0, PKG, 1)->rows[0].reason = first_reason;
    make_script(2, GPU, 1)->rows[0].reason = third_reason;
    assert_int_equal(ladder_open(&ladder, &settings, &host, &topology, NULL), 0);
    (void)looks_of_tick(); /* the one before was never */
}

static void a_reading_waits_for_an_update(void **state)
{
    (void)state;
    open_both("no_update", "no_update");
    assert_true(looks_of_tick() > 1);
    scripts[0].rows[0].reason = NULL;
    assert_int_equal(looks_of_tick(), 1);
    scripts[0].rows[0].reason = "vanished";
    assert_int_equal(looks_of_tick(), 1);
}

/* The counters of the processor are read in time although a GPU's driver hangs, which is said once.
 */
static void what_does_not_answer_is_no_update(void **state)
{
    (void)state;
    open_both("no_update", "no_answer");
    assert_true(looks_of_tick() > 1);
    assert_int_equal(report.n_energy, 2);
    assert_string_equal(report.energy[0].reason, "no_answer");
    scripts[0].rows[0].reason = NULL;
    assert_int_equal(looks_of_tick(), 1);
    assert_int_equal(report.n_energy, 2);
}

#define WITH_READING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_READING(a_reading_waits_for_an_update),
        WITH_READING(what_does_not_answer_is_no_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
