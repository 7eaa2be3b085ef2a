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
#include "formula/state_io.h"

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

static struct names *reload(struct names *names)
{
    bson_t saved = BSON_INITIALIZER;
    struct state_io out = {.out = &saved}, in = {.in = &saved};
    struct names *loaded;
    assert_int_equal(names_visit(names, &out), 0);
    names_free(names);
    assert_int_equal(names_new(&loaded), 0);
    assert_int_equal(names_visit(loaded, &in), 0);
    assert_false(out.is_damaged || in.is_damaged);
    bson_destroy(&saved);
    return loaded;
}

/* What is forgotten, and when, does not depend on how often all was saved and read back. */
static void a_restart_changes_nothing(void **state)
{
    (void)state;
    struct names *whole, *parts;
    assert_int_equal(names_new(&whole), 0);
    assert_int_equal(names_new(&parts), 0);
    for (int tick = 0; tick < 300; tick++) {
        assert_int_equal(names_begin(whole), 0);
        assert_int_equal(names_begin(parts), 0);
        for (int i = 0; i < 200; i++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "/%d/%d", tick - tick % (i + 1), i);
            uint32_t a = number(whole, text), b = number(parts, text);
            if (i == 7)
                names_at(whole, a)->kin = names_at(parts, b)->kin = 77;
            assert_int_equal(names_at(whole, a)->is_new, names_at(parts, b)->is_new);
            assert_true(names_at(whole, a)->kin == names_at(parts, b)->kin);
        }
        uint32_t noted;
        assert_int_equal(names_note(whole, "/noted", &noted), 0);
        assert_int_equal(names_note(parts, "/noted", &noted), 0);
        assert_int_equal(names_count(whole), names_count(parts));
        if (tick % 37 == 0)
            parts = reload(parts);
    }
    assert_true(names_count(whole) < 30000); /* some were forgotten on the way */
    names_free(whole);
    names_free(parts);
}

static void damaged_names_are_refused(void **state)
{
    (void)state;
    struct names *loaded;
    uint64_t counts[3] = {2, 5, 16384}, words[6] = {0};
    for (int damage = 0; damage < 3; damage++) {
        bson_t saved = BSON_INITIALIZER;
        struct state_io out = {.out = &saved}, in = {.in = &saved};
        const void *texts = "/a\0/b";
        size_t size = damage == 0 ? 5 : damage == 1 ? 3 : 6;
        counts[0] = damage == 2 ? UINT64_MAX / 16 : 2;
        state_words(&out, "counts", counts, 3);
        state_bytes(&out, "texts", &texts, &size);
        state_words(&out, "names", words, 6);
        assert_int_equal(names_new(&loaded), 0);
        assert_int_equal(names_visit(loaded, &in), 0);
        assert_true(in.is_damaged);
        names_free(loaded);
        bson_destroy(&saved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_keeps_its_number),
        cmocka_unit_test(churn_is_forgotten),
        cmocka_unit_test(a_restart_changes_nothing),
        cmocka_unit_test(damaged_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
