/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"

/* In the new process. Our pipes must not stay open for it, nor our folder in use. */
static void leave_everything(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; nothing >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(nothing, fd);
    (void)setsid();
    (void)!chdir("/");
    closefrom(STDERR_FILENO + 1); /* also where the kernel has no close_range */
}

/* Never returns. Our death may come before the kernel was asked to tell of it. */
static void keep(pid_t parent, void (*tidy_up)(void *context), void *context)
{
    sigset_t all, word;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)sigemptyset(&word);
    (void)sigaddset(&word, SIGTERM);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    leave_everything();
    while (getppid() == parent)
        (void)sigwaitinfo(&word, NULL);
    tidy_up(context);
    _exit(0);
}

int keeper_start(pid_t *ret_pid, void (*tidy_up)(void *context), void *context, struct error *err)
{
    int gate[2];
    char nothing;
    if (pipe2(gate, O_CLOEXEC) < 0)
        return error_set(err, -errno, "pipe: %s", strerror(errno));
    pid_t parent = getpid(), pid = fork();
    int code = errno;
    if (pid == 0)
        keep(parent, tidy_up, context);
    (void)close(gate[1]);
    /* It is ready when it has closed the gate; what it does before must not count as a workload. */
    while (pid > 0 && read(gate[0], &nothing, 1) < 0 && errno == EINTR)
        ;
    (void)close(gate[0]);
    if (pid < 0)
        return error_set(err, -code, "fork: %s", strerror(code));
    *ret_pid = pid;
    return 0;
}

void keeper_end(pid_t *pid)
{
    if (*pid > 0) {
        (void)kill(*pid, SIGKILL);
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *pid = 0;
}
