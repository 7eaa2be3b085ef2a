/* SPDX-License-Identifier: BSD-3-Clause */
/* Splits a store's URI and hides its secrets. Hiding errs on the side of hiding too much: people
 * paste passwords with unescaped '@', '/' or '?' in them, and the log must not show half of one. */
#include "common/uri.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/error.h"
#include "common/scope.h"

#define KNOWN_FORMS "mongodb://HOST/DATABASE, sqlite:DIR, jsonl:FILE or null:"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of "scheme" when text begins with "scheme:", else 0 (RFC 3986, section 3.1). */
static size_t scheme_length(const char *text)
{
    size_t n = 0;
    while (is_letter(text[n]) ||
           (n > 0 && ((text[n] >= '0' && text[n] <= '9') || (text[n] && strchr("+-.", text[n])))))
        n++;
    return text[n] == ':' ? n : 0;
}

static bool has_control_byte(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            return true;
    return false;
}

int uri_parse(const char *text, struct uri *ret_uri, struct error *err)
{
    struct uri uri = {.rest = NULL};
    char shown[256];
    if (has_control_byte(text))
        return error_set(err, -EINVAL, "a store URI holds a control character; write " KNOWN_FORMS);
    size_t length = scheme_length(text);
    if (length == 0 || length >= sizeof(uri.scheme))
        return error_set(err, -EINVAL, "\"%s\" is no store URI; write " KNOWN_FORMS,
                         uri_redact(text, shown, sizeof(shown)));
    for (size_t i = 0; i < length; i++)
        uri.scheme[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    uri.rest = strdup(text + length + 1);
    if (!uri.rest)
        return error_set(err, -ENOMEM, "out of memory");
    *ret_uri = uri;
    return 0;
}

void uri_deinit(struct uri *uri)
{
    if (!uri)
        return;
    free(uri->rest);
    *uri = (struct uri){.rest = NULL};
}

/* The part that may hold "user:password@": what follows "scheme://"; NULL for files, which have no
 * users. Text without that may be a URI whose scheme somebody forgot or mistyped. */
static const char *authority_of(const char *uri)
{
    static const char *const local[] = {"sqlite:", "jsonl:", "csv:", "null:"};
    for (size_t i = 0; i < ARRAY_SIZE(local); i++)
        if (strncasecmp(uri, local[i], strlen(local[i])) == 0)
            return NULL;
    size_t length = scheme_length(uri);
    return length > 0 && strncmp(uri + length, "://", 3) == 0 ? uri + length + 3 : uri;
}

/* Where the options begin, at "?name=", or the end. Any other "?" before an "@" belongs to a
 * password. */
static const char *query_of(const char *authority)
{
    const char *query = strchr(authority, '?');
    for (; query && strchr(query, '@'); query = strchr(query + 1, '?')) {
        const char *name = query + 1;
        while (is_letter(*name))
            name++;
        if (name > query + 1 && *name == '=')
            return query;
    }
    return query ? query : authority + strlen(authority);
}

/* The "@" that ends user and password, NULL without one. */
static const char *user_end(const char *authority)
{
    const char *query = query_of(authority);
    return memrchr(authority, '@', (size_t)(query - authority));
}

bool uri_has_password(const char *uri)
{
    const char *authority = authority_of(uri);
    if (!authority)
        return false;
    const char *end = user_end(authority);
    return (end && memchr(authority, ':', (size_t)(end - authority))) ||
           strcasestr(query_of(authority), "password=");
}

static bool is_secret(const char *option, size_t length)
{
    static const char *const words[] = {"password", "token", "secret", "authmechanismproperties"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        for (size_t at = 0; at + strlen(words[i]) <= length; at++)
            if (strncasecmp(option + at, words[i], strlen(words[i])) == 0)
                return true;
    return false;
}

/* Writes at *length as much as fits and advances *length by all of it. */
static void put(char *text, size_t text_size, size_t *length, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++, (*length)++)
        if (*length + 1 < text_size)
            text[*length] = bytes[i];
}

static void put_options(char *text, size_t text_size, size_t *length, const char *options)
{
    while (*options) {
        size_t size = 1 + strcspn(options + 1, "&;"); /* with its '?' or '&' in front */
        const char *equals = memchr(options, '=', size);
        if (equals && is_secret(options, (size_t)(equals - options))) {
            put(text, text_size, length, options, (size_t)(equals - options) + 1);
            put(text, text_size, length, "***", 3);
        } else {
            put(text, text_size, length, options, size);
        }
        options += size;
    }
}

const char *uri_redact(const char *uri, char *text, size_t text_size)
{
    if (text_size == 0)
        return text;
    size_t length = 0;
    const char *authority = authority_of(uri);
    if (authority) {
        const char *query = query_of(authority);
        const char *end = user_end(authority);
        put(text, text_size, &length, uri, (size_t)(authority - uri));
        if (end)
            put(text, text_size, &length, "***", 3);
        put(text, text_size, &length, end ? end : authority,
            (size_t)(query - (end ? end : authority)));
        put_options(text, text_size, &length, query);
    } else {
        put(text, text_size, &length, uri, strlen(uri));
    }
    text[length < text_size ? length : text_size - 1] = '\0';
    return text;
}
