/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps counters as RAPL would, so that a sensor's own cost can be measured without a file system in
 * user space: update_writer PERIOD_US JITTER_US WATTS FILE... Every period, late by up to the
 * jitter, each file shows the energy used so far at constant power, as a powercap driver's would. In
 * place of files, cpu:N makes the system call sched_get_priority_max on that CPU once per period,
 * which a tracepoint counts: a counter of perf's with updates. Ends when standard input does. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 16

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000u),
                          .tv_nsec = (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

static void show(const int *fds, int n_files, double energy_uj)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)energy_uj / 61 * 61);
    for (int i = 0; i < n_files; i++) {
        if (pwrite(fds[i], text, (size_t)size, 0) != size)
            exit(1);
    }
}

static void stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        exit(71);
}

int main(int argc, char **argv)
{
    int fds[FILES_MAX], n_files = argc - 4;
    if (n_files < 1 || n_files > FILES_MAX)
        return 64;
    uint64_t period_ns = (uint64_t)(strtod(argv[1], NULL) * 1e3),
             jitter_ns = strtoull(argv[2], NULL, 10) * 1000;
    double watts = strtod(argv[3], NULL);
    bool is_call = strncmp(argv[4], "cpu:", 4) == 0;
    if (is_call) {
        n_files = 0;
        stay_on((int)strtol(argv[4] + 4, NULL, 10));
    }
    for (int i = 0; i < n_files; i++) {
        if ((fds[i] = open(argv[4 + i], O_WRONLY)) < 0)
            return 66;
    }
    struct sched_param first = {.sched_priority = 2};
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    unsigned seed = 1;
    uint64_t start_ns = now_ns();
    for (uint64_t number = 1;; number++) {
        struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
        uint64_t late_ns = jitter_ns ? (uint64_t)rand_r(&seed) % jitter_ns : 0;
        sleep_until(start_ns + number * period_ns + late_ns);
        if (is_call)
            (void)sched_get_priority_max(SCHED_OTHER);
        show(fds, n_files, 1e6 + watts * (double)(now_ns() - start_ns) / 1e3);
        if (number % 100 == 0 && poll(&end, 1, 0) != 0)
            return 0;
    }
}
