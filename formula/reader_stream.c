/* SPDX-License-Identifier: BSD-3-Clause */
/* Follows the input. A store that fails is opened at the last place where we had caught up: what it
 * gives twice the assembly leaves out. Damaged pieces are left out as in a replay. */
#include "formula/reader.h"

#include "common/error.h"
#include "common/log.h"

struct stream {
    struct formula *formula;
    struct store *input;
    const struct log *log;
    struct store_query query;
    struct cursor *cursor;
    char position[POSITION_SIZE];
    bool is_failing;
};

/* Said once until it works again. */
static void complain(struct stream *stream, const struct error *failure)
{
    if (!stream->is_failing)
        log_warning(stream->log, "input: %s; trying again", failure->text);
    stream->is_failing = true;
    cursor_close(stream->cursor);
    stream->cursor = NULL;
}

static bool has_cursor(struct stream *stream)
{
    struct error failure = {0};
    if (stream->cursor)
        return true;
    stream->query.after = stream->position;
    if (store_query(stream->input, &stream->query, &stream->cursor, &failure) >= 0)
        return true;
    stream->cursor = NULL;
    complain(stream, &failure);
    return false;
}

static void remember_position(struct stream *stream)
{
    char position[POSITION_SIZE];
    if (stream->is_failing)
        log_info(stream->log, "input: works again");
    stream->is_failing = false;
    if (cursor_position(stream->cursor, position, NULL) >= 0)
        (void)snprintf(stream->position, sizeof(stream->position), "%s", position);
}

enum { STEP_IDLE = 0, STEP_MORE = 1, STEP_CLOSED = 2 };

/* One document. IDLE: caught up or failing; negative: what the formula returned. */
static int step(struct stream *stream, struct error *err)
{
    if (!has_cursor(stream))
        return STEP_IDLE;
    struct document document;
    struct error failure = {0};
    int outcome = cursor_next(stream->cursor, &document, &failure);
    if (outcome == CURSOR_DOCUMENT) {
        int r = formula_add(stream->formula, &document, err);
        return r == 0 ? STEP_MORE : r > 0 ? -r : r;
    }
    if (outcome == CURSOR_BAD) {
        log_warning(stream->log, "left out: %s", failure.text);
        return STEP_MORE;
    }
    if (outcome == CURSOR_CLOSED)
        return STEP_CLOSED;
    if (outcome == CURSOR_END)
        remember_position(stream);
    else
        complain(stream, &failure);
    return STEP_IDLE;
}

int reader_stream(struct formula *formula, struct store *input,
                  const struct reader_settings *settings, const struct log *log,
                  const volatile bool *stop, int (*idle)(void *context), void *context,
                  struct error *err)
{
    struct stream stream = {
        .formula = formula,
        .input = input,
        .log = log,
        .query = {.kinds = KINDS_SENSOR,
                  .sensor = settings->sensor,
                  .from_ms = settings->from_ms,
                  .to_ms = VALUE_ABSENT,
                  .follow = true},
    };
    if (settings->after)
        (void)snprintf(stream.position, sizeof(stream.position), "%s", settings->after);
    int r = STEP_MORE;
    while (!*stop && r == STEP_MORE) {
        r = step(&stream, err);
        if (r != STEP_IDLE)
            continue;
        int ends = idle(context);
        r = ends == 0 ? STEP_MORE : ends < 0 ? ends : STEP_IDLE;
    }
    cursor_close(stream.cursor);
    return r == STEP_CLOSED ? 1 : r < 0 ? r : 0;
}
