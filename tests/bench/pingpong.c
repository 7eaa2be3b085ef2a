/* SPDX-License-Identifier: BSD-3-Clause */
/* pingpong CGROUP_A CGROUP_B CPU SECONDS: two processes, one in each cgroup ("-": stay), pinned to
 * one CPU, bounce a byte over two pipes; a round trip is two context switches between the cgroups.
 * Prints one JSON line; cpu_ns_per_rt is CPU time of the pair per round trip, so that it does not
 * move when something else shares the CPU. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* CPU time of this process and its partner: immune to CPU taken by others. */
static double pair_cpu_s(pid_t partner)
{
    clockid_t id;
    double own_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    return clock_getcpuclockid(partner, &id) == 0 ? own_s + seconds_of(id) : own_s;
}

static void settle(const char *cgroup, int cpu)
{
    char path[4096];
    cpu_set_t set;
    if (strcmp(cgroup, "-") != 0) {
        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
        int fd = open(path, O_WRONLY);
        if (fd < 0 || write(fd, "0", 1) != 1) {
            perror(path);
            exit(1);
        }
        (void)close(fd);
    }
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        perror("sched_setaffinity");
        exit(1);
    }
}

static void bounce(int to, int from, unsigned long n)
{
    char byte = 'x';
    for (unsigned long i = 0; i < n; i++) {
        if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1) {
            perror("pipe");
            exit(1);
        }
    }
}

static void be_partner(const char *cgroup, int cpu, int from, int to)
{
    char byte;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    settle(cgroup, cpu);
    while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
        ;
    _exit(0);
}

int main(int argc, char **argv)
{
    int there[2], back[2];
    if (argc < 5) {
        (void)fprintf(stderr, "usage: pingpong CGROUP_A CGROUP_B CPU SECONDS\n");
        return 64;
    }
    int cpu = (int)strtol(argv[3], NULL, 10);
    double wanted_s = strtod(argv[4], NULL);
    if (pipe(there) < 0 || pipe(back) < 0) {
        perror("pipe");
        return 1;
    }
    pid_t partner = fork();
    if (partner == 0) {
        (void)close(there[1]);
        (void)close(back[0]);
        be_partner(argv[2], cpu, there[0], back[1]);
    }
    (void)close(there[0]);
    (void)close(back[1]);
    settle(argv[1], cpu);
    bounce(there[1], back[0], 20000);
    double start_s = seconds_of(CLOCK_MONOTONIC), cpu_s = pair_cpu_s(partner), took_s = 0;
    unsigned long n = 0;
    while (took_s < wanted_s) {
        bounce(there[1], back[0], 1000);
        n += 1000;
        took_s = seconds_of(CLOCK_MONOTONIC) - start_s;
    }
    cpu_s = pair_cpu_s(partner) - cpu_s;
    (void)close(there[1]);
    (void)waitpid(partner, NULL, 0);
    (void)printf("{\"rt\": %lu, \"s\": %.3f, \"rt_per_s\": %.0f, \"ns_per_rt\": %.1f, "
                 "\"cpu_ns_per_rt\": %.1f, "
                 "\"cpu_share\": %.4f}\n",
                 n, took_s, (double)n / took_s, took_s * 1e9 / (double)n, cpu_s * 1e9 / (double)n,
                 cpu_s / took_s);
    return 0;
}
