/* SPDX-License-Identifier: BSD-3-Clause */
/* A keeper comes to rest with none of our files open, whatever the kernel knows, and tidies up once
 * we are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/keeper.h"
#include "common/scope.h"

#define LIMIT_S 20

/* As a kernel before 5.9, or a container whose host does not know the call. */
static void forbid_close_range(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(2);
}

static int count_open(pid_t pid)
{
    char path[64];
    int n = -2; /* . and .. */
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        n++;
    if (folder)
        (void)closedir(folder);
    return n;
}

static void do_nothing(void *context)
{
    (void)context;
}

/* In a process of its own, which is ended if a keeper never comes to rest. */
static void start_one(bool is_old_kernel)
{
    pid_t keeper = 0;
    (void)alarm(LIMIT_S);
    if (is_old_kernel)
        forbid_close_range();
    if (keeper_start(&keeper, do_nothing, NULL, NULL) < 0)
        _exit(3);
    while (count_open(keeper) != 3) /* the standard ones */
        (void)poll(NULL, 0, 1);
    keeper_end(&keeper);
    _exit(keeper == 0 ? 0 : 4);
}

static void it_comes_to_rest(void **state)
{
    (void)state;
    for (int is_old_kernel = 0; is_old_kernel <= 1; is_old_kernel++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            start_one(is_old_kernel);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

static void write_to(void *context)
{
    int fd = open(context, O_WRONLY | O_CLOEXEC);
    (void)!write(fd, "x", 1);
}

static void it_tidies_up_after_the_killed(void **state)
{
    (void)state;
    char folder[] = "/tmp/watt-test-keeper-XXXXXX", path[64], byte = 0;
    int status;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/word", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t keeper;
        if (keeper_start(&keeper, write_to, path, NULL) == 0)
            (void)kill(keeper, SIGTERM); /* ours is no reason yet */
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)alarm(LIMIT_S);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, &byte, 1), 1);
    (void)alarm(0);
    assert_int_equal(byte, 'x');
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_to_rest),
        cmocka_unit_test(it_tidies_up_after_the_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
