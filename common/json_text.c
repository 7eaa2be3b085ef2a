/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON in and out. One scan over the text comes first, because libbson 1.23 accepts more than JSON
 * is: integers that wrap, NaN and Infinity, an array for an object, a second object behind the
 * first. */
#include "common/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/error.h"
#include "common/timestamp.h"

#define DEPTH_MAX 100   /* of the writer; the parser has its own */
#define INT64_DIGITS 19 /* shorter runs of digits always fit */
#define SHOWN_SIZE 24   /* of what is wrong, for the error */

/* ---- reading ---- */

static int __attribute__((cold))
refuse(const char *text, size_t at, struct error *err, const char *complaint)
{
    return error_set(err, -EBADMSG, "no JSON record: %s at byte %zu%s", complaint, at + 1,
                     text ? "" : " (empty)");
}

static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* True if the digits at first..end, with no fraction or exponent behind them, fit in int64. */
static bool integer_fits(const char *text, size_t size, size_t first, size_t end)
{
    if (end - first < INT64_DIGITS || (end < size && strchr(".eE", text[end]) && text[end]))
        return true;
    /* Digits behind a point or an exponent are part of a double. */
    if (first > 0 && strchr(".eE+", text[first - 1]))
        return true;
    bool is_negative = first > 0 && text[first - 1] == '-';
    if (is_negative && first > 1 && strchr("eE", text[first - 2]))
        return true;
    const char *limit = is_negative ? "9223372036854775808" : "9223372036854775807";
    return end - first == INT64_DIGITS && memcmp(text + first, limit, INT64_DIGITS) <= 0;
}

/* What libbson lets pass and we do not. */
static int check_text(const char *text, size_t size, struct error *err)
{
    size_t at = 0, depth = 0;
    while (at < size && strchr(" \t\r\n", text[at]) && text[at] != '\0')
        at++;
    if (at == size || text[at] != '{')
        return refuse(text, at, err, "'{' is missing");
    for (; at < size; at++) {
        char c = text[at];
        if (c == '"') {
            at = skip_string(text, size, at);
        } else if (is_digit(c)) {
            size_t first = at;
            while (at < size && is_digit(text[at]))
                at++;
            if (!integer_fits(text, size, first, at))
                return refuse(text, first, err, "an integer outside 64 bits");
            at--;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0)
                break;
        } else if (c == 'N' || c == 'I' || c == 'i' ||
                   (c == 'n' && at + 1 < size && text[at + 1] != 'u')) {
            return refuse(text, at, err, "NaN and Infinity are no JSON numbers");
        }
    }
    if (at >= size)
        return refuse(text, size, err, "the object is cut off");
    for (at++; at < size; at++) {
        if (text[at] == '\0' || !strchr(" \t\r\n", text[at]))
            return refuse(text, at, err, "something stands behind the object");
    }
    return 0;
}

int json_parse(const char *text, size_t size, bson_t *ret_document, struct error *err)
{
    int r = check_text(text, size, err);
    if (r < 0)
        return r;
    bson_t document;
    bson_error_t why;
    if (!bson_init_from_json(&document, text, (ssize_t)size, &why))
        return error_set(err, -EBADMSG, "no JSON record: %s", why.message);
    if (!bson_steal(ret_document, &document))
        return error_set(err, -ENOMEM, "no memory for a JSON record");
    return 0;
}

/* ---- writing ---- */

