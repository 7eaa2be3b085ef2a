/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows are copied a page at a time and no statement stays open between calls: an open one would
 * hold a snapshot, and as long as somebody holds one the writer's log only grows. A query cut by
 * time first looks up, in the index of stamps, between which rows its answer lies; outside them
 * only identities (host, target) are looked at, through an index of their own. While nothing was
 * committed, following costs one look at SQLite's change counter. */
#include "common/store/sqlite_cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "common/store/sqlite_position.h"

#define PAGE_ROWS 64
#define PAGE_BYTES ((size_t)1 << 20)
#define KINDS_IDENTITY (KIND_BIT(RECORD_HOST) | KIND_BIT(RECORD_TARGET))

/* Rows [first, last]. */
struct span {
    int64_t first, last;
    bool identities_only;
};

/* What the cursor knows of one file. */
struct part {
    struct sqlite_file file;
    bool is_wanted;
    sqlite3_stmt *all, *identities, *version;
    struct span spans[3]; /* in the order in which they are read */
    size_t n_spans, span;
    int64_t fetched;              /* the last row read, 0: none */
    struct sqlite_position given; /* the last row handed out */
    bool is_drained;              /* no row beyond fetched when the version was seen_version */
    int64_t seen_version;
};

struct row {
    int64_t position;
    size_t offset, size_bytes; /* in page_bytes */
};

struct sqlite_cursor {
    struct cursor cursor;
    struct store_query query;
    char *sensor, *label;
    struct part parts[SQLITE_FILE_COUNT];
    struct row rows[PAGE_ROWS];
    size_t n_rows, row;
    struct part *page_part;
    uint8_t *page_bytes;
    size_t page_size_bytes, page_capacity;
    size_t n_given;
};

bool sqlite_kind_is_power(enum record_kind kind)
{
    return ((KINDS_POWER | KIND_BIT(RECORD_MODEL)) & KIND_BIT(kind)) != 0;
}

/* " AND kind IN ('raw', ...)", or nothing for all. */
static void kinds_sql(unsigned kinds, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (int kind = 0; kinds && kind < RECORD_KIND_COUNT && length < size; kind++) {
        if (!(kinds & KIND_BIT(kind)))
            continue;
        const char *name = record_kind_name((enum record_kind)kind);
        length += (size_t)snprintf(text + length, size - length, "%s'%s'",
                                   length ? ", " : " AND kind IN (", name ? name : "");
    }
    if (length > 0 && length < size)
        (void)snprintf(text + length, size - length, ")");
}

/* Parameters: 1, 2 first and last position; 3 sensor; 4 label; 5, 6 from and to; 7 limit. */
static int prepare_scan(const struct sqlite_cursor *cursor, const struct part *part,
                        bool identities_only, sqlite3_stmt **ret_statement, struct error *err)
{
    char kinds[256];
    char *sql = NULL;
    kinds_sql(cursor->query.kinds, kinds, sizeof(kinds));
    int length = asprintf(
        &sql,
        "SELECT position, body FROM record %s WHERE position >= ?1 AND position <= ?2%s%s"
        " AND (?3 IS NULL OR sensor = ?3) AND (?4 IS NULL OR kind <> 'power' OR label = ?4)"
        " AND (kind IN ('host', 'target') OR (timestamp_ms >= ?5 AND timestamp_ms < ?6))"
        " ORDER BY position%s LIMIT ?7",
        identities_only ? "INDEXED BY record_identity" : "NOT INDEXED",
        identities_only ? " AND kind IN ('host', 'target')" : "", kinds,
        cursor->query.newest_first ? " DESC" : "");
    if (length < 0)
        return error_set(err, -ENOMEM, "%s: out of memory", part->file.path);
    int r = sqlite_file_prepare(&part->file, sql, ret_statement, err);
    free(sql);
    return r;
}

static int64_t from_ms(const struct sqlite_cursor *cursor)
{
    return cursor->query.from_ms; /* VALUE_ABSENT is the smallest integer */
}

static int64_t to_ms(const struct sqlite_cursor *cursor)
{
    return cursor->query.to_ms == VALUE_ABSENT ? INT64_MAX : cursor->query.to_ms;
}

static int ask(const struct sqlite_cursor *cursor, const struct part *part, const char *sql,
               int64_t fallback, int64_t *ret_value, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite_file_prepare(&part->file, sql, &statement, err);
    if (r == 0 && sqlite3_bind_parameter_count(statement) == 2) {
        (void)sqlite3_bind_int64(statement, 1, from_ms(cursor));
        (void)sqlite3_bind_int64(statement, 2, to_ms(cursor));
    }
    if (r == 0)
        r = sqlite_file_int64(&part->file, statement, fallback, ret_value, err);
    (void)sqlite3_finalize(statement);
    return r;
}

