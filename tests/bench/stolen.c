/* SPDX-License-Identifier: BSD-3-Clause */
/* What interrupts take from whoever runs: they are charged to no sensor. A loop of arithmetic at the
 * lowest priority on one CPU prints, ten times a second, how much it got done per second of its own
 * CPU time, beside the moment of the monotonic clock. stolen CPU       until it is killed */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define STEP_S 0.1

static double now_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0, &set);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpriority(PRIO_PROCESS, 0, 19);
    if (argc != 2 || sched_setaffinity(0, sizeof(set), &set) < 0)
        return 64;
    double end_s = now_s(CLOCK_MONOTONIC) + STEP_S, cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t number = 1, n_rounds = 0;;) {
        for (int i = 0; i < 10000; i++)
            number = number * 3 + 1;
        n_rounds += number != 0;
        double now = now_s(CLOCK_MONOTONIC), spent_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
        if (now < end_s)
            continue;
        (void)printf("%.6f %.0f\n", now, (double)n_rounds / spent_s);
        (void)fflush(stdout);
        end_s = now + STEP_S;
        cpu_s += spent_s;
        n_rounds = 0;
    }
}
