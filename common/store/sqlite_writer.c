/* SPDX-License-Identifier: BSD-3-Clause */
/* Every statement is prepared once, so that a tick costs one transaction and nothing else; where many
 * documents come at once, one statement takes 16 of them, which halves the work. A commit writes to
 * the log without waiting for the disk (WAL, synchronous NORMAL): it survives the death of the
 * process, while a power cut may take the last ticks but never damages the file. What falls off the
 * bounds goes after the commit and in small steps, so that a tick is not delayed and a failure there
 * does not lose it. Age is counted from the newest document: a store has no clock. */
#include "common/store/sqlite_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"

#define DEFAULT_MAX_SIZE_BYTES ((int64_t)4 << 30)
#define STEP_ROWS 1000
#define SAY_EVERY_MS 60000
#define N_COLUMNS 9
#define ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define FOUR_ROWS ROW ", " ROW ", " ROW ", " ROW
#define ROWS_AT_ONCE 16
#define ROW_PAGES 16 /* beyond its bytes no row costs more: four trees, split in several levels */
#define POSITION_MAX (INT64_MAX - (1 << 30)) /* room for what is reserved, and for any batch */
#define RESERVE_ROWS 1000
#define INSERT                                                                                 \
    "INSERT INTO record(position, id, kind, sensor, run, seq, timestamp_ms, label, body) VALUES "
#define UNLESS_THERE " ON CONFLICT(id) DO NOTHING"

int sqlite_writer_init(struct sqlite_writer *writer, const char *directory, const char *name,
                       const struct sqlite_settings *settings, const struct log *log)
{
    int64_t max_size_bytes = DEFAULT_MAX_SIZE_BYTES;
    if (settings->max_size_bytes > 0)
        max_size_bytes =
            settings->max_size_bytes > INT64_MAX ? INT64_MAX : (int64_t)settings->max_size_bytes;
    *writer = (struct sqlite_writer){
        .log = log,
        .max_size_bytes = max_size_bytes,
        .max_age_ms = (int64_t)(settings->max_age_ns / 1000000),
        .newest_ms = VALUE_ABSENT,
        .last_said_ms = VALUE_ABSENT,
    };
    sqlite_file_init(&writer->file);
    return sqlite_file_set_path(&writer->file, directory, name);
}

static void close_writer(struct sqlite_writer *writer)
{
    sqlite3_stmt **statements[] = {&writer->begin,      &writer->commit,
                                   &writer->insert,     &writer->insert_many,
                                   &writer->reserved,   &writer->reserve,
                                   &writer->oldest,     &writer->forget_to,
                                   &writer->page_count, &writer->free_count};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        (void)sqlite3_finalize(*statements[i]);
        *statements[i] = NULL;
    }
    sqlite_file_close(&writer->file);
}

void sqlite_writer_deinit(struct sqlite_writer *writer)
{
    close_writer(writer);
    sqlite_file_deinit(&writer->file);
}

static int prepare_statements(struct sqlite_writer *writer, struct error *err)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } wanted[] = {
        {&writer->begin, "BEGIN IMMEDIATE"},
        {&writer->commit, "COMMIT"},
        {&writer->insert, INSERT ROW UNLESS_THERE},
        {&writer->insert_many,
         INSERT FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS ", " FOUR_ROWS UNLESS_THERE},
        {&writer->reserved,
         "SELECT max(ifnull((SELECT max(position) FROM record), 0), ifnull((SELECT CAST(seq AS"
         " INTEGER) FROM sqlite_sequence WHERE name = 'record'), 0))"},
        {&writer->reserve, "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'record'"},
        {&writer->oldest, "SELECT position, timestamp_ms, length(body) FROM record NOT INDEXED"
                          " ORDER BY position LIMIT ?1"},
        {&writer->forget_to, "DELETE FROM record WHERE position IN (SELECT position FROM record"
                             " NOT INDEXED WHERE position <= ?1 ORDER BY position LIMIT ?2)"},
        {&writer->page_count, "PRAGMA page_count"},
        {&writer->free_count, "PRAGMA freelist_count"},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++)
        r = sqlite_file_prepare(&writer->file, wanted[i].sql, wanted[i].statement, err);
    return r;
}

