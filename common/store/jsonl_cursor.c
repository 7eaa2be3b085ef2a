/* SPDX-License-Identifier: BSD-3-Clause */
/* A damaged line costs that line and nothing else. The last line is special: while a writer may
 * still be at it, it is left alone until its newline comes; afterwards it is tried as it stands,
 * since a whole document without newline is no damage. */
#include "common/store/jsonl_cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/scope.h"
#include "common/store/line_reader.h"

#define MAX_LINE_BYTES ((size_t)64 << 20)

struct jsonl_cursor {
    struct cursor cursor;
    struct store_query query; /* with texts of its own */
    char *sensor, *label;
    const char *name; /* for messages: the path or "standard input" */
    char *path;       /* NULL: standard input */
    int fd;
    struct line_reader reader;
    uint64_t *starts; /* newest_first: offsets of lines: [0 .. n_starts - 1] are to come, the next
                         was given last */
    size_t n_starts, starts_capacity;
    bson_t bson;
    bool has_bson;
    size_t n_given;
};

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static void drop_bson(struct jsonl_cursor *cursor)
{
    if (cursor->has_bson)
        bson_destroy(&cursor->bson);
    cursor->has_bson = false;
}

/* The peers' tools also keep reports in one large JSON value; a person who offers us that should
 * hear how to turn it into lines. */
static const char *advice_for(const struct jsonl_cursor *cursor, const char *text, size_t size)
{
    size_t first = 0;
    while (first < size && (text[first] == ' ' || text[first] == '\t'))
        first++;
    if (cursor->reader.n_lines != 1 || first == size)
        return "";
    if (text[first] == '[')
        return ": this is not one JSON object per line; try: jq -c '.[]'";
    bool is_alone = is_blank(text + first + 1, size - first - 1);
    if (text[first] == '{' && (is_alone || memmem(text, size, "\"reports\"", 9)))
        return ": this is not one JSON object per line; try: jq -c '.reports[]'";
    return "";
}

static int bad_line(const struct jsonl_cursor *cursor, const char *what, const char *advice,
                    struct error *err)
{
    (void)error_set(err, -EBADMSG, "%s:%" PRIu64 ": %s%s", cursor->name, cursor->reader.n_lines,
                    what, advice);
    return CURSOR_BAD;
}

/* CURSOR_DOCUMENT, CURSOR_BAD or -ENOMEM. */
static int parse_line(struct jsonl_cursor *cursor, const char *text, size_t size, bool is_cut,
                      struct document *ret_document, struct error *err)
{
    struct error why = {0};
    drop_bson(cursor);
    int r = json_parse(text, size, &cursor->bson, &why);
    if (r == 0) {
        cursor->has_bson = true;
        r = document_describe(bson_get_data(&cursor->bson), cursor->bson.len, ret_document, &why);
    }
    if (r == -ENOMEM)
        return error_set(err, r, "%s:%" PRIu64 ": out of memory", cursor->name,
                         cursor->reader.n_lines);
    const char *advice = "";
    if (r < 0 || ret_document->kind == RECORD_UNKNOWN)
        advice = advice_for(cursor, text, size);
    if (r < 0 && is_cut)
        return bad_line(cursor, "truncated: ", why.text, err);
    if (r < 0)
        return bad_line(cursor, why.text, advice, err);
    return advice[0] ? bad_line(cursor, "no report", advice, err) : CURSOR_DOCUMENT;
}

static int check_not_shrunk(const struct jsonl_cursor *cursor, struct error *err)
{
    struct stat status;
    if (!cursor->reader.is_seekable || fstat(cursor->fd, &status) < 0)
        return 0;
    if (status.st_size >= 0 && (uint64_t)status.st_size >= cursor->reader.offset)
        return 0;
    return error_set(err, -ESTALE, "%s: has become shorter than what was read: start over",
                     cursor->name);
}

/* What the end of the input means. */
static int at_end(const struct jsonl_cursor *cursor, struct error *err)
{
    if (!cursor->query.follow)
        return CURSOR_END;
    if (!cursor->reader.is_seekable)
        return CURSOR_CLOSED;
    return check_not_shrunk(cursor, err);
}

