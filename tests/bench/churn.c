/* SPDX-License-Identifier: BSD-3-Clause */
/* churn forks|cgroups CGROUP RATE SECONDS: so many processes a second, each born into CGROUP, or
 * each into a cgroup of its own below it that is removed again, working for some ten microseconds.
 * What one process cannot do in time is left out. Prints one JSON line: how many there were. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* As vfork does it, so that 10,000 a second are possible: the child borrows this process' memory
 * and stack, which the kernel holds still meanwhile. */
static void be_born_and_die(int cgroup_fd)
{
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup_fd};
    pid_t pid = cgroup_fd < 0 ? vfork() : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        for (uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + 20000; now_ns(CLOCK_MONOTONIC) < end_ns;)
            ;
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        die("a child");
}

static void live_in_a_cgroup(const char *base, uint64_t number)
{
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/c%llu", base, (unsigned long long)number);
    if (mkdir(path, 0755) < 0)
        die(path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        die(path);
    be_born_and_die(fd);
    (void)close(fd);
    while (rmdir(path) < 0)
        if (errno != EBUSY) /* its process is being let go */
            die(path);
}

static void enter(const char *base)
{
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", base);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        die(path);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "forks") != 0 && strcmp(argv[1], "cgroups") != 0)) {
        (void)fprintf(stderr, "usage: churn forks|cgroups CGROUP RATE SECONDS\n");
        return 64;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter(argv[2]);
    double rate_hz = strtod(argv[3], NULL), span_s = strtod(argv[4], NULL);
    uint64_t start_ns = now_ns(CLOCK_MONOTONIC), n = 0;
    for (;;) {
        double passed_s = (double)(now_ns(CLOCK_MONOTONIC) - start_ns) / 1e9;
        if (passed_s >= span_s)
            break;
        if ((double)n >= passed_s * rate_hz) {
            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 200000}, NULL);
            continue;
        }
        if (argv[1][0] == 'f')
            be_born_and_die(-1);
        else
            live_in_a_cgroup(argv[2], n);
        n++;
    }
    double took_s = (double)(now_ns(CLOCK_MONOTONIC) - start_ns) / 1e9;
    (void)printf("{\"n\": %llu, \"per_s\": %.0f}\n", (unsigned long long)n, (double)n / took_s);
    return 0;
}
