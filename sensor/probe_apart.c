/* SPDX-License-Identifier: BSD-3-Clause */
/* A process rather than a thread: one that hangs in a driver would keep its capabilities, and the
 * loader's lock, for as long as we live. The answer is smaller than a pipe takes at once. */
#include "sensor/probe_apart.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/scope.h"

#define END_NS NS_PER_S /* what is killed ends at once, but in a call that cannot be interrupted */

static_assert(sizeof(struct source_probe) <= PIPE_BUF, "is written and read whole");

struct probing {
    const struct source_ops *ops;
    const struct host *host;
    const struct topology *topology;
    const void *settings;
};

/* Who hangs for good would hold the store's lock, and keep whoever reads our output waiting.
 * Returns fd's new number. */
static int keep_only(int fd)
{
    fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (nothing < 0 || dup2(nothing, i) < 0)
            (void)close(i);
    if (fd > STDERR_FILENO + 1)
        fd = dup2(fd, STDERR_FILENO + 1);
    closefrom(STDERR_FILENO + 2); /* also where the kernel has no close_range */
    return fd;
}

static void run_child(const struct probing *probing, pid_t parent, int fd)
{
    struct source_probe probe = {0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        _exit(1);
    fd = keep_only(fd);
    probing->ops->probe(probing->host, probing->topology, probing->settings, &probe);
    _exit(write(fd, &probe, sizeof(probe)) == (ssize_t)sizeof(probe) ? 0 : 1);
}

/* True once fd is readable; false where interrupt_fd (-1: none) is before. */
static bool wait_for(int fd, int interrupt_fd, uint64_t limit_ns)
{
    uint64_t until_ns = clock_monotonic_ns(&clock_system) + limit_ns, now_ns;
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = interrupt_fd, .events = POLLIN}};
    while ((now_ns = clock_monotonic_ns(&clock_system)) < until_ns) {
        const struct timespec rest = {.tv_sec = (time_t)((until_ns - now_ns) / NS_PER_S),
                                      .tv_nsec = (long)((until_ns - now_ns) % NS_PER_S)};
        int n = ppoll(fds, 2, &rest, NULL);
        if (n > 0 || (n < 0 && errno != EINTR))
            return n > 0 && fds[0].revents;
    }
    return false;
}

/* Readable while a signal that ends us is pending, where the caller has blocked them. */
static int open_end_signals(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static bool read_answer(int fd, struct source_probe *ret_probe)
{
    struct source_probe probe;
    ssize_t n;
    do
        n = read(fd, &probe, sizeof(probe));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(probe))
        return false;
    *ret_probe = probe;
    return true;
}

/* It closes the pipe before it has ended: what it closes next may be the device that hangs. */
static void end_child(pid_t pid)
{
    SCOPED(scope_close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    (void)kill(pid, SIGKILL);
    if (fd >= 0)
        (void)wait_for(fd, -1, END_NS);
    (void)waitpid(pid, NULL, WNOHANG);
}

static void say_silent(uint64_t waited_ns, bool has_ended, struct source_probe *ret_probe)
{
    *ret_probe = (struct source_probe){.availability = SOURCE_UNREADABLE};
    if (has_ended)
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                       "who looked at it was ended by it: its driver is broken");
    else
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                       "its driver did not answer for %.1f s", (double)waited_ns / 1e9);
    (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice),
                   "see what dmesg says of its driver, and start the sensor again when that works");
}

bool probe_apart(const struct source_ops *ops, const struct host *host,
                 const struct topology *topology, const void *settings, uint64_t limit_ns,
                 struct source_probe *ret_probe)
{
    const struct probing probing = {ops, host, topology, settings};
    int ends[2];
    if (!ops->is_slow || pipe2(ends, O_CLOEXEC) < 0) {
        ops->probe(host, topology, settings, ret_probe);
        return true;
    }
    SCOPED(scope_close) int fd = ends[0];
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        run_child(&probing, parent, ends[1]);
    (void)close(ends[1]);
    if (pid < 0) {
        ops->probe(host, topology, settings, ret_probe);
        return true;
    }
    SCOPED(scope_close) int signal_fd = open_end_signals();
    uint64_t start_ns = clock_monotonic_ns(&clock_system);
    bool has_ended = wait_for(fd, signal_fd, limit_ns);
    uint64_t waited_ns = clock_monotonic_ns(&clock_system) - start_ns;
    bool is_known = has_ended && read_answer(fd, ret_probe);
    end_child(pid);
    if (!is_known)
        say_silent(waited_ns < limit_ns ? waited_ns : limit_ns, has_ended, ret_probe);
    return is_known;
}
