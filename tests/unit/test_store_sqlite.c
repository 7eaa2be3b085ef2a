/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded store in fair weather: order, filters, positions, following, bounds, forgetting, and
 * who may write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sqlite3.h>

#include "common/store/batch.h"
#include "tests/unit/store_fixture.h"

static char list[100000];

static const char *file_in(void **state, const char *name)
{
    static char path[600];
    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
    return path;
}

static struct store *open_bounded(const char *folder, const struct sqlite_settings *settings)
{
    struct store *store = NULL;
    struct error err = {0};
    struct uri uri = {.scheme = "sqlite", .rest = (char *)folder};
    if (store_sqlite.open(&store, &uri, STORE_WRITE, settings, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return store;
}

/* raw and power in turn, with a host and a target at seq 1 and a target at seq 5. */
static void append_story(struct store *store)
{
    fixture_append(store, RECORD_HOST, 1, "");
    fixture_append(store, RECORD_TARGET, 1, "");
    for (uint64_t seq = 1; seq <= 6; seq++) {
        if (seq == 5)
            fixture_append(store, RECORD_TARGET, 5, "");
        fixture_append(store, RECORD_RAW, seq, "");
        fixture_append(store, RECORD_POWER, seq, seq % 2 ? "auto" : "share");
    }
}

static void each_kind_has_its_file(void **state)
{
    struct stat status;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    assert_int_equal(access(file_in(state, "raw.db"), F_OK), -1);
    fixture_append(store, RECORD_RAW, 1, "");
    assert_int_equal(access(file_in(state, "raw.db"), F_OK), 0);
    assert_int_equal(access(file_in(state, "power.db"), F_OK), -1);
    fixture_append(store, RECORD_MODEL, 1, "");
    assert_int_equal(access(file_in(state, "power.db"), F_OK), 0);
    static const char *const names[] = {"raw.db", "raw.db-wal", "raw.db-shm"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(stat(file_in(state, names[i]), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
    }
    store_close(store);
    assert_int_equal(access(file_in(state, "raw.db-wal"), F_OK), 0);
    assert_int_equal(access(file_in(state, "raw.db-shm"), F_OK), 0);
}

static void folders_are_made_on_the_way(void **state)
{
    struct stat status;
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/a/b/", (const char *)*state);
    mode_t umask_before = umask(0);
    struct store *store = fixture_open("sqlite", path, STORE_WRITE);
    (void)umask(umask_before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    fixture_append(store, RECORD_RAW, 1, "");
    store_close(store);
}

static void filters_and_orders(void **state)
{
    static const struct {
        struct store_query query;
        const char *expected;
    } cases[] = {
        {{0, NULL, NULL, VALUE_ABSENT, VALUE_ABSENT, NULL, false, false, 0},
         "host1 target1 raw1 raw2 raw3 raw4 target5 raw5 raw6 "
         "power1/auto power2/share power3/auto power4/share power5/auto power6/share"},
        {{KIND_BIT(RECORD_RAW), NULL, NULL, VALUE_ABSENT, VALUE_ABSENT, NULL, true, false, 2},
         "raw6 raw5"},
        {{KINDS_POWER, NULL, "auto", VALUE_ABSENT, VALUE_ABSENT, NULL, false, false, 0},
         "power1/auto power3/auto power5/auto"},
        {{0, NULL, "auto", 4000, VALUE_ABSENT, NULL, false, false, 0},
         "host1 target1 raw4 target5 raw5 raw6 power5/auto"},
        {{0, NULL, NULL, 2000, 4000, NULL, false, false, 0},
         "host1 target1 raw2 raw3 target5 power2/share power3/auto"},
        {{KINDS_SENSOR, NULL, NULL, 2000, 4000, NULL, true, false, 0},
         "target5 raw3 raw2 target1 host1"},
        {{KIND_BIT(RECORD_RAW), NULL, NULL, 2000, 4000, NULL, false, false, 0}, "raw2 raw3"},
        {{KIND_BIT(RECORD_RAW), NULL, NULL, 7000, VALUE_ABSENT, NULL, false, false, 0}, ""},
        {{KINDS_SENSOR, NULL, NULL, 7000, 8000, NULL, false, false, 0}, "host1 target1 target5"},
        {{KIND_BIT(RECORD_TARGET), NULL, NULL, 4000, VALUE_ABSENT, NULL, true, false, 0},
         "target5 target1"},
        {{0, "nodeB", NULL, VALUE_ABSENT, VALUE_ABSENT, NULL, false, false, 0}, ""},
        {{KINDS_POWER, "nodeA", NULL, VALUE_ABSENT, VALUE_ABSENT, NULL, false, false, 1},
         "power1/auto"},
        {{0, NULL, NULL, VALUE_ABSENT, VALUE_ABSENT, NULL, true, false, 8},
         "power6/share power5/auto power4/share power3/auto power2/share power1/auto raw6 raw5"},
    };
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    append_story(store);
    store_close(store);
    store = fixture_open("sqlite", *state, STORE_READ);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(fixture_query_list(store, &cases[i].query, list, sizeof(list)),
                            cases[i].expected);
    store_close(store);
}

/* From every position, in both directions, the rest is exactly what had not been given. */
static void positions_go_on_anywhere(void **state)
{
    char position[POSITION_SIZE], whole[2000];
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    append_story(store);
    for (int i = 0; i < 4; i++) {
        struct store_query query = fixture_all;
        query.newest_first = i & 1;
        query.from_ms = i & 2 ? 3000 : VALUE_ABSENT;
        query.to_ms = i & 2 ? 5000 : VALUE_ABSENT;
        (void)fixture_query_list(store, &query, whole, sizeof(whole));
        struct cursor *cursor = fixture_query(store, &query);
        size_t consumed = 0;
        for (;;) {
            struct store_query rest = query;
            struct document document;
            assert_int_equal(cursor_position(cursor, position, NULL), 0);
            rest.after = position;
            assert_string_equal(fixture_query_list(store, &rest, list, sizeof(list)),
                                whole + consumed);
            if (cursor_next(cursor, &document, NULL) == CURSOR_END)
                break;
            consumed += strcspn(whole + consumed, " ");
            consumed += whole[consumed] == ' ';
        }
        cursor_close(cursor);
    }
    static const char *const nonsense[] = {"x",
                                           "1:2",
                                           "-",
                                           "-,-,-",
                                           "0123456789abcdef:1",
                                           "0123456789abcdef:1,",
                                           "0123456789abcdef:x,-"};
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct store_query query = fixture_all;
        struct cursor *cursor = NULL;
        query.after = nonsense[i];
        assert_int_equal(store_query(store, &query, &cursor, NULL), -EINVAL);
        assert_int_equal(store_forget(store, nonsense[i], NULL), -EINVAL);
    }
    store_close(store);
}

static void many_pages_come_whole(void **state)
{
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    struct append_result result;
    struct sample samples[500];
    struct document documents[500];
    for (uint64_t i = 0; i < 500; i++) {
        sample_make(&samples[i], RECORD_RAW, i, "", i == 100 ? 3000000 : i * 40);
        documents[i] = samples[i].document;
    }
    assert_int_equal(store_append(store, documents, 500, &result, NULL), 0);
    assert_int_equal(result.n_stored, 500);
    for (int backwards = 0; backwards < 2; backwards++) {
        struct store_query query = fixture_all;
        query.newest_first = backwards;
        struct cursor *cursor = fixture_query(store, &query);
        struct document document;
        for (int i = 0; i < 500; i++) {
            const struct document *expected = &documents[backwards ? 499 - i : i];
            assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_DOCUMENT);
            assert_int_equal(document.size_bytes, expected->size_bytes);
            assert_memory_equal(document.bytes, expected->bytes, expected->size_bytes);
            assert_string_equal(document.id, expected->id);
        }
        assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_END);
        cursor_close(cursor);
    }
    for (int i = 0; i < 500; i++)
        sample_free(&samples[i]);
    store_close(store);
}

static void a_resend_is_harmless(void **state)
{
    struct sample samples[3];
    struct document documents[3];
    struct append_result result;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t i = 0; i < 3; i++) {
        sample_make(&samples[i], RECORD_RAW, i, "", 0);
        documents[i] = samples[i].document;
    }
    assert_int_equal(store_append(store, documents, 2, &result, NULL), 0);
    assert_int_equal(store_append(store, documents, 3, &result, NULL), 0);
    assert_int_equal(result.n_stored, 1);
    assert_int_equal(result.n_duplicates, 2);
    documents[0].id[0] = documents[1].id[0] = '\0'; /* without ids nothing is a duplicate */
    assert_int_equal(store_append(store, documents, 2, &result, NULL), 0);
    assert_int_equal(result.n_stored, 2);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "raw0 raw1 raw2 raw0 raw1");
    for (int i = 0; i < 3; i++)
        sample_free(&samples[i]);
    store_close(store);
}

