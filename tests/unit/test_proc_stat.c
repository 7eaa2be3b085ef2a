/* SPDX-License-Identifier: BSD-3-Clause */
/* A process chooses its own name; nothing it writes there moves a field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sensor/proc_stat.h"

#define AFTER_COMM                                                            \
    " S 1 10 10 0 -1 4194560 100 0 5 0 720 31 7 8 20 0 3 0 9876543 1000 200 " \
    "18446744073709551615\n"

static void hostile_commands_do_not_shift_fields(void **state)
{
    (void)state;
    const char *const comms[] = {
        "bash", "a b",      "x) R 1 2 3",
        "))",   "(",        "line\nbreak",
        "",     "\xff\x01", ") S 1 1 1 1 1 1 1 1 1 1 99999 99999 1 1 1 1 1 1 5 "};
    for (size_t i = 0; i < sizeof(comms) / sizeof(comms[0]); i++) {
        char text[512];
        int size = snprintf(text, sizeof(text), "42 (%s)" AFTER_COMM, comms[i]);
        struct proc_stat stat;
        assert_int_equal(proc_stat_parse(text, (size_t)size, &stat), 0);
        assert_int_equal(stat.pid, 42);
        assert_string_equal(stat.comm, comms[i]);
        assert_int_equal(stat.cpu_ticks, 751);
        assert_int_equal(stat.start_ticks, 9876543);
        assert_false(stat.is_kernel_thread);
    }
}

static void kernel_threads_are_told(void **state)
{
    (void)state;
    const char text[] = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 5 0 0 20 0 1 0 2 0 0";
    struct proc_stat stat;
    assert_int_equal(proc_stat_parse(text, sizeof(text) - 1, &stat), 0);
    assert_true(stat.is_kernel_thread);
    assert_int_equal(stat.cpu_ticks, 5);
}

static void damaged_lines_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",
        "1",
        "1 (",
        "1 ()",
        "1 (a) ",
        "1 (a) S",
        "1 a S 1 2 3",
        "(a) S 1",
        "0 (a)" AFTER_COMM,
        "-1 (a)" AFTER_COMM,
        "99999999999 (a)" AFTER_COMM,
        "1 (a)S 1 1",
        "1 (a) S 1 10 10 0 -1 0 100 0 5 0 -720 31 7 8 20 0 3 0 9876543",
        "1 (a) S 1 10 10 0 -1 0 100 0 5 0 720 31 7 8 20 0 3 0 -5",
        "1 (a) S 1 10 10 0 -1 0 100 0 5 0 720 31 7 8 20 0 3 0 x",
        "1 (a) S 1 10 10 0 -1 0 100 0 5 0 720 31 7 8 20 0 3 0 5x",
        "1 (a) S 1 10 10 0 -1 0 100 0 5 0 99999999999999999999 31 7 8 20 0 3 0 5",
        "1 (a) S 1 10 10 0 -1 0 100 0 5 0 9223372036854775807 9223372036854775807 7 8 20 0 3 0 5",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct proc_stat stat;
        if (proc_stat_parse(bad[i], strlen(bad[i]), &stat) != -EBADMSG)
            fail_msg("taken: %s", bad[i]);
    }
    /* Every truncation of a good line is refused, or is one whose last number was cut. */
    const char good[] = "1 (a) S 1 10 10 0 -1 0 100 0 5 0 720 31 7 8 20 0 3 0 9876543 1";
    struct proc_stat stat;
    for (size_t size = 0; size < (size_t)(strstr(good, "9876543") - good); size++)
        assert_int_equal(proc_stat_parse(good, size, &stat), -EBADMSG);
    static char huge[5000];
    memset(huge, '1', sizeof(huge));
    assert_int_equal(proc_stat_parse(huge, sizeof(huge), &stat), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_commands_do_not_shift_fields),
        cmocka_unit_test(kernel_threads_are_told),
        cmocka_unit_test(damaged_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
