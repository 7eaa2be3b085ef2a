/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields of records, read without trust and written without absent values. Readers take what a
 * document may look like after it went through JSON: whole doubles as integers, text as stamps. */
#include "common/record.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/name_escape.h"
#include "common/timestamp.h"

static const char *type_name(bson_type_t type)
{
    switch ((int)type) {
    case BSON_TYPE_DOUBLE:
        return "a number";
    case BSON_TYPE_UTF8:
        return "text";
    case BSON_TYPE_DOCUMENT:
        return "an object";
    case BSON_TYPE_ARRAY:
        return "an array";
    case BSON_TYPE_BOOL:
        return "a truth value";
    case BSON_TYPE_DATE_TIME:
        return "a date";
    case BSON_TYPE_NULL:
        return "null";
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return "an integer";
    default:
        return "of another type";
    }
}

static int __attribute__((cold))
refuse(const bson_iter_t *field, struct error *err, const char *complaint)
{
    char name[80];
    const char *key = bson_iter_key(field);
    (void)name_escape(key, strlen(key), name, sizeof(name));
    return error_set(err, -EBADMSG, "%s: %s", name, complaint);
}

static int __attribute__((cold))
refuse_type(const bson_iter_t *field, struct error *err, const char *wanted)
{
    char name[80];
    const char *key = bson_iter_key(field);
    (void)name_escape(key, strlen(key), name, sizeof(name));
    return error_set(err, -EBADMSG, "%s: %s is needed, but it is %s", name, wanted,
                     type_name(bson_iter_type(field)));
}

