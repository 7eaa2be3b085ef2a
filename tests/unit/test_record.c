/* SPDX-License-Identifier: BSD-3-Clause */
/* Names, keys and ids follow their rules; field readers take what JSON makes of values and refuse
 * the rest by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "common/record.h"
#include "common/scope.h"

static void names(void **state)
{
    (void)state;
    assert_true(sensor_name_is_valid("nodeA.example-1_x"));
    char name[65];
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    assert_true(sensor_name_is_valid(name));
    name[63] = 'a';
    name[64] = '\0';
    assert_false(sensor_name_is_valid(name));
    assert_false(sensor_name_is_valid(""));
    assert_false(sensor_name_is_valid("a:b"));
    assert_false(sensor_name_is_valid("a b"));
    assert_false(sensor_name_is_valid("\xc3\xbc"));
    assert_true(word_is_valid("counter_reset"));
    assert_true(word_is_valid("abcdefghijklmnopqrstuvw"));
    assert_false(word_is_valid("abcdefghijklmnopqrstuvwx"));
    assert_false(word_is_valid("Reset"));
    assert_false(word_is_valid(""));
    assert_true(run_is_valid("0199d2f4c1a0"));
    assert_false(run_is_valid("0199d2f4c1a"));
    assert_false(run_is_valid("0199D2F4C1A0"));
    assert_false(run_is_valid("0199d2f4c1a00"));
}

static void kinds_and_domains(void **state)
{
    (void)state;
    assert_string_equal(record_kind_name(RECORD_RAW), "raw");
    assert_string_equal(record_kind_name(RECORD_HWPC), "hwpc");
    assert_null(record_kind_name(RECORD_UNKNOWN));
    for (int i = 0; i < DOMAIN_COUNT; i++) {
        enum domain domain;
        assert_int_equal(domain_parse(domain_name((enum domain)i), &domain), 0);
        assert_int_equal(domain, i);
    }
    enum domain domain = DOMAIN_WALL;
    assert_int_equal(domain_parse("moon", &domain), -EINVAL);
    assert_int_equal(domain, DOMAIN_WALL);
}

/* Hardware trap 10, field bug 4.3: cores and graphics are parts of the package, psys and wall hold
 * it. */
static void parts_and_wholes_are_not_added(void **state)
{
    (void)state;
    static const bool is_added[DOMAIN_COUNT] = {[DOMAIN_PACKAGE] = true,
                                                [DOMAIN_DRAM] = true,
                                                [DOMAIN_GPU] = true,
                                                [DOMAIN_MACHINE] = true};
    for (int i = 0; i < DOMAIN_COUNT; i++)
        assert_int_equal(domain_is_attributed((enum domain)i), is_added[i]);
}

static void ids_sort_in_time(void **state)
{
    (void)state;
    struct record_key a = {"nodeA", "0199d2f4c1a0", 123, 5}, b = a;
    char id[RECORD_ID_SIZE], next[RECORD_ID_SIZE];
    record_id(&a, NULL, id);
    assert_string_equal(id, "nodeA:0199d2f4c1a0:00000000007b");
    record_id(&a, "auto:p2", id);
    assert_string_equal(id, "nodeA:0199d2f4c1a0:00000000007b:auto:p2");
    b.seq = 4096;
    record_id(&a, NULL, id);
    record_id(&b, NULL, next);
    assert_true(strcmp(id, next) < 0);
    assert_true(record_key_compare(&a, &b) < 0);
    (void)snprintf(a.run, sizeof(a.run), "0199d2f4c1a1");
    assert_true(record_key_compare(&a, &b) > 0);
    b = a;
    assert_int_equal(record_key_compare(&a, &b), 0);
    b.timestamp_ms++;
    assert_true(record_key_compare(&a, &b) < 0);
}

static void reasons_are_a_set(void **state)
{
    (void)state;
    struct reasons reasons = {0};
    reasons_add(&reasons, "skew");
    reasons_add(&reasons, "gap");
    reasons_add(&reasons, "skew");
    assert_int_equal(reasons.n_words, 2);
    assert_string_equal(reasons.words[0], "skew");
    assert_true(reasons_have(&reasons, "gap"));
    assert_false(reasons_have(&reasons, "ga"));
    for (char c = 'a'; c <= 'z'; c++)
        reasons_add(&reasons, (char[]){c, '\0'});
    assert_int_equal(reasons.n_words, REASONS_MAX);
}

