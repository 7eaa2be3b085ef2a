/* SPDX-License-Identifier: BSD-3-Clause */
/* fork and exec with nothing but async-signal-safe calls between, because the stores' libraries may
 * have threads. The parent-death signal is lost when a program gains capabilities by exec, so a
 * child that outlives a killed parent is also told by its closed pipes. */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/scope.h"

static int program_path(const char *program, char *path, size_t size, struct error *err)
{
    const char *folder = getenv("WATT_BINDIR");
    char own[PATH_MAX];
    if (!folder || !*folder) {
        ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
        if (length < 0)
            return error_set(err, -errno, "/proc/self/exe: %s", strerror(errno));
        own[length] = '\0';
        char *slash = strrchr(own, '/');
        if (slash)
            *slash = '\0';
        folder = own;
    }
    if ((size_t)snprintf(path, size, "%s/%s", folder, program) >= size)
        return error_set(err, -ENAMETOOLONG, "%s/%s: the path is too long", folder, program);
    if (access(path, X_OK) < 0)
        return error_set(err, -errno, "%s: %s (it must stand beside watt)", path, strerror(errno));
    return 0;
}

/* In the new process. Never returns. */
static void become(const char *path, char **argv, pid_t parent, int output, int talk)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL); /* what we ignore must not be inherited */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the line above took hold */
        _exit(127);
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(output >= 0 ? output : nothing, STDOUT_FILENO) < 0 || dup2(talk, STDERR_FILENO) < 0)
        _exit(127);
    (void)execv(path, argv);
    static const char message[] = "cannot be executed\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)ignored;
    _exit(127);
}

int child_start(struct child *child, const char *program, char **argv, bool want_output,
                struct error *err)
{
    *child = (struct child){.program = program, .pidfd = -1, .output = -1, .talk = -1};
    char path[PATH_MAX];
    int r = program_path(program, path, sizeof(path), err);
    if (r < 0)
        return r;
    argv[0] = path;
    int output[2] = {-1, -1}, talk[2];
    if (pipe2(talk, O_CLOEXEC) < 0)
        return error_set(err, -errno, "pipe: %s", strerror(errno));
    if (want_output && pipe2(output, O_CLOEXEC) < 0) {
        r = error_set(err, -errno, "pipe: %s", strerror(errno));
        goto out;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        r = error_set(err, -errno, "%s: fork: %s", program, strerror(errno));
        goto out;
    }
    if (pid == 0)
        become(path, argv, parent, output[1], talk[1]);
    (void)setpgid(pid, pid); /* both sides, so that it holds whoever runs first */
    child->pid = pid;
    child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    child->talk = STEAL_FD(talk[0]);
    child->output = STEAL_FD(output[0]);
    (void)fcntl(child->talk, F_SETFL, O_NONBLOCK);
out:
    scope_close(&talk[0]);
    scope_close(&talk[1]);
    scope_close(&output[0]);
    scope_close(&output[1]);
    argv[0] = NULL;
    return r;
}

static void keep_words(struct child *child, const char *text, size_t size)
{
    size_t room = sizeof(child->words) - 1;
    if (size > room) {
        text += size - room;
        size = room;
    }
    if (child->n_words + size > room) {
        size_t surplus = child->n_words + size - room;
        memmove(child->words, child->words + surplus, child->n_words - surplus);
        child->n_words -= surplus;
    }
    memcpy(child->words + child->n_words, text, size);
    child->n_words += size;
    child->words[child->n_words] = '\0';
}

void child_listen(struct child *child)
{
    char text[1024];
    ssize_t size;
    while (child->talk >= 0 && (size = read(child->talk, text, sizeof(text))) != 0) {
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            if (errno != EAGAIN)
                break;
            return;
        }
        keep_words(child, text, (size_t)size);
    }
    scope_close(&child->talk);
    child->talk = -1;
}

/* What follows "WORD: " at the begin of a line, or all of it. */
static const char *behind(const char *line, const char *line_end, const char *word)
{
    size_t length = strlen(word);
    bool is_there = (size_t)(line_end - line) > length + 2 && strncmp(line, word, length) == 0 &&
                    line[length] == ':' && line[length + 1] == ' ';
    return is_there ? line + length + 2 : line;
}

