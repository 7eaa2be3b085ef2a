/* SPDX-License-Identifier: BSD-3-Clause */
/* copy_store FROM TO: every document of one local store into another, for benchmarks that need a
 * recording in another form. Appends in lots of 512, as the programs do. */
#include <stdio.h>

#include "common/error.h"
#include "common/log.h"
#include "common/store/batch.h"

#define LOT 512

static const struct store_ops *const *const tables[] = {store_table_local, NULL};

static int copy(struct cursor *cursor, struct store *to, struct batch *batch, struct error *err)
{
    struct document document;
    struct append_result result;
    int r;
    while ((r = cursor_next(cursor, &document, err)) == CURSOR_DOCUMENT) {
        r = batch_add(batch, &document);
        if (r >= 0 && batch_count(batch) >= LOT)
            r = batch_flush(batch, to, &result, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : batch_flush(batch, to, &result, err);
}

int main(int argc, char **argv)
{
    struct log log;
    struct error err = {0};
    struct store *from = NULL, *to = NULL;
    struct cursor *cursor = NULL;
    struct batch *batch = NULL;
    struct store_query query = {.from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    log_init(&log, "copy_store");
    if (argc != 3) {
        log_error(&log, "usage: copy_store FROM TO");
        return 64;
    }
    int r = store_open(&from, argv[1], STORE_READ, tables, NULL, &log, &err);
    if (r >= 0)
        r = store_open(&to, argv[2], STORE_WRITE, tables, NULL, &log, &err);
    if (r >= 0)
        r = batch_new(&batch, 2 * LOT, (size_t)256 * 1024 * 1024);
    if (r >= 0)
        r = store_query(from, &query, &cursor, &err);
    if (r >= 0)
        r = copy(cursor, to, batch, &err);
    if (r < 0)
        log_error(&log, "%s", err.text);
    cursor_close(cursor);
    batch_free(batch);
    store_close(to);
    store_close(from);
    return error_exit_status(r);
}
