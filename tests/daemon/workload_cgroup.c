/* SPDX-License-Identifier: BSD-3-Clause */
/* A workload's cgroup in the real trees: cgroup2, and a cgroup v1 hierarchy of another controller,
 * which stands in for perf_event's. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <mntent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/workload_cgroup.h"
#include "common/error.h"

static void *wait_there(void *unused)
{
    for (;;)
        (void)pause();
    return unused;
}

static void enter(const char *mount, const char *path)
{
    char name[2 * PATH_MAX];
    (void)snprintf(name, sizeof(name), "%s%s/cgroup.procs", mount, path);
    FILE *file = fopen(name, "we");
    if (!file || fputs("0", file) < 0 || fclose(file) != 0)
        _exit(1);
}

/* In many small pieces, which take long to give back. */
static void fill_memory(size_t size)
{
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        _exit(1);
    (void)madvise(bytes, size, MADV_NOHUGEPAGE);
    memset(bytes, 1, size);
}

/* A process of two threads in a cgroup, with so much memory of its own. */
static pid_t start_process(const char *mount, const char *path, size_t memory_size)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        enter(mount, path);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (memory_size > 0)
            fill_memory(memory_size);
        if (pthread_create(&thread, NULL, wait_there, NULL) != 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)wait_there(NULL);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static void end_process(pid_t pid)
{
    int status;
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* How many threads of a process the cgroup holds, by the kernel's list. */
static int count_threads(const char *mount, const char *path, bool is_v1, pid_t pid)
{
    char name[2 * PATH_MAX], task[PATH_MAX];
    int thread, n = 0;
    (void)snprintf(name, sizeof(name), "%s%s/%s", mount, path, is_v1 ? "tasks" : "cgroup.threads");
    FILE *file = fopen(name, "re");
    while (file && fscanf(file, "%d", &thread) == 1) {
        (void)snprintf(task, sizeof(task), "/proc/%d/task/%d", (int)pid, thread);
        n += access(task, F_OK) == 0;
    }
    if (file)
        (void)fclose(file);
    return n;
}

static bool exists(const char *mount, const char *path)
{
    char name[2 * PATH_MAX];
    (void)snprintf(name, sizeof(name), "%s%s", mount, path);
    return access(name, F_OK) == 0;
}

static void a_cgroup_comes_and_goes(const struct workload_tree *tree, const char *above)
{
    bool is_v1 = tree->controller[0] != '\0';
    struct workload_cgroup *cgroup, *taken;
    struct error err = {0};
    char name[64], expected[PATH_MAX], path[PATH_MAX];
    pid_t first = start_process(tree->mount, above, 0);
    pid_t second = start_process(tree->mount, above, 0);
    (void)snprintf(name, sizeof(name), "watt-test-workload-%d", (int)getpid());
    (void)snprintf(expected, sizeof(expected), "%s/%s", above, name);
    if (workload_cgroup_new(&cgroup, tree, name, first, WORKLOAD_RETURNS, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(path, sizeof(path), "%s", workload_cgroup_path(cgroup));
    assert_string_equal(path, expected);
    assert_int_equal(count_threads(tree->mount, path, is_v1, first), 2);
    assert_int_equal(count_threads(tree->mount, path, is_v1, second), 0);
    assert_int_equal(workload_cgroup_add(cgroup, second, &err), 0);
    assert_int_equal(count_threads(tree->mount, path, is_v1, second), 2);
    /* What is there already is somebody else's. */
    pid_t third = start_process(tree->mount, above, 0);
    assert_int_equal(workload_cgroup_new(&taken, tree, name, third, WORKLOAD_RETURNS, &err),
                     -EEXIST);
    char inner[PATH_MAX + 32];
    (void)snprintf(inner, sizeof(inner), "%s%s/inner", tree->mount, path);
    assert_int_equal(mkdir(inner, 0755), 0);
    end_process(second);
    if (workload_cgroup_free(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(exists(tree->mount, path));
    assert_int_equal(count_threads(tree->mount, above, is_v1, first), 2);
    end_process(first);
    end_process(third);
}

/* Who was killed stays until its memory is given back, and cannot be moved meanwhile. */
static void a_cgroup_goes_after_the_killed(const struct workload_tree *tree)
{
    struct workload_cgroup *cgroup;
    struct error err = {0};
    char name[64];
    pid_t pid = start_process(tree->mount, "", (size_t)384 << 20);
    (void)snprintf(name, sizeof(name), "watt-test-killed-%d", (int)getpid());
    if (workload_cgroup_new(&cgroup, tree, name, pid, WORKLOAD_STAYS, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(kill(pid, SIGKILL), 0);
    if (workload_cgroup_free(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    end_process(pid);
}

/* At the top, and below a cgroup that holds the process. */
static void a_tree_holds_a_workload(const struct workload_tree *tree)
{
    char above[64], path[2 * PATH_MAX];
    a_cgroup_comes_and_goes(tree, "");
    (void)snprintf(above, sizeof(above), "/watt-test-above-%d", (int)getpid());
    (void)snprintf(path, sizeof(path), "%s%s", tree->mount, above);
    assert_int_equal(mkdir(path, 0755), 0);
    a_cgroup_comes_and_goes(tree, above);
    for (int i = 0; i < 2000 && rmdir(path) < 0 && errno == EBUSY; i++)
        (void)poll(NULL, 0, 1);
    assert_false(exists(tree->mount, above));
    a_cgroup_goes_after_the_killed(tree);
}

static void cgroup2_holds_a_workload(void **state)
{
    (void)state;
    struct workload_tree tree;
    struct error err = {0};
    if (workload_tree_find(&tree, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(tree.controller, "");
    a_tree_holds_a_workload(&tree);
}

/* Where pids, freezer or devices have a hierarchy of cgroup v1's. */
static bool find_hierarchy(struct workload_tree *tree)
{
    static const char *const controllers[] = {"pids", "freezer", "devices"};
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    assert_non_null(mounts);
    for (struct mntent *entry; !tree->mount[0] && (entry = getmntent(mounts));)
        for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
            if (!strcmp(entry->mnt_type, "cgroup") && hasmntopt(entry, controllers[i])) {
                (void)snprintf(tree->mount, sizeof(tree->mount), "%s", entry->mnt_dir);
                (void)snprintf(tree->controller, sizeof(tree->controller), "%s", controllers[i]);
            }
    (void)endmntent(mounts);
    return tree->mount[0];
}

static void cgroup1_holds_a_workload(void **state)
{
    (void)state;
    struct workload_tree tree = {0};
    if (!find_hierarchy(&tree)) {
        (void)fprintf(stderr, "no cgroup v1 hierarchy of pids, freezer or devices is mounted\n");
        skip();
    }
    a_tree_holds_a_workload(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cgroup2_holds_a_workload),
        cmocka_unit_test(cgroup1_holds_a_workload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
