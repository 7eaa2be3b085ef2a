/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sampling timer of the kernel's costs beside being woken by a timer, and what it misses, on
 * this machine: on one CPU, in turns, nothing, a loop on a timer, and a sampled group of counters
 * (cpu-clock and the time stamp counter of the msr PMU) that is emptied ten times a second.
 * Interrupts are charged to whoever runs: a loop of arithmetic at the lowest priority on the same
 * CPU says how much less it gets done per second of its own CPU time. Without that loop the CPU may
 * be idle, and samples may be missing. sampled_floor CPU ROUNDS      prints medians, in % of a core,
 * and samples */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000
#define WINDOW_S 0.5
#define RING_BYTES (128 * 1024)
#define INTERVAL_NS 1000000
#define SAMPLE_BYTES 40 /* header, time, number, two counts */

enum { NOTHING, TIMER, SAMPLED, N_WAYS };

struct worker {
    volatile double done, cpu_s;
};

static double now_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void work(struct worker *worker)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpriority(PRIO_PROCESS, 0, 19);
    for (uint64_t number = 1, rounds = 0;; rounds++) {
        for (int i = 0; i < 100000; i++)
            number = number * 3 + 1;
        worker->done = (double)rounds + (double)(number == 0);
        worker->cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    }
}

static int open_timer(long interval_ns)
{
    struct itimerspec times = {.it_value.tv_nsec = interval_ns, .it_interval.tv_nsec = interval_ns};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    if (fd < 0 || timerfd_settime(fd, 0, &times, NULL) < 0)
        exit(1);
    return fd;
}

static void wait_for(int timer, double end_s)
{
    uint64_t n;
    while (now_s(CLOCK_MONOTONIC) < end_s) {
        struct pollfd due = {.fd = timer, .events = POLLIN};
        if (poll(&due, 1, -1) != 1 || read(timer, &n, sizeof(n)) != sizeof(n))
            exit(1);
    }
}

static int open_event(uint32_t type, uint64_t config, int cpu, int leader)
{
    struct perf_event_attr attr = {.size = sizeof(attr),
                                   .type = type,
                                   .config = config,
                                   .disabled = leader < 0,
                                   .sample_period = leader < 0 ? INTERVAL_NS : 0,
                                   .sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_READ,
                                   .read_format = PERF_FORMAT_GROUP,
                                   .watermark = 1,
                                   .wakeup_watermark = RING_BYTES};
    int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, leader, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) {
        perror("perf_event_open");
        exit(1);
    }
    return fd;
}

/* The samples that came, and those that should have. */
struct samples {
    double came, due;
};

static void sample(int cpu, double end_s, struct samples *samples)
{
    uint32_t type = 0;
    FILE *stream = fopen("/sys/bus/event_source/devices/msr/type", "r");
    if (!stream || fscanf(stream, "%u", &type) != 1)
        exit(1);
    (void)fclose(stream);
    int leader = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, cpu, -1);
    int member = open_event(type, 0, cpu, leader);
    size_t size = (size_t)sysconf(_SC_PAGESIZE) + RING_BYTES;
    struct perf_event_mmap_page *ring =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, leader, 0);
    if (ring == MAP_FAILED || ioctl(leader, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP) < 0)
        exit(1);
    int timer = open_timer(100 * INTERVAL_NS);
    double start_s = now_s(CLOCK_MONOTONIC);
    while (now_s(CLOCK_MONOTONIC) < end_s) {
        wait_for(timer, now_s(CLOCK_MONOTONIC) + 1e-6);
        ring->data_tail = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
    }
    samples->due += (now_s(CLOCK_MONOTONIC) - start_s) * 1e9 / INTERVAL_NS;
    samples->came += (double)ring->data_head / SAMPLE_BYTES;
    (void)munmap(ring, size);
    (void)close(timer);
    (void)close(member);
    (void)close(leader);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), compare);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"nothing", "a loop on a timer", "a sampled group"};
    static double own[N_WAYS][ROUNDS_MAX], speed[N_WAYS][ROUNDS_MAX];
    int cpu = argc == 3 ? (int)strtol(argv[1], NULL, 10) : 0;
    int n_rounds = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (n_rounds < 1 || n_rounds > ROUNDS_MAX)
        return 64;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    struct worker *worker =
        mmap(NULL, sizeof(*worker), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (worker == MAP_FAILED || sched_setaffinity(0, sizeof(set), &set) < 0)
        return 1;
    struct samples alone = {0}, beside = {0};
    sample(cpu, now_s(CLOCK_MONOTONIC) + WINDOW_S * n_rounds, &alone);
    pid_t child = fork();
    if (child == 0)
        work(worker);
    struct sched_param lowest = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
    for (int i = 0; i < n_rounds * N_WAYS; i++) {
        int way = i % N_WAYS, timer = open_timer(way == TIMER ? INTERVAL_NS : 100 * INTERVAL_NS);
        double start_s = now_s(CLOCK_MONOTONIC), own_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
        double done = worker->done, cpu_s = worker->cpu_s;
        if (way == SAMPLED)
            sample(cpu, start_s + WINDOW_S, &beside);
        else
            wait_for(timer, start_s + WINDOW_S);
        (void)close(timer);
        own[way][i / N_WAYS] =
            (now_s(CLOCK_PROCESS_CPUTIME_ID) - own_s) / (now_s(CLOCK_MONOTONIC) - start_s);
        speed[way][i / N_WAYS] = (worker->done - done) / (worker->cpu_s - cpu_s);
    }
    (void)kill(child, SIGKILL);
    double full = median(speed[NOTHING], n_rounds);
    for (int way = TIMER; way < N_WAYS; way++)
        (void)printf("%s: %.2f %% in the process, %.2f %% taken from who runs beside it\n",
                     names[way], 100 * median(own[way], n_rounds),
                     100 * (1 - median(speed[way], n_rounds) / full));
    (void)printf("samples that came: %.0f of %.0f, and %.0f of %.0f with a busy CPU\n", alone.came,
                 alone.due, beside.came, beside.due);
    return 0;
}
