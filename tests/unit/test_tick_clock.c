/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamps grow strictly whatever the clocks do; a suspend is no step and a step is no suspend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "sensor/tick_clock.h"
#include "tests/unit/made_clock.h"

static struct made_times times;
static struct clock clock_test;

static struct tick_clock start(void)
{
    struct tick_clock ticks;
    times = (struct made_times){5 * NS_PER_S, 6 * NS_PER_S, 1700000000 * NS_PER_S};
    clock_test = made_times_clock(&times);
    tick_clock_start(&ticks, &clock_test);
    return ticks;
}

static void stamp_is_the_moment_asked_for(void **state)
{
    (void)state;
    struct tick_clock ticks = start();
    struct reasons reasons = {0};
    int64_t stamp_ms;
    made_times_pass(&times, NS_PER_S);
    uint64_t at_ns = times.monotonic_ns;
    made_times_pass(&times, 30 * NS_PER_MS); /* the stamp is taken later than the moment */
    assert_false(tick_clock_stamp(&ticks, at_ns, &stamp_ms, &reasons));
    assert_int_equal(stamp_ms, INT64_C(1700000001000));
    assert_int_equal(reasons.n_words, 0);
}

/* Field bug 4.6. */
static void suspend_is_no_step(void **state)
{
    (void)state;
    struct tick_clock ticks = start();
    struct reasons reasons = {0};
    int64_t stamp_ms;
    made_times_pass(&times, NS_PER_S);
    times.boottime_ns += 3600 * NS_PER_S;
    times.realtime_ns += 3600 * NS_PER_S;
    assert_true(tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons));
    assert_true(reasons_have(&reasons, "suspend"));
    assert_false(reasons_have(&reasons, "clock_step"));
    assert_int_equal(stamp_ms, INT64_C(1700003601000));
    reasons = (struct reasons){0};
    made_times_pass(&times, NS_PER_S);
    assert_false(tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons));
    assert_int_equal(reasons.n_words, 0);
}

/* Field bug 4.5. */
static void step_is_noted_and_stamps_still_grow(void **state)
{
    (void)state;
    struct tick_clock ticks = start();
    struct reasons reasons = {0};
    int64_t first_ms, stamp_ms;
    made_times_pass(&times, NS_PER_S);
    (void)tick_clock_stamp(&ticks, times.monotonic_ns, &first_ms, &reasons);
    assert_int_equal(reasons.n_words, 0);
    made_times_pass(&times, NS_PER_S);
    times.realtime_ns -= 3600 * NS_PER_S;
    assert_false(tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons));
    assert_true(reasons_have(&reasons, "clock_step"));
    assert_false(reasons_have(&reasons, "suspend"));
    assert_int_equal(stamp_ms, first_ms + 1);
    reasons = (struct reasons){0};
    made_times_pass(&times, NS_PER_S);
    (void)tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons);
    assert_true(reasons_have(&reasons, "clock_step")); /* the stamp is an hour ahead still */
    assert_int_equal(stamp_ms, first_ms + 2);
    reasons = (struct reasons){0};
    made_times_pass(&times, 3600 * NS_PER_S);
    times.realtime_ns += 499 * NS_PER_MS; /* slewed, not stepped */
    (void)tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons);
    assert_int_equal(reasons.n_words, 0);
    assert_int_equal(stamp_ms, INT64_C(1700000003499));
}

/* It slept between the look before the readings and the stamp: who began before it knows nothing.
 */
static void a_sleep_is_known_to_end_at_the_next_look(void **state)
{
    (void)state;
    struct tick_clock ticks = start();
    struct reasons reasons = {0};
    int64_t stamp_ms;
    made_times_pass(&times, NS_PER_S);
    tick_clock_look(&ticks);
    assert_int_equal(ticks.slept_until_ns, 0);
    times.boottime_ns += NS_PER_S;
    times.realtime_ns += NS_PER_S;
    made_times_pass(&times, NS_PER_MS);
    assert_true(tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons));
    assert_int_equal(ticks.slept_until_ns, times.monotonic_ns);
    made_times_pass(&times, NS_PER_S);
    times.boottime_ns += NS_PER_S;
    times.realtime_ns += NS_PER_S;
    tick_clock_look(&ticks); /* seen before the readings */
    assert_int_equal(ticks.slept_until_ns, times.monotonic_ns);
    uint64_t woken_ns = times.monotonic_ns;
    made_times_pass(&times, NS_PER_MS);
    assert_true(tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons));
    assert_int_equal(ticks.slept_until_ns, woken_ns);
    made_times_pass(&times, NS_PER_S);
    assert_false(tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons));
}

static uint64_t stopped_ns, n_until_stop;

/* The process is stopped for 90 s before the n-th look at the clock. */
static uint64_t monotonic_with_stop(void *context)
{
    (void)context;
    if (n_until_stop > 0 && --n_until_stop == 0)
        made_times_pass(&times, stopped_ns);
    return times.monotonic_ns;
}

static void stopped_between_two_clocks_is_no_sleep(void **state)
{
    (void)state;
    struct clock stopping = made_times_clock(&times);
    stopping.monotonic_ns = monotonic_with_stop;
    struct tick_clock ticks = start();
    struct reasons reasons = {0};
    int64_t stamp_ms;
    ticks.clock = &stopping;
    stopped_ns = 90 * NS_PER_S;
    n_until_stop = 2; /* after the first monotonic reading of the look */
    tick_clock_look(&ticks);
    made_times_pass(&times, NS_PER_S);
    (void)tick_clock_stamp(&ticks, times.monotonic_ns, &stamp_ms, &reasons);
    assert_int_equal(reasons.n_words, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamp_is_the_moment_asked_for),
        cmocka_unit_test(suspend_is_no_step),
        cmocka_unit_test(step_is_noted_and_stamps_still_grow),
        cmocka_unit_test(a_sleep_is_known_to_end_at_the_next_look),
        cmocka_unit_test(stopped_between_two_clocks_is_no_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
