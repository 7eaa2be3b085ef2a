/* SPDX-License-Identifier: BSD-3-Clause */
/* What was written is read back bit for bit; what is missing or short is noticed and changes
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "formula/state_io.h"

static void write_all(bson_t *state)
{
    struct state_io io = {.out = state}, inner;
    bson_t room;
    bson_init(state);
    state_doubles(&io, "a", (double[]){1.0 / 3, NAN, -0.0}, 3);
    state_enter(&io, "in", &inner, &room);
    state_words(&inner, "b", (uint64_t[]){UINT64_MAX}, 1);
    state_leave(&io, &inner, &room);
    assert_false(io.is_damaged);
}

static void numbers_come_back(void **state)
{
    (void)state;
    bson_t bson, room;
    write_all(&bson);
    struct state_io io = {.in = &bson}, inner;
    double a[3];
    uint64_t b;
    state_doubles(&io, "a", a, 3);
    state_enter(&io, "in", &inner, &room);
    state_words(&inner, "b", &b, 1);
    state_leave(&io, &inner, &room);
    assert_false(io.is_damaged);
    assert_true(a[0] == 1.0 / 3 && isnan(a[1]) && signbit(a[2]) && b == UINT64_MAX);
    bson_destroy(&bson);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    bson_t bson, room;
    write_all(&bson);
    double a[4] = {7, 7, 7, 7};
    struct state_io io = {.in = &bson}, inner;
    state_doubles(&io, "a", a, 4);
    assert_true(io.is_damaged && a[0] == 7);
    assert_string_equal(io.field, "a");
    io = (struct state_io){.in = &bson};
    state_enter(&io, "a", &inner, &room);
    state_words(&inner, "b", (uint64_t *)a, 1);
    state_leave(&io, &inner, &room);
    assert_true(io.is_damaged && a[0] == 7);
    bson_destroy(&bson);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
