/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers stay with their names while these live, and memory follows the living. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "formula/names.h"

static uint32_t number(struct names *names, const char *text)
{
    uint32_t result;
    bool was_seen;
    assert_int_equal(names_number(names, text, &result, &was_seen), 0);
    assert_string_equal(names_at(names, result)->text, text);
    return result;
}

static void a_name_keeps_its_number(void **state)
{
    (void)state;
    struct names *names;
    assert_int_equal(names_new(&names), 0);
    assert_int_equal(names_begin(names), 0);
    uint32_t a = number(names, "/a"), b = number(names, "/b");
    assert_int_not_equal(a, b);
    assert_true(names_at(names, a)->is_new);
    for (int i = 0; i < 1000; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "/%d", i);
        (void)number(names, text);
    }
    assert_int_equal(number(names, "/a"), a);
    assert_int_equal(names_begin(names), 0);
    assert_int_equal(number(names, "/b"), b);
    assert_false(names_at(names, b)->is_new);
    names_free(names);
}

static void churn_is_forgotten(void **state)
{
    (void)state;
    struct names *names;
    assert_int_equal(names_new(&names), 0);
    uint32_t steady = 0;
    for (int tick = 0; tick < 600; tick++) {
        assert_int_equal(names_begin(names), 0);
        uint32_t now = number(names, "/steady");
        assert_true(tick == 0 || now == steady);
        steady = now;
        for (int i = 0; i < 500; i++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "/%d/%d", tick, i);
            uint32_t one = number(names, text);
            assert_true(names_at(names, one)->is_new);
        }
    }
    assert_true(names_count(names) < 40000); /* of 300,000 */
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_keeps_its_number),
        cmocka_unit_test(churn_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
