/* SPDX-License-Identifier: BSD-3-Clause */
/* A reading in whose middle the process was stopped is taken again: its moment would be anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/reading.h"
#include "tests/unit/made_clock.h"

static uint64_t now_ns, lengths_ns[4];
static size_t n_calls;

static const struct clock clock_test = MADE_CLOCK(now_ns);

static void read_once(void *context)
{
    (void)context;
    now_ns += lengths_ns[n_calls++];
}

/* The moment of a reading whose tries take so long, counted from where the last of them began. */
static uint64_t take(uint64_t span_ns, uint64_t first_ns, uint64_t second_ns, uint64_t third_ns)
{
    uint64_t last_ns = now_ns;
    now_ns += span_ns;
    lengths_ns[0] = first_ns;
    lengths_ns[1] = second_ns;
    lengths_ns[2] = third_ns;
    n_calls = 0;
    uint64_t at_ns = reading_take(&clock_test, last_ns, read_once, NULL);
    return at_ns - (now_ns - lengths_ns[n_calls - 1]);
}

static void the_bound_is_a_hundredth_of_the_span(void **state)
{
    (void)state;
    assert_int_equal(reading_bound_ns(0), NS_PER_MS);
    assert_int_equal(reading_bound_ns(10 * NS_PER_MS), NS_PER_MS);
    assert_int_equal(reading_bound_ns(NS_PER_S), 10 * NS_PER_MS);
}

static void the_moment_is_the_middle(void **state)
{
    (void)state;
    now_ns = 5 * NS_PER_S;
    assert_int_equal(take(NS_PER_S, 2 * NS_PER_MS, 0, 0), NS_PER_MS);
    assert_int_equal(n_calls, 1);
}

static void a_stopped_reading_is_repeated(void **state)
{
    (void)state;
    now_ns = 5 * NS_PER_S;
    assert_int_equal(take(NS_PER_S, 90 * NS_PER_S, 4 * NS_PER_MS, 0), 2 * NS_PER_MS);
    assert_int_equal(n_calls, 2);
    (void)take(NS_PER_S, 90 * NS_PER_S, 80 * NS_PER_S, 70 * NS_PER_S);
    assert_int_equal(n_calls, 3); /* and not for ever */
    n_calls = 0;
    lengths_ns[0] = 5 * NS_PER_MS; /* the first ever: no span that would excuse it */
    lengths_ns[1] = 0;
    uint64_t at_ns = reading_take(&clock_test, 0, read_once, NULL);
    assert_int_equal(at_ns, now_ns);
    assert_int_equal(n_calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_is_a_hundredth_of_the_span),
        cmocka_unit_test(the_moment_is_the_middle),
        cmocka_unit_test(a_stopped_reading_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
