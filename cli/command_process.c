/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/command_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/name_escape.h"
#include "common/scope.h"

/* In the new process. Never returns. A gate that closes without a word means that there is nobody
 * left to measure; an answer that closes without one, that this process is the command now. */
static void become(char **argv, int gate, int answer)
{
    sigset_t none;
    char word;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL); /* what we ignore must not be inherited */
    if (read(gate, &word, 1) != 1)
        _exit(125);
    (void)execvp(argv[0], argv);
    int code = errno, status = code == ENOENT ? 127 : 126;
    char name[1024];
    (void)name_escape(argv[0], strlen(argv[0]), name, sizeof(name));
    (void)dprintf(STDERR_FILENO, "watt run: %s: %s\n", name, strerror(code));
    (void)!write(answer, &code, sizeof(code));
    _exit(status);
}

static void close_pipes(struct command_process *process)
{
    scope_close(&process->gate);
    scope_close(&process->answer);
    process->gate = process->answer = -1;
}

int command_process_start(struct command_process *process, char **argv, struct error *err)
{
    int gate[2], answer[2];
    if (pipe2(gate, O_CLOEXEC) < 0)
        return error_set(err, -errno, "pipe: %s", strerror(errno));
    if (pipe2(answer, O_CLOEXEC) < 0) {
        int r = error_set(err, -errno, "pipe: %s", strerror(errno));
        (void)close(gate[0]);
        (void)close(gate[1]);
        return r;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(gate[1]);
        (void)close(answer[0]);
        become(argv, gate[0], answer[1]);
    }
    int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1, code = errno;
    (void)close(gate[0]);
    (void)close(answer[1]);
    *process =
        (struct command_process){.pid = pid, .pidfd = pidfd, .gate = gate[1], .answer = answer[0]};
    if (pidfd >= 0)
        return 0;
    close_pipes(process); /* a child without a pidfd ends by this */
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return error_set(err, -code, "%s: fork: %s", argv[0], strerror(code));
}

bool command_process_release(struct command_process *process)
{
    int code = 0;
    ssize_t size;
    (void)!write(process->gate, "", 1);
    while ((size = read(process->answer, &code, sizeof(code))) < 0 && errno == EINTR)
        ;
    close_pipes(process);
    return size == 0;
}

int command_process_end(struct command_process *process)
{
    while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR)
        ;
    process->pid = 0;
    scope_close(&process->pidfd);
    process->pidfd = -1;
    close_pipes(process);
    return WIFSIGNALED(process->status) ? 128 + WTERMSIG(process->status)
                                        : WEXITSTATUS(process->status);
}

void command_process_abandon(struct command_process *process)
{
    (void)kill(process->pid, SIGKILL);
    (void)command_process_end(process);
}