static void add_span(struct part *part, int64_t first, int64_t last, bool identities_only)
{
    if (first <= last)
        part->spans[part->n_spans++] = (struct span){first, last, identities_only};
}

/* Where rows of the wanted time lie: [*ret_first, *ret_last]; those that come while we follow lie
 * after. */
static int bound_by_time(const struct sqlite_cursor *cursor, const struct part *part,
                         int64_t *ret_first, int64_t *ret_last, struct error *err)
{
    int64_t newest = 0;
    /* First the end, then the rest: what is added in between lies after it and is read anyway. */
    int r = ask(cursor, part, "SELECT max(position) FROM record", 0, &newest, err);
    if (r == 0)
        r = ask(cursor, part,
                "SELECT min(position) FROM record INDEXED BY record_time"
                " WHERE timestamp_ms >= ?1 AND timestamp_ms < ?2",
                newest + 1, ret_first, err);
    *ret_last = INT64_MAX;
    if (r == 0 && cursor->query.to_ms != VALUE_ABSENT && !cursor->query.follow)
        r = ask(cursor, part,
                "SELECT max(position) FROM record INDEXED BY record_time"
                " WHERE timestamp_ms >= ?1 AND timestamp_ms < ?2",
                newest, ret_last, err);
    return r;
}

static int plan_spans(const struct sqlite_cursor *cursor, struct part *part, struct error *err)
{
    part->n_spans = part->span = 0;
    unsigned kinds = cursor->query.kinds;
    bool has_time = cursor->query.from_ms != VALUE_ABSENT || cursor->query.to_ms != VALUE_ABSENT;
    if (kinds != 0 && (kinds & ~KINDS_IDENTITY) == 0) {
        add_span(part, 1, INT64_MAX, true);
        return 0;
    }
    int64_t first = 1, last = INT64_MAX;
    int r = has_time ? bound_by_time(cursor, part, &first, &last, err) : 0;
    if (r < 0)
        return r;
    bool has_identities = kinds == 0 || (kinds & KINDS_IDENTITY);
    if (has_identities)
        add_span(part, 1, first - 1, true);
    add_span(part, first, last, false);
    if (has_identities && last < INT64_MAX)
        add_span(part, last + 1, INT64_MAX, true);
    if (cursor->query.newest_first && part->n_spans > 1) {
        struct span oldest = part->spans[0];
        part->spans[0] = part->spans[part->n_spans - 1];
        part->spans[part->n_spans - 1] = oldest;
    }
    return 0;
}

static void close_part(struct part *part)
{
    (void)sqlite3_finalize(part->all);
    (void)sqlite3_finalize(part->identities);
    (void)sqlite3_finalize(part->version);
    part->all = part->identities = part->version = NULL;
    part->is_drained = false;
    sqlite_file_close(&part->file);
}

/* 0, SQLITE_FILE_ABSENT or an error. */
static int open_part(const struct sqlite_cursor *cursor, struct part *part, struct error *err)
{
    int r = sqlite_file_open_read(&part->file, err);
    if (r != 0)
        return r;
    if (strcmp(part->given.origin, part->file.origin) != 0) {
        memcpy(part->given.origin, part->file.origin, ORIGIN_SIZE);
        part->given.position = 0;
    }
    part->fetched = part->given.position;
    r = prepare_scan(cursor, part, false, &part->all, err);
    if (r == 0)
        r = prepare_scan(cursor, part, true, &part->identities, err);
    if (r == 0)
        r = sqlite_file_prepare(&part->file, "PRAGMA data_version", &part->version, err);
    if (r == 0)
        r = plan_spans(cursor, part, err);
    if (r < 0)
        close_part(part);
    return r;
}

/* 1: open, and possibly with new rows; 0: nothing to be had now. */
static int look_at(const struct sqlite_cursor *cursor, struct part *part, struct error *err)
{
    if (part->file.db && part->is_drained) {
        if (!cursor->query.follow)
            return 0;
        if (!sqlite_file_is_current(&part->file)) {
            close_part(part);
        } else {
            int64_t version = 0;
            int r = sqlite_file_int64(&part->file, part->version, 0, &version, err);
            return r < 0 ? r : version != part->seen_version;
        }
    }
    if (part->file.db)
        return 1;
    int r = open_part(cursor, part, err);
    return r < 0 ? r : r != SQLITE_FILE_ABSENT;
}

