/* SPDX-License-Identifier: BSD-3-Clause */
/* What events tell of a made-up tree, and what is done where the kernel tells none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "common/log.h"
#include "sensor/cgroup_watch.h"
#include "tests/unit/made_tree.h"

struct bench {
    struct made_tree tree;
    struct cgroup_watch *watch;
    struct watched_directory root;
};

static void bench_new(struct bench *bench, const struct log *log)
{
    *bench = (struct bench){0};
    made_tree_new(&bench->tree);
    made_tree_write(&bench->tree, "cgroup.procs", "");
    assert_int_equal(cgroup_watch_new(&bench->watch, bench->tree.root, log), 0);
}

static void bench_free(struct bench *bench)
{
    cgroup_watch_free(bench->watch);
    made_tree_remove(&bench->tree, "");
}

/* As after a walk that met nothing new. */
static void settle(struct bench *bench)
{
    (void)cgroup_watch_has_changed(bench->watch);
    assert_false(cgroup_watch_has_changed(bench->watch));
}

static void is_told_once(struct bench *bench)
{
    assert_true(cgroup_watch_has_changed(bench->watch));
    assert_false(cgroup_watch_has_changed(bench->watch));
}

static void what_comes_and_goes_is_told(void **state)
{
    (void)state;
    struct bench bench;
    struct watched_directory a = {0}, b = {0};
    bench_new(&bench, NULL);
    is_told_once(&bench);
    cgroup_watch_put(bench.watch, "", false, &bench.root);
    is_told_once(&bench); /* it is new */
    made_tree_mkdir(&bench.tree, "a");
    is_told_once(&bench);
    made_tree_mkdir(&bench.tree, "a/odd \n\xff");
    assert_false(cgroup_watch_has_changed(bench.watch)); /* nobody watches a */
    cgroup_watch_put(bench.watch, "/a", false, &a);
    cgroup_watch_put(bench.watch, "/a/odd \n\xff", false, &b);
    assert_true(a.id > 0 && b.id > 0);
    is_told_once(&bench);
    cgroup_watch_put(bench.watch, "/a", false, &a);
    assert_false(cgroup_watch_has_changed(bench.watch)); /* known */
    made_tree_mkdir(&bench.tree, "a/odd \n\xff/c");
    is_told_once(&bench);
    made_tree_remove(&bench.tree, "a/odd \n\xff/c");
    is_told_once(&bench);
    char from[PATH_MAX], to[PATH_MAX];
    made_tree_path(&bench.tree, "a/odd \n\xff", from);
    made_tree_path(&bench.tree, "a/even", to);
    assert_int_equal(rename(from, to), 0);
    is_told_once(&bench);
    made_tree_write(&bench.tree, "a/memory.high", "max"); /* files are no cgroups */
    assert_false(cgroup_watch_has_changed(bench.watch));
    cgroup_watch_remove(bench.watch, &a);
    assert_int_equal(a.id, 0);
    made_tree_mkdir(&bench.tree, "a/d");
    assert_false(cgroup_watch_has_changed(bench.watch));
    struct watched_directory none = {0};
    cgroup_watch_put(bench.watch, "/gone", false, &none);
    cgroup_watch_put(bench.watch, "/cgroup.procs", false, &none);
    assert_int_equal(none.id, 0);
    assert_false(cgroup_watch_has_changed(bench.watch));
    bench_free(&bench);
}

static void members_are_told_where_they_matter(void **state)
{
    (void)state;
    static const char *const files[] = {"a/cgroup.procs", "a/cgroup.threads", "a/tasks",
                                        "a/cgroup.events"};
    struct bench bench;
    struct watched_directory a = {0};
    bench_new(&bench, NULL);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        made_tree_write(&bench.tree, files[i], "");
    made_tree_write(&bench.tree, "a/cpu.max", "");
    cgroup_watch_put(bench.watch, "/a", false, &a);
    settle(&bench);
    made_tree_write(&bench.tree, files[0], "1\n");
    assert_false(cgroup_watch_has_changed(bench.watch));
    cgroup_watch_put(bench.watch, "/a", true, &a);
    is_told_once(&bench); /* somebody may have entered before */
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        made_tree_write(&bench.tree, files[i], "1\n");
        is_told_once(&bench);
    }
    made_tree_write(&bench.tree, "a/cpu.max", "max");
    assert_false(cgroup_watch_has_changed(bench.watch));
    cgroup_watch_put(bench.watch, "/a", false, &a);
    made_tree_write(&bench.tree, files[0], "2\n");
    assert_false(cgroup_watch_has_changed(bench.watch));
    made_tree_mkdir(&bench.tree, "a/b");
    is_told_once(&bench);
    bench_free(&bench);
}