/* Many rows are written by one statement, what is left by others. */
static void a_resend_of_many_is_harmless(void **state)
{
    enum { N = 45, N_FIRST = 19 };
    struct sample samples[N];
    struct document documents[N];
    struct append_result result;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t i = 0; i < N; i++) {
        sample_make(&samples[i], i % 9 == 4 ? RECORD_POWER : RECORD_RAW, i, "a", 0);
        documents[i] = samples[i].document;
    }
    assert_int_equal(store_append(store, documents, N_FIRST, &result, NULL), 0);
    assert_int_equal(result.n_stored, N_FIRST);
    assert_int_equal(store_append(store, documents, N, &result, NULL), 0);
    assert_int_equal(result.n_stored, N - N_FIRST);
    assert_int_equal(result.n_duplicates, N_FIRST);
    assert_int_equal(store_append(store, documents, N, &result, NULL), 0);
    assert_int_equal(result.n_stored, 0);
    assert_int_equal(result.n_duplicates, N);
    for (int i = 0; i < N; i++)
        sample_free(&samples[i]);
    store_close(store);
}

/* The follower is there before the files are, and before the second of them is. */
static void a_follower_sees_what_comes(void **state)
{
    struct store *reader = fixture_open("sqlite", *state, STORE_READ);
    struct store_query query = fixture_all;
    query.follow = true;
    query.from_ms = 2000;
    struct cursor *cursor = fixture_query(reader, &query);
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "");
    struct store *sensor = fixture_open("sqlite", *state, STORE_WRITE);
    struct store *formula = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(sensor, RECORD_HOST, 1, "");
    fixture_append(sensor, RECORD_RAW, 1, "");
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "host1");
    for (uint64_t seq = 2; seq <= 80; seq++) {
        char expected[100];
        fixture_append(sensor, RECORD_RAW, seq, "");
        fixture_append(formula, RECORD_POWER, seq, "auto");
        (void)snprintf(expected, sizeof(expected), "raw%d power%d/auto", (int)seq, (int)seq);
        assert_string_equal(fixture_list(cursor, list, sizeof(list)), expected);
        assert_string_equal(fixture_list(cursor, list, sizeof(list)), "");
    }
    store_close(sensor);
    store_close(formula);
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "");
    cursor_close(cursor);
    store_close(reader);
}

