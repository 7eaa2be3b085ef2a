/* SPDX-License-Identifier: BSD-3-Clause */
/* cgworkers BASE N MODE: makes the cgroups BASE/w00000 ... and puts one worker into each.
 *   MODE = sleep          a worker pauses for ever
 *          wake:HZ:US     it wakes HZ times a second and spins for US microseconds
 * Prints "ready"; the end of its standard input, SIGTERM or SIGINT ends the workers and removes the
 * cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void work(double wakes_hz, int spin_us, int phase)
{
    uint64_t period_ns = (uint64_t)(1e9 / wakes_hz);
    uint64_t due_ns = now_ns() + period_ns * (uint64_t)(phase % 97) / 97;
    for (;;) {
        due_ns += period_ns;
        struct timespec due = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        for (uint64_t end_ns = now_ns() + (uint64_t)spin_us * 1000; spin_us && now_ns() < end_ns;)
            ;
    }
}

static void be_worker(const char *procs, double wakes_hz, int spin_us, int phase)
{
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(procs, O_WRONLY);
    if (fd < 0 || write(fd, "0", 1) != 1) {
        perror(procs);
        _exit(1);
    }
    (void)close(fd);
    (void)close(STDIN_FILENO);
    (void)close(STDOUT_FILENO);
    if (wakes_hz > 0)
        work(wakes_hz, spin_us, phase);
    for (;;)
        (void)pause();
}

/* A cgroup stays busy for a moment after its last process has gone. */
static int remove_cgroup(const char *path)
{
    const struct timespec moment = {0, 10000000};
    for (int attempt = 0; attempt < 100; attempt++) {
        if (rmdir(path) == 0 || errno == ENOENT)
            return 0;
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: cgworkers BASE N sleep|wake:HZ:US\n");
        return 64;
    }
    const char *base = argv[1];
    long n = strtol(argv[2], NULL, 10);
    double wakes_hz = 0;
    int spin_us = 0;
    if (strncmp(argv[3], "wake:", 5) == 0 &&
        sscanf(argv[3] + 5, "%lf:%d", &wakes_hz, &spin_us) != 2)
        return 64;
    pid_t *pids = calloc((size_t)n + 1, sizeof(*pids));
    const struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    char path[4096];
    for (int i = 0; pids && i < n; i++) {
        (void)snprintf(path, sizeof(path), "%s/w%05d", base, i);
        if (mkdir(path, 0755) < 0 && errno != EEXIST) {
            perror(path);
            return 1;
        }
        (void)snprintf(path, sizeof(path), "%s/w%05d/cgroup.procs", base, i);
        pids[i] = fork();
        if (pids[i] == 0)
            be_worker(path, wakes_hz, spin_us, i);
    }
    (void)puts("ready");
    (void)fflush(stdout);
    char byte;
    while (!stop && read(STDIN_FILENO, &byte, 1) > 0)
        ;
    int n_left = 0;
    for (int i = 0; pids && i < n; i++)
        if (pids[i] > 0)
            (void)kill(pids[i], SIGKILL);
    for (int i = 0; pids && i < n; i++) {
        if (pids[i] > 0)
            (void)waitpid(pids[i], NULL, 0);
        (void)snprintf(path, sizeof(path), "%s/w%05d", base, i);
        n_left += remove_cgroup(path);
    }
    if (n_left)
        (void)fprintf(stderr, "%d cgroups left under %s\n", n_left, base);
    free(pids);
    return n_left != 0;
}
