/* SPDX-License-Identifier: BSD-3-Clause */
/* Span, misses and drift are those of the ticks learned from, and survive being saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "formula/training.h"

static void printed(const struct training *training, char *text, size_t size)
{
    FILE *out = fmemopen(text, size, "w");
    assert_non_null(out);
    training_print(training, out);
    (void)fclose(out);
}

static void what_was_learned_is_told(void **state)
{
    (void)state;
    struct training training = {0};
    char text[512];
    printed(&training, text, sizeof(text));
    assert_string_equal(text, "  nothing learned yet\n");
    training_add(&training, INT64_C(1767225600000), 10, NAN);
    for (int i = 1; i <= 4; i++)
        training_add(&training, INT64_C(1767225600000) + i * 1000, 10 + (i % 2 ? 3 : -1), 10);
    printed(&training, text, sizeof(text));
    assert_string_equal(
        text, "  learned from 5 ticks, 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:04.000Z\n"
              "  predictions missed by 2.24 W (root mean square); in the last 4 ticks by 2.24 W, "
              "drift +1.00 W\n");
}

static void drift_forgets(void **state)
{
    (void)state;
    struct training training = {0};
    for (int i = 0; i < 1000; i++)
        training_add(&training, i, 10, 12);
    for (int i = 0; i < 1000; i++)
        training_add(&training, 1000 + i, 15, 10);
    assert_true(fabs(training.recent_miss_w - 5) < 0.01);
    assert_true(fabs(training.square_w2 / 2000 - (4 + 25) / 2.0) < 1e-9);
}

static void it_survives_being_saved(void **state)
{
    (void)state;
    struct training training = {0}, read = {0};
    bson_t saved = BSON_INITIALIZER, empty = BSON_INITIALIZER;
    training_add(&training, 5, 10, 9);
    training_save(&training, &saved);
    assert_int_equal(training_load(&read, &saved, NULL), 0);
    assert_memory_equal(&read, &training, sizeof(read));
    assert_int_equal(training_load(&read, &empty, NULL), -EBADMSG);
    assert_memory_equal(&read, &training, sizeof(read));
    bson_destroy(&saved);
    bson_destroy(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_learned_is_told),
        cmocka_unit_test(drift_forgets),
        cmocka_unit_test(it_survives_being_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
