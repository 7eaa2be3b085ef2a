/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamps and spans: written one way, read in several, refused when they are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "common/scope.h"
#include "common/timestamp.h"

#define NOW_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static void formats_as(int64_t ms, const char *wanted)
{
    char text[TIMESTAMP_TEXT_SIZE];
    assert_string_equal(timestamp_format(ms, text), wanted);
}

static void stamps_are_written_in_utc(void **state)
{
    (void)state;
    formats_as(0, "1970-01-01T00:00:00.000Z");
    formats_as(NOW_MS, "2026-01-01T00:00:00.000Z");
    formats_as(-1, "1969-12-31T23:59:59.999Z");
    formats_as(INT64_C(951782399999), "2000-02-28T23:59:59.999Z");
    formats_as(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
    formats_as(INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z");
    formats_as(INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
    formats_as(INT64_MAX, "9999-12-31T23:59:59.999Z");
    formats_as(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

/* Days of the years 0 to 9999 against the C library, there and back. */
static void the_calendar_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = -719528; day <= 2932896; day += 3) {
        time_t seconds = day * 86400 + 3661;
        struct tm tm;
        char text[TIMESTAMP_TEXT_SIZE], wanted[64];
        assert_non_null(gmtime_r(&seconds, &tm));
        (void)snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT01:01:01.000Z", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday);
        if (strcmp(timestamp_format(seconds * 1000, text), wanted) != 0)
            fail_msg("%s is not %s", text, wanted);
        int64_t back_ms = 0;
        if (timestamp_parse(text, 0, &back_ms, NULL) != 0 || back_ms != seconds * 1000)
            fail_msg("%s reads as %lld", text, (long long)back_ms);
    }
}

static const struct {
    const char *text;
    int64_t ms;
} stamps[] = {
    {"2026-01-01T00:00:00.000Z", NOW_MS},
    {"2026-01-01T00:00:00Z", NOW_MS},
    {"2026-01-01t00:00:00z", NOW_MS},
    {"2026-01-01 00:00:00", NOW_MS},
    {"2026-01-01T00:00:00.25", NOW_MS + 250},
    {"2026-01-01T00:00:00.123999999Z", NOW_MS + 123},
    {"2026-01-01T01:30:00+01:30", NOW_MS},
    {"2025-12-31T19:00:00-0500", NOW_MS},
    {"2025-12-31T23:59:60Z", NOW_MS},
    {"2026-01-01", NOW_MS},
    {"2024-02-29", INT64_C(1709164800000)},
    {"1767225600000", NOW_MS},
    {"0", 0},
    {"@1767225600", NOW_MS},
    {"-15m", NOW_MS - 900000},
    {"-2h", NOW_MS - 7200000},
    {"-3d", NOW_MS - 3 * INT64_C(86400000)},
    {"-90s", NOW_MS - 90000},
    {"-1.5s", NOW_MS - 1500},
};

static void many_spellings_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(stamps); i++) {
        int64_t ms = -1;
        assert_int_equal(timestamp_parse(stamps[i].text, NOW_MS, &ms, NULL), 0);
        if (ms != stamps[i].ms)
            fail_msg("%s reads as %lld", stamps[i].text, (long long)ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "-",
        "@",
        "now",
        "yesterday",

        "x",
        "-5",
        "@-1",
        "@1.5",
        "1.5",
        "--1s",
        "-1s ",
        "2026-1-1",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2025-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-01-01T",
        "2026-01-01T00",
        "2026-01-01T00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+1",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00Z ",
        "2026-01-01Z",
        "2026-01-01X00:00:00",
        "+2026-01-01",
        "9223372036854775808",
        "@9223372036854776",
        "99999999999999999999999999",
        "12a",
        "\xff\xfe",
        "2026-01-01\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {0};
        int64_t ms = 42;
        if (timestamp_parse(bad[i], NOW_MS, &ms, &err) != -EINVAL)
            fail_msg("\"%s\" was read", bad[i]);
        assert_int_equal(ms, 42);
        assert_null(strchr(err.text, '\n'));
        assert_non_null(strstr(err.text, "is no time"));
    }
}

static const struct {
    const char *text;
    uint64_t ns;
    const char *shortest;
} durations[] = {
    {"1s", UINT64_C(1000000000), "1s"},
    {"250ms", UINT64_C(250000000), "250ms"},
    {"1.5s", UINT64_C(1500000000), "1500ms"},
    {"2m", UINT64_C(120000000000), "2m"},
    {"90s", UINT64_C(90000000000), "90s"},
    {"60s", UINT64_C(60000000000), "1m"},
    {"1h", UINT64_C(3600000000000), "1h"},
    {"7d", UINT64_C(604800000000000), "7d"},
    {"100us", 100000, "100us"},
    {"5ns", 5, "5ns"},
    {"0", 0, "0s"},
    {"0h", 0, "0s"},
    {"0.000000001s", 1, "1ns"},
    {"0.00000000100000000000000000000001s", 1, "1ns"},
    {"0.1d", UINT64_C(8640000000000), "144m"},
    {"9223372036854775807ns", INT64_MAX, "9223372036854775807ns"},
};

static void durations_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        uint64_t ns = 42;
        char text[32];
        assert_int_equal(duration_parse(durations[i].text, &ns, NULL), 0);
        assert_int_equal(ns, durations[i].ns);
        assert_string_equal(duration_format(ns, text), durations[i].shortest);
        assert_int_equal(duration_parse(text, &ns, NULL), 0);
        assert_int_equal(ns, durations[i].ns);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "s",    "1x",  "-1s",  "+1s",  " 1s",  "1s ",
                                      "1 s", "1.s",  ".5s", "1,5s", "1e3s", "1S",   "1h30m",
                                      "00",  "1sec", "nan", "0x1s", "\xff", "0.1ns"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint64_t ns = 42;
        if (duration_parse(bad[i], &ns, NULL) != -EINVAL)
            fail_msg("\"%s\" was read", bad[i]);
        assert_int_equal(ns, 42);
    }
}

static void a_bare_number_is_asked_for_its_unit(void **state)
{
    (void)state;
    struct error err = {0};
    uint64_t ns;
    assert_int_equal(duration_parse("1000", &ns, &err), -EINVAL);
    assert_non_null(strstr(err.text, "needs a unit"));
}

static void too_long_is_out_of_range(void **state)
{
    (void)state;
    static const char *const bad[] = {"9223372036854775808ns", "106752d",
                                      "99999999999999999999999999999999999999999999999999d"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint64_t ns = 42;
        assert_int_equal(duration_parse(bad[i], &ns, NULL), -ERANGE);
        assert_int_equal(ns, 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_are_written_in_utc),
        cmocka_unit_test(the_calendar_agrees_with_the_c_library),
        cmocka_unit_test(many_spellings_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(durations_are_read_and_written),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(a_bare_number_is_asked_for_its_unit),
        cmocka_unit_test(too_long_is_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
