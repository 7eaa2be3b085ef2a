/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading: for every sensor a lane, in it one stream per kind, merged by (run, seq, kind); lanes
 * are merged by time. Nothing is read by clock, so late or stepped clocks lose nothing. Identities
 * come before their use although they lie in other collections: writers store them first, and here
 * a page of raw documents is only given out once the identities were looked up after it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <mongoc/mongoc.h>

#include "common/array.h"
#include "common/error.h"
#include "common/remote/mongodb_position.h"
#include "common/remote/mongodb_store.h"
#include "common/remote/mongodb_stream.h"
#include "common/scope.h"

#define PAGE_DOCUMENTS_MAX 256
#define PAGE_DOCUMENTS_MIN 8
#define PAGES_DOCUMENTS 2048 /* over all streams */

/* In the order in which documents of one tick come. */
enum { LANE_HOST, LANE_TARGET, LANE_RAW, LANE_POWER, LANE_STREAMS };
static const enum record_kind lane_kinds[LANE_STREAMS] = {
    [LANE_HOST] = RECORD_HOST,
    [LANE_TARGET] = RECORD_TARGET,
    [LANE_RAW] = RECORD_RAW,
    [LANE_POWER] = RECORD_POWER,
};

struct lane {
    char sensor[SENSOR_NAME_SIZE];
    struct mongodb_stream streams[LANE_STREAMS]; /* kind UNKNOWN: not asked for */
    /* The last documents given, of a sensor's kinds and of power; kind UNKNOWN: none yet. */
    struct {
        enum record_kind kind;
        char id[RECORD_ID_SIZE];
    } given[2];
};

struct mongodb_cursor {
    struct cursor cursor;
    const struct mongodb_store *mongodb;
    struct mongodb_span span;
    unsigned kinds;
    bool follow;
    size_t limit, n_given;
    char *sensor, *label; /* owned copies of the query's */
    char after[POSITION_SIZE];
    bool has_looked, is_at_end;
    struct lane *lanes;
    size_t n_lanes, lanes_capacity;
    struct mongodb_stream *taken; /* whose head the caller borrows */
};

static void lane_deinit(struct lane *lane)
{
    for (size_t i = 0; i < LANE_STREAMS; i++)
        mongodb_stream_deinit(&lane->streams[i]);
}

static int stream_init(struct mongodb_stream *stream, const char *sensor, enum record_kind kind,
                       const struct mongodb_cursor *cursor, const struct mongodb_mark *mark)
{
    char bound[RECORD_ID_SIZE + 1];
    bool is_inclusive = false;
    if (mark)
        mongodb_mark_bound(mark, kind, cursor->span.is_reversed, bound, &is_inclusive);
    else
        (void)snprintf(bound, sizeof(bound), "%s%c", sensor, cursor->span.is_reversed ? ';' : ':');
    stream->kind = kind;
    stream->may_have_more = true;
    return mongodb_stream_start(stream, bound, is_inclusive);
}

static int lane_init(struct lane *lane, const char *sensor, const struct mongodb_cursor *cursor,
                     struct error *err)
{
    *lane = (struct lane){0};
    (void)snprintf(lane->sensor, sizeof(lane->sensor), "%s", sensor);
    for (size_t i = 0; i < LANE_STREAMS; i++) {
        enum record_kind kind = lane_kinds[i];
        if (!(cursor->kinds & KIND_BIT(kind)))
            continue;
        bool is_power = kind == RECORD_POWER;
        struct mongodb_mark mark;
        int r = mongodb_position_find(cursor->after, sensor, is_power, &mark, err);
        if (r > 0) {
            lane->given[is_power].kind = mark.kind;
            (void)snprintf(lane->given[is_power].id, RECORD_ID_SIZE, "%s", mark.id);
        }
        if (r >= 0)
            r = stream_init(&lane->streams[i], sensor, kind, cursor, r > 0 ? &mark : NULL);
        if (r < 0) {
            lane_deinit(lane);
            return r;
        }
    }
    return 0;
}