/* A file made anew counts from 1 again: positions of the old one mean nothing in it. */
static void a_file_made_anew_is_read_from_its_start(void **state)
{
    char position[POSITION_SIZE], command[700];
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    struct store_query query = fixture_all;
    query.follow = true;
    for (uint64_t seq = 1; seq <= 3; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    struct cursor *cursor = fixture_query(store, &query);
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "raw1 raw2 raw3");
    assert_int_equal(cursor_position(cursor, position, NULL), 0);
    (void)snprintf(command, sizeof(command), "%s/raw.db", (const char *)*state);
    assert_int_equal(unlink(command), 0);
    assert_int_equal(unlink(file_in(state, "raw.db-wal")), 0);
    assert_int_equal(unlink(file_in(state, "raw.db-shm")), 0);
    fixture_append(store, RECORD_RAW, 4, ""); /* the writer notices too */
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "raw4");
    cursor_close(cursor);
    assert_int_equal(store_forget(store, position, NULL), 0);
    query.follow = false;
    query.after = position;
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)), "raw4");
    store_close(store);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Whatever others wrote where SQLite keeps the last position, none is given twice, and all can be
 * read; where none is left, that is said. */
static void what_others_say_of_positions_is_not_believed(void **state)
{
    enum { N_WITH_ROOM = 4 }; /* the first ones */
    static const char *const damages[] = {
        "DELETE FROM sqlite_sequence",
        "UPDATE sqlite_sequence SET seq = NULL",
        "UPDATE sqlite_sequence SET seq = 'text'",
        "UPDATE sqlite_sequence SET seq = -5",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "UPDATE sqlite_sequence SET seq = 1e300",
    };
    char expected[200] = "";
    for (uint64_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
        fixture_append(store, RECORD_RAW, i, "");
        store_close(store);
        (void)snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%sraw%u",
                       i ? " " : "", (unsigned)i);
        run_sql(file_in(state, "raw.db"), damages[i]);
        if (i < N_WITH_ROOM)
            continue;
        struct sample sample;
        struct append_result result;
        sample_make(&sample, RECORD_RAW, 99, "", 0);
        store = fixture_open("sqlite", *state, STORE_WRITE);
        assert_int_equal(store_append(store, &sample.document, 1, &result, NULL), -ENOSPC);
        store_close(store);
        sample_free(&sample);
        run_sql(file_in(state, "raw.db"), damages[0]);
    }
    struct store *store = fixture_open("sqlite", *state, STORE_READ);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), expected);
    store_close(store);
}

