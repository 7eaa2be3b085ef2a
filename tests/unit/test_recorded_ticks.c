/* SPDX-License-Identifier: BSD-3-Clause */
/* Moments of readings become ticks: each period has its tick or is counted, gaps and sleeps too, and
 * the clock stands at the moment of the tick under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "sensor/recorded_reading.h"
#include "sensor/recorded_ticks.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"

#define READINGS_MAX 1000

static struct made_times times;
static struct clock machine;
static struct recorded_ticks ticks;
static struct recorded_reading readings[READINGS_MAX];
static size_t n_readings, n_fetched;
static const struct recording_plan *current;

static int record(struct source *source, const struct recording_plan *plan)
{
    (void)source;
    current = plan;
    return plan && plan->interval_ns < NS_PER_S ? 0 : -ENOTSUP;
}

static const struct recorded_reading *next(struct source *source, uint64_t until_ns)
{
    (void)source;
    bool is_there = n_fetched < n_readings && readings[n_fetched].at_ns <= until_ns;
    return is_there ? &readings[n_fetched++] : NULL;
}

static const struct source_ops ops = {.record = record, .next = next};
static struct source source = {.ops = &ops};

static int set_up(void **state)
{
    (void)state;
    times = (struct made_times){
        .monotonic_ns = 50 * NS_PER_S, .boottime_ns = 60 * NS_PER_S, .realtime_ns = 900 * NS_PER_S};
    machine = made_times_clock(&times);
    n_readings = n_fetched = 0;
    recorded_ticks_init(&ticks, &machine);
    static struct recording_plan plan;
    plan = (struct recording_plan){.first_ns = times.monotonic_ns + NS_PER_MS,
                                   .interval_ns = NS_PER_MS};
    assert_int_equal(recorded_ticks_start(&ticks, &source, &plan), 0);
    return 0;
}

static void pass_and_read(uint64_t ns)
{
    made_times_pass(&times, ns);
    readings[n_readings++] = (struct recorded_reading){.at_ns = times.monotonic_ns};
}

/* A row begins an interval later: what is recorded is fetched with a delay. */
static uint64_t take_first(void)
{
    made_times_pass(&times, NS_PER_MS);
    uint64_t n_periods = recorded_ticks_take(&ticks);
    made_times_pass(&times, -NS_PER_MS);
    return n_periods;
}

static uint64_t take_row(uint64_t *ret_ticks, bool *ret_goes_on)
{
    uint64_t n_periods = 0;
    *ret_ticks = 0;
    for (uint64_t n = take_first(); n > 0; n = recorded_ticks_take(&ticks)) {
        n_periods += n;
        (*ret_ticks)++;
    }
    *ret_goes_on = recorded_ticks_end_row(&ticks);
    return n_periods;
}

static uint64_t take_all(uint64_t *ret_ticks)
{
    bool goes_on;
    return take_row(ret_ticks, &goes_on);
}

static void assert_clocks_at(uint64_t since_start_ns)
{
    assert_int_equal(clock_monotonic_ns(&ticks.clock), 50 * NS_PER_S + since_start_ns);
    assert_int_equal(clock_boottime_ns(&ticks.clock), 60 * NS_PER_S + since_start_ns);
    assert_int_equal(clock_realtime_ns(&ticks.clock), 900 * NS_PER_S + since_start_ns);
}

/* What is younger than the row is the next one's, and whoever ends a row early has the machine's
 * clock as well. */
static void the_clock_stands_at_the_tick(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        pass_and_read(NS_PER_MS);
    assert_clocks_at(100 * NS_PER_MS);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(i == 1 ? take_first() : recorded_ticks_take(&ticks), 1);
        assert_clocks_at(i * NS_PER_MS);
    }
    pass_and_read(NS_PER_MS);
    assert_int_equal(recorded_ticks_take(&ticks), 0);
    assert_true(recorded_ticks_end_row(&ticks));
    assert_clocks_at(101 * NS_PER_MS);
    assert_int_equal(take_first(), 1);
    made_times_pass(&times, NS_PER_S);
    assert_clocks_at(101 * NS_PER_MS);
    assert_true(recorded_ticks_end_row(&ticks));
    assert_clocks_at(101 * NS_PER_MS + NS_PER_S);
}

