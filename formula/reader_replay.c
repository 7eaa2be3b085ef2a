/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks a span of the input once and ends where it ends. Stores never cut host and target records
 * by time; those from behind the span are left out here, so that they change nothing in it. */
#include "formula/reader.h"

#include "common/error.h"
#include "common/log.h"
#include "common/scope.h"

static void close_cursor(struct cursor **cursor)
{
    cursor_close(*cursor);
}

int reader_replay(struct formula *formula, struct store *input,
                  const struct reader_settings *settings, const struct log *log,
                  const volatile bool *stop, uint64_t *ret_n_bad, struct error *err)
{
    struct store_query query = {
        .kinds = KINDS_SENSOR,
        .sensor = settings->sensor,
        .from_ms = settings->from_ms,
        .to_ms = settings->to_ms,
    };
    SCOPED(close_cursor) struct cursor *cursor = NULL;
    int r = store_query(input, &query, &cursor, err);
    *ret_n_bad = 0;
    while (r >= 0 && !*stop) {
        struct document document;
        struct error damage = {0};
        r = cursor_next(cursor, &document, &damage);
        if (r == CURSOR_END)
            return 0;
        if (r == CURSOR_DOCUMENT) {
            if (settings->to_ms != VALUE_ABSENT && document.key.timestamp_ms >= settings->to_ms)
                continue;
            r = formula_add(formula, &document, err);
            if (r != 0)
                return r;
        } else if (r == CURSOR_BAD) {
            log_warning(log, "left out: %s", damage.text);
            (*ret_n_bad)++;
        } else if (*stop) {
            return 0; /* a signal ended the wait for a pipe */
        } else if (err) {
            *err = damage;
        }
    }
    return r < 0 ? r : 0;
}