static void forgetting_is_bounded_and_positions_only_grow(void **state)
{
    char position[POSITION_SIZE];
    struct document document;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t seq = 0; seq < 1500; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    fixture_append(store, RECORD_POWER, 1, "auto");
    struct store_query query = fixture_all;
    query.kinds = KINDS_SENSOR;
    struct cursor *cursor = fixture_query(store, &query);
    for (int i = 0; i < 1400; i++)
        assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_DOCUMENT);
    assert_int_equal(cursor_position(cursor, position, NULL), 0);
    query.limit = 1;
    assert_int_equal(store_forget(store, position, NULL), 0);
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)), "raw1000");
    assert_int_equal(store_forget(store, position, NULL), 0);
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)), "raw1400");
    assert_int_equal(store_forget(store, position, NULL), 0);
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)), "raw1400");
    while (cursor_next(cursor, &document, NULL) == CURSOR_DOCUMENT)
        ;
    assert_int_equal(cursor_position(cursor, position, NULL), 0);
    cursor_close(cursor);
    assert_int_equal(store_forget(store, position, NULL), 0);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "power1/auto");
    store_close(store);
    store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 2000, "");
    query.after = position;
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)), "raw2000");
    store_close(store);
}

static void expect_bounded(const char *folder, size_t size_bytes, uint64_t n_rows, uint64_t n_least,
                           uint64_t n_most)
{
    struct sqlite_settings settings = {.max_size_bytes = 1 << 20};
    struct store *store = open_bounded(folder, &settings);
    struct append_result result;
    for (uint64_t seq = 0; seq < n_rows; seq++) {
        struct sample sample;
        if (seq == n_rows / 2) { /* another writer finds the file as it is */
            store_close(store);
            store = open_bounded(folder, &settings);
        }
        sample_make(&sample, RECORD_RAW, seq, "", size_bytes);
        assert_int_equal(store_append(store, &sample.document, 1, &result, NULL), 0);
        sample_free(&sample);
    }
    store_close(store);
    store = open_bounded(folder, &settings);
    struct store_query query = fixture_all;
    query.newest_first = true;
    struct cursor *cursor = fixture_query(store, &query);
    struct document document;
    uint64_t n = 0;
    for (; cursor_next(cursor, &document, NULL) == CURSOR_DOCUMENT; n++)
        assert_int_equal(document.key.seq, n_rows - 1 - n);
    assert_true(n > n_least && n < n_most);
    cursor_close(cursor);
    store_close(store);
}

static void size_is_bounded_oldest_first(void **state)
{
    struct stat status;
    expect_bounded(*state, 10000, 400, 60, 110);
    assert_int_equal(stat(file_in(state, "raw.db"), &status), 0);
    assert_true(status.st_size < (1 << 20) + 200000);
}

/* Where what belongs to a row is more than the row itself. */
static void size_is_bounded_with_small_rows(void **state)
{
    struct stat status;
    expect_bounded(*state, 0, 5000, 2000, 4500);
    assert_int_equal(stat(file_in(state, "raw.db"), &status), 0);
    assert_true(status.st_size < (1 << 20) + 200000);
}

/* Each append adds more than a step of forgetting takes away. */
static void size_is_bounded_with_large_appends(void **state)
{
    struct sqlite_settings settings = {.max_size_bytes = 1 << 20};
    struct store *store = open_bounded(*state, &settings);
    struct append_result result;
    struct batch *batch;
    struct stat status;
    assert_int_equal(batch_new(&batch, 3000, 10 << 20), 0);
    for (uint64_t seq = 0; seq < 20 * 2500; seq++) {
        struct sample sample;
        sample_make(&sample, RECORD_RAW, seq, "", 100);
        assert_int_equal(batch_add(batch, &sample.document), 0);
        sample_free(&sample);
        if (batch_count(batch) == 2500)
            assert_int_equal(batch_flush(batch, store, &result, NULL), 0);
    }
    batch_free(batch);
    store_close(store);
    assert_int_equal(stat(file_in(state, "raw.db"), &status), 0);
    assert_true(status.st_size < 3 << 20); /* the bound and an append */
}

