/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON lines: a damaged line costs itself, an unfinished one waits or is completed, and the peers'
 * reports are known line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_fixture.h"

static char *path_in(void **state)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/reports.jsonl", (const char *)*state);
    return path;
}

static void append_text_to(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

static size_t count_newlines(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = 0;
    for (int c; (c = fgetc(file)) != EOF;)
        n += c == '\n';
    assert_int_equal(fclose(file), 0);
    return n;
}

static void what_is_appended_is_read_in_order(void **state)
{
    char list[200];
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "");
    for (uint64_t seq = 1; seq <= 3; seq++) {
        fixture_append(store, RECORD_RAW, seq, "");
        fixture_append(store, RECORD_POWER, seq, seq == 2 ? "share" : "auto");
    }
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "raw1 power1/auto raw2 power2/share raw3 power3/auto");
    struct store_query query = fixture_all;
    query.kinds = KINDS_POWER;
    query.label = "auto";
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)),
                        "power1/auto power3/auto");
    query = fixture_all;
    query.newest_first = true;
    query.limit = 3;
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)),
                        "power3/auto raw3 power2/share");
    query.limit = 0;
    query.from_ms = 2000;
    query.to_ms = 3000;
    assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)), "power2/share raw2");
    store_close(store);
    struct stat status;
    assert_int_equal(stat(path_in(state), &status), 0);
    assert_int_equal(status.st_mode & 0777 & ~0640u, 0);
    assert_int_equal(count_newlines(path_in(state)), 6);
}

static void positions_go_on_in_both_directions(void **state)
{
    char list[200], position[POSITION_SIZE];
    struct document document;
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    for (uint64_t seq = 1; seq <= 4; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    for (int backwards = 0; backwards < 2; backwards++) {
        struct store_query query = fixture_all;
        query.newest_first = backwards;
        struct cursor *cursor = fixture_query(store, &query);
        assert_int_equal(cursor_position(cursor, position, NULL), 0);
        query.after = position;
        assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)),
                            backwards ? "raw4 raw3 raw2 raw1" : "raw1 raw2 raw3 raw4");
        assert_int_equal(cursor_next(cursor, &document, NULL), CURSOR_DOCUMENT);
        assert_int_equal(cursor_position(cursor, position, NULL), 0);
        assert_string_equal(fixture_query_list(store, &query, list, sizeof(list)),
                            backwards ? "raw3 raw2 raw1" : "raw2 raw3 raw4");
        cursor_close(cursor);
    }
    static const char *const nonsense[] = {"x", "1", "1:", "-1:2", "1:2x", " 1:2"};
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct store_query query = fixture_all;
        struct cursor *cursor = NULL;
        query.after = nonsense[i];
        assert_int_equal(store_query(store, &query, &cursor, NULL), -EINVAL);
    }
    store_close(store);
}

static void damage_is_named_by_line_and_the_rest_is_read(void **state)
{
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    append_text_to(path_in(state), "{\"kind\":\"raw\",\n\n  \t\n\"text\"\n[1]\n{\"kind\":7}\n"
                                   "\x01\x02\xff\n{\"kind\":\"raw\",\"seq\":-1}\n");
    fixture_append(store, RECORD_RAW, 2, "");
    append_text_to(path_in(state), "{\"kind\":\"raw\",\"v\":1,\"_id\":\"");
    struct cursor *cursor = fixture_query(store, &(struct store_query){
                                                     .kinds = KINDS_SENSOR,
                                                     .from_ms = VALUE_ABSENT,
                                                     .to_ms = VALUE_ABSENT,
                                                 });
    const int lines[] = {2, 5, 6, 8, 9, 11};
    struct document document;
    struct error err = {0};
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_DOCUMENT);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char where[600];
        (void)snprintf(where, sizeof(where), "%s:%d: ", path_in(state), lines[i]);
        int outcome = cursor_next(cursor, &document, &err);
        if (lines[i] == 11) {
            assert_int_equal(outcome, CURSOR_DOCUMENT);
            assert_int_equal(document.key.seq, 2);
            assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_BAD);
            assert_non_null(strstr(err.text, "truncated"));
            break;
        }
        assert_int_equal(outcome, CURSOR_BAD);
        assert_memory_equal(err.text, where, strlen(where));
    }
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_END);
    cursor_close(cursor);
    store_close(store);
}

static void a_whole_last_line_needs_no_newline(void **state)
{
    char list[100];
    append_text_to(path_in(state), "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"sensor\":\"s\","
                                   "\"target\":\"all\",\"groups\":{}}\n"
                                   "{\"timestamp\":1,\"sensor\":\"s\",\"target\":\"/a\","
                                   "\"power\":1.5,\"metadata\":{}}");
    struct store *store = fixture_open("jsonl", path_in(state), STORE_READ);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "hwpc0 power_report0");
    struct append_result result;
    struct sample sample;
    sample_make(&sample, RECORD_RAW, 1, "", 0);
    assert_int_equal(store_append(store, &sample.document, 1, &result, NULL), -EBADF);
    sample_free(&sample);
    store_close(store);
}

