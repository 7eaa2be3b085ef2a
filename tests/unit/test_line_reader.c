/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines come whole whatever the pieces they arrive in; an unfinished one waits; one that is too
 * long costs only itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/store/line_reader.h"

static int make_file(const char *bytes, size_t size)
{
    int fd = memfd_create("lines", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    return fd;
}

static void expect(struct line_reader *reader, bool take_cut, int outcome, const char *text)
{
    const char *given = NULL;
    size_t size = 0;
    assert_int_equal(line_reader_next(reader, take_cut, &given, &size), outcome);
    if (text) {
        assert_int_equal(size, strlen(text));
        assert_memory_equal(given, text, size);
    }
}

static void lines_have_numbers_and_offsets(void **state)
{
    (void)state;
    struct line_reader reader;
    int fd = make_file("one\n\nthree\nrest", 15);
    line_reader_init(&reader, fd, true, 100);
    expect(&reader, true, LINE_WHOLE, "one");
    assert_int_equal(reader.offset, 4);
    assert_int_equal(reader.n_lines, 1);
    expect(&reader, true, LINE_WHOLE, "");
    expect(&reader, true, LINE_WHOLE, "three");
    assert_int_equal(reader.offset, 11);
    assert_int_equal(reader.n_lines, 3);
    expect(&reader, true, LINE_CUT, "rest");
    expect(&reader, true, LINE_END, NULL);
    line_reader_seek(&reader, 4, 1);
    expect(&reader, true, LINE_WHOLE, "");
    expect(&reader, true, LINE_WHOLE, "three");
    assert_int_equal(reader.n_lines, 3);
    line_reader_deinit(&reader);
    (void)close(fd);
}

static void an_unfinished_line_waits_for_its_rest(void **state)
{
    (void)state;
    struct line_reader reader;
    int fd = make_file("one\ntw", 6);
    line_reader_init(&reader, fd, true, 100);
    expect(&reader, false, LINE_WHOLE, "one");
    expect(&reader, false, LINE_END, NULL);
    assert_int_equal(reader.offset, 4);
    assert_int_equal(write(fd, "o\nthree", 7), 7);
    expect(&reader, false, LINE_WHOLE, "two");
    expect(&reader, false, LINE_END, NULL);
    expect(&reader, true, LINE_CUT, "three");
    line_reader_deinit(&reader);
    (void)close(fd);
}

static void a_pipe_is_not_waited_for(void **state)
{
    (void)state;
    struct line_reader reader;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    line_reader_init(&reader, fds[0], false, 100);
    expect(&reader, false, LINE_WAIT, NULL);
    assert_int_equal(write(fds[1], "on", 2), 2);
    expect(&reader, false, LINE_WAIT, NULL);
    assert_int_equal(write(fds[1], "e\ntwo", 5), 5);
    expect(&reader, false, LINE_WHOLE, "one");
    (void)close(fds[1]);
    expect(&reader, false, LINE_END, NULL);
    expect(&reader, true, LINE_CUT, "two");
    line_reader_deinit(&reader);
    (void)close(fds[0]);
}

static void too_long_costs_one_line(void **state)
{
    (void)state;
    static char bytes[300000];
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "first\n", 6);
    bytes[200000] = '\n';
    memcpy(bytes + 200001, "third\n", 6);
    bytes[sizeof(bytes) - 1] = 'x';
    struct line_reader reader;
    int fd = make_file(bytes, sizeof(bytes));
    line_reader_init(&reader, fd, true, 1000);
    expect(&reader, true, LINE_WHOLE, "first");
    expect(&reader, true, LINE_TOO_LONG, NULL);
    assert_int_equal(reader.n_lines, 2);
    expect(&reader, true, LINE_WHOLE, "third");
    assert_int_equal(reader.n_lines, 3);
    assert_int_equal(reader.offset, 200007);
    expect(&reader, true, LINE_TOO_LONG, NULL);
    expect(&reader, true, LINE_END, NULL);
    assert_true(reader.capacity < 300000); /* a long line is not collected first */
    line_reader_deinit(&reader);
    (void)close(fd);
}

static void the_longest_allowed_comes_whole(void **state)
{
    (void)state;
    static char bytes[500001];
    memset(bytes, 'x', sizeof(bytes));
    bytes[sizeof(bytes) - 1] = '\n';
    struct line_reader reader;
    const char *text;
    size_t size = 0;
    int fd = make_file(bytes, sizeof(bytes));
    line_reader_init(&reader, fd, true, 500000);
    assert_int_equal(line_reader_next(&reader, true, &text, &size), LINE_WHOLE);
    assert_int_equal(size, 500000);
    assert_memory_equal(text, bytes, size);
    line_reader_deinit(&reader);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_numbers_and_offsets),
        cmocka_unit_test(an_unfinished_line_waits_for_its_rest),
        cmocka_unit_test(a_pipe_is_not_waited_for),
        cmocka_unit_test(too_long_costs_one_line),
        cmocka_unit_test(the_longest_allowed_comes_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
