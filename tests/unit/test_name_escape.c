/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes become printable UTF-8 and come back as they were, and a cut leaves no half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/name_escape.h"
#include "common/scope.h"

static void escapes_to(const char *bytes, size_t size, const char *wanted)
{
    char text[256], back[256];
    assert_int_equal(name_escape(bytes, size, text, sizeof(text)), strlen(wanted));
    assert_string_equal(text, wanted);
    assert_int_equal(name_unescape(text, back, sizeof(back)), size);
    assert_memory_equal(back, bytes, size);
}

#define ESCAPES_TO(bytes, wanted) escapes_to(bytes, sizeof(bytes) - 1, wanted)

static void only_what_is_unsafe_is_escaped(void **state)
{
    (void)state;
    ESCAPES_TO("", "");
    ESCAPES_TO("/system.slice/a-b.service", "/system.slice/a-b.service");
    ESCAPES_TO("100%", "100%25");
    ESCAPES_TO("%41", "%2541");
    ESCAPES_TO("a\nb\x7f\x01", "a%0Ab%7F%01");
    ESCAPES_TO("a\0b", "a%00b");
    ESCAPES_TO("\xc2\x9b"
               "31m\xc2\xa0",
               "%C2%9B31m\xc2\xa0"); /* ESC [ in one character */
    ESCAPES_TO("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x8b",
               "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x8b");
}

static void ill_formed_utf8_is_escaped_byte_by_byte(void **state)
{
    (void)state;
    ESCAPES_TO("\xff", "%FF");
    ESCAPES_TO("\x80z", "%80z");
    ESCAPES_TO("\xc0\xaf", "%C0%AF");        /* overlong '/' */
    ESCAPES_TO("\xc1\xbf", "%C1%BF");        /* overlong 0x7f */
    ESCAPES_TO("\xe0\x80\xaf", "%E0%80%AF"); /* overlong */
    ESCAPES_TO("\xf0\x80\x80\xaf", "%F0%80%80%AF");
    ESCAPES_TO("\xed\xa0\x80", "%ED%A0%80");        /* a surrogate */
    ESCAPES_TO("\xf4\x90\x80\x80", "%F4%90%80%80"); /* above U+10FFFF */
    ESCAPES_TO("\xf5\x80\x80\x80", "%F5%80%80%80");
    ESCAPES_TO("\xe2\x82", "%E2%82"); /* cut short */
    ESCAPES_TO("\xe2\x82z", "%E2%82z");
    ESCAPES_TO("\xc3\xa9\xa9", "\xc3\xa9%A9");
}

static void every_byte_comes_back(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 2000; round++) {
        char bytes[40], text[200], back[sizeof(bytes) + 1];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)(round < 1000 ? rand() : "\xe2\x82\xac\xc3\xa9%A"[rand() % 7]);
        size_t length = name_escape(bytes, sizeof(bytes), text, sizeof(text));
        assert_int_equal(strlen(text), length);
        assert_int_equal(name_unescape(text, back, sizeof(back)), sizeof(bytes));
        assert_memory_equal(back, bytes, sizeof(bytes));
    }
}

static void a_cut_leaves_whole_units(void **state)
{
    (void)state;
    static const char bytes[] = "a\n\xe2\x82\xac"
                                "b"; /* units of 1, 3, 3 and 1 */
    static const size_t fits[] = {0, 0, 1, 1, 1, 4, 4, 4, 7, 8, 8};
    for (size_t size = 1; size < ARRAY_SIZE(fits); size++) {
        char text[16];
        memset(text, 'x', sizeof(text));
        assert_int_equal(name_escape(bytes, sizeof(bytes) - 1, text, size), 8);
        assert_int_equal(strlen(text), fits[size]);
        assert_int_equal(text[size], 'x');
    }
    assert_int_equal(name_escape(bytes, sizeof(bytes) - 1, NULL, 0), 8);
}

static void a_later_shorter_unit_does_not_fill_the_gap(void **state)
{
    (void)state;
    char text[4];
    (void)name_escape("ab\nc", 4, text, sizeof(text));
    assert_string_equal(text, "ab");
}

static void what_is_no_escape_stays(void **state)
{
    (void)state;
    char bytes[16];
    assert_int_equal(name_unescape("%", bytes, sizeof(bytes)), 1);
    assert_string_equal(bytes, "%");
    (void)name_unescape("%4", bytes, sizeof(bytes));
    assert_string_equal(bytes, "%4");
    (void)name_unescape("%4G%g1%2f", bytes, sizeof(bytes));
    assert_string_equal(bytes, "%4G%g1/");
    assert_int_equal(name_unescape("%41BCD", bytes, 3), 2);
    assert_string_equal(bytes, "AB");
    assert_int_equal(name_unescape("x", bytes, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_unsafe_is_escaped),
        cmocka_unit_test(ill_formed_utf8_is_escaped_byte_by_byte),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(a_cut_leaves_whole_units),
        cmocka_unit_test(a_later_shorter_unit_does_not_fill_the_gap),
        cmocka_unit_test(what_is_no_escape_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
