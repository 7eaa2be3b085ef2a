/* SPDX-License-Identifier: BSD-3-Clause */
/* Children are ended by their own id, their last words are kept, and one that will not go is made
 * to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/child.h"
#include "common/error.h"

static int folder_of_shell(void **state)
{
    (void)state;
    return setenv("WATT_BINDIR", "/bin", 1);
}

static void start_shell(struct child *child, const char *script, bool want_output)
{
    struct error err = {0};
    char *argv[] = {NULL, "-c", (char *)script, NULL};
    assert_int_equal(child_start(child, "sh", argv, want_output, &err), 0);
}

/* Until its standard error says the word. */
static void wait_for_word(struct child *child, const char *word)
{
    for (int i = 0; i < 100 && !strstr(child->words, word); i++) {
        struct pollfd fd = {.fd = child->talk, .events = POLLIN};
        assert_true(poll(&fd, 1, 10000) > 0);
        child_listen(child);
    }
    assert_non_null(strstr(child->words, word));
}

static void output_and_status_come_back(void **state)
{
    (void)state;
    struct child child;
    struct error err = {0};
    char *text = NULL, words[200];
    start_shell(&child, "echo out; echo first >&2; echo 'sh: error: the last' >&2; exit 77", true);
    assert_int_equal(child_collect(&child, 100, 10000, &text, &err), 0);
    assert_string_equal(text, "out\n");
    assert_true(child_has_ended(&child));
    child_listen(&child);
    assert_int_equal(child_exit_status(&child), 77);
    assert_string_equal(child_last_words(&child, words, sizeof(words)), "the last");
    child_end(&child, 1000);
    free(text);
}

static void too_much_output_is_refused(void **state)
{
    (void)state;
    struct child child;
    struct error err = {0};
    char *text = NULL;
    start_shell(&child, "while :; do echo 0123456789; done", true);
    assert_int_equal(child_collect(&child, 1000, 10000, &text, &err), -EFBIG);
    assert_null(text);
    child_end(&child, 5000);
    assert_int_equal(child.pid, 0);
}

static void a_deaf_child_is_killed(void **state)
{
    (void)state;
    struct child child;
    start_shell(&child, "trap '' TERM; echo ready >&2; while :; do :; done", false);
    wait_for_word(&child, "ready");
    assert_false(child_has_ended(&child));
    child_end(&child, 50);
    assert_true(child.has_ended);
    assert_int_equal(child_exit_status(&child), 128 + SIGKILL);
}

static void a_child_that_listens_is_asked(void **state)
{
    (void)state;
    struct child child;
    start_shell(&child, "trap 'echo bye >&2; exit 3' TERM; echo ready >&2; while :; do :; done",
                false);
    wait_for_word(&child, "ready");
    child_end(&child, 10000);
    assert_int_equal(child_exit_status(&child), 3);
    assert_non_null(strstr(child.words, "bye"));
}

static void only_the_end_of_much_talk_is_kept(void **state)
{
    (void)state;
    struct child child;
    char words[200];
    start_shell(&child, "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done", false);
    for (int i = 0; i < 10000 && child.talk >= 0; i++) {
        struct pollfd fd = {.fd = child.talk, .events = POLLIN};
        assert_true(poll(&fd, 1, 10000) > 0);
        child_listen(&child);
    }
    assert_string_equal(child_last_words(&child, words, sizeof(words)), "line 1999");
    child_end(&child, 1000);
}

static void what_a_killed_child_said_is_not_why(void **state)
{
    (void)state;
    struct child child;
    char words[200];
    start_shell(&child, "echo all is well >&2; kill -KILL $$", false);
    wait_for_word(&child, "all is well");
    struct pollfd fd = {.fd = child.pidfd, .events = POLLIN};
    assert_true(poll(&fd, 1, 10000) > 0);
    assert_true(child_has_ended(&child));
    assert_string_equal(child_last_words(&child, words, sizeof(words)), "was ended by signal 9");
    child_end(&child, 1000);
}

static void a_missing_program_is_named(void **state)
{
    (void)state;
    struct child child;
    struct error err = {0};
    char *argv[] = {NULL, NULL};
    assert_int_equal(child_start(&child, "no-such-program", argv, false, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/bin/no-such-program"));
    child_end(&child, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_come_back),
        cmocka_unit_test(too_much_output_is_refused),
        cmocka_unit_test(a_deaf_child_is_killed),
        cmocka_unit_test(a_child_that_listens_is_asked),
        cmocka_unit_test(only_the_end_of_much_talk_is_kept),
        cmocka_unit_test(what_a_killed_child_said_is_not_why),
        cmocka_unit_test(a_missing_program_is_named),
    };
    return cmocka_run_group_tests(tests, folder_of_shell, NULL);
}
