/* SPDX-License-Identifier: BSD-3-Clause */
/* perf_read CGROUP CGROUPS BUSY WAKING: is it cheaper to read each CPU's counters on that CPU?
 * Makes CGROUPS cgroups below CGROUP, which is made too, with a group of four software events per
 * CPU each, as the perf engine has, and one per CPU for everything. BUSY of them hold a process
 * that always runs, WAKING one that runs 100 us every 10 ms. Reads all of it in turn in three ways:
 * from wherever it is; hopping from CPU to CPU with sched_setaffinity; by one thread per CPU.
 * Prints medians of the CPU time and the time of a pass. Leaves no cgroup behind. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSES 41
#define BURST_US 100
#define PAUSE_NS 10000000

enum { ANYWHERE, HOPPING, THREADS, N_WAYS };

static int n_cgroups, n_cpus;
static int *leaders; /* [n_cpus][n_cgroups + 1] */
static pthread_barrier_t start_line, end_line;
static bool is_over;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double us_of(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void go_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        fail("sched_setaffinity");
}

static int open_group(int cgroup_fd, int cpu)
{
    static const uint64_t events[] = {PERF_COUNT_SW_TASK_CLOCK, PERF_COUNT_SW_CONTEXT_SWITCHES,
                                      PERF_COUNT_SW_PAGE_FAULTS, PERF_COUNT_SW_CPU_MIGRATIONS};
    int leader = -1;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                       .size = sizeof(attr),
                                       .config = events[i],
                                       .read_format = PERF_FORMAT_GROUP |
                                                      PERF_FORMAT_TOTAL_TIME_ENABLED |
                                                      PERF_FORMAT_TOTAL_TIME_RUNNING};
        long fd = syscall(SYS_perf_event_open, &attr, cgroup_fd, cpu, leader,
                          cgroup_fd < 0 ? 0 : PERF_FLAG_PID_CGROUP);
        if (fd < 0)
            fail("perf_event_open");
        if (leader < 0)
            leader = (int)fd;
    }
    return leader;
}

static void read_cpu(int cpu)
{
    char values[256];
    for (int i = 0; i <= n_cgroups; i++)
        if (read(leaders[cpu * (n_cgroups + 1) + i], values, sizeof(values)) < 0)
            fail("read");
}

static void *reader(void *cpu)
{
    go_to((int)(intptr_t)cpu);
    for (;;) {
        (void)pthread_barrier_wait(&start_line);
        if (is_over)
            return NULL;
        read_cpu((int)(intptr_t)cpu);
        (void)pthread_barrier_wait(&end_line);
    }
}

static void pass(int way, const cpu_set_t *home)
{
    if (way == THREADS) {
        (void)pthread_barrier_wait(&start_line);
        (void)pthread_barrier_wait(&end_line);
        return;
    }
    for (int cpu = 0; cpu < n_cpus; cpu++) {
        if (way == HOPPING)
            go_to(cpu);
        read_cpu(cpu);
    }
    if (way == HOPPING && sched_setaffinity(0, sizeof(*home), home) < 0)
        fail("sched_setaffinity");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, PASSES, sizeof(*values), compare);
    return values[PASSES / 2];
}

static pid_t start_worker(const char *cgroup, int cpu, bool is_busy)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char path[4200];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fail(path);
    go_to(cpu);
    for (;;) {
        const struct timespec pause = {.tv_nsec = PAUSE_NS};
        double end_us = us_of(CLOCK_MONOTONIC) + BURST_US;
        while (us_of(CLOCK_MONOTONIC) < end_us)
            ;
        if (!is_busy)
            (void)nanosleep(&pause, NULL);
    }
}

static void measure(void)
{
    static double cpu_us[N_WAYS][PASSES], wall_us[N_WAYS][PASSES];
    static const char *const names[] = {"anywhere", "hopping", "thread per CPU"};
    pthread_t *threads = calloc((size_t)n_cpus, sizeof(*threads));
    cpu_set_t home;
    (void)sched_getaffinity(0, sizeof(home), &home);
    (void)pthread_barrier_init(&start_line, NULL, (unsigned)n_cpus + 1);
    (void)pthread_barrier_init(&end_line, NULL, (unsigned)n_cpus + 1);
    for (int cpu = 0; threads && cpu < n_cpus; cpu++)
        if (pthread_create(&threads[cpu], NULL, reader, (void *)(intptr_t)cpu) != 0)
            fail("pthread_create");
    for (int i = 0; i < PASSES; i++)
        for (int way = 0; way < N_WAYS; way++) {
            double start_cpu_us = us_of(CLOCK_PROCESS_CPUTIME_ID),
                   start_us = us_of(CLOCK_MONOTONIC);
            pass(way, &home);
            wall_us[way][i] = us_of(CLOCK_MONOTONIC) - start_us;
            cpu_us[way][i] = us_of(CLOCK_PROCESS_CPUTIME_ID) - start_cpu_us;
            (void)usleep(10000);
        }
    is_over = true;
    (void)pthread_barrier_wait(&start_line);
    for (int cpu = 0; threads && cpu < n_cpus; cpu++)
        (void)pthread_join(threads[cpu], NULL);
    free(threads);
    double base_cpu_us = median(cpu_us[ANYWHERE]), base_wall_us = median(wall_us[ANYWHERE]);
    for (int way = 0; way < N_WAYS; way++) {
        double cpu = median(cpu_us[way]), wall = median(wall_us[way]);
        printf("  %-14s CPU %7.0f us (%.2f), %8.0f us until done (%.2f)\n", names[way], cpu,
               cpu / base_cpu_us, wall, wall / base_wall_us);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 64;
    struct rlimit limit;
    char path[4096];
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    n_cgroups = (int)strtol(argv[2], NULL, 10);
    n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int n_busy = (int)strtol(argv[3], NULL, 10);
    int n_workers = n_busy + (int)strtol(argv[4], NULL, 10);
    leaders = calloc((size_t)(n_cgroups + 1) * (size_t)n_cpus, sizeof(int));
    pid_t *workers = calloc((size_t)n_workers + 1, sizeof(*workers));
    if (!leaders || !workers || n_workers > n_cgroups || mkdir(argv[1], 0755) < 0)
        fail(argv[1]);
    for (int i = 0; i <= n_cgroups; i++) {
        int fd = -1;
        (void)snprintf(path, sizeof(path), "%s/%d", argv[1], i);
        if (i < n_cgroups && (mkdir(path, 0755) < 0 || (fd = open(path, O_RDONLY)) < 0))
            fail(path);
        for (int cpu = 0; cpu < n_cpus; cpu++)
            leaders[cpu * (n_cgroups + 1) + i] = open_group(fd, cpu);
        (void)close(fd);
        if (i < n_workers)
            workers[i] = start_worker(path, i % n_cpus, i < n_busy);
    }
    printf("%d cgroups, %d busy, %d waking:\n", n_cgroups, n_busy, n_workers - n_busy);
    measure();
    for (int i = 0; i < n_workers; i++) {
        (void)kill(workers[i], SIGKILL);
        (void)waitpid(workers[i], NULL, 0);
    }
    for (int i = 0; i < n_cgroups; i++) {
        (void)snprintf(path, sizeof(path), "%s/%d", argv[1], i);
        (void)rmdir(path);
    }
    return rmdir(argv[1]) < 0;
}
