/* SPDX-License-Identifier: BSD-3-Clause */
/* The right row for a CPU, and no table that is not one: line by line, with the line named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/record.h"
#include "sensor/cpu_power_table.h"

#define HEADER \
    "vendor,family,models,idle_w_per_vcpu,full_w_per_vcpu,low_factor,high_factor,source\n"
#define INTEL "GenuineIntel,6,85|106-108,0.5,4.25,0.6,1.4,a table, with commas\n"
#define ANY "*,*,*,1,3,0.25,4,a guess\n"

extern const char cpu_power_csv[];
extern const size_t cpu_power_csv_size;

static int find(const char *text, const char *vendor, int64_t family, int64_t model,
                struct cpu_power *ret_power, struct error *err)
{
    return cpu_power_find(text, strlen(text), "t.csv", vendor, family, model, ret_power, err);
}

static void model_lists_and_ranges(void **state)
{
    (void)state;
    struct cpu_power power;
    const char *text = "# a comment\n" HEADER INTEL ANY;
    static const int64_t inside[] = {85, 106, 107, 108};
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        assert_int_equal(find(text, "GenuineIntel", 6, inside[i], &power, NULL), CPU_POWER_FOUND);
        assert_false(power.is_fallback);
        assert_float_equal(power.idle_w, 0.5, 0);
        assert_float_equal(power.full_w, 4.25, 0);
        assert_float_equal(power.low_factor, 0.6, 1e-12);
        assert_float_equal(power.high_factor, 1.4, 1e-12);
        assert_string_equal(power.source, "a table, with commas");
    }
    static const int64_t outside[] = {84, 86, 105, 109, VALUE_ABSENT};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_int_equal(find(text, "GenuineIntel", 6, outside[i], &power, NULL), CPU_POWER_FOUND);
        assert_true(power.is_fallback);
    }
    assert_int_equal(find(text, "AuthenticAMD", 6, 85, &power, NULL), CPU_POWER_FOUND);
    assert_true(power.is_fallback);
    assert_int_equal(find(text, "GenuineIntel", 15, 85, &power, NULL), CPU_POWER_FOUND);
    assert_true(power.is_fallback);
}

static void first_match_holds_and_none_is_none(void **state)
{
    (void)state;
    struct cpu_power power = {.idle_w = 77};
    assert_int_equal(find(HEADER INTEL, "", VALUE_ABSENT, VALUE_ABSENT, &power, NULL),
                     CPU_POWER_NONE);
    assert_float_equal(power.idle_w, 77, 0);
    assert_int_equal(
        find(HEADER "X,*,*,1,2,1,1,first\r\nX,1,1,3,4,1,1,second\n", "X", 1, 1, &power, NULL),
        CPU_POWER_FOUND);
    assert_string_equal(power.source, "first");
    assert_false(power.is_fallback);
}

/* Each bad line, as the third, must be refused with its number, on whatever machine. */
static void damage_is_named(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "GenuineIntel,6,85,0.5,4.2,0.6,1.4\n",     /* a column too few */
        "GenuineIntel,6,85,0.5,4.2,0.6,1.4,\n",    /* no source */
        ",6,85,0.5,4.2,0.6,1.4,s\n",               /* no vendor */
        "GenuineIntel,six,85,0.5,4.2,0.6,1.4,s\n", /* family */
        "GenuineIntel,6,,0.5,4.2,0.6,1.4,s\n",     /* models */
        "GenuineIntel,6,85|,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,9-8,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85 ,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,99999999999999999999,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,-1,4.2,0.6,1.4,s\n", /* idle */
        "GenuineIntel,6,85,nan,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,inf,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,0x1,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,5,4.2,0.6,1.4,s\n", /* idle above full */
        "GenuineIntel,6,85,0.5,1e99,0.6,1.4,s\n",
        "GenuineIntel,6,85,0.5,4.2W,0.6,1.4,s\n",
        "GenuineIntel,6,85,0.5,4.2,1.1,1.4,s\n", /* low above 1 */
        "GenuineIntel,6,85,0.5,4.2,0.6,0.9,s\n", /* high below 1 */
        "\x01\xff\xfe\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[512];
        struct cpu_power power;
        struct error err = {0};
        (void)snprintf(text, sizeof(text), "#\n" HEADER "%s" ANY, lines[i]);
        if (find(text, "Other", 1, 1, &power, &err) != -EDOM ||
            strncmp(err.text, "t.csv:3: ", 9) != 0)
            fail_msg("line %zu: %s", i, err.text);
    }
}

static void shape_is_checked(void **state)
{
    (void)state;
    struct cpu_power power;
    struct error err = {0};
    assert_int_equal(find("", "X", 1, 1, &power, &err), -EDOM);
    assert_int_equal(find("# only talk\n", "X", 1, 1, &power, &err), -EDOM);
    assert_int_equal(find(INTEL, "X", 1, 1, &power, &err), -EDOM);
    assert_non_null(strstr(err.text, "t.csv:1: "));
    assert_int_equal(find(HEADER ANY INTEL, "X", 1, 1, &power, &err), -EDOM);
    assert_non_null(strstr(err.text, "t.csv:3: "));
    assert_int_equal(
        cpu_power_find(HEADER "X\0Y", sizeof(HEADER) + 2, "t.csv", "X", 1, 1, &power, &err), -EDOM);
    char *text = malloc(3000);
    assert_non_null(text);
    memset(text, 'x', 3000);
    assert_int_equal(cpu_power_find(text, 3000, "t.csv", "X", 1, 1, &power, &err), -EDOM);
    free(text);
}

static void built_in_table_is_sound(void **state)
{
    (void)state;
    struct cpu_power power;
    struct error err = {0};
    static const struct {
        const char *vendor;
        int64_t family, model;
    } known[] = {{"GenuineIntel", 6, 85},
                 {"GenuineIntel", 6, 143},
                 {"GenuineIntel", 6, 207},
                 {"AuthenticAMD", 25, 17}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_int_equal(cpu_power_find(cpu_power_csv, cpu_power_csv_size, "built in",
                                        known[i].vendor, known[i].family, known[i].model, &power,
                                        &err),
                         CPU_POWER_FOUND);
        assert_false(power.is_fallback);
    }
    assert_int_equal(cpu_power_find(cpu_power_csv, cpu_power_csv_size, "built in", "", VALUE_ABSENT,
                                    VALUE_ABSENT, &power, &err),
                     CPU_POWER_FOUND);
    assert_true(power.is_fallback);
    assert_true(power.low_factor <= 0.5 && power.high_factor >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_lists_and_ranges),
        cmocka_unit_test(first_match_holds_and_none_is_none),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(shape_is_checked),
        cmocka_unit_test(built_in_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
