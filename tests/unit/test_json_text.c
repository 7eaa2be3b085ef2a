/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON both ways: what is JSON is taken, what only looks like it is refused, doubles survive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "common/scope.h"
#include "tests/unit/random_records.h"

static char *write_json(const bson_t *document, int *ret_r)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    *ret_r = json_write(stream, document, NULL);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void assert_rewritten(const char *text, const char *expected)
{
    struct error err = {0};
    bson_t document;
    if (json_parse(text, strlen(text), &document, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    int r;
    char *written = write_json(&document, &r);
    assert_int_equal(r, 0);
    assert_string_equal(written, expected);
    free(written);
    bson_destroy(&document);
}

static void good_json(void **state)
{
    (void)state;
    assert_rewritten("{}", "{}");
    assert_rewritten(" { \"a\" : [ 1 , -2.5, true, false, null, {} , [] ] } \r\n",
                     "{\"a\":[1,-2.5,true,false,null,{},[]]}");
    assert_rewritten("{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
                     "{\"a\":9223372036854775807,\"b\":-9223372036854775808}");
    assert_rewritten("{\"a\":99999999999999999999.0,\"b\":1.00000000000000000000000000001}",
                     "{\"a\":1e+20,\"b\":1.0}");
    assert_rewritten("{\"99999999999999999999\":\"NaN 99999999999999999999 \\\" }\"}",
                     "{\"99999999999999999999\":\"NaN 99999999999999999999 \\\" }\"}");
    assert_rewritten("{\"a\":\"\\u0001\\n\\t\\\\\\/\\u00fc\\ud83d\\udd25\"}",
                     "{\"a\":\"\\u0001\\n\\t\\\\/\xc3\xbc\xf0\x9f\x94\xa5\"}");
    assert_rewritten("{\"a\":1e3,\"b\":-0.0,\"c\":5e-324}",
                     "{\"a\":1000.0,\"b\":-0.0,\"c\":4.94065645841247e-324}");
}

static void forms_of_mongoexport(void **state)
{
    (void)state;
    assert_rewritten("{\"_id\":{\"$oid\":\"5f57a7649750d76f8a581efe\"},"
                     "\"timestamp\":{\"$date\":\"2026-01-01T00:00:00.000Z\"}}",
                     "{\"_id\":\"5f57a7649750d76f8a581efe\","
                     "\"timestamp\":\"2026-01-01T00:00:00.000Z\"}");
    assert_rewritten("{\"t\":{\"$date\":{\"$numberLong\":\"1767225600123\"}},"
                     "\"n\":{\"$numberLong\":\"9007199254740993\"}}",
                     "{\"t\":\"2026-01-01T00:00:00.123Z\",\"n\":9007199254740993}");
}

static void what_is_not_a_json_object(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "[1]",
        "1",
        "\"a\"",
        "null",
        "{",
        "{\"a\"",
        "{\"a\":1",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\":1}{\"b\":2}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":99999999999999999999}",
        "{\"a\":9223372036854775808}",
        "{\"a\":-9223372036854775809}",
        "{\"a\":[1,18446744073709551616]}",
        "{\"a\":{\"$numberLong\":\"99999999999999999999\"}}",
        "{\"a\":NaN}",
        "{\"a\":nan}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"a\":inf}",
        "{\"a\":1e999}",
        "{\"a\":tru}",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"unclosed}",
        "{\"a\":\"\\",
        "{\"a\\u0000b\":1}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {0};
        bson_t document;
        if (json_parse(bad[i], strlen(bad[i]), &document, &err) != -EBADMSG)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0] != '\0');
    }
    bson_t document;
    assert_int_equal(json_parse("{\"a\":1}\0", 8, &document, NULL), -EBADMSG);
    /* Deeper than any record, and deeper than a stack. */
    enum { DEPTH = 200000 };
    char *deep = malloc(DEPTH * 5 + 1);
    assert_non_null(deep);
    for (size_t i = 0; i < DEPTH; i++)
        memcpy(deep + i * 5, "{\"a\":", 5);
    assert_int_equal(json_parse(deep, DEPTH * 5, &document, NULL), -EBADMSG);
    free(deep);
}

static void doubles_survive(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        double value = random_double(&random) * (i % 2 ? 1 : -1);
        bson_t document = BSON_INITIALIZER, again;
        assert_true(BSON_APPEND_DOUBLE(&document, "a", value));
        int r;
        char *text = write_json(&document, &r);
        assert_int_equal(r, 0);
        assert_int_equal(json_parse(text, strlen(text), &again, NULL), 0);
        assert_int_equal(document.len, again.len);
        assert_memory_equal(bson_get_data(&document), bson_get_data(&again), document.len);
        free(text);
        bson_destroy(&document);
        bson_destroy(&again);
    }
}

static void doubles_are_short(void **state)
{
    (void)state;
    assert_rewritten("{\"a\":0.1,\"b\":23.12,\"c\":3.0,\"d\":1e300}",
                     "{\"a\":0.1,\"b\":23.12,\"c\":3.0,\"d\":1e+300}");
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    /* Where no locale with a comma is installed, C's own stays and the case below is the plain one.
     */
    (void)(setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8"));
    bson_t document = BSON_INITIALIZER;
    assert_true(BSON_APPEND_DOUBLE(&document, "a", 1.5));
    int r;
    char *text = write_json(&document, &r);
    (void)setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "{\"a\":1.5}");
    free(text);
    bson_destroy(&document);
}

static void what_json_lacks_is_null(void **state)
{
    (void)state;
    bson_t document = BSON_INITIALIZER;
    assert_true(BSON_APPEND_DOUBLE(&document, "nan", (double)NAN));
    assert_true(BSON_APPEND_DOUBLE(&document, "inf", (double)INFINITY));
    assert_true(BSON_APPEND_BINARY(&document, "bin", BSON_SUBTYPE_BINARY, (const uint8_t *)"x", 1));
    assert_true(BSON_APPEND_UTF8(&document, "del", "\x7f"));
    assert_true(bson_append_utf8(&document, "nul", -1, "a\0b", 3));
    int r;
    char *text = write_json(&document, &r);
    assert_int_equal(r, 0);
    assert_string_equal(text, "{\"nan\":null,\"inf\":null,\"bin\":null,\"del\":\"\\u007f\","
                              "\"nul\":\"a\\u0000b\"}");
    free(text);
    bson_destroy(&document);
}

static void failures_of_writing(void **state)
{
    (void)state;
    bson_t document = BSON_INITIALIZER;
    assert_true(BSON_APPEND_UTF8(&document, "a", "\xff"));
    int r;
    char *text = write_json(&document, &r);
    assert_int_equal(r, -EBADMSG);
    free(text);
    bson_reinit(&document);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    assert_int_equal(json_write(full, &document, NULL), -EIO);
    (void)fclose(full);
    bson_destroy(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_json),
        cmocka_unit_test(forms_of_mongoexport),
        cmocka_unit_test(what_is_not_a_json_object),
        cmocka_unit_test(doubles_survive),
        cmocka_unit_test(doubles_are_short),
        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(what_json_lacks_is_null),
        cmocka_unit_test(failures_of_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
