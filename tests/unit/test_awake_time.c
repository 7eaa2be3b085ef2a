/* SPDX-License-Identifier: BSD-3-Clause */
/* Nobody's time is booked in the window after the one in which it was found, evenly, once, and only
 * where there was room; that of CPUs that come and go is not looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/awake_time.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)

static int64_t book_window(struct awake_time *awake, int64_t counted_ns, int64_t n_cpus)
{
    int64_t sum_ns = 0;
    for (int tick = 0; tick < 10; tick++)
        sum_ns += awake_time_book(awake, counted_ns, S, n_cpus);
    return sum_ns;
}

static void it_is_booked_evenly_in_the_next_window(void **state)
{
    (void)state;
    struct awake_time awake = {.n_cpus = 2};
    assert_int_equal(book_window(&awake, 100 * MS, 2), 0);
    awake_time_find(&awake, 1050 * MS);
    for (int tick = 0; tick < 10; tick++)
        assert_int_equal(awake_time_book(&awake, 200 * MS, S, 2), 5 * MS);
    assert_int_equal(awake_time_book(&awake, 0, S, 2), 0);
    awake_time_find(&awake, 2000 * MS);
    assert_int_equal(book_window(&awake, 0, 2), 0);
}

static void a_longer_tick_books_no_more_than_was_found(void **state)
{
    (void)state;
    struct awake_time awake = {.n_cpus = 2};
    awake_time_find(&awake, 30 * MS);
    assert_int_equal(awake_time_book(&awake, 0, 25 * S, 2), 30 * MS);
}

static void a_full_machine_books_nothing_and_loses_nothing(void **state)
{
    (void)state;
    struct awake_time awake = {.n_cpus = 2};
    awake_time_find(&awake, 100 * MS);
    assert_int_equal(book_window(&awake, 2 * S, 2), 0);
    assert_int_equal(awake_time_book(&awake, 2 * S + MS, S, 2), 0);
    awake_time_find(&awake, 22 * S + MS);
    assert_int_equal(book_window(&awake, 2 * S - 3 * MS, 2), 30 * MS);
    awake_time_find(&awake, 20 * S - 30 * MS);
    assert_int_equal(book_window(&awake, 0, 2), 70 * MS);
}

static void what_was_counted_too_early_is_taken_off(void **state)
{
    (void)state;
    struct awake_time awake = {.n_cpus = 2};
    (void)awake_time_book(&awake, 510 * MS, S, 2);
    awake_time_find(&awake, 500 * MS);
    assert_int_equal(book_window(&awake, 100 * MS, 2), 0);
    awake_time_find(&awake, 1030 * MS);
    assert_int_equal(book_window(&awake, 0, 2), 20 * MS);
}

/* The second of two CPUs, busy with tasks for 3 s, goes, and its clock ticks with it; idle, it comes
 * back after 4 s that it did not sleep for. Then both wake up as often as ever. */
static void cpus_that_come_and_go_make_no_time(void **state)
{
    (void)state;
    struct awake_time awake = {.n_cpus = 2};
    (void)awake_time_book(&awake, 3 * S, 3 * S, 2);
    (void)awake_time_book(&awake, 0, 7 * S, 1);
    awake_time_find(&awake, 0);
    (void)awake_time_book(&awake, 0, 4 * S, 1);
    (void)awake_time_book(&awake, 0, 6 * S, 2);
    awake_time_find(&awake, 4 * S);
    assert_int_equal(book_window(&awake, 100 * MS, 2), 0);
    awake_time_find(&awake, 1050 * MS);
    assert_int_equal(book_window(&awake, 100 * MS, 2), 50 * MS);
}

/* What had been found before it is booked all the same. */
static void what_is_due_outlives_a_change(void **state)
{
    (void)state;
    struct awake_time awake = {.n_cpus = 2};
    awake_time_find(&awake, 100 * MS);
    assert_int_equal(book_window(&awake, 0, 1), 100 * MS);
    awake_time_find(&awake, 50 * MS);
    awake_time_find(&awake, 30 * MS);
    assert_int_equal(book_window(&awake, 0, 1), 30 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_booked_evenly_in_the_next_window),
        cmocka_unit_test(a_longer_tick_books_no_more_than_was_found),
        cmocka_unit_test(a_full_machine_books_nothing_and_loses_nothing),
        cmocka_unit_test(what_was_counted_too_early_is_taken_off),
        cmocka_unit_test(cpus_that_come_and_go_make_no_time),
        cmocka_unit_test(what_is_due_outlives_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
