/* SPDX-License-Identifier: BSD-3-Clause */
/* The child is cut loose between fork and exec, where it is one thread again: signals
 * unblocked, capabilities given up, the remote URI handed over in the environment. */
#include "sensor/courier_process.h"

#include <cap-ng.h>
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
#include "common/log.h"
#include "common/scope.h"

#define NAME "watt-courier"
#define WAIT_MIN_NS NS_PER_S
#define WAIT_MAX_NS (60 * NS_PER_S)

/* The courier that was built and installed with this sensor, if it is there. */
static void find_executable(char *path, size_t size)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length > 0) {
        own[length] = '\0';
        char *slash = strrchr(own, '/');
        int directory_size = slash ? (int)(slash - own) : 0;
        int n = snprintf(path, size, "%.*s/%s", directory_size, own, NAME);
        if (slash && n > 0 && (size_t)n < size && access(path, X_OK) == 0)
            return;
    }
    (void)snprintf(path, size, "%s", NAME);
}

/* In the child: nothing of the sensor's goes along but standard error, and nothing can come back:
 * without new privileges even root's exec gains no capability. */
static int shed_privileges(void)
{
    sigset_t none;
    capng_clear(CAPNG_SELECT_CAPS);
    (void)sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/* Set before exec as well as by the courier itself, so that no moment is left in which the sensor
 * may die unnoticed. */
static int follow_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

static void run_child(const struct courier_process *courier, const char *path, pid_t parent,
                      int report_fd)
{
    char *const argv[] = {NAME,
                          "--spool",
                          (char *)courier->spool_uri,
                          "--position",
                          (char *)courier->position_file,
                          "--with-parent",
                          NULL};
    int failed = -shed_privileges();
    if (failed == 0)
        failed = -follow_parent(parent);
    if (failed == 0 && setenv("WATT_COURIER_STORE", courier->remote_uri, 1) == 0)
        (void)execvp(path, argv);
    if (failed == 0)
        failed = errno;
    ssize_t n = write(report_fd, &failed, sizeof(failed));
    _exit(n == (ssize_t)sizeof(failed) ? 69 : 71);
}

/* 0 once the child has executed its program (the pipe closed by itself), else what went wrong. */
static int read_report(int fd)
{
    int failed = 0;
    ssize_t n;
    do
        n = read(fd, &failed, sizeof(failed));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(failed) ? failed : 0;
}

int courier_process_start(struct courier_process *courier, struct error *err)
{
    char path[PATH_MAX];
    int pipe_fds[2];
    find_executable(path, sizeof(path));
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_set(err, -errno, "starting " NAME ": %s", strerror(errno));
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        run_child(courier, path, parent, pipe_fds[1]);
    int fork_errno = errno;
    (void)close(pipe_fds[1]);
    int failed = pid < 0 ? fork_errno : read_report(pipe_fds[0]);
    (void)close(pipe_fds[0]);
    if (failed == 0) {
        courier->pid = pid;
        courier->n_starts++;
        courier->started_ns = clock_monotonic_ns(courier->clock);
        return 0;
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return error_set(err, -failed, "%s: %s; install it beside watt-sensor, or give a local --store",
                     path, strerror(failed));
}

static void describe_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, size, "was ended by signal %d", WTERMSIG(status));
    else
        (void)snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

static bool is_refusal(int status)
{
    return WIFEXITED(status) && (WEXITSTATUS(status) == error_exit_status(-EINVAL) ||
                                 WEXITSTATUS(status) == error_exit_status(-EDOM));
}

static void note_end(struct courier_process *courier, int status)
{
    courier->pid = 0;
    if (courier->n_starts == 1 && is_refusal(status)) {
        courier->refusal = WEXITSTATUS(status);
        return;
    }
    uint64_t now_ns = clock_monotonic_ns(courier->clock);
    char end[48];
    bool lived_long = now_ns - courier->started_ns >= WAIT_MAX_NS;
    courier->wait_ns = lived_long || courier->wait_ns == 0 ? WAIT_MIN_NS : courier->wait_ns * 2;
    if (courier->wait_ns > WAIT_MAX_NS)
        courier->wait_ns = WAIT_MAX_NS;
    courier->retry_at_ns = now_ns + courier->wait_ns;
    describe_end(status, end, sizeof(end));
    log_warning(courier->log, NAME " %s; ticks stay in the spool; starting it again in %llu s", end,
                (unsigned long long)(courier->wait_ns / NS_PER_S));
}

void courier_process_watch(struct courier_process *courier)
{
    int status;
    if (courier->pid > 0 && waitpid(courier->pid, &status, WNOHANG) == courier->pid)
        note_end(courier, status);
    if (courier->pid > 0 || courier->refusal ||
        clock_monotonic_ns(courier->clock) < courier->retry_at_ns)
        return;
    struct error err = {0};
    if (courier_process_start(courier, &err) >= 0)
        return;
    courier->wait_ns = WAIT_MAX_NS;
    courier->retry_at_ns = clock_monotonic_ns(courier->clock) + WAIT_MAX_NS;
    log_warning(courier->log, "%s", err.text);
}

void courier_process_stop(struct courier_process *courier, uint64_t patience_ns)
{
    if (courier->pid <= 0)
        return;
    SCOPED(scope_close) int fd = (int)syscall(SYS_pidfd_open, courier->pid, 0);
    (void)kill(courier->pid, SIGTERM);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    struct timespec patience = {.tv_sec = (time_t)(patience_ns / NS_PER_S),
                                .tv_nsec = (long)(patience_ns % NS_PER_S)};
    if (fd >= 0 && ppoll(&end, 1, &patience, NULL) == 0)
        (void)kill(courier->pid, SIGKILL);
    int status;
    if (waitpid(courier->pid, &status, 0) == courier->pid && courier->n_starts == 1 &&
        is_refusal(status))
        courier->refusal = WEXITSTATUS(status);
    courier->pid = 0;
}
