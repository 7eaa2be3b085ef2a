/* SPDX-License-Identifier: BSD-3-Clause */
/* A failure keeps its first sentence, gains context on the way up, and becomes the right exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"

static void context_goes_in_front(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, -ENODEV, "no %s", "domain"), -ENODEV);
    assert_int_equal(error_wrap(&err, -ENODEV, "powercap"), -ENODEV);
    assert_string_equal(err.text, "powercap: no domain");
    assert_int_equal(err.code, -ENODEV);
}

static void silence_becomes_the_errno_text(void **state)
{
    (void)state;
    struct error err = {0};
    (void)error_wrap(&err, -EACCES, "file");
    assert_string_equal(err.text, "file: Permission denied");
    assert_int_equal(error_wrap(NULL, -EACCES, "nobody listens"), -EACCES);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    struct error err = {0};
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)error_set(&err, -EIO, "%s", text);
    (void)error_wrap(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void exit_status_follows_sysexits(void **state)
{
    (void)state;
    assert_int_equal(error_exit_status(0), 0);
    assert_int_equal(error_exit_status(1), 0);
    assert_int_equal(error_exit_status(-EINVAL), 64);
    assert_int_equal(error_exit_status(-EBADMSG), 65);
    assert_int_equal(error_exit_status(-ECONNREFUSED), 69);
    assert_int_equal(error_exit_status(-EINTR), 75);
    assert_int_equal(error_exit_status(-EACCES), 77);
    assert_int_equal(error_exit_status(-EDOM), 78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(silence_becomes_the_errno_text),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(exit_status_follows_sysexits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
