/* SPDX-License-Identifier: BSD-3-Clause */
/* A pipe gets the text as it is; a terminal gets it cut to its size and its page back at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/screen.h"

static void a_pipe_gets_plain_lines(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    struct screen screen;
    FILE *pipe_end = fopen("/dev/null", "w");
    assert_non_null(pipe_end);
    screen_init(&screen, pipe_end);
    assert_false(screen.is_terminal);
    (void)fclose(pipe_end);
    screen.stream = open_memstream(&text, &size);
    assert_int_equal(screen_show(&screen, "one\ntwo\n"), 0);
    screen_close(&screen);
    (void)fclose(screen.stream);
    assert_string_equal(text, "one\ntwo\n");
    free(text);
}

/* What the terminal's other side sees until it has seen `end`. */
static void read_until(int master, char *seen, size_t size, const char *end)
{
    size_t n = 0;
    seen[0] = '\0';
    while (!strstr(seen, end)) {
        struct pollfd fd = {.fd = master, .events = POLLIN};
        assert_true(poll(&fd, 1, 10000) > 0);
        ssize_t got = read(master, seen + n, size - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        seen[n] = '\0';
    }
}

static FILE *open_terminal(int *ret_master, unsigned short rows, unsigned short columns)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    *ret_master = master;
    return fdopen(slave, "w");
}

static void a_terminal_gets_what_fits(void **state)
{
    (void)state;
    int master;
    char seen[4096];
    struct screen screen;
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    FILE *stream = open_terminal(&master, 2, 4);
    screen_init(&screen, stream);
    assert_true(screen.is_terminal);
    assert_int_equal(screen.columns, 4);
    assert_int_equal(
        screen_show(&screen, "abcdefg\n\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\nthird\n"), 0);
    read_until(master, seen, sizeof(seen), "\033[J");
    assert_non_null(strstr(seen, "abcd\033[K"));
    assert_non_null(strstr(seen, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\033[K"));
    assert_null(strstr(seen, "third"));
    assert_null(strstr(seen, "\033[1m"));
    screen_close(&screen);
    read_until(master, seen, sizeof(seen), "\033[?1049l");
    (void)fclose(stream);
    (void)close(master);
}

static void a_dumb_terminal_is_a_pipe(void **state)
{
    (void)state;
    int master;
    struct screen screen;
    FILE *stream = open_terminal(&master, 20, 80);
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    screen_init(&screen, stream);
    assert_false(screen.is_terminal);
    (void)fclose(stream);
    (void)close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_plain_lines),
        cmocka_unit_test(a_terminal_gets_what_fits),
        cmocka_unit_test(a_dumb_terminal_is_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
