/* SPDX-License-Identifier: BSD-3-Clause */
/* Documents here are small and plain; what real records look like is the business of the round
 * trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct store_query fixture_all = {.from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
const struct store_ops *const *const fixture_tables[] = {store_table_local, NULL};

int fixture_make_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/watt-store-XXXXXX", base ? base : "/tmp") < 0)
        return -1;
    *state = path;
    return mkdtemp(path) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

int fixture_remove_folder(void **state)
{
    int r = nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return r;
}

void sample_make(struct sample *sample, enum record_kind kind, uint64_t seq, const char *label,
                 size_t padding_bytes)
{
    const char *kind_name = record_kind_name(kind);
    char id[RECORD_ID_SIZE];
    bson_t *bson = &sample->bson;
    (void)snprintf(id, sizeof(id), "nodeA:0199d2f4c1a0:%012llx:%s:%s", (unsigned long long)seq,
                   kind_name, label);
    bson_init(bson);
    assert_true(BSON_APPEND_UTF8(bson, "kind", kind_name));
    assert_true(BSON_APPEND_INT32(bson, "v", 1));
    assert_true(BSON_APPEND_UTF8(bson, "_id", id));
    assert_true(BSON_APPEND_UTF8(bson, "sensor", "nodeA"));
    assert_true(BSON_APPEND_UTF8(bson, "run", "0199d2f4c1a0"));
    assert_true(BSON_APPEND_INT64(bson, "seq", (int64_t)seq));
    assert_true(BSON_APPEND_DATE_TIME(bson, "timestamp", (int64_t)seq * 1000));
    if (label[0])
        assert_true(BSON_APPEND_UTF8(bson, "label", label));
    char *padding = calloc(1, padding_bytes + 1);
    assert_non_null(padding);
    memset(padding, 'x', padding_bytes);
    assert_true(BSON_APPEND_UTF8(bson, "padding", padding));
    free(padding);
    struct error err = {0};
    if (document_describe(bson_get_data(bson), bson->len, &sample->document, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sample->document.kind, kind);
}

void sample_free(struct sample *sample)
{
    bson_destroy(&sample->bson);
}

struct store *fixture_open(const char *scheme, const char *path, enum store_mode mode)
{
    char uri[512];
    struct store *store = NULL;
    struct error err = {0};
    (void)snprintf(uri, sizeof(uri), "%s:%s", scheme, path);
    if (store_open(&store, uri, mode, fixture_tables, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return store;
}

void fixture_append(struct store *store, enum record_kind kind, uint64_t seq, const char *label)
{
    struct sample sample;
    struct append_result result;
    struct error err = {0};
    sample_make(&sample, kind, seq, label, 0);
    if (store_append(store, &sample.document, 1, &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(result.n_stored, 1);
    sample_free(&sample);
}

struct cursor *fixture_query(struct store *store, const struct store_query *query)
{
    struct cursor *cursor = NULL;
    struct error err = {0};
    if (store_query(store, query, &cursor, &err) < 0)
        fail_msg("%s", err.text);
    return cursor;
}

const char *fixture_list(struct cursor *cursor, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (;;) {
        struct document document;
        struct error err = {0};
        int outcome = cursor_next(cursor, &document, &err);
        if (outcome < 0)
            fail_msg("%s", err.text);
        if (outcome == CURSOR_END || outcome == CURSOR_CLOSED)
            return text;
        assert_true(length < size);
        const char *space = length ? " " : "";
        if (outcome == CURSOR_BAD)
            length += (size_t)snprintf(text + length, size - length, "%sBAD", space);
        else
            length += (size_t)snprintf(text + length, size - length, "%s%s%llu%s%s", space,
                                       record_kind_name(document.kind),
                                       (unsigned long long)document.key.seq,
                                       document.label[0] ? "/" : "", document.label);
    }
}

const char *fixture_query_list(struct store *store, const struct store_query *query, char *text,
                               size_t size)
{
    struct cursor *cursor = fixture_query(store, query);
    (void)fixture_list(cursor, text, size);
    cursor_close(cursor);
    return text;
}

void fixture_damage(const char *path)
{
    char noise[4 * 4096];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    memset(noise, 0xa5, sizeof(noise));
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 30L * 4096, SEEK_SET), 0);
    assert_int_equal(fwrite(noise, 1, sizeof(noise), file), sizeof(noise));
    assert_int_equal(fclose(file), 0);
}