static void set_sysctl(const char *name, const char *value)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "/proc/sys/%s", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
        _exit(9);
    (void)close(fd);
}

/* None of these writes says anything by itself, but the queue is of a bounded length and what came
 * after it was full is lost. */
static void what_does_not_fit_the_queue_may_have_been_a_change(void **state)
{
    (void)state;
    struct bench bench;
    struct watched_directory a = {0};
    char names[2][PATH_MAX], text[32] = "";
    bench_new(&bench, NULL);
    made_tree_write(&bench.tree, "a/x", "");
    made_tree_write(&bench.tree, "a/y", "");
    made_tree_path(&bench.tree, "a/x", names[0]);
    made_tree_path(&bench.tree, "a/y", names[1]);
    cgroup_watch_put(bench.watch, "/a", true, &a);
    settle(&bench);
    FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    assert_non_null(limit);
    assert_non_null(fgets(text, sizeof(text), limit));
    (void)fclose(limit);
    int fds[2] = {open(names[0], O_WRONLY), open(names[1], O_WRONLY)};
    long n_events = strtol(text, NULL, 10);
    assert_true(fds[0] >= 0 && fds[1] >= 0 && n_events > 0);
    for (long i = 0; i < n_events; i++) /* two in turn: the same twice is one event */
        assert_int_equal(write(fds[i % 2], "z", 1), 1);
    assert_false(cgroup_watch_has_changed(bench.watch));
    for (long i = 0; i < n_events + 10; i++)
        assert_int_equal(write(fds[i % 2], "z", 1), 1);
    is_told_once(&bench);
    (void)close(fds[0]);
    (void)close(fds[1]);
    bench_free(&bench);
}

/* What the log says, in a user name space of its own with one limit lowered, when three directories
 * are to be watched; everything has changed, always. */
static void degrade(const char *limit, const char *value, char *said, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct bench bench;
        struct watched_directory directories[2] = {0};
        struct log log;
        if (dup2(ends[1], STDERR_FILENO) < 0 || unshare(CLONE_NEWUSER) < 0)
            _exit(8);
        log_init(&log, "test");
        set_sysctl(limit, value);
        bench_new(&bench, &log);
        made_tree_mkdir(&bench.tree, "a/b");
        for (int i = 0; i < 2; i++) {
            cgroup_watch_put(bench.watch, "", false, &bench.root);
            cgroup_watch_put(bench.watch, "/a", false, &directories[0]);
            cgroup_watch_put(bench.watch, "/a/b", true, &directories[1]);
            for (int k = 0; k < 3; k++)
                if (!cgroup_watch_has_changed(bench.watch))
                    _exit(7);
        }
        cgroup_watch_remove(bench.watch, &directories[0]);
        bench_free(&bench);
        _exit(0);
    }
    (void)close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], said + length, size - 1 - length)) > 0;)
        length += (size_t)n;
    said[length] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: wait status %d, said %s", limit, status, said);
}

static void without_watches_the_tree_is_walked_and_that_is_said_once(void **state)
{
    (void)state;
    char said[4096];
    degrade("user/max_inotify_watches", "2", said, sizeof(said));
    char *line = strstr(said, "walked on each tick");
    assert_non_null(line);
    assert_non_null(strstr(line, "max_user_watches"));
    assert_null(strstr(line + 1, "walked on each tick"));
    degrade("user/max_inotify_instances", "0", said, sizeof(said));
    line = strstr(said, "walked on each tick");
    assert_non_null(line);
    assert_non_null(strstr(line, "max_user_instances"));
    assert_null(strstr(line + 1, "walked on each tick"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_and_goes_is_told),
        cmocka_unit_test(members_are_told_where_they_matter),
        cmocka_unit_test(what_does_not_fit_the_queue_may_have_been_a_change),
        cmocka_unit_test(without_watches_the_tree_is_walked_and_that_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
