/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers travel as little-endian 64-bit words in BSON binaries: exact, NAN included, and an
 * eighth of the size of BSON arrays. */
#include "formula/state_io.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "common/record.h"

#define BYTES_MAX ((size_t)1 << 30) /* a BSON document ends at 2 GiB */

static void damaged(struct state_io *io, const char *name)
{
    if (!io->is_damaged)
        (void)snprintf(io->field, sizeof(io->field), "%s", name);
    io->is_damaged = true;
}

static void write_words(struct state_io *io, const char *name, const void *values, size_t n)
{
    if (n > BYTES_MAX / 8) {
        damaged(io, name);
        return;
    }
    uint8_t *bytes = bson_malloc(n * 8 + 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)values + i * 8, 8);
        word = htole64(word);
        memcpy(bytes + i * 8, &word, 8);
    }
    if (!bson_append_binary(io->out, name, -1, BSON_SUBTYPE_BINARY, bytes, (uint32_t)(n * 8)))
        damaged(io, name);
    bson_free(bytes);
}

static void read_words(struct state_io *io, const char *name, void *values, size_t n)
{
    bson_iter_t iter;
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    if (io->in && bson_iter_init_find(&iter, io->in, name) && BSON_ITER_HOLDS_BINARY(&iter))
        bson_iter_binary(&iter, NULL, &size, &bytes);
    if (!bytes || size != n * 8) {
        damaged(io, name);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * 8, 8);
        word = le64toh(word);
        memcpy((uint8_t *)values + i * 8, &word, 8);
    }
}

static void words(struct state_io *io, const char *name, void *values, size_t n)
{
    if (io->out)
        write_words(io, name, values, n);
    else
        read_words(io, name, values, n);
}

void state_doubles(struct state_io *io, const char *name, double *values, size_t n)
{
    words(io, name, values, n);
}

void state_words(struct state_io *io, const char *name, uint64_t *values, size_t n)
{
    words(io, name, values, n);
}

void state_bytes(struct state_io *io, const char *name, const void **bytes, size_t *size)
{
    bson_iter_t iter;
    const uint8_t *found = NULL;
    uint32_t found_size = 0;
    if (io->out) {
        if (*size > BYTES_MAX ||
            !bson_append_binary(io->out, name, -1, BSON_SUBTYPE_BINARY, *bytes, (uint32_t)*size))
            damaged(io, name);
        return;
    }
    if (io->in && bson_iter_init_find(&iter, io->in, name) && BSON_ITER_HOLDS_BINARY(&iter))
        bson_iter_binary(&iter, NULL, &found_size, &found);
    if (!found)
        damaged(io, name);
    *bytes = found;
    *size = found_size;
}

void state_enter(struct state_io *io, const char *name, struct state_io *ret_inner, bson_t *room)
{
    *ret_inner = (struct state_io){0};
    if (io->out) {
        (void)bson_append_document_begin(io->out, name, -1, room);
        ret_inner->out = room;
        return;
    }
    bson_iter_t iter;
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    if (io->in && bson_iter_init_find(&iter, io->in, name) && BSON_ITER_HOLDS_DOCUMENT(&iter))
        bson_iter_document(&iter, &size, &bytes);
    if (bytes && bson_init_static(room, bytes, size))
        ret_inner->in = room;
    else
        damaged(io, name);
}

void state_leave(struct state_io *io, struct state_io *inner, bson_t *room)
{
    if (io->out)
        (void)bson_append_document_end(io->out, room);
    if (inner->is_damaged)
        damaged(io, inner->field);
}

/* ---- fields by themselves ---- */

const char *state_text_of(const bson_t *document, const char *name)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_UTF8(&field)
               ? bson_iter_utf8(&field, NULL)
               : NULL;
}

int64_t state_number_of(const bson_t *document, const char *name)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_INT64(&field)
               ? bson_iter_int64(&field)
               : VALUE_ABSENT;
}

bool state_inner_of(const bson_t *document, const char *name, bson_t *ret_inner)
{
    bson_iter_t field;
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    if (!bson_iter_init_find(&field, document, name))
        return false;
    if (BSON_ITER_HOLDS_DOCUMENT(&field))
        bson_iter_document(&field, &size, &bytes);
    else if (BSON_ITER_HOLDS_ARRAY(&field))
        bson_iter_array(&field, &size, &bytes);
    return bytes && bson_init_static(ret_inner, bytes, size);
}

bool state_next_of(bson_iter_t *iter, bson_t *ret_element)
{
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    while (bson_iter_next(iter))
        if (BSON_ITER_HOLDS_DOCUMENT(iter)) {
            bson_iter_document(iter, &size, &bytes);
            return bson_init_static(ret_element, bytes, size);
        }
    return false;
}