static void bad_keys_are_not_written(void **state)
{
    (void)state;
    const struct record_key good = {"nodeA", "0199d2f4c1a0", 0, 5};
    bson_t document = BSON_INITIALIZER;
    assert_int_equal(record_begin(&document, RECORD_RAW, &good, "x", NULL), 0);
    struct record_key key = good;
    key.sensor[0] = '\0';
    assert_int_equal(record_begin(&document, RECORD_RAW, &key, "x", NULL), -EINVAL);
    key = good;
    key.run[3] = '\0';
    assert_int_equal(record_begin(&document, RECORD_RAW, &key, "x", NULL), -EINVAL);
    key = good;
    key.seq = UINT64_C(1) << 48;
    assert_int_equal(record_begin(&document, RECORD_RAW, &key, "x", NULL), -EINVAL);
    key = good;
    key.timestamp_ms = -1;
    assert_int_equal(record_begin(&document, RECORD_RAW, &key, "x", NULL), -EINVAL);
    key.timestamp_ms = TIMESTAMP_MAX_MS + 1;
    assert_int_equal(record_begin(&document, RECORD_RAW, &key, "x", NULL), -EINVAL);
    bson_destroy(&document);
}

/* The value of {"a": ...}. */
static void find_value(bson_t *bson, const char *json, bson_iter_t *field)
{
    char text[200];
    (void)snprintf(text, sizeof(text), "{\"a\":%s}", json);
    assert_int_equal(json_parse(text, strlen(text), bson, NULL), 0);
    assert_true(bson_iter_init_find(field, bson, "a"));
}

enum { REFUSED = -7777 };

static int64_t read_with(int (*read)(const bson_iter_t *, int64_t *, struct error *),
                         const char *json)
{
    bson_t bson;
    bson_iter_t field;
    int64_t value = REFUSED;
    struct error err = {0};
    find_value(&bson, json, &field);
    if (read(&field, &value, &err) < 0) {
        assert_int_equal(err.code, -EBADMSG);
        assert_int_equal(strncmp(err.text, "a: ", 3), 0);
        assert_int_equal(value, REFUSED);
    }
    bson_destroy(&bson);
    return value;
}

static void integers(void **state)
{
    (void)state;
    assert_int_equal(read_with(field_int64, "-5"), -5);
    assert_int_equal(read_with(field_int64, "9007199254740993"), INT64_C(9007199254740993));
    assert_int_equal(read_with(field_int64, "3.0"), 3);
    assert_int_equal(read_with(field_int64, "null"), VALUE_ABSENT);
    assert_int_equal(read_with(field_int64, "3.5"), REFUSED);
    assert_int_equal(read_with(field_int64, "1e300"), REFUSED);
    assert_int_equal(read_with(field_int64, "9.3e18"), REFUSED);
    assert_int_equal(read_with(field_int64, "{\"$numberDouble\":\"NaN\"}"), REFUSED);
    assert_int_equal(read_with(field_int64, "-9223372036854775808"), REFUSED);
    assert_int_equal(read_with(field_int64, "true"), REFUSED);
    assert_int_equal(read_with(field_int64, "\"5\""), REFUSED);
    assert_int_equal(read_with(field_int64, "{}"), REFUSED);
    assert_int_equal(read_with(field_amount, "4611686018427387904"), AMOUNT_MAX);
    assert_int_equal(read_with(field_amount, "4611686018427387905"), REFUSED);
    assert_int_equal(read_with(field_amount, "-1"), REFUSED);
    assert_int_equal(read_with(field_amount, "null"), VALUE_ABSENT);
}