bool text_is_utf8(const char *text, size_t size)
{
    /* Nearly all names are ASCII: eight bytes at a time until one is not. */
    size_t ascii = 0;
    for (uint64_t word; ascii + sizeof(word) <= size; ascii += sizeof(word)) {
        memcpy(&word, text + ascii, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (ascii < size && !((unsigned char)text[ascii] & 0x80))
        ascii++;
    return ascii == size || bson_utf8_validate(text + ascii, size - ascii, true);
}

int field_int64(const bson_iter_t *field, int64_t *ret_value, struct error *err)
{
    switch ((int)bson_iter_type_unsafe(field)) {
    case BSON_TYPE_INT64: {
        int64_t value = bson_iter_int64_unsafe(field);
        if (value == VALUE_ABSENT)
            return refuse(field, err, "out of range");
        *ret_value = value;
        return 0;
    }
    case BSON_TYPE_INT32:
        *ret_value = bson_iter_int32_unsafe(field);
        return 0;
    case BSON_TYPE_DOUBLE: {
        double value = bson_iter_double_unsafe(field);
        if (!(fabs(value) < 0x1p63))
            return refuse(field, err, "out of range");
        if (value != trunc(value))
            return refuse(field, err, "an integer is needed, but it has a fraction");
        *ret_value = (int64_t)value;
        return 0;
    }
    case BSON_TYPE_NULL:
        *ret_value = VALUE_ABSENT;
        return 0;
    default:
        return refuse_type(field, err, "an integer");
    }
}

int field_amount(const bson_iter_t *field, int64_t *ret_value, struct error *err)
{
    int64_t value;
    int r = field_int64(field, &value, err);
    if (r < 0)
        return r;
    if (value != VALUE_ABSENT && value < 0)
        return refuse(field, err, "negative");
    if (value > AMOUNT_MAX)
        return refuse(field, err, "absurd (above 2^62)");
    *ret_value = value;
    return 0;
}

int field_package(const bson_iter_t *field, int32_t *ret_package, struct error *err)
{
    int64_t value;
    int r = field_int64(field, &value, err);
    if (r < 0)
        return r;
    if (value != VALUE_ABSENT && (value < 0 || value > INT32_MAX))
        return refuse(field, err, "out of range");
    *ret_package = value == VALUE_ABSENT ? PACKAGE_NONE : (int32_t)value;
    return 0;
}

int field_domain(const bson_iter_t *field, enum domain *ret_domain, struct error *err)
{
    const char *name;
    int r = field_string(field, &name, err);
    if (r == 0 && (!name || domain_parse(name, ret_domain) < 0))
        r = refuse(field, err, "no energy domain has this name");
    return r;
}

int field_part(const bson_iter_t *field, int32_t *ret_number, struct error *err)
{
    int64_t number = 0;
    int r = field_amount(field, &number, err);
    if (r < 0)
        return r;
    if (number < 1 || number > RECORD_PARTS_MAX)
        return refuse(field, err, "not in 1 to 9999");
    *ret_number = (int32_t)number;
    return 0;
}

int field_double(const bson_iter_t *field, double *ret_value, struct error *err)
{
    double value;
    switch ((int)bson_iter_type(field)) {
    case BSON_TYPE_DOUBLE:
        value = bson_iter_double(field);
        if (!isfinite(value))
            return refuse(field, err, "not a finite number");
        break;
    case BSON_TYPE_INT64:
        value = (double)bson_iter_int64(field);
        break;
    case BSON_TYPE_INT32:
        value = bson_iter_int32(field);
        break;
    case BSON_TYPE_NULL:
        value = (double)NAN;
        break;
    default:
        return refuse_type(field, err, "a number");
    }
    *ret_value = value;
    return 0;
}

int field_bool(const bson_iter_t *field, bool *ret_value, struct error *err)
{
    if (!BSON_ITER_HOLDS_BOOL(field))
        return refuse_type(field, err, "true or false");
    *ret_value = bson_iter_bool(field);
    return 0;
}

static int parse_stamp(const bson_iter_t *field, int64_t *ret_timestamp_ms, struct error *err)
{
    const char *text;
    int r = field_string(field, &text, err);
    if (r < 0)
        return r;
    /* Times before "now" are for command lines: a record says when it was. */
    struct error why = {0};
    if (text[0] < '0' || text[0] > '9' || timestamp_parse(text, 0, ret_timestamp_ms, &why) < 0)
        return refuse(field, err, "this text is no time stamp (2026-01-01T00:00:00.000Z is one)");
    return 0;
}

int field_timestamp(const bson_iter_t *field, int64_t *ret_timestamp_ms, struct error *err)
{
    int64_t value = VALUE_ABSENT;
    int r = 0;
    switch ((int)bson_iter_type(field)) {
    case BSON_TYPE_DATE_TIME:
        value = bson_iter_date_time(field);
        break;
    case BSON_TYPE_UTF8:
        r = parse_stamp(field, &value, err);
        break;
    case BSON_TYPE_NULL:
        *ret_timestamp_ms = VALUE_ABSENT;
        return 0;
    default:
        r = field_int64(field, &value, err);
    }
    if (r < 0)
        return r;
    if (value < 0 || value > TIMESTAMP_MAX_MS)
        return refuse(field, err, "not in the years 1970 to 9999");
    *ret_timestamp_ms = value;
    return 0;
}

int field_string(const bson_iter_t *field, const char **ret_text, struct error *err)
{
    if (BSON_ITER_HOLDS_NULL(field)) {
        *ret_text = NULL;
        return 0;
    }
    if (!BSON_ITER_HOLDS_UTF8(field))
        return refuse_type(field, err, "text");
    uint32_t length;
    const char *text = bson_iter_utf8(field, &length);
    if (memchr(text, '\0', length))
        return refuse(field, err, "the text holds a NUL byte");
    *ret_text = text;
    return 0;
}

int field_text(const bson_iter_t *field, char *text, size_t size, bool (*is_valid)(const char *),
               struct error *err)
{
    const char *borrowed;
    int r = field_string(field, &borrowed, err);
    if (r < 0)
        return r;
    size_t length = borrowed ? strlen(borrowed) : 0;
    if (length >= size)
        return refuse(field, err, "the text is too long");
    if (borrowed && is_valid && !is_valid(borrowed))
        return refuse(field, err, "the text holds characters that are not allowed here");
    if (length > 0)
        memcpy(text, borrowed, length);
    text[length] = '\0';
    return 0;
}

int field_enter(const bson_iter_t *field, bool is_array, bson_iter_t *ret_child, struct error *err)
{
    static const uint8_t empty[] = {5, 0, 0, 0, 0};
    if (BSON_ITER_HOLDS_NULL(field)) {
        (void)bson_iter_init_from_data(ret_child, empty, sizeof(empty));
        return 0;
    }
    if (is_array ? !BSON_ITER_HOLDS_ARRAY(field) : !BSON_ITER_HOLDS_DOCUMENT(field))
        return refuse_type(field, err, is_array ? "an array" : "an object");
    if (!bson_iter_recurse(field, ret_child))
        return refuse(field, err, "damaged");
    return 0;
}

int field_reasons(const bson_iter_t *field, struct reasons *ret_reasons, struct error *err)
{
    bson_iter_t word;
    int r = field_enter(field, true, &word, err);
    if (r < 0)
        return r;
    struct reasons reasons = {0};
    while (bson_iter_next(&word)) {
        char text[WORD_SIZE];
        r = field_text(&word, text, sizeof(text), word_is_valid, err);
        if (r == 0 && text[0] == '\0')
            r = refuse(&word, err, "null is no reason");
        if (r < 0)
            return error_wrap(err, r, "%s", bson_iter_key(field));
        reasons_add(&reasons, text);
    }
    *ret_reasons = reasons;
    return 0;
}

int field_elements(const bson_iter_t *array,
                   int (*read)(bson_iter_t *fields, void *record, struct error *err), void *record,
                   struct error *err)
{
    bson_iter_t element, fields;
    int r = field_enter(array, true, &element, err);
    while (r == 0 && bson_iter_next(&element)) {
        r = field_enter(&element, false, &fields, err);
        if (r == 0)
            r = read(&fields, record, err);
        if (r < 0)
            return error_wrap(err, r, "%s.%.20s", bson_iter_key(array), bson_iter_key(&element));
    }
    return r;
}

void append_int64(bson_t *document, const char *name, int64_t value)
{
    if (value != VALUE_ABSENT)
        (void)bson_append_int64(document, name, -1, value);
}

void append_double(bson_t *document, const char *name, double value)
{
    if (!isnan(value))
        (void)bson_append_double(document, name, -1, value);
}

void append_text(bson_t *document, const char *name, const char *text)
{
    if (text && text[0] != '\0')
        (void)bson_append_utf8(document, name, -1, text, -1);
}

void append_package(bson_t *document, int32_t package)
{
    if (package != PACKAGE_NONE)
        (void)bson_append_int32(document, "package", sizeof("package") - 1, package);
}

void append_element(bson_t *array, uint32_t index, bson_t *ret_element)
{
    char space[16];
    const char *key;
    size_t length = bson_uint32_to_string(index, &key, space, sizeof(space));
    (void)bson_append_document_begin(array, key, (int)length, ret_element);
}

void append_reasons(bson_t *document, const char *name, const struct reasons *reasons)
{
    bson_t array;
    (void)bson_append_array_begin(document, name, -1, &array);
    for (uint32_t i = 0; i < reasons->n_words; i++) {
        char space[16];
        const char *key;
        size_t length = bson_uint32_to_string(i, &key, space, sizeof(space));
        (void)bson_append_utf8(&array, key, (int)length, reasons->words[i], -1);
    }
    (void)bson_append_array_end(document, &array);
}
