/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets found by events on the real trees: cgroup2, and a cgroup v1 hierarchy where one is
 * mounted. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/targets.h"

#define BOUND 2000 /* tries of a condition that comes within milliseconds */

struct bench {
    char root[PATH_MAX]; /* a cgroup of the test's own, watched as if it were the whole tree */
    struct host host;
    struct target_rules *rules;
    struct targets *targets;
};

static struct bench bench;

static void make_path(char *path, const char *name)
{
    assert_true((size_t)snprintf(path, PATH_MAX, "%s%s", bench.root, name) < PATH_MAX);
}

static void make(const char *name)
{
    char path[PATH_MAX];
    make_path(path, name);
    if (mkdir(path, 0755) < 0)
        fail_msg("%s: %s", path, strerror(errno));
}

static void end_process(pid_t pid)
{
    int status;
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* Busy for a moment after its last process has gone. */
static void take_away(const char *name)
{
    char path[PATH_MAX];
    make_path(path, name);
    int r = rmdir(path);
    for (int i = 0; i < BOUND && r < 0 && errno == EBUSY; i++) {
        (void)poll(NULL, 0, 1);
        r = rmdir(path);
    }
    if (r < 0)
        fail_msg("%s: %s", path, strerror(errno));
}

/* False: no such tree is mounted. */
static bool bench_new(const char *type)
{
    bench = (struct bench){0};
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    assert_non_null(mounts);
    for (struct mntent *entry; !bench.root[0] && (entry = getmntent(mounts));)
        /* cpuset takes no processes before it is set up */
        if (!strcmp(entry->mnt_type, type) && !hasmntopt(entry, "cpuset"))
            (void)snprintf(bench.root, sizeof(bench.root), "%s/watt-test-watch-%d", entry->mnt_dir,
                           (int)getpid());
    (void)endmntent(mounts);
    if (!bench.root[0])
        return false;
    make("");
    bench.host = (struct host){.cgroupfs = bench.root};
    assert_int_equal(target_rules_parse(&bench.rules, NULL, 0, NULL), 0);
    assert_int_equal(targets_new(&bench.targets, &bench.host, GRANULARITY_CGROUP, bench.rules),
                     0);
    return true;
}

static void bench_free(void)
{
    targets_free(bench.targets);
    target_rules_free(bench.rules);
    take_away("");
    bench = (struct bench){0};
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)walk;
    char procs[PATH_MAX];
    int pid;
    if (type != FTW_DP ||
        (size_t)snprintf(procs, sizeof(procs), "%s/cgroup.procs", path) >= sizeof(procs))
        return 0;
    FILE *file = fopen(procs, "re");
    while (file && fscanf(file, "%d", &pid) == 1)
        end_process(pid);
    if (file)
        (void)fclose(file);
    for (int i = 0; i < BOUND && rmdir(path) < 0 && errno == EBUSY; i++)
        (void)poll(NULL, 0, 1);
    return 0;
}

/* What a failed test left. */
static int remove_all(void **state)
{
    (void)state;
    if (bench.root[0])
        (void)nftw(bench.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    bench = (struct bench){0};
    return 0;
}

/* As the sensor does it. */
static bool look(void)
{
    bool has_changed = targets_tree_has_changed(bench.targets);
    if (has_changed)
        assert_int_equal(targets_refresh(bench.targets, NULL), 0);
    else
        targets_keep(bench.targets);
    return has_changed;
}

static void settle(void)
{
    int n = 0;
    while (look() && n < 10)
        n++;
    assert_in_range(n, 0, 9);
    targets_sweep(bench.targets, NULL, NULL);
}

static size_t n_targets(void)
{
    return targets_count(bench.targets) - 1; /* without other */
}

/* Born there (clone3), or moved by a write to cgroup.procs. It waits to be ended. */
static pid_t start_process(const char *name, bool is_born_there)
{
    char path[PATH_MAX];
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    make_path(path, name);
    int directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(directory_fd >= 0);
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    if (is_born_there) {
        arguments.flags = CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)directory_fd;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = is_born_there ? -1 : openat(directory_fd, "cgroup.procs", O_WRONLY);
        if (!is_born_there && (fd < 0 || write(fd, "0", 1) != 1))
            _exit(1);
        (void)write(ready[1], "x", 1);
        for (;;)
            (void)pause();
    }
    char byte;
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(directory_fd);
    return pid;
}

/* The kernel tells of cgroup.events from a worker, 10 ms after the previous time at the earliest.
 */
static void await_target(size_t expected)
{
    for (int i = 0; i < BOUND && n_targets() != expected; i++) {
        if (!look())
            (void)poll(NULL, 0, 1);
    }
    assert_int_equal(n_targets(), expected);
}

static void come_and_go(bool has_births)
{
    settle();
    make("/a");
    assert_true(look());
    settle();
    assert_int_equal(n_targets(), 0); /* it is empty */
    pid_t pid = start_process("/a", false);
    assert_true(look());
    assert_int_equal(n_targets(), 1);
    settle();
    make("/a/b \xff");
    settle();
    if (has_births) {
        pid_t born = start_process("/a/b \xff", true);
        await_target(2);
        end_process(born);
        settle();
    }
    end_process(pid);
    take_away("/a/b \xff");
    settle();
    assert_int_equal(n_targets(), 1); /* an emptied one stays until it is removed */
    take_away("/a");
    settle();
    assert_int_equal(n_targets(), 0);
}

static size_t n_watches(void)
{
    size_t n = 0;
    for (int fd = 3; fd < 64; fd++) {
        char path[64], line[256];
        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
            n += !strncmp(line, "inotify ", 8);
        if (file)
            (void)fclose(file);
    }
    return n;
}

/* The kernel does not take back the watch of a removed cgroup. */
static void watches_do_not_pile_up(void)
{
    assert_int_equal(n_watches(), 1); /* the root */
    for (int round = 0; round < 20; round++) {
        char name[32];
        for (int i = 0; i < 20; i++) {
            (void)snprintf(name, sizeof(name), "/c%d", i);
            make(name);
        }
        settle();
        assert_int_equal(n_watches(), 21);
        for (int i = 0; i < 20; i++) {
            (void)snprintf(name, sizeof(name), "/c%d", i);
            take_away(name);
        }
        settle();
    }
    (void)look(); /* what vanished is kept for one look more */
    (void)look();
    assert_int_equal(n_watches(), 1);
}

static void cgroup2_tells(void **state)
{
    (void)state;
    if (!bench_new("cgroup2"))
        fail_msg("no cgroup2 mount");
    come_and_go(true);
    watches_do_not_pile_up();
    bench_free();
}

static void cgroup1_tells(void **state)
{
    (void)state;
    if (!bench_new("cgroup")) {
        (void)fprintf(stderr, "no cgroup v1 hierarchy is mounted here\n");
        skip();
    }
    come_and_go(false);
    char from[PATH_MAX], to[PATH_MAX];
    make("/old"); /* v1 lets them be renamed */
    settle();
    make_path(from, "/old");
    make_path(to, "/new");
    assert_int_equal(rename(from, to), 0);
    settle();
    pid_t pid = start_process("/new", false);
    assert_true(look());
    assert_int_equal(n_targets(), 1);
    assert_string_equal(targets_at(bench.targets, 1)->name, "/new");
    end_process(pid);
    take_away("/new");
    settle();
    watches_do_not_pile_up();
    bench_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(cgroup2_tells, remove_all),
        cmocka_unit_test_teardown(cgroup1_tells, remove_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