const char *child_last_words(const struct child *child, char *text, size_t size)
{
    size_t end = child->n_words;
    while (end > 0 && child->words[end - 1] == '\n')
        end--;
    size_t begin = end;
    if (child->has_ended && WIFSIGNALED(child->status)) { /* what it said is not the reason */
        (void)snprintf(text, size, "was ended by signal %d", WTERMSIG(child->status));
        return text;
    }
    while (begin > 0 && child->words[begin - 1] != '\n')
        begin--;
    if (end > begin) {
        const char *line = child->words + begin, *line_end = child->words + end;
        line = behind(line, line_end, child->program);
        line = behind(line, line_end, "error");
        line = behind(line, line_end, "warning");
        (void)snprintf(text, size, "%.*s", (int)(line_end - line), line);
    } else if (!child->has_ended) {
        (void)snprintf(text, size, "said nothing");
    } else {
        (void)snprintf(text, size, "ended with status %d", WEXITSTATUS(child->status));
    }
    return text;
}

bool child_has_ended(struct child *child)
{
    if (child->pid > 0 && !child->has_ended && waitpid(child->pid, &child->status, WNOHANG) > 0)
        child->has_ended = true;
    return child->has_ended;
}

int child_exit_status(const struct child *child)
{
    return WIFSIGNALED(child->status) ? 128 + WTERMSIG(child->status) : WEXITSTATUS(child->status);
}

/* Waits until it has ended, emptying its pipe meanwhile so that it cannot be stuck there. */
static bool wait_for_end(struct child *child, int wait_ms)
{
    uint64_t end_ns =
        clock_monotonic_ns(&clock_system) + (uint64_t)(wait_ms > 0 ? wait_ms : 0) * NS_PER_MS;
    while (!child_has_ended(child)) {
        uint64_t now_ns = clock_monotonic_ns(&clock_system);
        if (now_ns >= end_ns)
            return false;
        int left_ms = (int)((end_ns - now_ns) / NS_PER_MS) + 1;
        struct pollfd fds[] = {{.fd = child->pidfd, .events = POLLIN},
                               {.fd = child->talk, .events = POLLIN}};
        /* Without a pidfd (old kernels) look again every 20 ms. */
        (void)poll(fds, 2, child->pidfd >= 0 || left_ms < 20 ? left_ms : 20);
        child_listen(child);
    }
    return true;
}

void child_end(struct child *child, int wait_ms)
{
    if (child->pid <= 0)
        return;
    if (!child_has_ended(child)) {
        (void)kill(child->pid, SIGTERM);
        if (!wait_for_end(child, wait_ms)) {
            (void)kill(child->pid, SIGKILL);
            (void)wait_for_end(child, 5000);
        }
    }
    child_listen(child);
    scope_close(&child->talk);
    scope_close(&child->output);
    scope_close(&child->pidfd);
    child->talk = child->output = child->pidfd = -1;
    child->pid = 0;
}

int child_collect(struct child *child, size_t max_size, int wait_ms, char **ret_text,
                  struct error *err)
{
    SCOPED(scope_free) char *text = malloc(max_size + 1);
    if (!text)
        return error_set(err, -ENOMEM, "out of memory");
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + (uint64_t)wait_ms * NS_PER_MS;
    size_t size = 0;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns(&clock_system);
        if (now_ns >= end_ns)
            return error_set(err, -ETIMEDOUT, "%s gave no answer within %d ms", child->program,
                             wait_ms);
        struct pollfd fds[] = {{.fd = child->output, .events = POLLIN},
                               {.fd = child->talk, .events = POLLIN}};
        (void)poll(fds, 2, (int)((end_ns - now_ns) / NS_PER_MS) + 1);
        child_listen(child);
        if (!fds[0].revents)
            continue;
        if (size == max_size)
            return error_set(err, -EFBIG, "%s says more than %zu bytes", child->program, max_size);
        ssize_t got = read(child->output, text + size, max_size - size);
        if (got < 0 && errno != EINTR)
            return error_set(err, -errno, "%s: %s", child->program, strerror(errno));
        if (got == 0)
            break;
        size += got > 0 ? (size_t)got : 0;
    }
    text[size] = '\0';
    *ret_text = STEAL(text);
    (void)wait_for_end(child, 2000);
    return 0;
}