static void one_large_json_value_gets_advice(void **state)
{
    static const char *const texts[] = {"{\"reports\":[{\"timestamp\":1}]}\n",
                                        "{\n  \"reports\": [\n", "[\n{\"a\":1},\n", "[{}]\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct document document;
        struct error err = {0};
        (void)unlink(path_in(state));
        append_text_to(path_in(state), texts[i]);
        struct store *store = fixture_open("jsonl", path_in(state), STORE_READ);
        struct cursor *cursor = fixture_query(store, &fixture_all);
        assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_BAD);
        assert_non_null(strstr(err.text, i < 2 ? "jq -c '.reports[]'" : "jq -c '.[]'"));
        cursor_close(cursor);
        store_close(store);
    }
}

static void a_follower_waits_for_the_newline(void **state)
{
    char list[100];
    struct store *writer = fixture_open("jsonl", path_in(state), STORE_WRITE);
    struct store *reader = fixture_open("jsonl", path_in(state), STORE_READ);
    struct store_query query = fixture_all;
    query.follow = true;
    struct cursor *cursor = fixture_query(reader, &query);
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "");
    fixture_append(writer, RECORD_RAW, 1, "");
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "raw1");
    append_text_to(path_in(state), "{\"timestamp\":1,\"sensor\":\"s\",");
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "");
    append_text_to(path_in(state), "\"target\":\"all\",\"groups\":{}}");
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "");
    append_text_to(path_in(state), "\n");
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "hwpc0");
    fixture_append(writer, RECORD_RAW, 2, "");
    assert_string_equal(fixture_list(cursor, list, sizeof(list)), "raw2");
    assert_int_equal(truncate(path_in(state), 1), 0);
    struct document document;
    struct error err = {0};
    assert_int_equal(cursor_next(cursor, &document, &err), -ESTALE);
    cursor_close(cursor);
    store_close(reader);
    store_close(writer);
}

static void a_killed_writers_line_is_ended(void **state)
{
    char list[100];
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    store_close(store);
    append_text_to(path_in(state), "{\"kind\":\"raw\",\"v\"");
    store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    fixture_append(store, RECORD_RAW, 2, "");
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)),
                        "raw1 BAD raw2");
    store_close(store);
}

static void one_writer_at_a_time(void **state)
{
    struct store *second = NULL;
    struct error err = {0};
    char uri[600];
    (void)snprintf(uri, sizeof(uri), "jsonl:%s", path_in(state));
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    assert_int_equal(store_open(&second, uri, STORE_WRITE, fixture_tables, NULL, NULL, &err),
                     -EBUSY);
    assert_non_null(strstr(err.text, path_in(state)));
    store_close(store);
    second = fixture_open("jsonl", path_in(state), STORE_WRITE);
    store_close(second);
}

/* In a child whose files may not grow beyond a limit: what does not fit leaves no half line, and
 * once there is room all goes on. */
static int fill_up(const char *path)
{
    struct rlimit limit = {.rlim_cur = 2000, .rlim_max = RLIM_INFINITY};
    struct store *store = fixture_open("jsonl", path, STORE_WRITE);
    struct sample sample;
    struct append_result result;
    struct error err = {0};
    uint64_t n_stored = 0;
    int r;
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    do {
        sample_make(&sample, RECORD_RAW, n_stored, "", 300);
        r = store_append(store, &sample.document, 1, &result, &err);
        n_stored += r == 0;
        if (r == 0)
            sample_free(&sample);
    } while (r == 0 && n_stored < 100);
    if (r != -EFBIG || n_stored < 3 || n_stored > 5)
        return 2;
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 3;
    r = store_append(store, &sample.document, 1, &result, &err);
    sample_free(&sample);
    store_close(store);
    return r == 0 ? 10 + (int)n_stored + 1 : 4;
}

static void a_full_disk_leaves_whole_lines(void **state)
{
    char list[200];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_up(path_in(state)));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) > 10);
    size_t n = (size_t)WEXITSTATUS(status) - 10;
    assert_int_equal(count_newlines(path_in(state)), n);
    struct store *store = fixture_open("jsonl", path_in(state), STORE_READ);
    (void)fixture_query_list(store, &fixture_all, list, sizeof(list));
    assert_null(strstr(list, "BAD"));
    store_close(store);
}

static void damaged_bytes_are_refused_one_by_one(void **state)
{
    char list[100];
    struct sample good;
    struct append_result result;
    sample_make(&good, RECORD_RAW, 1, "", 0);
    uint8_t broken[64] = {64, 0, 0, 0, 0x77, 'x', 0};
    struct document documents[] = {good.document, good.document, good.document};
    documents[1].bytes = broken;
    documents[1].size_bytes = sizeof(broken);
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    assert_int_equal(store_append(store, documents, 3, &result, NULL), 0);
    assert_int_equal(result.n_stored, 2);
    assert_int_equal(result.n_refused, 1);
    assert_string_equal(fixture_query_list(store, &fixture_all, list, sizeof(list)), "raw1 raw1");
    assert_int_equal(count_newlines(path_in(state)), 2);
    store_close(store);
    sample_free(&good);
}

