/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded store in foul weather: killed, locked, full, damaged, not ours. What was
 * acknowledged stays, and every message names the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static int append_one(struct store *store, uint64_t seq, size_t padding_bytes, struct error *err)
{
    struct sample sample;
    struct append_result result;
    sample_make(&sample, RECORD_RAW, seq, "", padding_bytes);
    int r = store_append(store, &sample.document, 1, &result, err);
    sample_free(&sample);
    return r;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Expects both sides to refuse the folder with code, naming raw.db and saying word. */
static void expect_refusal(void **state, int code, const char *word)
{
    struct error err = {0};
    struct cursor *cursor = NULL;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    assert_int_equal(append_one(store, 1, 0, &err), code);
    assert_non_null(strstr(err.text, file_in(state, "raw.db")));
    assert_non_null(strstr(err.text, word));
    err = (struct error){0};
    assert_int_equal(store_query(store, &fixture_all, &cursor, &err), code);
    assert_non_null(strstr(err.text, file_in(state, "raw.db")));
    assert_non_null(strstr(err.text, word));
    store_close(store);
}

/* Appends for ever and tells of each acknowledged one. */
static void append_until_killed(const char *folder, int fd)
{
    struct store *store = fixture_open("sqlite", folder, STORE_WRITE);
    for (uint64_t seq = 0;; seq++)
        if (append_one(store, seq, 5000, NULL) < 0 || write(fd, "a", 1) != 1)
            _exit(1);
}

static void acknowledged_ticks_survive_a_kill(void **state)
{
    uint64_t n_acknowledged = 0;
    int fds[2], status;
    char byte;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        append_until_killed(*state, fds[1]);
    (void)close(fds[1]);
    for (; n_acknowledged < 400; n_acknowledged++)
        assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &byte, 1) == 1)
        n_acknowledged++;
    (void)close(fds[0]);
    struct store *store = fixture_open("sqlite", *state, STORE_READ);
    struct cursor *cursor = fixture_query(store, &fixture_all);
    struct document document;
    for (uint64_t seq = 0; seq < n_acknowledged; seq++) {
        assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_DOCUMENT);
        assert_int_equal(document.key.seq, seq);
    }
    cursor_close(cursor);
    store_close(store);
    store = fixture_open("sqlite", *state, STORE_WRITE); /* its lock went with it */
    assert_int_equal(append_one(store, 1000000, 0, NULL), 0);
    store_close(store);
}

/* Another process writes as fast as it can: the follower gets every document once and in order. */
static void a_follower_keeps_up_with_another_process(void **state)
{
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    struct store *store = fixture_open("sqlite", *state, STORE_READ);
    struct store_query query = fixture_all;
    query.follow = true;
    struct cursor *cursor = fixture_query(store, &query);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        append_until_killed(*state, fds[1]);
    for (uint64_t seq = 0; seq < 1000;) {
        struct document document;
        struct error err = {0};
        int outcome = cursor_next(cursor, &document, &err);
        if (outcome < 0 || outcome == CURSOR_BAD)
            fail_msg("%s", err.text);
        if (outcome == CURSOR_DOCUMENT)
            assert_int_equal(document.key.seq, seq++);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(fds[0]);
    (void)close(fds[1]);
    cursor_close(cursor);
    store_close(store);
}

/* Somebody's sqlite3 shell holds the file: the tick waits in the batch, and not long. */
static void a_locked_file_is_busy_and_the_batch_keeps(void **state)
{
    struct append_result result;
    struct error err = {0};
    struct batch *batch = NULL;
    struct sample sample;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    sqlite3 *shell = NULL;
    assert_int_equal(sqlite3_open(file_in(state, "raw.db"), &shell), SQLITE_OK);
    assert_int_equal(sqlite3_exec(shell, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(batch_new(&batch, 10, 10000), 0);
    for (uint64_t seq = 2; seq <= 3; seq++) {
        sample_make(&sample, RECORD_RAW, seq, "", 0);
        assert_int_equal(batch_add(batch, &sample.document), 0);
        sample_free(&sample);
        assert_int_equal(batch_flush(batch, store, &result, &err), -EBUSY);
        assert_non_null(strstr(err.text, file_in(state, "raw.db")));
    }
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "raw1");
    assert_int_equal(sqlite3_exec(shell, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(shell), SQLITE_OK);
    assert_int_equal(batch_flush(batch, store, &result, &err), 0);
    assert_int_equal(result.n_stored, 2);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "raw1 raw2 raw3");
    batch_free(batch);
    store_close(store);
}

/* In a child whose files may not grow beyond a limit. Exits with 10 + the number of acknowledged
 * appends. */
static int fill_up(const char *folder)
{
    struct rlimit limit = {.rlim_cur = 300000, .rlim_max = RLIM_INFINITY};
    struct error err = {0};
    uint64_t n_stored = 0;
    struct store *store = fixture_open("sqlite", folder, STORE_WRITE);
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    while (n_stored < 100 && append_one(store, n_stored, 8000, &err) == 0)
        n_stored++;
    if (err.code != -EFBIG || n_stored < 5 || !strstr(err.text, "raw.db: no room"))
        return 2;
    if (append_one(store, n_stored, 8000, &err) == 0)
        return 3;
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 4;
    if (append_one(store, n_stored, 8000, &err) < 0)
        return 5;
    store_close(store);
    return 10 + (int)n_stored + 1;
}

static void a_full_disk_loses_nothing_acknowledged(void **state)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_up(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 11, 120);
    uint64_t n = (uint64_t)WEXITSTATUS(status) - 10;
    struct store *store = fixture_open("sqlite", *state, STORE_READ);
    struct cursor *cursor = fixture_query(store, &fixture_all);
    struct document document;
    for (uint64_t seq = 0; seq < n; seq++) {
        assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_DOCUMENT);
        assert_int_equal(document.key.seq, seq);
    }
    assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_END);
    cursor_close(cursor);
    store_close(store);
}