static int keep_row(struct sqlite_cursor *cursor, struct part *part, sqlite3_stmt *statement)
{
    const void *body = sqlite3_column_blob(statement, 1);
    size_t size_bytes = (size_t)sqlite3_column_bytes(statement, 1);
    size_t wanted = cursor->page_size_bytes + size_bytes + 1;
    int r = array_reserve(&cursor->page_bytes, &cursor->page_capacity, wanted, 1);
    if (r < 0)
        return r;
    if (size_bytes > 0)
        memcpy(cursor->page_bytes + cursor->page_size_bytes, body, size_bytes);
    part->fetched = sqlite3_column_int64(statement, 0);
    cursor->rows[cursor->n_rows++] =
        (struct row){part->fetched, cursor->page_size_bytes, size_bytes};
    cursor->page_size_bytes += size_bytes;
    return 0;
}

static void bind_scan(const struct sqlite_cursor *cursor, const struct part *part,
                      const struct span *span, sqlite3_stmt *statement)
{
    int64_t first = span->first, last = span->last;
    if (part->fetched > 0 && !cursor->query.newest_first && part->fetched >= first)
        first = part->fetched + 1;
    if (part->fetched > 0 && cursor->query.newest_first && part->fetched <= last)
        last = part->fetched - 1;
    size_t n_rows = PAGE_ROWS;
    if (cursor->query.limit > 0 && cursor->query.limit - cursor->n_given < n_rows)
        n_rows = cursor->query.limit - cursor->n_given;
    (void)sqlite3_bind_int64(statement, 1, first);
    (void)sqlite3_bind_int64(statement, 2, last);
    if (cursor->sensor)
        (void)sqlite3_bind_text(statement, 3, cursor->sensor, -1, SQLITE_STATIC);
    if (cursor->label)
        (void)sqlite3_bind_text(statement, 4, cursor->label, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 5, from_ms(cursor));
    (void)sqlite3_bind_int64(statement, 6, to_ms(cursor));
    (void)sqlite3_bind_int64(statement, 7, (int64_t)n_rows);
}

/* Copies the next rows of one span into the page. */
static int read_page(struct sqlite_cursor *cursor, struct part *part, const struct span *span,
                     struct error *err)
{
    sqlite3_stmt *statement = span->identities_only ? part->identities : part->all;
    int rc, r = 0;
    bind_scan(cursor, part, span, statement);
    cursor->n_rows = cursor->row = cursor->page_size_bytes = 0;
    cursor->page_part = part;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && r == 0) {
        r = keep_row(cursor, part, statement);
        if (cursor->n_rows == PAGE_ROWS || cursor->page_size_bytes >= PAGE_BYTES)
            break;
    }
    (void)sqlite3_reset(statement);
    if (r < 0)
        return error_set(err, r, "%s: out of memory", part->file.path);
    /* Rows before the failure are good: they are given first, and the next call meets it again. */
    if (rc != SQLITE_ROW && rc != SQLITE_DONE && cursor->n_rows == 0)
        return sqlite_file_error(&part->file, rc, err);
    return 0;
}

static int fill_from(struct sqlite_cursor *cursor, struct part *part, struct error *err)
{
    int r = look_at(cursor, part, err);
    if (r <= 0)
        return r;
    int64_t version = 0;
    /* Asked before the rows are: what is committed in between is then seen the next time. */
    r = sqlite_file_int64(&part->file, part->version, 0, &version, err);
    while (r == 0 && part->span < part->n_spans) {
        r = read_page(cursor, part, &part->spans[part->span], err);
        if (r < 0 || cursor->n_rows > 0)
            return r;
        if (part->span + 1 == part->n_spans)
            break; /* the last one stays open for what is still to come */
        part->span++;
    }
    part->is_drained = r == 0;
    part->seen_version = version;
    return r;
}

/* Fills the page with what comes next, from whichever file has it. */
static int fill(struct sqlite_cursor *cursor, struct error *err)
{
    cursor->n_rows = cursor->row = 0;
    int r = 0;
    for (int i = 0; i < SQLITE_FILE_COUNT && r == 0 && cursor->n_rows == 0; i++) {
        int index = cursor->query.newest_first ? SQLITE_FILE_COUNT - 1 - i : i;
        if (cursor->parts[index].is_wanted)
            r = fill_from(cursor, &cursor->parts[index], err);
    }
    return r;
}