static int lane_add(struct mongodb_cursor *cursor, const char *sensor, struct error *err)
{
    if (!sensor_name_is_valid(sensor))
        return 0; /* not one of ours */
    for (size_t i = 0; i < cursor->n_lanes; i++)
        if (!strcmp(cursor->lanes[i].sensor, sensor))
            return 0;
    int r = array_reserve(&cursor->lanes, &cursor->lanes_capacity, cursor->n_lanes + 1,
                          sizeof(*cursor->lanes));
    if (r == 0)
        r = lane_init(&cursor->lanes[cursor->n_lanes], sensor, cursor, err);
    if (r == 0)
        cursor->n_lanes++;
    return r;
}

/* Adds a lane for every sensor that the collection names. */
static int discover_in(struct mongodb_cursor *cursor, mongoc_client_t *client,
                       enum record_kind kind, struct error *err)
{
    const struct mongodb_connection *connection = &cursor->mongodb->connection;
    bson_t command = BSON_INITIALIZER, reply;
    (void)BSON_APPEND_UTF8(&command, "distinct", mongodb_collection_name(kind));
    (void)BSON_APPEND_UTF8(&command, "key", "sensor");
    bson_error_t cause;
    bool is_answered =
        mongoc_client_command_simple(client, connection->database, &command, NULL, &reply, &cause);
    bson_iter_t values, value;
    int r = is_answered ? 0 : mongodb_failure(connection, &cause, err);
    if (is_answered && bson_iter_init_find(&values, &reply, "values") &&
        BSON_ITER_HOLDS_ARRAY(&values) && bson_iter_recurse(&values, &value))
        while (r == 0 && bson_iter_next(&value))
            if (BSON_ITER_HOLDS_UTF8(&value))
                r = lane_add(cursor, bson_iter_utf8(&value, NULL), err);
    bson_destroy(&command);
    bson_destroy(&reply);
    return r;
}

/* Every sensor has a host record, and that collection is small. Where there is none, e.g. in a
 * database of watts alone, the collections that were asked for are searched. */
static int discover(struct mongodb_cursor *cursor, mongoc_client_t *client, struct error *err)
{
    if (cursor->sensor)
        return lane_add(cursor, cursor->sensor, err);
    int r = discover_in(cursor, client, RECORD_HOST, err);
    for (size_t i = LANE_STREAMS; i-- > 0 && r == 0 && cursor->n_lanes == 0;)
        if (lane_kinds[i] != RECORD_HOST && cursor->kinds & KIND_BIT(lane_kinds[i]))
            r = discover_in(cursor, client, lane_kinds[i], err);
    return r;
}

static size_t page_documents(const struct mongodb_cursor *cursor)
{
    size_t n = PAGES_DOCUMENTS / (cursor->n_lanes * LANE_STREAMS);
    if (n > PAGE_DOCUMENTS_MAX)
        n = PAGE_DOCUMENTS_MAX;
    if (n < PAGE_DOCUMENTS_MIN)
        n = PAGE_DOCUMENTS_MIN;
    size_t left = cursor->limit ? cursor->limit - cursor->n_given : n;
    return left < n ? left : n;
}

/* Gives every stream of the lane a head where there is one. Identities after their users: whoever
 * reads new raw documents looks for new identities too. Returns 0, CURSOR_BAD or a negative errno.
 */
static int lane_fill(struct mongodb_cursor *cursor, mongoc_client_t *client, struct lane *lane,
                     struct error *err)
{
    for (size_t i = LANE_STREAMS; i-- > 0;) {
        struct mongodb_stream *stream = &lane->streams[i];
        if (stream->kind == RECORD_UNKNOWN)
            continue;
        for (;;) {
            int r = mongodb_stream_advance(stream, err);
            if (r == CURSOR_BAD)
                return r;
            if (r == CURSOR_DOCUMENT || !stream->may_have_more)
                break;
            r = mongodb_stream_fetch(stream, &cursor->mongodb->connection, client, lane->sensor,
                                     &cursor->span, page_documents(cursor), err);
            if (r < 0)
                return r;
            for (size_t j = 0; r > 0 && j < i; j++)
                lane->streams[j].may_have_more |= lane->streams[j].kind != RECORD_UNKNOWN;
        }
    }
    return 0;
}