static void stamps(void **state)
{
    (void)state;
    const int64_t new_year = INT64_C(1767225600000);
    assert_int_equal(read_with(field_timestamp, "{\"$date\":1767225600000}"), new_year);
    assert_int_equal(read_with(field_timestamp, "1767225600000"), new_year);
    assert_int_equal(read_with(field_timestamp, "1767225600000.0"), new_year);
    assert_int_equal(read_with(field_timestamp, "\"2026-01-01T00:00:00.000Z\""), new_year);
    assert_int_equal(read_with(field_timestamp, "\"2026-01-01T00:00:00.005\""), new_year + 5);
    assert_int_equal(read_with(field_timestamp, "null"), VALUE_ABSENT);
    assert_int_equal(read_with(field_timestamp, "\"-15m\""), REFUSED);
    assert_int_equal(read_with(field_timestamp, "\"@5\""), REFUSED);
    assert_int_equal(read_with(field_timestamp, "\"\""), REFUSED);
    assert_int_equal(read_with(field_timestamp, "\"soon\""), REFUSED);
    assert_int_equal(read_with(field_timestamp, "-1"), REFUSED);
    assert_int_equal(read_with(field_timestamp, "253402300800000"), REFUSED);
    assert_int_equal(read_with(field_timestamp, "{\"$date\":-5}"), REFUSED);
    assert_int_equal(read_with(field_timestamp, "[]"), REFUSED);
}

static void doubles_packages_and_truth(void **state)
{
    (void)state;
    bson_t bson;
    bson_iter_t field;
    double value;
    find_value(&bson, "7", &field);
    assert_int_equal(field_double(&field, &value, NULL), 0);
    assert_true(value == 7);
    bool truth;
    assert_int_equal(field_bool(&field, &truth, NULL), -EBADMSG);
    int32_t package;
    assert_int_equal(field_package(&field, &package, NULL), 0);
    assert_int_equal(package, 7);
    bson_destroy(&bson);
    find_value(&bson, "null", &field);
    assert_int_equal(field_double(&field, &value, NULL), 0);
    assert_true(isnan(value));
    assert_int_equal(field_package(&field, &package, NULL), 0);
    assert_int_equal(package, PACKAGE_NONE);
    bson_destroy(&bson);
    find_value(&bson, "{\"$numberDouble\":\"Infinity\"}", &field);
    assert_int_equal(field_double(&field, &value, NULL), -EBADMSG);
    bson_destroy(&bson);
    find_value(&bson, "-1", &field);
    assert_int_equal(field_package(&field, &package, NULL), -EBADMSG);
    bson_destroy(&bson);
}

static void texts(void **state)
{
    (void)state;
    bson_t bson;
    bson_iter_t field;
    char text[6] = "kept";
    struct error err = {0};
    find_value(&bson, "\"12345\"", &field);
    assert_int_equal(field_text(&field, text, sizeof(text), NULL, &err), 0);
    assert_string_equal(text, "12345");
    assert_int_equal(field_text(&field, text, 5, NULL, &err), -EBADMSG);
    bson_destroy(&bson);
    find_value(&bson, "\"a\\u0000b\"", &field);
    assert_int_equal(field_text(&field, text, sizeof(text), NULL, &err), -EBADMSG);
    assert_string_equal(text, "12345");
    bson_destroy(&bson);
    find_value(&bson, "\"A\"", &field);
    assert_int_equal(field_text(&field, text, sizeof(text), word_is_valid, &err), -EBADMSG);
    bson_destroy(&bson);
    find_value(&bson, "null", &field);
    assert_int_equal(field_text(&field, text, sizeof(text), word_is_valid, &err), 0);
    assert_string_equal(text, "");
    bson_destroy(&bson);
    struct reasons reasons = {0};
    find_value(&bson, "[\"skew\",\"BAD\"]", &field);
    assert_int_equal(field_reasons(&field, &reasons, &err), -EBADMSG);
    assert_int_equal(reasons.n_words, 0);
    bson_destroy(&bson);
}

#define KEY_FIELDS "\"v\":1,\"_id\":\"i\",\"sensor\":\"s\",\"run\":\"0199d2f4c1a0\",\"seq\":7,"
#define STAMP "\"timestamp\":5"

static int describe(const char *text, struct document *document, struct error *err)
{
    bson_t bson;
    assert_int_equal(json_parse(text, strlen(text), &bson, err), 0);
    int r = document_describe(bson_get_data(&bson), bson.len, document, err);
    bson_destroy(&bson);
    return r;
}