static int read_page_size(struct sqlite_writer *writer, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite_file_prepare(&writer->file, "PRAGMA page_size", &statement, err);
    if (r == 0)
        r = sqlite_file_int64(&writer->file, statement, 4096, &writer->page_size_bytes, err);
    (void)sqlite3_finalize(statement);
    return r;
}

/* A file that was moved away or removed under us is made anew rather than written to without a
 * name. */
static int ensure_open(struct sqlite_writer *writer, struct error *err)
{
    if (writer->file.db && sqlite_file_is_current(&writer->file))
        return 0;
    if (writer->file.db)
        log_warning(writer->log, "%s: has gone from its place, a new one is made",
                    writer->file.path);
    close_writer(writer);
    writer->room_bytes = writer->position = 0;
    int r = sqlite_file_open_write(&writer->file, err);
    if (r == 0)
        r = prepare_statements(writer, err);
    if (r == 0)
        r = read_page_size(writer, err);
    if (r < 0)
        close_writer(writer);
    return r;
}

static int bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    return sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

/* An SQLite code, as of all that follow. */
static int bind_row(sqlite3_stmt *statement, size_t row, int64_t position,
                    const struct document *document)
{
    int at = (int)row * N_COLUMNS;
    const char *kind = record_kind_name(document->kind);
    (void)sqlite3_bind_int64(statement, ++at, position);
    int rc = document->id[0] ? bind_text(statement, at + 1, document->id)
                             : sqlite3_bind_null(statement, at + 1);
    if (rc == SQLITE_OK)
        rc = bind_text(statement, at + 2, kind ? kind : "");
    if (rc == SQLITE_OK)
        rc = bind_text(statement, at + 3, document->key.sensor);
    if (rc == SQLITE_OK)
        rc = bind_text(statement, at + 4, document->key.run);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, at + 5, (int64_t)document->key.seq);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, at + 6, document->key.timestamp_ms);
    if (rc == SQLITE_OK)
        rc = bind_text(statement, at + 7, document->label);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob64(statement, at + 8, document->bytes, document->size_bytes,
                                 SQLITE_STATIC);
    return rc;
}

/* All rows or none; those that were there already count as duplicates. */
static int insert(struct sqlite_writer *writer, sqlite3_stmt *statement,
                  const struct document *const *rows, size_t n_rows, struct append_result *result)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < n_rows && rc == SQLITE_OK; i++)
        rc = bind_row(statement, i, writer->position++, rows[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    if (rc != SQLITE_DONE)
        return rc;
    uint64_t n_stored = (uint64_t)sqlite3_changes(writer->file.db);
    result->n_stored += n_stored;
    result->n_duplicates += n_rows - n_stored;
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i]->key.timestamp_ms > writer->newest_ms)
            writer->newest_ms = rows[i]->key.timestamp_ms;
        writer->room_bytes -= (int64_t)rows[i]->size_bytes + ROW_PAGES * writer->page_size_bytes;
    }
    return rc;
}

/* At most ROWS_AT_ONCE; one that is too large does not keep the others out. */
static int insert_rows(struct sqlite_writer *writer, const struct document *const *rows,
                       size_t n_rows, struct append_result *result)
{
    int rc = SQLITE_TOOBIG;
    if (n_rows == ROWS_AT_ONCE)
        rc = insert(writer, writer->insert_many, rows, n_rows, result);
    if (rc != SQLITE_TOOBIG)
        return rc;
    for (size_t i = 0; i < n_rows; i++) {
        rc = insert(writer, writer->insert, &rows[i], 1, result);
        if (rc == SQLITE_TOOBIG) {
            log_error(writer->log, "%s: document \"%s\" left out: too large (%zu bytes)",
                      writer->file.path, rows[i]->id, rows[i]->size_bytes);
            result->n_refused++;
        } else if (rc != SQLITE_DONE) {
            return rc;
        }
    }
    return SQLITE_DONE;
}