static int order(const struct mongodb_cursor *cursor, const struct mongodb_stream *a,
                 const struct mongodb_stream *b)
{
    int c = strcmp(a->head.key.run, b->head.key.run);
    if (c == 0 && a->head.key.seq != b->head.key.seq)
        c = a->head.key.seq < b->head.key.seq ? -1 : 1;
    if (c == 0)
        c = a->kind < b->kind ? -1 : 1;
    return cursor->span.is_reversed ? -c : c;
}

/* While following, an identity waits for a raw document of its tick or later: that way the
 * documents given stay in one order however the writer's collections fill, and one id says how far
 * everything came. */
static bool must_wait(const struct mongodb_cursor *cursor, const struct lane *lane,
                      const struct mongodb_stream *stream)
{
    if (!cursor->follow || stream->kind == RECORD_RAW || stream->kind == RECORD_POWER)
        return false;
    const struct mongodb_stream *raw = &lane->streams[LANE_RAW];
    return raw->kind == RECORD_RAW && (!raw->has_head || order(cursor, stream, raw) > 0);
}

/* The stream whose head is next in the lane; NULL if there is none. */
static struct mongodb_stream *lane_next(const struct mongodb_cursor *cursor, struct lane *lane)
{
    struct mongodb_stream *next = NULL;
    for (size_t i = 0; i < LANE_STREAMS; i++) {
        struct mongodb_stream *stream = &lane->streams[i];
        if (stream->has_head && !must_wait(cursor, lane, stream) &&
            (!next || order(cursor, stream, next) < 0))
            next = stream;
    }
    return next;
}

static bool is_earlier(const struct mongodb_cursor *cursor, const struct mongodb_stream *a,
                       const struct mongodb_stream *b)
{
    return cursor->span.is_reversed ? a->head.key.timestamp_ms > b->head.key.timestamp_ms
                                    : a->head.key.timestamp_ms < b->head.key.timestamp_ms;
}

static int choose(struct mongodb_cursor *cursor, mongoc_client_t *client, struct lane **ret_lane,
                  struct mongodb_stream **ret_stream, struct error *err)
{
    for (size_t i = 0; i < cursor->n_lanes; i++) {
        int r = lane_fill(cursor, client, &cursor->lanes[i], err);
        if (r != 0)
            return r;
        struct mongodb_stream *next = lane_next(cursor, &cursor->lanes[i]);
        if (next && (!*ret_stream || is_earlier(cursor, next, *ret_stream))) {
            *ret_stream = next;
            *ret_lane = &cursor->lanes[i];
        }
    }
    return 0;
}

/* At the end of a stream that is followed, and at the very start: look for new sensors and new
 * documents. */
static int look_again(struct mongodb_cursor *cursor, mongoc_client_t *client, struct error *err)
{
    int r = discover(cursor, client, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < cursor->n_lanes; i++)
        for (size_t j = 0; j < LANE_STREAMS; j++)
            cursor->lanes[i].streams[j].may_have_more = true;
    cursor->has_looked = true;
    cursor->is_at_end = false;
    return 0;
}

static int next_with(struct mongodb_cursor *cursor, mongoc_client_t *client,
                     struct document *ret_document, struct error *err)
{
    int r = cursor->is_at_end ? look_again(cursor, client, err) : 0;
    if (r < 0)
        return r;
    struct lane *lane = NULL;
    struct mongodb_stream *stream = NULL;
    r = choose(cursor, client, &lane, &stream, err);
    if (r != 0)
        return r;
    if (!stream) {
        cursor->is_at_end = true;
        return CURSOR_END;
    }
    bool is_power = stream->kind == RECORD_POWER;
    lane->given[is_power].kind = stream->kind;
    (void)snprintf(lane->given[is_power].id, RECORD_ID_SIZE, "%s", stream->head.id);
    cursor->n_given++;
    cursor->taken = stream;
    *ret_document = stream->head;
    return CURSOR_DOCUMENT;
}

