/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids begin with the sensor and sort in time, so a range of _id and a sort by _id are all a page
 * needs; both are served by the index every collection has. */
#include "common/remote/mongodb_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <mongoc/mongoc.h>

#include "common/array.h"
#include "common/error.h"

#define PAGE_BYTES (8u << 20)

/* Ids of sensor S lie between "S:" and "S;", as ';' follows ':'. */
static void append_range(bson_t *filter, const struct mongodb_stream *stream, const char *sensor,
                         bool is_reversed)
{
    char edge[SENSOR_NAME_SIZE + 1];
    (void)snprintf(edge, sizeof(edge), "%s%c", sensor, is_reversed ? ':' : ';');
    const char *start = is_reversed ? (stream->is_inclusive ? "$lte" : "$lt")
                                    : (stream->is_inclusive ? "$gte" : "$gt");
    bson_t range;
    (void)BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
    (void)BSON_APPEND_UTF8(&range, start, stream->bound);
    (void)BSON_APPEND_UTF8(&range, is_reversed ? "$gt" : "$lt", edge);
    (void)bson_append_document_end(filter, &range);
}

static void append_filter(bson_t *filter, const struct mongodb_stream *stream, const char *sensor,
                          const struct mongodb_span *span)
{
    append_range(filter, stream, sensor, span->is_reversed);
    bool is_power = stream->kind == RECORD_POWER;
    bool is_cut = is_power || stream->kind == RECORD_RAW;
    if (is_cut && (span->from_ms != VALUE_ABSENT || span->to_ms != VALUE_ABSENT)) {
        bson_t range;
        (void)BSON_APPEND_DOCUMENT_BEGIN(filter, "timestamp", &range);
        if (span->from_ms != VALUE_ABSENT)
            (void)BSON_APPEND_DATE_TIME(&range, "$gte", span->from_ms);
        if (span->to_ms != VALUE_ABSENT)
            (void)BSON_APPEND_DATE_TIME(&range, "$lt", span->to_ms);
        (void)bson_append_document_end(filter, &range);
    }
    if (is_power && span->label)
        (void)BSON_APPEND_UTF8(filter, "label", span->label);
}

static mongoc_cursor_t *find(const struct mongodb_stream *stream, mongoc_collection_t *collection,
                             const char *sensor, const struct mongodb_span *span,
                             size_t n_documents)
{
    bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER, sort;
    append_filter(&filter, stream, sensor, span);
    (void)BSON_APPEND_DOCUMENT_BEGIN(&options, "sort", &sort);
    (void)BSON_APPEND_INT32(&sort, "_id", span->is_reversed ? -1 : 1);
    (void)bson_append_document_end(&options, &sort);
    (void)BSON_APPEND_INT64(&options, "limit", (int64_t)n_documents);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, &options, NULL);
    bson_destroy(&filter);
    bson_destroy(&options);
    return cursor;
}

int mongodb_stream_start(struct mongodb_stream *stream, const char *bound, bool is_inclusive)
{
    size_t size = strlen(bound) + 1;
    int r = array_reserve(&stream->bound, &stream->bound_capacity, size, 1);
    if (r < 0)
        return r;
    memcpy(stream->bound, bound, size);
    stream->is_inclusive = is_inclusive;
    return 0;
}

static int page_add(struct mongodb_stream *stream, const bson_t *document)
{
    bson_iter_t id;
    if (!bson_iter_init_find(&id, document, "_id") || !BSON_ITER_HOLDS_UTF8(&id))
        return 0; /* the filter asks for text, so only a broken server gives this */
    int r =
        array_reserve(&stream->page, &stream->page_capacity, stream->page_size + document->len, 1);
    if (r < 0)
        return r;
    memcpy(stream->page + stream->page_size, bson_get_data(document), document->len);
    stream->page_size += document->len;
    return mongodb_stream_start(stream, bson_iter_utf8(&id, NULL), false);
}

/* Copies what the server gives. A cursor that breaks off in the middle leaves what came before it.
 */
static int page_fill(struct mongodb_stream *stream, mongoc_cursor_t *cursor, size_t n_documents)
{
    const bson_t *document;
    size_t n = 0;
    stream->page_size = 0;
    stream->page_offset = 0;
    while (stream->page_size < PAGE_BYTES && mongoc_cursor_next(cursor, &document)) {
        int r = page_add(stream, document);
        if (r < 0)
            return r;
        n++;
    }
    stream->may_have_more = n >= n_documents || stream->page_size >= PAGE_BYTES;
    return n > 0;
}

int mongodb_stream_fetch(struct mongodb_stream *stream, const struct mongodb_connection *connection,
                         mongoc_client_t *client, const char *sensor,
                         const struct mongodb_span *span, size_t n_documents, struct error *err)
{
    if (!stream->may_have_more || stream->has_head || stream->page_offset < stream->page_size)
        return 0;
    mongoc_collection_t *collection = mongoc_client_get_collection(
        client, connection->database, mongodb_collection_name(stream->kind));
    mongoc_cursor_t *cursor = find(stream, collection, sensor, span, n_documents);
    int r = page_fill(stream, cursor, n_documents);
    bson_error_t cause;
    if (r >= 0 && mongoc_cursor_error(cursor, &cause)) {
        stream->may_have_more = true;
        if (r == 0)
            r = mongodb_failure(connection, &cause, err);
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(collection);
    return r;
}

static void name_document(const uint8_t *bytes, size_t size_bytes, enum record_kind kind, int code,
                          struct error *err)
{
    bson_t view;
    bson_iter_t id;
    const char *text = bson_init_static(&view, bytes, size_bytes) &&
                               bson_iter_init_find(&id, &view, "_id") && BSON_ITER_HOLDS_UTF8(&id)
                           ? bson_iter_utf8(&id, NULL)
                           : "?";
    (void)error_wrap(err, code, "mongodb: document \"%s\" of collection %s", text,
                     mongodb_collection_name(kind));
}

int mongodb_stream_advance(struct mongodb_stream *stream, struct error *err)
{
    while (!stream->has_head && stream->page_offset < stream->page_size) {
        const uint8_t *bytes = stream->page + stream->page_offset;
        int32_t size;
        memcpy(&size, bytes, sizeof(size));
        size_t size_bytes = (uint32_t)BSON_UINT32_FROM_LE((uint32_t)size);
        stream->page_offset += size_bytes;
        int r = document_describe(bytes, size_bytes, &stream->head, err);
        if (r < 0) {
            name_document(bytes, size_bytes, stream->kind, r, err);
            return CURSOR_BAD;
        }
        stream->has_head = stream->head.kind == stream->kind;
    }
    return stream->has_head ? CURSOR_DOCUMENT : CURSOR_END;
}

void mongodb_stream_deinit(struct mongodb_stream *stream)
{
    free(stream->page);
    free(stream->bound);
    *stream = (struct mongodb_stream){0};
}
