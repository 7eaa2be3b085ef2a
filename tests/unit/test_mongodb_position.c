/* SPDX-License-Identifier: BSD-3-Clause */
/* A position survives being text, says for each kind of document where to go on, and is refused
 * when it is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/remote/mongodb_position.h"

#define TICK "node-a:0199d2f4c1a0:00000000007b"

static void marks_come_back(void **state)
{
    (void)state;
    char position[POSITION_SIZE] = "";
    struct mongodb_mark mark;
    struct error err = {0};
    assert_int_equal(mongodb_position_add(position, RECORD_TARGET, TICK ":t3", &err), 0);
    assert_int_equal(mongodb_position_add(position, RECORD_POWER, TICK ":host", &err), 0);
    assert_int_equal(
        mongodb_position_add(position, RECORD_RAW, "b:0199d2f4c1a0:000000000000:p2", &err), 0);

    assert_int_equal(mongodb_position_find(position, "node-a", false, &mark, &err), 1);
    assert_int_equal(mark.kind, RECORD_TARGET);
    assert_string_equal(mark.id, TICK ":t3");
    assert_string_equal(mark.tick, TICK);
    assert_int_equal(mongodb_position_find(position, "node-a", true, &mark, &err), 1);
    assert_int_equal(mark.kind, RECORD_POWER);
    assert_string_equal(mark.id, TICK ":host");
    assert_int_equal(mongodb_position_find(position, "b", false, &mark, &err), 1);
    assert_int_equal(mark.kind, RECORD_RAW);
    assert_int_equal(mongodb_position_find(position, "b", true, &mark, &err), 0);
    assert_int_equal(mongodb_position_find(position, "node", false, &mark, &err), 0);
    assert_int_equal(mongodb_position_find("", "b", false, &mark, &err), 0);
}

static void too_many_sensors_are_said(void **state)
{
    (void)state;
    char position[POSITION_SIZE] = "";
    struct error err = {0};
    char before[POSITION_SIZE];
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++) {
        memcpy(before, position, sizeof(before));
        r = mongodb_position_add(position, RECORD_RAW, TICK, &err);
    }
    assert_int_equal(r, -EOVERFLOW);
    assert_string_equal(position, before);
    assert_non_null(strstr(err.text, "--sensor"));
}

static void foreign_text_is_refused(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const char *const bad[] = {"12:34", "a",   "*",       "**" TICK, TICK ":q",
                               "a b c", ":::", "a/b:1:2", text};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mongodb_mark mark;
        struct error err = {0};
        assert_int_equal(mongodb_position_find(bad[i], "a", false, &mark, &err), -EINVAL);
        assert_non_null(strstr(err.text, "position"));
    }
}

static void check_bound(enum record_kind given, const char *id, enum record_kind kind,
                        bool is_reversed, const char *expected, bool expected_inclusive)
{
    char bound[RECORD_ID_SIZE + 1];
    char position[POSITION_SIZE] = "";
    bool is_inclusive;
    struct mongodb_mark mark;
    assert_int_equal(mongodb_position_add(position, given, id, NULL), 0);
    assert_int_equal(mongodb_position_find(position, "node-a", false, &mark, NULL), 1);
    mongodb_mark_bound(&mark, kind, is_reversed, bound, &is_inclusive);
    assert_string_equal(bound, expected);
    assert_int_equal(is_inclusive, expected_inclusive);
}

/* Order within a tick: host, targets, raw. */
static void each_kind_goes_on_where_it_must(void **state)
{
    (void)state;
    check_bound(RECORD_TARGET, TICK ":t3", RECORD_HOST, false, TICK ";", false);
    check_bound(RECORD_TARGET, TICK ":t3", RECORD_TARGET, false, TICK ":t3", false);
    check_bound(RECORD_TARGET, TICK ":t3", RECORD_RAW, false, TICK, true);
    check_bound(RECORD_TARGET, TICK ":t3", RECORD_RAW, true, TICK, false);
    check_bound(RECORD_TARGET, TICK ":t3", RECORD_HOST, true, TICK ";", false);
    check_bound(RECORD_RAW, TICK, RECORD_TARGET, false, TICK ";", false);
    check_bound(RECORD_RAW, TICK ":p2", RECORD_RAW, false, TICK ":p2", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_come_back),
        cmocka_unit_test(too_many_sensors_are_said),
        cmocka_unit_test(foreign_text_is_refused),
        cmocka_unit_test(each_kind_goes_on_where_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
