/* SPDX-License-Identifier: BSD-3-Clause */
/* A store that forgets at once: to measure what producing records costs, and to run a program for
 * its log or metrics alone. It answers queries with nothing, so that a writer that looks for its
 * last run finds none. */
#include "common/store/local.h"

#include <errno.h>
#include <stdlib.h>

#include "common/error.h"

static int null_cursor_next(struct cursor *cursor, struct document *ret_document, struct error *err)
{
    (void)cursor;
    (void)ret_document;
    (void)err;
    return CURSOR_END;
}

static int null_cursor_position(const struct cursor *cursor, char position[static POSITION_SIZE],
                                struct error *err)
{
    (void)cursor;
    (void)err;
    position[0] = '\0';
    return 0;
}

static void null_cursor_close(struct cursor *cursor)
{
    free(cursor);
}

static const struct cursor_ops null_cursor_ops = {
    .next = null_cursor_next,
    .position = null_cursor_position,
    .close = null_cursor_close,
};

static int null_open(struct store **ret_store, const struct uri *uri, enum store_mode mode,
                     const void *settings, const struct log *log, struct error *err)
{
    (void)settings;
    (void)mode;
    if (uri->rest[0] != '\0')
        return error_set(err, -EINVAL, "null: takes nothing after the colon, not \"%s\"",
                         uri->rest);
    struct store *store = malloc(sizeof(*store));
    if (!store)
        return error_set(err, -ENOMEM, "null: out of memory");
    *store = (struct store){.ops = &store_null, .log = log};
    *ret_store = store;
    return 0;
}

static int null_append(struct store *store, const struct document *documents, size_t n_documents,
                       struct append_result *ret_result, struct error *err)
{
    (void)store;
    (void)documents;
    (void)err;
    *ret_result = (struct append_result){.n_stored = n_documents};
    return 0;
}

static int null_query(struct store *store, const struct store_query *query,
                      struct cursor **ret_cursor, struct error *err)
{
    (void)store;
    (void)query;
    struct cursor *cursor = malloc(sizeof(*cursor));
    if (!cursor)
        return error_set(err, -ENOMEM, "null: out of memory");
    cursor->ops = &null_cursor_ops;
    *ret_cursor = cursor;
    return 0;
}

static void null_close(struct store *store)
{
    free(store);
}

const struct store_ops store_null = {
    .scheme = "null",
    .about = "null: forgets what it is given",
    .can_read = false,
    .can_follow = false,
    .section = "null",
    .open = null_open,
    .append = null_append,
    .query = null_query,
    .close = null_close,
};