/* Standard input and output in children, through a pipe. */
static int read_stdin(int fd)
{
    char list[200];
    if (dup2(fd, STDIN_FILENO) < 0)
        return 1;
    struct store *store = fixture_open("jsonl", "-", STORE_READ);
    (void)fixture_query_list(store, &fixture_all, list, sizeof(list));
    store_close(store);
    return strcmp(list, "raw1 raw2 BAD power3/auto") == 0 ? 0 : 2;
}

static int write_stdout(int fd)
{
    char list[100];
    if (dup2(fd, STDOUT_FILENO) < 0)
        return 1;
    struct store *store = fixture_open("jsonl", "-", STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    fixture_append(store, RECORD_RAW, 2, "");
    if (write(STDOUT_FILENO, "oops\n", 5) != 5)
        return 2;
    fixture_append(store, RECORD_POWER, 3, "auto");
    if (fixture_query_list(store, &fixture_all, list, sizeof(list))[0] != '\0')
        return 3;
    store_close(store);
    return 0;
}

static void a_pipe_carries_records(void **state)
{
    (void)state;
    int fds[2];
    pid_t children[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            (void)close(fds[!i]);
            _exit(i == 0 ? read_stdin(fds[0]) : write_stdout(fds[1]));
        }
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static int follow_stdin(int fd, int ready)
{
    char list[100], position[POSITION_SIZE] = "x";
    struct document document;
    struct error err = {0};
    struct store_query query = fixture_all;
    query.follow = true;
    if (dup2(fd, STDIN_FILENO) < 0)
        return 1;
    struct store *store = fixture_open("jsonl", "-", STORE_READ);
    struct cursor *cursor = fixture_query(store, &query);
    if (fixture_list(cursor, list, sizeof(list))[0] != '\0' || write(ready, "1", 1) != 1)
        return 2;
    int r;
    do
        r = cursor_next(cursor, &document, &err);
    while (r == CURSOR_END);
    if (r != CURSOR_DOCUMENT || document.key.seq != 1)
        return 3;
    if (cursor_position(cursor, position, &err) != 0 || position[0] != '\0')
        return 4;
    do
        r = cursor_next(cursor, &document, &err);
    while (r == CURSOR_END);
    return r == CURSOR_CLOSED ? 0 : 5;
}

static void a_pipe_can_be_followed_to_its_end(void **state)
{
    int fds[2], ready[2], status;
    char byte;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    struct store *store = fixture_open("jsonl", path_in(state), STORE_WRITE);
    fixture_append(store, RECORD_RAW, 1, "");
    store_close(store);
    char line[2000];
    FILE *file = fopen(path_in(state), "r");
    assert_non_null(file);
    size_t size = fread(line, 1, sizeof(line), file);
    assert_int_equal(fclose(file), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(fds[1]);
        _exit(follow_stdin(fds[0], ready[1]));
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(write(fds[1], line, size), size);
    for (int i = 0; i < 2; i++) {
        (void)close(fds[i]);
        (void)close(ready[i]);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_cannot_be_opened_is_named(void **state)
{
    struct store *store = NULL;
    struct error err = {0};
    char uri[600];
    (void)snprintf(uri, sizeof(uri), "jsonl:%s", path_in(state));
    assert_int_equal(store_open(&store, uri, STORE_READ, fixture_tables, NULL, NULL, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, path_in(state)));
    (void)snprintf(uri, sizeof(uri), "jsonl:%s", (const char *)*state);
    assert_int_equal(store_open(&store, uri, STORE_READ, fixture_tables, NULL, NULL, &err),
                     -EISDIR);
    assert_int_equal(store_open(&store, uri, STORE_WRITE, fixture_tables, NULL, NULL, &err),
                     -EISDIR);
    assert_int_equal(store_open(&store, "jsonl:", STORE_READ, fixture_tables, NULL, NULL, &err),
                     -EINVAL);
    assert_int_equal(store_open(&store, "jsonl:/no/such/folder/x", STORE_WRITE, fixture_tables,
                                NULL, NULL, &err),
                     -ENOENT);
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_appended_is_read_in_order),
        IN_FOLDER(positions_go_on_in_both_directions),
        IN_FOLDER(damage_is_named_by_line_and_the_rest_is_read),
        IN_FOLDER(a_whole_last_line_needs_no_newline),
        IN_FOLDER(one_large_json_value_gets_advice),
        IN_FOLDER(a_follower_waits_for_the_newline),
        IN_FOLDER(a_killed_writers_line_is_ended),
        IN_FOLDER(one_writer_at_a_time),
        IN_FOLDER(a_full_disk_leaves_whole_lines),
        IN_FOLDER(damaged_bytes_are_refused_one_by_one),
        cmocka_unit_test(a_pipe_carries_records),
        IN_FOLDER(a_pipe_can_be_followed_to_its_end),
        IN_FOLDER(what_cannot_be_opened_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
