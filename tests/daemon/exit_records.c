/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's own records of ended processes. Needs CAP_NET_ADMIN; fails without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/exit_records.h"
#include "tests/daemon/engine_bench.h"

#define N_THREADS 3
#define BURNT_MS 20

static struct exit_records *open_records(int buffer_bytes)
{
    struct exit_records *exits;
    struct error err = {0};
    if (exit_records_open(&exits, buffer_bytes, &err) < 0)
        fail_msg("%s", err.text);
    return exits;
}

static pid_t run(void (*work)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void burn(void)
{
    burn_ms(BURNT_MS);
}

static void *burn_thread(void *unused)
{
    struct timespec start, now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec <
           BURNT_MS * 1000000);
    return unused;
}

static void burn_in_threads(void)
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        if (pthread_create(&threads[i], NULL, burn_thread, NULL) != 0)
            _exit(1);
    for (int i = 0; i < N_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

static void do_nothing(void)
{
}

/* The record of a process that ended since the last call; NULL. */
static const struct exit_record *take(struct exit_records *exits, pid_t pid, bool *ret_has_lost)
{
    const struct exit_record *records;
    size_t n;
    assert_int_equal(exit_records_take(exits, &records, &n, ret_has_lost), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || records[i - 1].pid <= records[i].pid);
        if (records[i].pid == pid)
            return &records[i];
    }
    return NULL;
}

static void an_end_is_told(void **state)
{
    (void)state;
    bool has_lost;
    struct exit_records *exits = open_records(EXIT_RECORDS_BYTES);
    pid_t pid = run(burn);
    const struct exit_record *record = take(exits, pid, &has_lost);
    assert_non_null(record);
    assert_false(has_lost);
    assert_int_equal(record->parent_pid, getpid());
    assert_int_equal(record->uid, getuid());
    assert_string_equal(record->comm, "test_daemon_exi");
    is_near_ms((long)(record->cpu_ns / 1000000), BURNT_MS, "a process");
    assert_true(record->lifetime_ns >= record->cpu_ns - 1000000);
    assert_null(take(exits, pid, &has_lost)); /* once */
    exit_records_close(exits);
}

static void threads_are_one_process(void **state)
{
    (void)state;
    bool has_lost;
    struct exit_records *exits = open_records(EXIT_RECORDS_BYTES);
    const struct exit_record *record = take(exits, run(burn_in_threads), &has_lost);
    assert_non_null(record);
    is_near_ms((long)(record->cpu_ns / 1000000), N_THREADS * BURNT_MS, "three threads");
    exit_records_close(exits);
}

static void what_does_not_fit_is_told_once(void **state)
{
    (void)state;
    bool has_lost;
    struct exit_records *exits = open_records(4096);
    for (int i = 0; i < 50; i++)
        (void)run(do_nothing);
    (void)take(exits, 0, &has_lost);
    assert_true(has_lost);
    pid_t pid = run(do_nothing);
    const struct exit_record *record = take(exits, pid, &has_lost);
    assert_true(record || has_lost); /* others on this machine may have filled it again */
    exit_records_close(exits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_told),
        cmocka_unit_test(threads_are_one_process),
        cmocka_unit_test(what_does_not_fit_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