static int insert_all(struct sqlite_writer *writer, const struct document *documents,
                      size_t n_documents, bool (*is_ours)(enum record_kind),
                      struct append_result *result, struct error *err)
{
    const struct document *rows[ROWS_AT_ONCE];
    size_t n_rows = 0;
    for (size_t i = 0; i < n_documents; i++) {
        if (is_ours(documents[i].kind))
            rows[n_rows++] = &documents[i];
        if (n_rows < ROWS_AT_ONCE && i + 1 < n_documents)
            continue;
        int rc = insert_rows(writer, rows, n_rows, result);
        if (rc != SQLITE_DONE)
            return sqlite_file_error(&writer->file, rc, err);
        n_rows = 0;
    }
    return 0;
}

/* SQLite sees to it that no position is given twice (AUTOINCREMENT), by writing the last one into a
 * table of its own, a page more in every append. So a thousand are put on record as given, and are
 * given one by one; those that are left when the file is closed are never used. What others have
 * written into that table is not believed below the newest row. */
static int find_position(struct sqlite_writer *writer, struct error *err)
{
    if (writer->position > 0)
        return 0;
    int r = sqlite_file_int64(&writer->file, writer->reserved, 0, &writer->reserved_to, err);
    if (r == 0 && writer->reserved_to > POSITION_MAX)
        r = sqlite_file_error(&writer->file, SQLITE_FULL, err);
    writer->position = r == 0 ? writer->reserved_to + 1 : 0;
    return r;
}

/* After rows were added: SQLite itself has put on record that of the last one. */
static int reserve_positions(struct sqlite_writer *writer, struct error *err)
{
    if (writer->position <= writer->reserved_to + 1)
        return 0;
    writer->reserved_to = writer->position + RESERVE_ROWS;
    (void)sqlite3_bind_int64(writer->reserve, 1, writer->reserved_to);
    return sqlite_file_run(&writer->file, writer->reserve, err);
}

static int used_bytes(struct sqlite_writer *writer, int64_t *ret_bytes)
{
    int64_t n_pages = 0, n_free = 0;
    int r = sqlite_file_int64(&writer->file, writer->page_count, 0, &n_pages, NULL);
    if (r == 0)
        r = sqlite_file_int64(&writer->file, writer->free_count, 0, &n_free, NULL);
    *ret_bytes = (n_pages - n_free) * writer->page_size_bytes;
    return r;
}

/* What the file holds beyond max_size_bytes. Asking takes SQLite as long as adding a row (it
 * prepares a PRAGMA anew each time), so it is not asked before there may be too much. */
static int64_t find_excess(struct sqlite_writer *writer)
{
    int64_t size_bytes = 0;
    if (writer->room_bytes > 0 || used_bytes(writer, &size_bytes) < 0)
        return 0;
    writer->room_bytes = writer->max_size_bytes - size_bytes;
    return writer->room_bytes < 0 ? -writer->room_bytes : 0;
}

/* Finds the last of the oldest rows that must go; 0 when none. */
static size_t find_surplus(struct sqlite_writer *writer, int64_t excess_bytes, int64_t horizon_ms,
                           int64_t n_most, int64_t *ret_position)
{
    size_t n_rows = 0;
    int64_t freed_bytes = 0;
    (void)sqlite3_bind_int64(writer->oldest, 1, n_most);
    while (sqlite3_step(writer->oldest) == SQLITE_ROW) {
        if (freed_bytes >= excess_bytes && sqlite3_column_int64(writer->oldest, 1) >= horizon_ms)
            break;
        *ret_position = sqlite3_column_int64(writer->oldest, 0);
        freed_bytes += sqlite3_column_int64(writer->oldest, 2);
        n_rows++;
    }
    (void)sqlite3_reset(writer->oldest);
    return n_rows;
}

