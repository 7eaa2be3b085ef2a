/* SPDX-License-Identifier: BSD-3-Clause */
/* BSON written straight into memory whose size the caller has bounded before: for rows by the thousand, where libbson's appends, each with its own checks and lengths of all
 * levels above, cost more than what is written. Source of the format: bsonspec.org, version 1.1. */
#pragma once

#include <endian.h>
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

/* text: UTF-8 without NUL bytes, of so many bytes. */
static inline uint8_t *bson_bytes_text(uint8_t *to, const char *key, size_t key_size, const char *text, size_t text_size)
{
    to = bson_bytes_key(to, BSON_TYPE_UTF8, key, key_size);
    uint32_t size = htole32((uint32_t)text_size + 1);
    memcpy(to, &size, sizeof(size));
    memcpy(to + sizeof(size), text, text_size);
    to += sizeof(size) + text_size;
    *to++ = '\0';
    return to;
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