static void garbage_is_refused_with_advice(void **state)
{
    FILE *file = fopen(file_in(state, "raw.db"), "w");
    assert_non_null(file);
    for (int i = 0; i < 9000; i++)
        assert_int_not_equal(fputc(i * 7 & 0xff, file), EOF);
    assert_int_equal(fclose(file), 0);
    expect_refusal(state, -EBADMSG, ".recover");
    /* Moved away while a writer runs: it begins anew. */
    struct error err = {0};
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    assert_int_equal(append_one(store, 1, 0, &err), -EBADMSG);
    assert_int_equal(unlink(file_in(state, "raw.db")), 0);
    assert_int_equal(append_one(store, 1, 0, &err), 0);
    store_close(store);
}

static void other_programs_files_are_refused(void **state)
{
    run_sql(file_in(state, "raw.db"), "CREATE TABLE record(position INTEGER PRIMARY KEY, x)");
    expect_refusal(state, -EBADMSG, "choose another folder");
}

static void a_newer_schema_is_refused(void **state)
{
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    store_close(store);
    run_sql(file_in(state, "raw.db"), "PRAGMA user_version = 2");
    expect_refusal(state, -EPROTO, "upgrade");
}

static void a_schema_that_is_not_ours_is_refused(void **state)
{
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    store_close(store);
    run_sql(file_in(state, "raw.db"), "DROP TABLE record");
    expect_refusal(state, -EBADMSG, "move it away");
}

/* A page in the middle is overwritten: what lies before it is still given, then the damage is told,
 * and no crash. */
static void a_damaged_page_is_told(void **state)
{
    struct error err = {0};
    struct document document;
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t seq = 0; seq < 300; seq++)
        assert_int_equal(append_one(store, seq, 800, NULL), 0);
    store_close(store);
    fixture_damage(file_in(state, "raw.db"));
    store = fixture_open("sqlite", *state, STORE_READ);
    struct cursor *cursor = fixture_query(store, &fixture_all);
    int n = 0, r;
    while ((r = cursor_next(cursor, &document, &err)) == CURSOR_DOCUMENT)
        assert_int_equal(document.key.seq, n++);
    assert_true(n > 10 && n < 300);
    assert_int_equal(r, -EBADMSG);
    assert_non_null(strstr(err.text, file_in(state, "raw.db")));
    cursor_close(cursor);
    store_close(store);
}

/* One row holds no document: it is passed over, with its number. */
static void a_damaged_row_costs_itself(void **state)
{
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t seq = 1; seq <= 4; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    store_close(store);
    run_sql(file_in(state, "raw.db"), "UPDATE record SET body = x'0badf00d' WHERE position = 2;"
                                      "UPDATE record SET body = x'' WHERE position = 3");
    store = fixture_open("sqlite", *state, STORE_READ);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "raw1 BAD BAD raw4");
    struct cursor *cursor = fixture_query(store, &fixture_all);
    struct document document;
    struct error err = {0};
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_DOCUMENT);
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_BAD);
    assert_non_null(strstr(err.text, "raw.db: record 2: "));
    cursor_close(cursor);
    store_close(store);
}

static void an_empty_file_is_no_file_yet(void **state)
{
    FILE *file = fopen(file_in(state, "raw.db"), "w"); /* killed just after making it */
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    struct store *store = fixture_open("sqlite", *state, STORE_READ);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "");
    store_close(store);
    store = fixture_open("sqlite", *state, STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "raw1");
    store_close(store);
}

static void folders_that_will_not_do_are_named(void **state)
{
    struct store *store = NULL;
    struct error err = {0};
    char uri[700];
    (void)snprintf(uri, sizeof(uri), "sqlite:%s", file_in(state, "none"));
    assert_int_equal(store_open(&store, uri, STORE_READ, fixture_tables, NULL, NULL, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, file_in(state, "none")));
    FILE *file = fopen(file_in(state, "none"), "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
        err = (struct error){0};
        assert_int_equal(
            store_open(&store, uri, (enum store_mode)mode, fixture_tables, NULL, NULL, &err),
            -ENOTDIR);
        assert_non_null(strstr(err.text, file_in(state, "none")));
    }
    assert_int_equal(
        store_open(&store, "sqlite:/proc/none", STORE_WRITE, fixture_tables, NULL, NULL, &err),
        -ENOENT);
}

static void a_read_only_store_takes_nothing(void **state)
{
    struct store *store = fixture_open("sqlite", *state, STORE_READ);
    assert_int_equal(append_one(store, 1, 0, NULL), -EBADF);
    store_close(store);
    assert_int_equal(access(file_in(state, "raw.db"), F_OK), -1);
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(acknowledged_ticks_survive_a_kill),
        IN_FOLDER(a_follower_keeps_up_with_another_process),
        IN_FOLDER(a_locked_file_is_busy_and_the_batch_keeps),
        IN_FOLDER(a_full_disk_loses_nothing_acknowledged),
        IN_FOLDER(garbage_is_refused_with_advice),
        IN_FOLDER(other_programs_files_are_refused),
        IN_FOLDER(a_newer_schema_is_refused),
        IN_FOLDER(a_schema_that_is_not_ours_is_refused),
        IN_FOLDER(a_damaged_page_is_told),
        IN_FOLDER(a_damaged_row_costs_itself),
        IN_FOLDER(an_empty_file_is_no_file_yet),
        IN_FOLDER(folders_that_will_not_do_are_named),
        IN_FOLDER(a_read_only_store_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