static int mongodb_next(struct cursor *base, struct document *ret_document, struct error *err)
{
    struct mongodb_cursor *cursor = (struct mongodb_cursor *)base;
    bool is_full = cursor->limit && cursor->n_given >= cursor->limit;
    if (cursor->taken)
        cursor->taken->has_head = false;
    cursor->taken = NULL;
    if (is_full || (cursor->is_at_end && cursor->has_looked && !cursor->follow))
        return CURSOR_END;
    mongoc_client_t *client = mongoc_client_pool_pop(cursor->mongodb->connection.pool);
    if (!client)
        return error_set(err, -EIO, "no MongoDB client is free");
    int r = next_with(cursor, client, ret_document, err);
    mongoc_client_pool_push(cursor->mongodb->connection.pool, client);
    return r;
}

static int mongodb_position(const struct cursor *base, char position[static POSITION_SIZE],
                            struct error *err)
{
    const struct mongodb_cursor *cursor = (const struct mongodb_cursor *)base;
    if (cursor->n_lanes == 0) {
        memcpy(position, cursor->after, POSITION_SIZE);
        return 0;
    }
    char text[POSITION_SIZE] = "";
    for (size_t i = 0; i < cursor->n_lanes; i++)
        for (size_t j = 0; j < ARRAY_SIZE(cursor->lanes[i].given); j++) {
            if (cursor->lanes[i].given[j].kind == RECORD_UNKNOWN)
                continue;
            int r = mongodb_position_add(text, cursor->lanes[i].given[j].kind,
                                         cursor->lanes[i].given[j].id, err);
            if (r < 0)
                return r;
        }
    memcpy(position, text, sizeof(text));
    return 0;
}

static void mongodb_cursor_close(struct cursor *base)
{
    struct mongodb_cursor *cursor = (struct mongodb_cursor *)base;
    for (size_t i = 0; i < cursor->n_lanes; i++)
        lane_deinit(&cursor->lanes[i]);
    free(cursor->lanes);
    free(cursor->sensor);
    free(cursor->label);
    free(cursor);
}

static const struct cursor_ops cursor_ops = {
    .next = mongodb_next,
    .position = mongodb_position,
    .close = mongodb_cursor_close,
};

static int cursor_init(struct mongodb_cursor *cursor, const struct store_query *query,
                       struct error *err)
{
    struct mongodb_mark mark;
    const char *after = query->after ? query->after : "";
    if (query->newest_first && query->follow)
        return error_set(err, -EINVAL, "mongodb: newest_first and follow exclude each other");
    if (strlen(after) >= sizeof(cursor->after))
        return error_set(err, -EINVAL, "mongodb: a position longer than any we gave");
    int r = mongodb_position_find(after, "", false, &mark, err);
    if (r < 0)
        return r;
    (void)snprintf(cursor->after, sizeof(cursor->after), "%s", after);
    if (query->sensor && !(cursor->sensor = strdup(query->sensor)))
        return -ENOMEM;
    if (query->label && !(cursor->label = strdup(query->label)))
        return -ENOMEM;
    cursor->span = (struct mongodb_span){
        .from_ms = query->from_ms,
        .to_ms = query->to_ms,
        .label = cursor->label,
        .is_reversed = query->newest_first,
    };
    return 0;
}

int mongodb_query(struct store *store, const struct store_query *query, struct cursor **ret_cursor,
                  struct error *err)
{
    struct mongodb_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return -ENOMEM;
    cursor->cursor.ops = &cursor_ops;
    cursor->mongodb = (struct mongodb_store *)store;
    cursor->kinds = query->kinds ? query->kinds : ~0u;
    cursor->follow = query->follow;
    cursor->limit = query->limit;
    cursor->is_at_end = true; /* nothing was looked at yet */
    int r = cursor_init(cursor, query, err);
    if (r < 0) {
        mongodb_cursor_close(&cursor->cursor);
        return r;
    }
    *ret_cursor = &cursor->cursor;
    return 0;
}