static int take_line(struct jsonl_cursor *cursor, const char **ret_text, size_t *ret_size,
                     struct error *err)
{
    int outcome = line_reader_next(&cursor->reader, !cursor->query.follow, ret_text, ret_size);
    if (outcome == LINE_END && cursor->query.follow && !cursor->reader.is_seekable)
        outcome = line_reader_next(&cursor->reader, true, ret_text, ret_size);
    if (outcome < 0)
        return error_set(err, outcome, "%s: %s", cursor->name, strerror(-outcome));
    return outcome;
}

static int next_forwards(struct jsonl_cursor *cursor, struct document *ret_document,
                         struct error *err)
{
    for (;;) {
        const char *text = NULL;
        size_t size = 0;
        int outcome = take_line(cursor, &text, &size, err);
        if (outcome < 0)
            return outcome;
        if (outcome == LINE_WAIT)
            return CURSOR_END;
        if (outcome == LINE_END)
            return at_end(cursor, err);
        if (outcome == LINE_TOO_LONG)
            return bad_line(cursor, "longer than 64 MB", "", err);
        if (is_blank(text, size))
            continue;
        int r = parse_line(cursor, text, size, outcome == LINE_CUT, ret_document, err);
        if (r != CURSOR_DOCUMENT || store_query_matches(&cursor->query, ret_document))
            return r;
    }
}

/* Notes where every line before end_offset starts, and where the last one ends. */
static int index_lines(struct jsonl_cursor *cursor, uint64_t end_offset, struct error *err)
{
    for (;;) {
        const char *text = NULL;
        size_t size = 0;
        uint64_t offset = cursor->reader.offset;
        if (array_reserve(&cursor->starts, &cursor->starts_capacity, cursor->n_starts + 1,
                          sizeof(*cursor->starts)) < 0)
            return error_set(err, -ENOMEM, "%s: out of memory", cursor->name);
        cursor->starts[cursor->n_starts] = offset;
        int outcome = end_offset > offset ? take_line(cursor, &text, &size, err) : LINE_END;
        if (outcome <= 0)
            return outcome;
        cursor->n_starts++;
    }
}

static int next_backwards(struct jsonl_cursor *cursor, struct document *ret_document,
                          struct error *err)
{
    while (cursor->n_starts > 0) {
        const char *text = NULL;
        size_t size = 0;
        cursor->n_starts--;
        line_reader_seek(&cursor->reader, cursor->starts[cursor->n_starts], cursor->n_starts);
        int outcome = take_line(cursor, &text, &size, err);
        if (outcome < 0)
            return outcome;
        if (outcome == LINE_TOO_LONG)
            return bad_line(cursor, "longer than 64 MB", "", err);
        if (outcome == LINE_END || is_blank(text, size))
            continue;
        int r = parse_line(cursor, text, size, outcome == LINE_CUT, ret_document, err);
        if (r != CURSOR_DOCUMENT || store_query_matches(&cursor->query, ret_document))
            return r;
    }
    return CURSOR_END;
}

static int jsonl_cursor_next(struct cursor *base, struct document *ret_document, struct error *err)
{
    struct jsonl_cursor *cursor = (struct jsonl_cursor *)base;
    if (cursor->query.limit > 0 && cursor->n_given == cursor->query.limit)
        return CURSOR_END;
    int r = cursor->query.newest_first ? next_backwards(cursor, ret_document, err)
                                       : next_forwards(cursor, ret_document, err);
    if (r == CURSOR_DOCUMENT)
        cursor->n_given++;
    return r;
}

static int jsonl_cursor_position(const struct cursor *base, char position[static POSITION_SIZE],
                                 struct error *err)
{
    const struct jsonl_cursor *cursor = (const struct jsonl_cursor *)base;
    (void)err;
    uint64_t offset = cursor->reader.offset, n_lines = cursor->reader.n_lines;
    if (cursor->query.newest_first && cursor->starts) {
        offset = cursor->starts[cursor->n_starts];
        n_lines = cursor->n_starts;
    }
    position[0] = '\0';
    if (cursor->path)
        (void)snprintf(position, POSITION_SIZE, "%" PRIu64 ":%" PRIu64, offset, n_lines);
    return 0;
}

