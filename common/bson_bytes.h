/* SPDX-License-Identifier: BSD-3-Clause */
/* BSON written straight into memory whose size the caller has bounded before: for rows by the thousand, where libbson's appends, each with its own checks and lengths of all
 * levels above, cost more than what is written. Source of the format: bsonspec.org, version 1.1. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <bson/bson.h>

/* The bytes of an element beside its key and value, and of an empty document. */
#define BSON_BYTES_ELEMENT 2
#define BSON_BYTES_DOCUMENT 5

/* Each writes an element at to and returns its end. A key comes with its size, the NUL byte included. */
static inline uint8_t *bson_bytes_key(uint8_t *to, bson_type_t type, const char *key, size_t key_size)
{
    *to++ = (uint8_t)type;
    memcpy(to, key, key_size);
    return to + key_size;
}

static inline uint8_t *bson_bytes_word(uint8_t *to, const void *value)
{
    uint64_t word;
    memcpy(&word, value, sizeof(word));
    word = htole64(word);
    memcpy(to, &word, sizeof(word));
    return to + sizeof(word);
}

static inline uint8_t *bson_bytes_int32(uint8_t *to, const char *key, size_t key_size, int32_t value)
{
    to = bson_bytes_key(to, BSON_TYPE_INT32, key, key_size);
    uint32_t word = htole32((uint32_t)value);
    memcpy(to, &word, sizeof(word));
    return to + sizeof(word);
}

static inline uint8_t *bson_bytes_int64(uint8_t *to, const char *key, size_t key_size, int64_t value)
{
    return bson_bytes_word(bson_bytes_key(to, BSON_TYPE_INT64, key, key_size), &value);
}

static inline uint8_t *bson_bytes_double(uint8_t *to, const char *key, size_t key_size, double value)
{
    return bson_bytes_word(bson_bytes_key(to, BSON_TYPE_DOUBLE, key, key_size), &value);
}

static inline uint8_t *bson_bytes_bool(uint8_t *to, const char *key, size_t key_size, bool value)
{
    to = bson_bytes_key(to, BSON_TYPE_BOOL, key, key_size);
    *to++ = value;
    return to;
}

/* The value of a text, behind its key. text: UTF-8 without NUL bytes, of so many bytes. */
static inline uint8_t *bson_bytes_string(uint8_t *to, const char *text, size_t text_size)
{
    uint32_t size = htole32((uint32_t)text_size + 1);
    memcpy(to, &size, sizeof(size));
    memcpy(to + sizeof(size), text, text_size);
    to += sizeof(size) + text_size;
    *to++ = '\0';
    return to;
}

static inline uint8_t *bson_bytes_text(uint8_t *to, const char *key, size_t key_size, const char *text, size_t text_size)
{
    return bson_bytes_string(bson_bytes_key(to, BSON_TYPE_UTF8, key, key_size), text, text_size);
}

/* The key of an element of an array. */
static inline uint8_t *bson_bytes_index(uint8_t *to, bson_type_t type, size_t index)
{
    char space[16];
    const char *key;
    size_t length = bson_uint32_to_string((uint32_t)index, &key, space, sizeof(space));
    return bson_bytes_key(to, type, key, length + 1);
}

/* A document or array begins where its size will stand, and ends with a NUL byte. */
static inline uint8_t *bson_bytes_begin(uint8_t *to)
{
    return to + sizeof(uint32_t);
}

static inline uint8_t *bson_bytes_end(uint8_t *begin, uint8_t *to)
{
    *to++ = '\0';
    uint32_t size = htole32((uint32_t)(to - begin));
    memcpy(begin, &size, sizeof(size));
    return to;
}

/* Where elements may be added to a document, bound bytes at most; nothing else may touch it until bson_bytes_close is told where they end. NULL: out
 * of memory. */
static inline uint8_t *bson_bytes_open(bson_t *document, size_t bound)
{
    uint32_t size = document->len;
    if (bound > INT32_MAX - size || !bson_reserve_buffer(document, size + (uint32_t)bound))
        return NULL;
    return (uint8_t *)bson_get_data(document) + size - 1;
}

static inline void bson_bytes_close(bson_t *document, uint8_t *to)
{
    uint8_t *begin = (uint8_t *)bson_get_data(document);
    (void)bson_reserve_buffer(document, (uint32_t)(bson_bytes_end(begin, to) - begin));
}
