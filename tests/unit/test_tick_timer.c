/* SPDX-License-Identifier: BSD-3-Clause */
/* Every period is either ticked or counted as passed, however late the ticks are; nothing piles up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>

#include "common/clock.h"
#include "sensor/tick_timer.h"
#include "tests/unit/made_clock.h"

#define MS ((int64_t)NS_PER_MS)

static uint64_t now_ns;

/* Real time is 300 ms past a second when the monotonic clock shows 5 s: long past for the kernel's
 * timer, which fires at once. */
static uint64_t realtime(void *context)
{
    (void)context;
    return now_ns + 300 * NS_PER_MS;
}

static const struct clock clock_made = {.monotonic_ns = made_clock_ns,
                                        .boottime_ns = made_clock_ns,
                                        .realtime_ns = realtime,
                                        .context = &now_ns};

static void open_timer(struct tick_timer *timer, uint64_t interval_ns)
{
    now_ns = 5 * NS_PER_S;
    assert_int_equal(tick_timer_open(timer, &clock_made, interval_ns, NULL), 0);
}

static void ticks_fall_on_boundaries(void **state)
{
    (void)state;
    struct tick_timer timer;
    open_timer(&timer, NS_PER_S);
    assert_int_equal(timer.due_ns, 5 * NS_PER_S + 700 * NS_PER_MS);
    tick_timer_close(&timer);
    open_timer(&timer, 400 * NS_PER_MS);
    assert_int_equal(timer.due_ns, 5 * NS_PER_S + 300 * NS_PER_MS);
    tick_timer_close(&timer);
    open_timer(&timer, 500 * NS_PER_MS); /* 200 ms to the next one: too near */
    assert_int_equal(timer.due_ns, 5 * NS_PER_S + 700 * NS_PER_MS);
    tick_timer_close(&timer);
}

static void late_ticks_count_what_passed(void **state)
{
    (void)state;
    static const struct {
        int64_t late_us;
        uint64_t n_periods;
    } ticks[] = {{0, 1}, {999, 1}, {30, 1}, {1000, 2}, {20500, 21}, {0, 1}, {1, 1}};
    struct tick_timer timer;
    uint64_t n_passed = 0;
    open_timer(&timer, NS_PER_MS);
    assert_int_equal(tick_timer_take(&timer), 0); /* nothing is due yet */
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        struct pollfd due = {.fd = timer.fd, .events = POLLIN};
        assert_int_equal(poll(&due, 1, 10000), 1);
        if (now_ns < timer.due_ns)
            now_ns = timer.due_ns;
        now_ns = timer.due_ns + (uint64_t)ticks[i].late_us * 1000;
        assert_int_equal(tick_timer_take(&timer), ticks[i].n_periods);
        n_passed += ticks[i].n_periods;
        assert_int_equal(n_passed, 1 + (now_ns - timer.first_ns) / NS_PER_MS);
        assert_int_equal(tick_timer_set(&timer, 0, NULL), 0);
        assert_int_equal(timer.due_ns, timer.first_ns + n_passed * NS_PER_MS);
    }
    tick_timer_close(&timer);
}

/* A counter of 1.003 ms: the ticks slide, and now and then a period has none. */
static void sliding_ticks_and_passed_periods_add_up(void **state)
{
    (void)state;
    static const int64_t steps_ns[] = {3000, -3000, 260000, -62500};
    for (size_t s = 0; s < sizeof(steps_ns) / sizeof(steps_ns[0]); s++) {
        struct tick_timer timer;
        uint64_t n_passed = 0, n_ticks = 0, last_ns = 0;
        int64_t offset_ns = 0;
        open_timer(&timer, NS_PER_MS);
        for (; n_ticks < 3000; n_ticks++) {
            assert_true(timer.due_ns >= last_ns + NS_PER_MS / 2);
            assert_true(last_ns == 0 || timer.due_ns <= last_ns + 2 * NS_PER_MS + NS_PER_MS / 2);
            now_ns = last_ns = timer.due_ns;
            n_passed += tick_timer_take(&timer);
            offset_ns = (offset_ns + steps_ns[s]) % MS;
            assert_int_equal(tick_timer_set(&timer, offset_ns, NULL), 0);
        }
        int64_t elapsed = (int64_t)((now_ns - timer.first_ns) / NS_PER_MS);
        assert_in_range(n_passed, elapsed - 1, elapsed + 2);
        assert_true(n_passed >= n_ticks);
        tick_timer_close(&timer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_fall_on_boundaries),
        cmocka_unit_test(late_ticks_count_what_passed),
        cmocka_unit_test(sliding_ticks_and_passed_periods_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
