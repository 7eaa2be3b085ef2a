/* SPDX-License-Identifier: BSD-3-Clause */
/* From a URI to a store: unknown ones are refused with the known ones named; stores share one
 * filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static void finds_by_scheme(void **state)
{
    (void)state;
    struct error err = {0};
    assert_ptr_equal(store_find("sqlite:/x", fixture_tables, &err), &store_sqlite);
    assert_ptr_equal(store_find("jsonl:-", fixture_tables, &err), &store_jsonl);
    assert_ptr_equal(store_find("null:", fixture_tables, &err), &store_null);
}

static void a_way_to_reach_a_store_is_that_store(void **state)
{
    (void)state;
    static const struct store_ops far = {.scheme = "far"};
    static const struct store_ops *const far_table[] = {&far, NULL};
    static const struct store_ops *const *const tables[] = {store_table_local, far_table, NULL};
    assert_ptr_equal(store_find("far+srv://host/db", tables, NULL), &far);
    assert_ptr_equal(store_find("far://host/db", tables, NULL), &far);
    assert_null(store_find("farther://host/db", tables, NULL));
    assert_null(store_find("fa://host/db", tables, NULL));
}

static void unknown_ones_are_refused_by_name(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *store = NULL;
    assert_null(store_find("redis://x", fixture_tables, &err));
    assert_non_null(strstr(err.text, "\"redis:\""));
    assert_non_null(strstr(err.text, "sqlite:, jsonl:, null:"));
    err = (struct error){0};
    assert_int_equal(store_open(&store, "mongodb://eve:secret@h/db", STORE_WRITE, fixture_tables,
                                NULL, NULL, &err),
                     -EINVAL);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(store_open(&store, "no-scheme", STORE_READ, fixture_tables, NULL, NULL, &err),
                     -EINVAL);
    assert_null(store);
}

static void null_takes_all_and_keeps_nothing(void **state)
{
    (void)state;
    char list[100];
    struct store *store = fixture_open("null", "", STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "");
    struct cursor *cursor;
    struct store_query follow = fixture_all;
    follow.follow = true;
    assert_int_equal(store_query(store, &follow, &cursor, NULL), -EOPNOTSUPP);
    assert_int_equal(store_forget(store, "", NULL), -EOPNOTSUPP);
    struct append_result result = {.n_stored = 9};
    assert_int_equal(store_append(store, NULL, 0, &result, NULL), 0);
    assert_int_equal(result.n_stored, 0);
    store_close(store);
    store_close(NULL);
    cursor_close(NULL);
}

static void filters_by_every_field(void **state)
{
    (void)state;
    struct document raw = {
        .kind = RECORD_RAW, .key = {.sensor = "a", .timestamp_ms = 10}, .label = ""};
    struct document power = {
        .kind = RECORD_POWER, .key = {.sensor = "a", .timestamp_ms = 10}, .label = "auto"};
    struct document host = {.kind = RECORD_HOST, .key = {.sensor = "a", .timestamp_ms = 1}};
    struct store_query query = fixture_all;
    assert_true(store_query_matches(&query, &raw));
    query.kinds = KINDS_POWER;
    assert_false(store_query_matches(&query, &raw));
    assert_true(store_query_matches(&query, &power));
    query = fixture_all;
    query.sensor = "b";
    assert_false(store_query_matches(&query, &raw));
    query.sensor = "a";
    query.label = "share";
    assert_true(store_query_matches(&query, &raw)); /* only power records have labels */
    assert_false(store_query_matches(&query, &power));
    query = fixture_all;
    query.from_ms = 10;
    query.to_ms = 11;
    assert_true(store_query_matches(&query, &raw));
    assert_true(store_query_matches(&query, &host)); /* who is who is never cut by time */
    query.to_ms = 10;
    assert_false(store_query_matches(&query, &raw));
    query.to_ms = VALUE_ABSENT;
    query.from_ms = 11;
    assert_false(store_query_matches(&query, &raw));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_scheme),
        cmocka_unit_test(a_way_to_reach_a_store_is_that_store),
        cmocka_unit_test(unknown_ones_are_refused_by_name),
        cmocka_unit_test(null_takes_all_and_keeps_nothing),
        cmocka_unit_test(filters_by_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