/* The number of rows deleted, or an error. */
static int delete_to(struct sqlite_writer *writer, int64_t position, int64_t n_most,
                     struct error *err)
{
    (void)sqlite3_bind_int64(writer->forget_to, 1, position);
    (void)sqlite3_bind_int64(writer->forget_to, 2, n_most);
    int rc = sqlite3_step(writer->forget_to);
    (void)sqlite3_reset(writer->forget_to);
    if (rc != SQLITE_DONE)
        return sqlite_file_error(&writer->file, rc, err);
    return sqlite3_changes(writer->file.db);
}

static void say_dropped(struct sqlite_writer *writer)
{
    if (writer->n_dropped == 0 || (writer->last_said_ms != VALUE_ABSENT &&
                                   writer->newest_ms - writer->last_said_ms < SAY_EVERY_MS))
        return;
    log_warning(writer->log, "%s: the %" PRIu64 " oldest documents gave way to max-size or max-age",
                writer->file.path, writer->n_dropped);
    writer->last_said_ms = writer->newest_ms;
    writer->n_dropped = 0;
}

/* Failing here costs nothing but room: the next append tries again, and a full disk is reported by
 * it. Large appends let more go than they add, or the file would grow all the same. */
static void keep_within_bounds(struct sqlite_writer *writer, int64_t excess_bytes,
                               uint64_t n_added)
{
    int64_t position = 0, horizon_ms = VALUE_ABSENT;
    int64_t n_most = n_added > STEP_ROWS / 2 ? 2 * (int64_t)n_added : STEP_ROWS;
    if (writer->max_age_ms > 0 && writer->newest_ms != VALUE_ABSENT)
        horizon_ms = writer->newest_ms - writer->max_age_ms;
    if (excess_bytes == 0 && horizon_ms == VALUE_ABSENT)
        return;
    if (find_surplus(writer, excess_bytes, horizon_ms, n_most, &position) > 0) {
        int n = delete_to(writer, position, n_most, NULL);
        writer->n_dropped += n > 0 ? (uint64_t)n : 0;
    }
    say_dropped(writer);
}

int sqlite_writer_append(struct sqlite_writer *writer, const struct document *documents,
                         size_t n_documents, bool (*is_ours)(enum record_kind kind),
                         struct append_result *result, struct error *err)
{
    int r = ensure_open(writer, err);
    if (r < 0)
        return r;
    struct append_result added = {0};
    r = sqlite_file_run(&writer->file, writer->begin, err);
    if (r == 0)
        r = find_position(writer, err);
    if (r == 0)
        r = insert_all(writer, documents, n_documents, is_ours, &added, err);
    if (r == 0)
        r = reserve_positions(writer, err);
    int64_t excess_bytes = r == 0 ? find_excess(writer) : 0;
    if (r == 0)
        r = sqlite_file_run(&writer->file, writer->commit, err);
    if (r < 0) {
        /* SQLite may have rolled back by itself already. */
        (void)sqlite3_exec(writer->file.db, "ROLLBACK", NULL, NULL, NULL);
        writer->position = 0; /* what was reserved may be undone */
        if (r == -EBADMSG)
            close_writer(writer);
        return r;
    }
    result->n_stored += added.n_stored;
    result->n_duplicates += added.n_duplicates;
    result->n_refused += added.n_refused;
    keep_within_bounds(writer, excess_bytes, added.n_stored);
    return 0;
}

int sqlite_writer_forget(struct sqlite_writer *writer, const struct sqlite_position *position,
                         struct error *err)
{
    if (!writer->file.db || strcmp(writer->file.origin, position->origin) != 0)
        return 0;
    int r = delete_to(writer, position->position, STEP_ROWS, err);
    return r < 0 ? r : 0;
}
