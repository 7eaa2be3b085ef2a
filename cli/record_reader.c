/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/record_reader.h"

#include <errno.h>

#include "common/error.h"
#include "common/log.h"
#include "common/store/store.h"

/* One record; what is damaged is counted. */
static int take_next(struct record_reader *reader, int outcome, const struct document *document,
                     struct error *err)
{
    int r = outcome == CURSOR_BAD && !reader->come_again ? -EBADMSG : 0;
    if (outcome == CURSOR_DOCUMENT)
        r = reader->take(document, reader->context, err);
    if (r != -EBADMSG)
        return r;
    if (reader->n_damaged++ == 0)
        log_warning(reader->log, "%s (left out; more of the kind are only counted)", err->text);
    return 0;
}

int record_reader_read(struct record_reader *reader, struct store *store,
                       const struct store_query *query, struct error *err)
{
    struct cursor *cursor;
    struct document document;
    int r = store_query(store, query, &cursor, err);
    if (r < 0)
        return r;
    while (r >= 0 && (r = cursor_next(cursor, &document, err)) > CURSOR_END)
        r = take_next(reader, r, &document, err);
    cursor_close(cursor);
    return r;
}