static void jsonl_cursor_close(struct cursor *base)
{
    struct jsonl_cursor *cursor = (struct jsonl_cursor *)base;
    drop_bson(cursor);
    line_reader_deinit(&cursor->reader);
    if (cursor->path && cursor->fd >= 0)
        (void)close(cursor->fd);
    free(cursor->starts);
    free(cursor->sensor);
    free(cursor->label);
    free(cursor->path);
    free(cursor);
}

static const struct cursor_ops jsonl_cursor_ops = {
    .next = jsonl_cursor_next,
    .position = jsonl_cursor_position,
    .close = jsonl_cursor_close,
};

static int parse_position(const char *name, const char *text, uint64_t *ret_offset,
                          uint64_t *ret_n_lines, struct error *err)
{
    int length = 0;
    if (strspn(text, "0123456789") != 0 &&
        sscanf(text, "%" SCNu64 ":%" SCNu64 "%n", ret_offset, ret_n_lines, &length) == 2 &&
        text[length] == '\0')
        return 0;
    return error_set(err, -EINVAL, "%s: \"%s\" is not a position in JSON lines", name, text);
}

/* A position beyond the end belongs to an earlier, longer file of this name: then everything is
 * new. */
static int start_file(struct jsonl_cursor *cursor, struct error *err)
{
    cursor->fd = open(cursor->path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (cursor->fd < 0 || fstat(cursor->fd, &status) < 0)
        return error_set(err, -errno, "%s: %s", cursor->name, strerror(errno));
    bool is_regular = S_ISREG(status.st_mode);
    line_reader_init(&cursor->reader, cursor->fd, is_regular, MAX_LINE_BYTES);
    uint64_t offset = 0, n_lines = 0;
    const char *after = cursor->query.after;
    bool has_after = after && after[0];
    if (has_after && parse_position(cursor->name, after, &offset, &n_lines, err) < 0)
        return -EINVAL;
    if (!is_regular)
        return cursor->query.newest_first
                   ? error_set(err, -EINVAL, "%s: cannot be read backwards", cursor->name)
                   : 0;
    if (cursor->query.newest_first)
        return index_lines(cursor, has_after ? offset : UINT64_MAX, err);
    if (offset <= (uint64_t)status.st_size) {
        cursor->reader.offset = offset;
        cursor->reader.n_lines = n_lines;
    }
    return 0;
}

static int start_stdin(struct jsonl_cursor *cursor, struct error *err)
{
    const char *after = cursor->query.after;
    if (cursor->query.newest_first)
        return error_set(err, -EINVAL, "%s: cannot be read backwards", cursor->name);
    if (after && after[0])
        return error_set(err, -EINVAL, "%s: has no positions to go on from", cursor->name);
    line_reader_init(&cursor->reader, STDIN_FILENO, false, MAX_LINE_BYTES);
    return 0;
}

static int copy_text(char **ret_copy, const char *text)
{
    *ret_copy = text ? strdup(text) : NULL;
    return text && !*ret_copy ? -ENOMEM : 0;
}

int jsonl_cursor_new(struct cursor **ret_cursor, const char *path, const struct store_query *query,
                     struct error *err)
{
    struct jsonl_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return error_set(err, -ENOMEM, "jsonl: out of memory");
    cursor->cursor.ops = &jsonl_cursor_ops;
    cursor->query = *query;
    cursor->fd = -1;
    int r = 0;
    if (copy_text(&cursor->sensor, query->sensor) < 0 ||
        copy_text(&cursor->label, query->label) < 0 || copy_text(&cursor->path, path) < 0)
        r = error_set(err, -ENOMEM, "jsonl: out of memory");
    cursor->query.sensor = cursor->sensor;
    cursor->query.label = cursor->label;
    cursor->name = cursor->path ? cursor->path : "standard input";
    if (r == 0)
        r = cursor->path ? start_file(cursor, err) : start_stdin(cursor, err);
    cursor->query.after = NULL;
    if (r < 0) {
        jsonl_cursor_close(&cursor->cursor);
        return r;
    }
    *ret_cursor = &cursor->cursor;
    return 0;
}