static void gaps_are_periods_without_a_tick(void **state)
{
    (void)state;
    uint64_t n_ticks;
    for (int i = 0; i < 10; i++)
        pass_and_read(NS_PER_MS);
    pass_and_read(7 * NS_PER_MS);
    for (int i = 0; i < 10; i++)
        pass_and_read(NS_PER_MS);
    assert_int_equal(take_all(&n_ticks), 27);
    assert_int_equal(n_ticks, 21);
}

/* Late ones, faster and slower ones, and one that leaves half a period out. */
static void no_period_is_lost_or_counted_twice(void **state)
{
    (void)state;
    uint64_t start_ns = times.monotonic_ns, n_ticks;
    for (int i = 0; i < 100; i++) {
        pass_and_read(NS_PER_MS * 17 / 10);
        pass_and_read(NS_PER_MS * 3 / 10);
    }
    assert_int_equal(take_all(&n_ticks), 200);
    assert_int_equal(n_ticks, 200);
    for (int i = 0; i < 300; i++)
        pass_and_read(NS_PER_MS * 9 / 10);
    pass_and_read(NS_PER_MS * 15 / 10);
    for (int i = 0; i < 300; i++)
        pass_and_read(NS_PER_MS * 11 / 10);
    uint64_t n_periods = 200 + take_all(&n_ticks);
    uint64_t passed = (times.monotonic_ns - start_ns) / NS_PER_MS;
    assert_in_range(n_periods, passed - 1, passed + 1);
    assert_in_range(n_ticks, 560, 572);
}

/* A sleep may lie before, between or behind the readings that were fetched when it was noticed. */
static void what_may_contain_a_sleep_is_one_tick(void **state)
{
    (void)state;
    uint64_t n_ticks;
    for (int i = 0; i < 5; i++)
        pass_and_read(NS_PER_MS);
    times.boottime_ns += 3600 * NS_PER_S;
    times.realtime_ns += 3600 * NS_PER_S;
    made_times_pass(&times, NS_PER_MS / 2);
    assert_int_equal(take_all(&n_ticks), 0);
    for (int i = 0; i < 4; i++)
        pass_and_read(NS_PER_MS);
    assert_int_equal(take_first(), 6);
    assert_int_equal(take_all(&n_ticks), 3);
    assert_int_equal(n_ticks, 3);
}

static void silence_is_noticed_and_counted(void **state)
{
    (void)state;
    uint64_t n_ticks;
    pass_and_read(NS_PER_MS);
    assert_int_equal(take_all(&n_ticks), 1);
    for (int i = 0; i < 3; i++) {
        bool goes_on;
        made_times_pass(&times, 100 * NS_PER_MS);
        assert_int_equal(take_row(&n_ticks, &goes_on), 0);
        assert_int_equal(goes_on, i < 2);
    }
    assert_int_equal(recorded_ticks_end(&ticks), 300);
    assert_null(current);
}

/* What was done before the kernel took its first reading counts as periods that were missed. */
static void a_late_start_is_counted(void **state)
{
    (void)state;
    pass_and_read(20 * NS_PER_MS);
    assert_int_equal(take_first(), 20);
}

static void what_does_not_record_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(recorded_ticks_end(&ticks), 0);
    struct recording_plan plan = {.first_ns = times.monotonic_ns, .interval_ns = NS_PER_S};
    assert_int_equal(recorded_ticks_start(&ticks, &source, &plan), -ENOTSUP);
    assert_null(ticks.source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_clock_stands_at_the_tick, set_up),
        cmocka_unit_test_setup(gaps_are_periods_without_a_tick, set_up),
        cmocka_unit_test_setup(no_period_is_lost_or_counted_twice, set_up),
        cmocka_unit_test_setup(what_may_contain_a_sleep_is_one_tick, set_up),
        cmocka_unit_test_setup(silence_is_noticed_and_counted, set_up),
        cmocka_unit_test_setup(a_late_start_is_counted, set_up),
        cmocka_unit_test_setup(what_does_not_record_is_left_alone, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
