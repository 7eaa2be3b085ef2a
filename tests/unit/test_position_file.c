/* SPDX-License-Identifier: BSD-3-Clause */
/* A position survives, is replaced whole, and a damaged file is refused rather than guessed at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/store/position_file.h"
#include "tests/unit/store_fixture.h"

static const char *path_in(void **state)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/position", (const char *)*state);
    return path;
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void absent_and_empty_are_the_start(void **state)
{
    char position[POSITION_SIZE] = "x";
    assert_int_equal(position_file_load(path_in(state), position, NULL), 0);
    assert_string_equal(position, "");
    write_bytes(path_in(state), "", 0);
    (void)snprintf(position, sizeof(position), "x");
    assert_int_equal(position_file_load(path_in(state), position, NULL), 0);
    assert_string_equal(position, "");
}

static void what_was_saved_is_loaded(void **state)
{
    char longest[POSITION_SIZE], position[POSITION_SIZE];
    memset(longest, 'p', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *const values[] = {"1:2", longest, "", "abc:9,-"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct error err = {0};
        assert_int_equal(position_file_save(path_in(state), values[i], &err), 0);
        assert_int_equal(position_file_load(path_in(state), position, &err), 0);
        assert_string_equal(position, values[i]);
    }
    char beside[600];
    (void)snprintf(beside, sizeof(beside), "%s.new", path_in(state));
    assert_int_equal(access(beside, F_OK), -1);
}

static void a_new_one_replaces_and_never_rewrites(void **state)
{
    struct stat before, after;
    assert_int_equal(position_file_save(path_in(state), "1", NULL), 0);
    FILE *old = fopen(path_in(state), "r");
    assert_non_null(old);
    assert_int_equal(fstat(fileno(old), &before), 0);
    assert_int_equal(position_file_save(path_in(state), "2", NULL), 0);
    assert_int_equal(stat(path_in(state), &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    char line[16] = "";
    assert_non_null(fgets(line, sizeof(line), old));
    assert_string_equal(line, "1\n");
    assert_int_equal(fclose(old), 0);
}

static void damage_is_refused(void **state)
{
    char huge[5000];
    memset(huge, 'a', sizeof(huge));
    huge[sizeof(huge) - 1] = '\n';
    const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"12:3", 4},          /* cut: no newline */
        {"1\n2\n", 4},        /* two lines */
        {"\x00\x01\n", 3},    /* binary */
        {"a\xffz\n", 4},      /* not ASCII */
        {huge, sizeof(huge)}, /* longer than any position */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char position[POSITION_SIZE] = "kept";
        struct error err = {0};
        write_bytes(path_in(state), cases[i].bytes, cases[i].size);
        assert_int_equal(position_file_load(path_in(state), position, &err), -EBADMSG);
        assert_string_equal(position, "kept");
        assert_non_null(strstr(err.text, path_in(state)));
    }
}

static void what_is_no_position_is_not_saved(void **state)
{
    char huge[POSITION_SIZE + 1];
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(position_file_save(path_in(state), huge, NULL), -EINVAL);
    assert_int_equal(position_file_save(path_in(state), "a\nb", NULL), -EINVAL);
    struct error err = {0};
    assert_int_equal(position_file_save("/nonexistent/folder/position", "1", &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/folder/position"));
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(absent_and_empty_are_the_start),        IN_FOLDER(what_was_saved_is_loaded),
        IN_FOLDER(a_new_one_replaces_and_never_rewrites), IN_FOLDER(damage_is_refused),
        IN_FOLDER(what_is_no_position_is_not_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
