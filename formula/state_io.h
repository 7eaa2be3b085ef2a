/* SPDX-License-Identifier: BSD-3-Clause */
/* One description of a state serves both directions: the same calls in the same order write it into a BSON document or read it back, every bit as it was. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bson/bson.h>

struct state_io {
    bson_t *out;         /* writes there, else */
    const bson_t *in;    /* reads from there */
    bool is_damaged;     /* a field was missing or had another size: what was read must not be used */
    char field[64];      /* the first such */
};

void state_doubles(struct state_io *io, const char *name, double *values, size_t n);
void state_words(struct state_io *io, const char *name, uint64_t *values, size_t n);
/* *size bytes at *bytes; reading: points them at what was written, borrowed from the document. */
void state_bytes(struct state_io *io, const char *name, const void **bytes, size_t *size);
/* Steps into a document within; state_leave ends it. */
void state_enter(struct state_io *io, const char *name, struct state_io *ret_inner, bson_t *room);
void state_leave(struct state_io *io, struct state_io *inner, bson_t *room);

/* Fields of what was written by hand: NULL, VALUE_ABSENT, false where one is missing or of another type. An array is walked with next_of until that is false. */
const char *state_text_of(const bson_t *document, const char *name);
int64_t state_number_of(const bson_t *document, const char *name);
bool state_inner_of(const bson_t *document, const char *name, bson_t *ret_inner);
bool state_next_of(bson_iter_t *iter, bson_t *ret_element);
