/* SPDX-License-Identifier: BSD-3-Clause */
/* The three formats say the same rows; what is absent is empty, "-" or null and never 0; no name
 * can break the format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bson/bson.h>

#include "cli/writer.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/record.h"

static const struct column columns[] = {
    {"name", "name", COLUMN_TEXT, 0},
    {"count", "count", COLUMN_INTEGER, 0},
    {"power_w", "watts", COLUMN_REAL, 2},
    {"time", "time", COLUMN_TIME, 0},
};

static const union cell known[] = {
    {.text = "a,\"b\"\n"}, {.integer = 7}, {.real = 0.1}, {.time_ms = 1767225600123}};
static const union cell absent[] = {
    {.text = NULL}, {.integer = VALUE_ABSENT}, {.real = NAN}, {.time_ms = VALUE_ABSENT}};

static char *written(const char *format, const union cell *const *rows, size_t n_rows)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    struct writer *writer;
    struct error err = {0};
    assert_non_null(stream);
    assert_int_equal(writer_new(&writer, format, stream, columns, 4, &err), 0);
    for (size_t i = 0; i < n_rows; i++)
        assert_int_equal(writer_row(writer, rows[i], &err), 0);
    assert_int_equal(writer_note(writer, "a note", &err), 0);
    assert_int_equal(writer_finish(writer, &err), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void csv_quotes_and_leaves_empty(void **state)
{
    (void)state;
    const union cell *rows[] = {known, absent};
    char *text = written("csv", rows, 2);
    assert_string_equal(text, "name,count,power_w,time\n"
                              "\"a,\"\"b\"\"\n\",7,0.1,2026-01-01T00:00:00.123Z\n"
                              ",,,\n");
    free(text);
}

static void json_parses_and_says_null(void **state)
{
    (void)state;
    const union cell *rows[] = {known, absent};
    char *text = written("json", rows, 2);
    bson_t document;
    bson_iter_t iter, field;
    struct error err = {0};
    assert_int_equal(json_parse(text, strlen(text), &document, &err), 0);
    assert_true(bson_iter_init(&iter, &document));
    assert_true(bson_iter_find_descendant(&iter, "rows.0.name", &field));
    assert_string_equal(bson_iter_utf8(&field, NULL), "a,\"b\"\n");
    assert_true(bson_iter_init(&iter, &document));
    assert_true(bson_iter_find_descendant(&iter, "rows.0.power_w", &field));
    assert_true(bson_iter_double(&field) == 0.1);
    assert_true(bson_iter_init(&iter, &document));
    assert_true(bson_iter_find_descendant(&iter, "rows.1.power_w", &field));
    assert_true(BSON_ITER_HOLDS_NULL(&field));
    assert_true(bson_iter_init(&iter, &document));
    assert_true(bson_iter_find_descendant(&iter, "rows.1.count", &field));
    assert_true(BSON_ITER_HOLDS_NULL(&field));
    bson_destroy(&document);
    free(text);
    text = written("json", rows, 0);
    assert_int_equal(json_parse(text, strlen(text), &document, &err), 0);
    bson_destroy(&document);
    free(text);
}

static void table_lines_up_and_is_harmless(void **state)
{
    (void)state;
    const union cell evil[] = {{.text = "x\033[2J\xc2\x9bq"},
                               {.integer = 1234567},
                               {.real = 12.345},
                               {.time_ms = VALUE_ABSENT}};
    const union cell *rows[] = {evil, absent};
    char *text = written("table", rows, 2);
    assert_string_equal(text, "name        count  watts  time\n"
                              "x?[2J??q  1234567  12.35  -\n"
                              "-               -      -  -\n"
                              "a note\n");
    free(text);
}

static void numbers_read_back_the_same(void **state)
{
    (void)state;
    const double values[] = {1.0 / 3, 1e-300, 123456789.123456789, 5e-324, 0.1 + 0.2};
    for (size_t i = 0; i < 5; i++) {
        const union cell cells[] = {
            {.text = "n"}, {.integer = 1}, {.real = values[i]}, {.time_ms = VALUE_ABSENT}};
        const union cell *rows[] = {cells};
        char *text = written("csv", rows, 1);
        double back = strtod(strstr(text, "\nn,1,") + 5, NULL);
        assert_true(back == values[i]);
        free(text);
    }
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    FILE *stream = fopen("/dev/full", "w");
    struct writer *writer;
    struct error err = {0};
    assert_non_null(stream);
    assert_int_equal(writer_new(&writer, "csv", stream, columns, 4, &err), 0);
    assert_int_equal(writer_row(writer, known, &err), 0);
    assert_int_equal(writer_finish(writer, &err), -EIO);
    assert_non_null(strstr(err.text, "could not be written"));
    (void)fclose(stream);
}

static void an_unknown_format_is_refused(void **state)
{
    (void)state;
    struct writer *writer;
    struct error err = {0};
    assert_int_equal(writer_new(&writer, "xml", stdout, columns, 4, &err), -EINVAL);
    assert_non_null(strstr(err.text, "xml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_and_leaves_empty),
        cmocka_unit_test(json_parses_and_says_null),
        cmocka_unit_test(table_lines_up_and_is_harmless),
        cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(an_unknown_format_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