static void documents_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum record_kind kind;
    } known[] = {
        {"{\"kind\":\"raw\"," KEY_FIELDS STAMP "}", RECORD_RAW},
        {"{" KEY_FIELDS STAMP ",\"kind\":\"host\"}", RECORD_HOST},
        {"{\"kind\":\"power\",\"label\":\"auto\"," KEY_FIELDS STAMP "}", RECORD_POWER},
        {"{\"kind\":\"event\"}", RECORD_EVENT},
        {"{\"kind\":\"song\",\"timestamp\":[]}", RECORD_UNKNOWN},
        {"{\"kind\":7}", RECORD_UNKNOWN},
        {"{}", RECORD_UNKNOWN},
        {"{\"sensor\":\"s\",\"target\":\"/a\",\"groups\":{},\"_id\":{\"x\":1}," STAMP "}",
         RECORD_HWPC},
        {"{\"sensor\":\"s\",\"target\":\"/a\",\"run\":5," STAMP "}", RECORD_HWPC},
        {"{\"sensor\":\"s\",\"target\":\"/a\",\"power\":1," STAMP "}", RECORD_POWER_REPORT},
        {"{\"sensor\":\"s\",\"target\":\"h\",\"metadata\":{}," STAMP "}", RECORD_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        struct document document;
        struct error err = {0};
        if (describe(known[i].text, &document, &err) < 0)
            fail_msg("%s: %s", known[i].text, err.text);
        assert_int_equal(document.kind, known[i].kind);
    }
    struct document document;
    assert_int_equal(describe(known[2].text, &document, NULL), 0);
    assert_string_equal(document.id, "i");
    assert_string_equal(document.label, "auto");
    assert_string_equal(document.key.run, "0199d2f4c1a0");
    assert_int_equal(document.key.seq, 7);
    assert_int_equal(document.key.timestamp_ms, 5);
}

static void documents_without_a_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } bad[] = {
        {"{\"kind\":\"raw\"," KEY_FIELDS "\"x\":1}", "raw record: timestamp: missing"},
        {"{\"kind\":\"raw\"," STAMP "}", "sensor: missing"},
        {"{\"kind\":\"power\"," KEY_FIELDS STAMP "}", "label: missing"},
        {"{\"kind\":\"raw\",\"v\":0,\"_id\":\"i\",\"sensor\":\"s\",\"run\":\"0199d2f4c1a0\","
         "\"seq\":7," STAMP "}",
         "v"},
        {"{\"kind\":\"raw\",\"v\":1,\"_id\":\"i\",\"sensor\":\"s\",\"run\":\"zz\",\"seq\":7," STAMP
         "}",
         "run"},
        {"{\"kind\":\"raw\",\"v\":1,\"_id\":\"i\",\"sensor\":\"s\",\"run\":\"0199d2f4c1a0\","
         "\"seq\":-7," STAMP "}",
         "seq: negative"},
        {"{\"kind\":\"raw\",\"v\":1,\"_id\":\"i\\u001b[2J\",\"sensor\":\"s\","
         "\"run\":\"0199d2f4c1a0\",\"seq\":7," STAMP "}",
         "_id"},
        {"{\"kind\":\"raw\",\"v\":1,\"_id\":\"i\",\"sensor\":\"s\",\"run\":\"0199d2f4c1a0\","
         "\"seq\":281474976710656," STAMP "}",
         "seq"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct document document;
        struct error err = {0};
        assert_int_equal(describe(bad[i].text, &document, &err), -EBADMSG);
        if (!strstr(err.text, bad[i].named))
            fail_msg("%s: %s", bad[i].text, err.text);
    }
    struct document document;
    assert_int_equal(document_describe((const uint8_t *)"abc", 3, &document, NULL), -EBADMSG);
    /* Text that is no UTF-8, at any depth. */
    bson_t bson = BSON_INITIALIZER, child;
    assert_true(BSON_APPEND_DOCUMENT_BEGIN(&bson, "x", &child));
    assert_true(BSON_APPEND_UTF8(&child, "y", "only ASCII and then \xc3\x28"));
    assert_true(bson_append_document_end(&bson, &child));
    assert_int_equal(document_describe(bson_get_data(&bson), bson.len, &document, NULL), -EBADMSG);
    bson_destroy(&bson);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(kinds_and_domains),
        cmocka_unit_test(parts_and_wholes_are_not_added),
        cmocka_unit_test(ids_sort_in_time),
        cmocka_unit_test(reasons_are_a_set),
        cmocka_unit_test(bad_keys_are_not_written),
        cmocka_unit_test(integers),
        cmocka_unit_test(stamps),
        cmocka_unit_test(doubles_packages_and_truth),
        cmocka_unit_test(texts),
        cmocka_unit_test(documents_are_recognised),
        cmocka_unit_test(documents_without_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
