/* SPDX-License-Identifier: BSD-3-Clause */
/* What being woken costs on this machine: a loop on a timer that does nothing else, for as many
 * periods as asked for. timer_floor PERIOD_US PERIODS      prints microseconds of CPU time per
 * period and the periods missed */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 64;
    long period_ns = atol(argv[1]) * 1000, n_periods = atol(argv[2]), n_passed = 0;
    struct itimerspec times = {.it_value.tv_nsec = period_ns, .it_interval.tv_nsec = period_ns};
    struct sched_param lowest = {.sched_priority = 1};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
    if (fd < 0 || timerfd_settime(fd, 0, &times, NULL) < 0)
        return 1;
    long n_ticks = 0;
    for (; n_passed < n_periods; n_ticks++) {
        struct pollfd due = {.fd = fd, .events = POLLIN};
        uint64_t n = 0;
        if (poll(&due, 1, -1) != 1 || read(fd, &n, sizeof(n)) != sizeof(n))
            return 1;
        n_passed += (long)n;
    }
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    double cpu_us = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
                    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    (void)printf("%.3f %ld\n", cpu_us / (double)n_ticks, n_passed - n_ticks);
    return 0;
}
