/* SPDX-License-Identifier: BSD-3-Clause */
/* One collection's documents of one sensor in the order of their ids, read page by page. A page is a query of its own, so nothing on the
 * server times out between two ticks and a lost connection costs only that page. */
#pragma once

#include "common/remote/mongodb_store.h"

/* What all streams of a cursor share. */
struct mongodb_span {
    int64_t from_ms, to_ms; /* VALUE_ABSENT: open; raw and power only */
    const char *label;      /* power only; NULL: all */
    bool is_reversed;
};

struct mongodb_stream {
    enum record_kind kind;
    char *bound;                    /* ids beyond this one (in reading direction) are still to come */
    size_t bound_capacity;
    bool is_inclusive;              /* ... and this one too */
    bool may_have_more;             /* beyond the page */
    bool has_head;
    struct document head;           /* borrows from the page */
    uint8_t *page;                  /* whole BSON documents, end to end */
    size_t page_size, page_capacity, page_offset; /* in bytes; offset: of what follows the head */
};

/* Sets the bound. -ENOMEM. */
int mongodb_stream_start(struct mongodb_stream *stream, const char *bound, bool is_inclusive);

/* Reads the next page of at most n_documents when the present one is used up and there may be more. Returns 1 when documents were
 * read, 0 when there was nothing to do or to read, or as mongodb_failure; then it can be called again. */
int mongodb_stream_fetch(struct mongodb_stream *stream, const struct mongodb_connection *connection, mongoc_client_t *client,
                         const char *sensor, const struct mongodb_span *span, size_t n_documents, struct error *err);

/* Makes the next document of the page the head if there is none. Returns CURSOR_DOCUMENT (has_head), CURSOR_END (page used up) or
 * CURSOR_BAD (one damaged document was passed over, err names it). */
int mongodb_stream_advance(struct mongodb_stream *stream, struct error *err);

void mongodb_stream_deinit(struct mongodb_stream *stream);
