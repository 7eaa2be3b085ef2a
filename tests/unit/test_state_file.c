/* SPDX-License-Identifier: BSD-3-Clause */
/* A state on disk is the old one or the new one, whole; what is damaged anywhere is refused. */
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
#include <unistd.h>

#include "common/error.h"
#include "formula/state_file.h"

static char folder[64], path[96], beside[112];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/watt-state-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    (void)snprintf(beside, sizeof(beside), "%s.new", path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(beside);
    return rmdir(folder);
}

static int write_number(int64_t number, size_t padding)
{
    bson_t state = BSON_INITIALIZER;
    char *text = calloc(1, padding + 1);
    assert_non_null(text);
    memset(text, 'x', padding);
    BSON_APPEND_INT64(&state, "number", number);
    BSON_APPEND_UTF8(&state, "padding", text);
    int r = state_file_write(path, &state, NULL);
    bson_destroy(&state);
    free(text);
    return r;
}

static int64_t read_number(void)
{
    bson_t *state;
    bson_iter_t field;
    assert_int_equal(state_file_read(path, &state, NULL), 0);
    assert_true(bson_iter_init_find(&field, state, "number"));
    int64_t number = bson_iter_int64(&field);
    bson_destroy(state);
    return number;
}

static void a_write_that_fails_leaves_the_old_one(void **state)
{
    (void)state;
    assert_int_equal(write_number(1, 10), 0);
    assert_int_equal(read_number(), 1);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096; /* a disk that fills up in the middle */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = write_number(2, 100000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(read_number(), 1);
    assert_int_not_equal(access(beside, F_OK), 0);
    assert_int_equal(write_number(3, 10), 0);
    assert_int_equal(read_number(), 3);
}

static void any_damage_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[4096];
    assert_int_equal(write_number(7, 20), 0);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    for (size_t i = 0; i <= size; i++) {
        bson_t *read = NULL;
        struct error err = {0};
        file = fopen(path, "we");
        assert_non_null(file);
        if (i < size)
            bytes[i] ^= 0x41;
        (void)fwrite(bytes, 1, i < size ? size : size - 1, file); /* at last one byte short */
        (void)fclose(file);
        if (i < size)
            bytes[i] ^= 0x41;
        int r = state_file_read(path, &read, &err);
        assert_int_equal(r, -EBADMSG);
        assert_non_null(strstr(err.text, path));
    }
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    bson_t *read;
    struct error err = {0};
    assert_int_equal(state_file_read(path, &read, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(state_file_read(folder, &read, &err), -EBADMSG);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes into it */
    (void)alarm(20);
    assert_int_equal(state_file_read(path, &read, &err), -EBADMSG);
    (void)alarm(0);
}

static void a_place_for_a_state_is_known_before(void **state)
{
    (void)state;
    struct error err = {0};
    char missing[112];
    assert_int_equal(state_file_check(path, NULL), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(write_number(1, 10), 0);
    assert_int_equal(state_file_check(path, NULL), 0);
    assert_int_equal(state_file_check(folder, NULL), -EISDIR);
    (void)snprintf(missing, sizeof(missing), "%s/none/state", folder);
    assert_int_equal(state_file_check(missing, &err), -ENOENT);
    assert_non_null(strstr(err.text, missing));
    (void)snprintf(missing, sizeof(missing), "%s/below", path);
    assert_int_equal(state_file_check(missing, NULL), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_the_old_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_damage_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_place_for_a_state_is_known_before, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
