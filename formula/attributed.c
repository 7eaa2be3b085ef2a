/* SPDX-License-Identifier: BSD-3-Clause */
/* The store is asked once per sensor, when its first tick comes. */
#include "formula/attributed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "common/timestamp.h"

struct sensor_span {
    struct record_key first, last;
    bool has_any;
};

struct attributed {
    struct store *store;
    const char *label;
    struct sensor_span *spans; /* one per sensor asked about */
    size_t n_spans, capacity;
};

int attributed_new(struct attributed **ret_attributed, struct store *store, const char *label)
{
    struct attributed *attributed = calloc(1, sizeof(*attributed));
    if (!attributed)
        return -ENOMEM;
    attributed->store = store;
    attributed->label = label;
    *ret_attributed = attributed;
    return 0;
}

void attributed_free(struct attributed *attributed)
{
    if (!attributed)
        return;
    free(attributed->spans);
    free(attributed);
}

static void close_cursor(struct cursor **cursor)
{
    cursor_close(*cursor);
}

/* 1: ret_key filled, 0: nothing is there. */
static int ask(const struct attributed *attributed, const char *sensor, bool newest_first,
               struct record_key *ret_key, struct error *err)
{
    const struct store_query query = {
        .kinds = attributed->label ? KIND_BIT(RECORD_POWER) : KIND_BIT(RECORD_POWER_REPORT),
        .sensor = sensor,
        .label = attributed->label,
        .from_ms = VALUE_ABSENT,
        .to_ms = VALUE_ABSENT,
        .newest_first = newest_first,
        .limit = 1,
    };
    SCOPED(close_cursor) struct cursor *cursor = NULL;
    struct document document;
    int r = store_query(attributed->store, &query, &cursor, err);
    do {
        r = r < 0 ? r : cursor_next(cursor, &document, err);
    } while (r == CURSOR_BAD);
    if (r == CURSOR_DOCUMENT)
        *ret_key = document.key;
    return r < 0 ? r : r == CURSOR_DOCUMENT;
}

/* PowerReports know no runs. */
static int compare(const struct attributed *attributed, const struct record_key *a,
                   const struct record_key *b)
{
    if (attributed->label)
        return record_key_compare(a, b);
    return (a->timestamp_ms > b->timestamp_ms) - (a->timestamp_ms < b->timestamp_ms);
}

static int find_span(struct attributed *attributed, const char *sensor,
                     struct sensor_span **ret_span, struct error *err)
{
    for (size_t i = 0; i < attributed->n_spans; i++) {
        *ret_span = &attributed->spans[i];
        if (strcmp((*ret_span)->first.sensor, sensor) == 0)
            return 0;
    }
    int r = array_reserve(&attributed->spans, &attributed->capacity, attributed->n_spans + 1,
                          sizeof(*attributed->spans));
    if (r < 0)
        return error_set(err, r, "out of memory");
    struct sensor_span *span = &attributed->spans[attributed->n_spans];
    *span = (struct sensor_span){0};
    r = ask(attributed, sensor, false, &span->first, err);
    if (r > 0)
        r = ask(attributed, sensor, true, &span->last, err);
    if (r < 0)
        return r;
    span->has_any = r > 0;
    (void)snprintf(span->first.sensor, sizeof(span->first.sensor), "%s", sensor);
    attributed->n_spans++;
    *ret_span = span;
    return 0;
}

int attributed_judge(struct attributed *attributed, const struct record_key *key, struct error *err)
{
    struct sensor_span *span = NULL;
    char stamp[TIMESTAMP_TEXT_SIZE];
    int r = find_span(attributed, key->sensor, &span, err);
    if (r < 0 || !span->has_any || compare(attributed, key, &span->last) > 0)
        return r;
    if (compare(attributed, key, &span->first) >= 0)
        return 1;
    return error_set(err, -EINVAL,
                     "it holds later watts of sensor '%s' already, from %s on; write these to "
                     "another file%s",
                     key->sensor, timestamp_format(span->first.timestamp_ms, stamp),
                     attributed->label ? ", or choose another --label" : "");
}