static void age_is_bounded_by_the_newest_document(void **state)
{
    struct sqlite_settings settings = {.max_age_ns = UINT64_C(3000000000)};
    struct store *store = open_bounded(*state, &settings);
    for (uint64_t seq = 1; seq <= 10; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "raw7 raw8 raw9 raw10");
    store_close(store);
}

static void a_second_writer_is_refused_by_pid(void **state)
{
    struct append_result result;
    struct error err = {0};
    struct sample sample;
    char expected[32];
    struct store *first = fixture_open("sqlite", *state, STORE_WRITE);
    struct store *second = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(first, RECORD_RAW, 1, "");
    sample_make(&sample, RECORD_RAW, 2, "", 0);
    assert_int_equal(store_append(second, &sample.document, 1, &result, &err), -EBUSY);
    (void)snprintf(expected, sizeof(expected), "process %d ", (int)getpid());
    assert_non_null(strstr(err.text, expected));
    assert_non_null(strstr(err.text, file_in(state, "raw.db")));
    fixture_append(second, RECORD_POWER, 1, "auto"); /* the other file is free */
    store_close(first);
    assert_int_equal(store_append(second, &sample.document, 1, &result, &err), 0);
    sample_free(&sample);
    store_close(second);
}

static int read_without_rights(const char *folder)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
        return 1;
    struct store *store = fixture_open("sqlite", folder, STORE_READ);
    (void)fixture_query_list(store, &fixture_all, list, sizeof(list));
    store_close(store);
    return strcmp(list, "raw1 raw2") == 0 ? 0 : 2;
}

/* With the writer there, after it went, and after it was killed with its log full. */
static void a_reader_needs_no_right_to_write(void **state)
{
    static const char *const names[] = {"raw.db", "raw.db-wal", "raw.db-shm"};
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    fixture_append(store, RECORD_RAW, 2, "");
    for (int closed = 0; closed < 2; closed++) {
        if (closed)
            store_close(store);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            assert_int_equal(chmod(file_in(state, names[i]), 0444), 0);
        assert_int_equal(chmod(*state, 0555), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(read_without_rights(*state));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(chmod(*state, 0755), 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* Plans matter as much as answers: no query may look at every row to cut by time. */
static void time_is_looked_up_in_an_index(void **state)
{
    static const char *const queries[] = {
        "EXPLAIN QUERY PLAN SELECT min(position) FROM record INDEXED BY record_time"
        " WHERE timestamp_ms >= 1 AND timestamp_ms < 2",
        "EXPLAIN QUERY PLAN SELECT position FROM record INDEXED BY record_identity"
        " WHERE position >= 1 AND position <= 9 AND kind IN ('host', 'target') ORDER BY position",
    };
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(file_in(state, "raw.db"), &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        const char *plan = (const char *)sqlite3_column_text(statement, 3);
        assert_non_null(strstr(plan, "SEARCH record USING"));
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE); /* no sorting */
        (void)sqlite3_finalize(statement);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    store_close(store);
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(each_kind_has_its_file),
        IN_FOLDER(folders_are_made_on_the_way),
        IN_FOLDER(filters_and_orders),
        IN_FOLDER(positions_go_on_anywhere),
        IN_FOLDER(many_pages_come_whole),
        IN_FOLDER(a_resend_is_harmless),
        IN_FOLDER(a_resend_of_many_is_harmless),
        IN_FOLDER(a_follower_sees_what_comes),
        IN_FOLDER(a_file_made_anew_is_read_from_its_start),
        IN_FOLDER(what_others_say_of_positions_is_not_believed),
        IN_FOLDER(forgetting_is_bounded_and_positions_only_grow),
        IN_FOLDER(size_is_bounded_oldest_first),
        IN_FOLDER(size_is_bounded_with_small_rows),
        IN_FOLDER(size_is_bounded_with_large_appends),
        IN_FOLDER(age_is_bounded_by_the_newest_document),
        IN_FOLDER(a_second_writer_is_refused_by_pid),
        IN_FOLDER(a_reader_needs_no_right_to_write),
        IN_FOLDER(time_is_looked_up_in_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