static void put_escape(FILE *stream, unsigned char c)
{
    static const char letters[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    if (c < sizeof(letters) && letters[c])
        (void)fprintf(stream, "\\%c", letters[c]);
    else
        (void)fprintf(stream, "\\u%04x", c);
}

static void put_text(FILE *stream, const char *text, size_t size)
{
    (void)putc_unlocked('"', stream);
    size_t start = 0;
    for (size_t at = 0; at < size; at++) {
        unsigned char c = (unsigned char)text[at];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        (void)fwrite_unlocked(text + start, 1, at - start, stream);
        put_escape(stream, c);
        start = at + 1;
    }
    (void)fwrite_unlocked(text + start, 1, size - start, stream);
    (void)putc_unlocked('"', stream);
}

static void put_int64(FILE *stream, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    (void)fwrite_unlocked(at, 1, (size_t)(digits + sizeof(digits) - at), stream);
}

/* printf writes the locale's decimal point: whatever is no part of a number becomes '.'. */
static void normalise_point(char *text)
{
    size_t before = strspn(text, "0123456789+-eE");
    if (text[before] == '\0' || text[before] == '.')
        return;
    size_t after = before + strcspn(text + before, "0123456789");
    text[before] = '.';
    memmove(text + before + 1, text + after, strlen(text + after) + 1);
}

static void put_double(FILE *stream, double value)
{
    if (!isfinite(value)) {
        (void)fputs_unlocked("null", stream);
        return;
    }
    char text[48];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    normalise_point(text);
    (void)fputs_unlocked(text, stream);
    if (!strpbrk(text, ".e")) /* it must read back as a double */
        (void)fputs_unlocked(".0", stream);
}

static void put_date(FILE *stream, int64_t timestamp_ms)
{
    char text[TIMESTAMP_TEXT_SIZE];
    (void)timestamp_format(timestamp_ms, text);
    (void)fprintf(stream, "\"%s\"", text);
}

static void put_oid(FILE *stream, const bson_oid_t *oid)
{
    char text[25];
    bson_oid_to_string(oid, text);
    (void)fprintf(stream, "\"%s\"", text);
}

static bool put_level(FILE *stream, bson_iter_t *level, bool is_array, unsigned depth);

static bool put_nested(FILE *stream, const bson_iter_t *field, unsigned depth)
{
    bson_iter_t child;
    return depth < DEPTH_MAX && bson_iter_recurse(field, &child) &&
           put_level(stream, &child, BSON_ITER_HOLDS_ARRAY(field), depth + 1);
}

static bool put_value(FILE *stream, const bson_iter_t *field, unsigned depth)
{
    uint32_t size;
    const char *text;
    switch ((int)bson_iter_type(field)) {
    case BSON_TYPE_UTF8:
        text = bson_iter_utf8(field, &size);
        put_text(stream, text, size);
        return bson_utf8_validate(text, size, true);
    case BSON_TYPE_INT32:
        put_int64(stream, bson_iter_int32(field));
        return true;
    case BSON_TYPE_INT64:
        put_int64(stream, bson_iter_int64(field));
        return true;
    case BSON_TYPE_DOUBLE:
        put_double(stream, bson_iter_double(field));
        return true;
    case BSON_TYPE_BOOL:
        (void)fputs_unlocked(bson_iter_bool(field) ? "true" : "false", stream);
        return true;
    case BSON_TYPE_DATE_TIME:
        put_date(stream, bson_iter_date_time(field));
        return true;
    case BSON_TYPE_OID:
        put_oid(stream, bson_iter_oid(field));
        return true;
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return put_nested(stream, field, depth);
    default:
        (void)fputs_unlocked("null", stream);
        return true;
    }
}

static bool put_level(FILE *stream, bson_iter_t *level, bool is_array, unsigned depth)
{
    (void)putc_unlocked(is_array ? '[' : '{', stream);
    for (bool is_first = true; bson_iter_next(level); is_first = false) {
        if (!is_first)
            (void)putc_unlocked(',', stream);
        if (!is_array) {
            const char *key = bson_iter_key(level);
            put_text(stream, key, strlen(key));
            (void)putc_unlocked(':', stream);
        }
        if (!put_value(stream, level, depth))
            return false;
    }
    (void)putc_unlocked(is_array ? ']' : '}', stream);
    return level->err_off == 0;
}

int json_write(FILE *stream, const bson_t *document, struct error *err)
{
    bson_iter_t level;
    bool is_sound = bson_iter_init(&level, document);
    if (is_sound) {
        flockfile(stream);
        is_sound = put_level(stream, &level, false, 0);
        funlockfile(stream);
    }
    if (!is_sound)
        return error_set(err, -EBADMSG, "damaged document: it cannot be written as JSON");
    if (ferror(stream))
        return error_set(err, -EIO, "writing JSON failed");
    return 0;
}