static int sqlite_cursor_next(struct cursor *base, struct document *ret_document, struct error *err)
{
    struct sqlite_cursor *cursor = (struct sqlite_cursor *)base;
    if (cursor->query.limit > 0 && cursor->n_given == cursor->query.limit)
        return CURSOR_END;
    if (cursor->row == cursor->n_rows) {
        int r = fill(cursor, err);
        if (r < 0)
            return r;
        if (cursor->n_rows == 0)
            return CURSOR_END;
    }
    const struct row *row = &cursor->rows[cursor->row++];
    cursor->page_part->given.position = row->position;
    int r = document_describe(cursor->page_bytes + row->offset, row->size_bytes, ret_document, err);
    if (r < 0) {
        (void)error_wrap(err, r, "%s: record %" PRId64, cursor->page_part->file.path,
                         row->position);
        return CURSOR_BAD;
    }
    cursor->n_given++;
    return CURSOR_DOCUMENT;
}

static int sqlite_cursor_position(const struct cursor *base, char position[static POSITION_SIZE],
                                  struct error *err)
{
    const struct sqlite_cursor *cursor = (const struct sqlite_cursor *)base;
    (void)err;
    struct sqlite_position given[SQLITE_FILE_COUNT];
    for (int i = 0; i < SQLITE_FILE_COUNT; i++)
        given[i] = cursor->parts[i].given;
    sqlite_position_format(given, position, POSITION_SIZE);
    return 0;
}

static void sqlite_cursor_close(struct cursor *base)
{
    struct sqlite_cursor *cursor = (struct sqlite_cursor *)base;
    for (int i = 0; i < SQLITE_FILE_COUNT; i++) {
        close_part(&cursor->parts[i]);
        sqlite_file_deinit(&cursor->parts[i].file);
    }
    free(cursor->page_bytes);
    free(cursor->sensor);
    free(cursor->label);
    free(cursor);
}

static const struct cursor_ops sqlite_cursor_ops = {
    .next = sqlite_cursor_next,
    .position = sqlite_cursor_position,
    .close = sqlite_cursor_close,
};

static bool wants_file(unsigned kinds, int index)
{
    for (int kind = 0; kind < RECORD_KIND_COUNT; kind++)
        if ((kinds == 0 || (kinds & KIND_BIT(kind))) &&
            sqlite_kind_is_power((enum record_kind)kind) == (index == SQLITE_POWER))
            return true;
    return false;
}

static int start(struct sqlite_cursor *cursor, const char *directory,
                 const struct store_query *query, struct error *err)
{
    static const char *const names[] = {[SQLITE_RAW] = "raw.db", [SQLITE_POWER] = "power.db"};
    struct sqlite_position after[SQLITE_FILE_COUNT];
    int r = sqlite_position_parse(query->after, after, err);
    if (r < 0)
        return r;
    cursor->sensor = query->sensor ? strdup(query->sensor) : NULL;
    cursor->label = query->label ? strdup(query->label) : NULL;
    if ((query->sensor && !cursor->sensor) || (query->label && !cursor->label))
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    for (int i = 0; i < SQLITE_FILE_COUNT; i++) {
        cursor->parts[i].given = after[i];
        cursor->parts[i].is_wanted = wants_file(query->kinds, i);
        if (sqlite_file_set_path(&cursor->parts[i].file, directory, names[i]) < 0)
            return error_set(err, -ENOMEM, "%s: out of memory", directory);
    }
    /* What cannot be opened should be heard of now; what is not there yet may still come. */
    for (int i = 0; i < SQLITE_FILE_COUNT && r >= 0; i++)
        if (cursor->parts[i].is_wanted)
            r = open_part(cursor, &cursor->parts[i], err);
    return r < 0 ? r : 0;
}

int sqlite_cursor_new(struct cursor **ret_cursor, const char *directory,
                      const struct store_query *query, struct error *err)
{
    struct sqlite_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    cursor->cursor.ops = &sqlite_cursor_ops;
    cursor->query = *query;
    cursor->query.sensor = cursor->query.label = cursor->query.after = NULL;
    for (int i = 0; i < SQLITE_FILE_COUNT; i++)
        sqlite_file_init(&cursor->parts[i].file);
    int r = start(cursor, directory, query, err);
    if (r < 0) {
        sqlite_cursor_close(&cursor->cursor);
        return r;
    }
    *ret_cursor = &cursor->cursor;
    return 0;
}
