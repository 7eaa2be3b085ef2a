/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_cost ROUNDS two|same|processes [EVENT ...]: what the bpf engine adds to a context switch,
 * with no perf event, with the first EVENT, with the first two, and so on.
 *
 * bench.py's pingpong, in one process: a pair of processes (in two cgroups, in the same one, or
 * counted each by itself) bounces a byte all the time, and windows of it with the engine at work
 * alternate with windows without and with a program that returns at once, every few hundred
 * milliseconds. The speed of a shared machine drifts by far more than is looked for here, but
 * between neighbours it does not; each window is held against those without beside it. CPU time of
 * the pair only. As root; prints one JSON line per subject, asserts nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "sensor/counters_bpf.h"
#include "tests/daemon/engine_bench.h"

#define WINDOW_MS 150
#define SETTLE_MS 20
#define ROUNDS_MAX 2000
#define SUBJECTS_MAX (2 + BPF_EXTRA_MAX)

extern const struct engine_ops counters_bpf;

/* ---- the pair ---- */

static struct pair {
    pid_t pids[2];
    clockid_t clocks[2];
    volatile uint64_t *n_round_trips; /* shared with the first */
} pair;

static void settle(const char *cgroup, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_enter(cgroup);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        _exit(1);
}

static pid_t start_half(const char *cgroup, int cpu, int from, int to, volatile uint64_t *count)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char byte = 'x';
    settle(cgroup, cpu);
    if (count && write(to, &byte, 1) != 1)
        _exit(1);
    while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
        if (count)
            (*count)++;
    _exit(1);
}

static void start_pair(const char *const *cgroups, int cpu)
{
    int there[2], back[2];
    pair.n_round_trips = mmap(NULL, sizeof(*pair.n_round_trips), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(pair.n_round_trips != MAP_FAILED);
    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    pair.pids[0] = start_half(cgroups[0], cpu, back[0], there[1], pair.n_round_trips);
    pair.pids[1] = start_half(cgroups[1], cpu, there[0], back[1], NULL);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(clock_getcpuclockid(pair.pids[i], &pair.clocks[i]), 0);
}

static double pair_cpu_ns(void)
{
    double sum_ns = 0;
    for (size_t i = 0; i < 2; i++) {
        struct timespec now;
        assert_int_equal(clock_gettime(pair.clocks[i], &now), 0);
        sum_ns += (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
    }
    return sum_ns;
}

static void pause_ms(long ms)
{
    const struct timespec span = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&span, NULL);
}

/* CPU time of a switch, over one window. */
static double measure_ns(void)
{
    pause_ms(SETTLE_MS);
    double cpu_ns = pair_cpu_ns();
    uint64_t n = *pair.n_round_trips;
    pause_ms(WINDOW_MS);
    cpu_ns = pair_cpu_ns() - cpu_ns;
    n = *pair.n_round_trips - n;
    if (n == 0)
        fail_msg("the pair does not run");
    return cpu_ns / (double)n / 2;
}

/* ---- subjects ---- */

/* The first is a program that returns at once: what being called costs, whatever is done then. The
 * second is the engine without perf events, the next one with the first event, and so on. */
enum { EMPTY, ENGINE };

static struct {
    enum granularity granularity;
    const char *const *events;
    size_t n_subjects;
    int program, link; /* of the empty one */
} settings;

static void load_empty(void)
{
    static const struct bpf_insn instructions[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int id = libbpf_find_vmlinux_btf_id("sched_switch", BPF_TRACE_RAW_TP);
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP,
                .attach_btf_id = id > 0 ? (unsigned)id : 0);
    settings.program =
        bpf_prog_load(BPF_PROG_TYPE_TRACING, "empty", "GPL", instructions, 2, &options);
    if (settings.program < 0)
        fail_msg("a program for sched_switch: %s", strerror(errno));
}

static void start(size_t subject)
{
    if (subject == EMPTY) {
        settings.link = bpf_raw_tracepoint_open(NULL, settings.program);
        if (settings.link < 0)
            fail_msg("attaching to sched_switch: %s", strerror(errno));
        return;
    }
    bench_open(&counters_bpf, settings.granularity, settings.events, subject - ENGINE, NULL);
    bench_tick();
    bench_sweep();
}

static void end(size_t subject)
{
    if (subject == EMPTY)
        (void)close(settings.link);
    else
        bench_close();
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double share)
{
    return sorted[(size_t)((double)(n - 1) * share + 0.5)];
}

static void print(size_t subject, double *extra_ns, double *base_ns, size_t n)
{
    qsort(extra_ns, n, sizeof(*extra_ns), compare);
    qsort(base_ns, n, sizeof(*base_ns), compare);
    double median_ns = quantile(extra_ns, n, 0.5), base = quantile(base_ns, n, 0.5);
    (void)printf("{\"subject\": \"%s\", \"perf_events\": %zu, \"rounds\": %zu, "
                 "\"base_ns_per_switch\": %.0f, \"extra_ns_per_switch\": %.1f, "
                 "\"quartiles\": [%.1f, %.1f], \"extra_share_of_base\": %.4f}\n",
                 subject == EMPTY ? "a program that returns at once" : "the engine",
                 subject == EMPTY ? 0 : subject - ENGINE, n, base, median_ns,
                 quantile(extra_ns, n, 0.25), quantile(extra_ns, n, 0.75), median_ns / base);
}

static void run(size_t n_rounds)
{
    static double extra_ns[SUBJECTS_MAX][ROUNDS_MAX], base_ns[SUBJECTS_MAX][ROUNDS_MAX];
    double without_ns = measure_ns();
    for (size_t round = 0; round < n_rounds; round++) {
        for (size_t i = 0; i < settings.n_subjects; i++) {
            start(i);
            double with_ns = measure_ns();
            end(i);
            double next_ns = measure_ns();
            base_ns[i][round] = (without_ns + next_ns) / 2;
            extra_ns[i][round] = with_ns - base_ns[i][round];
            without_ns = next_ns;
        }
    }
    for (size_t i = 0; i < settings.n_subjects; i++)
        print(i, extra_ns[i], base_ns[i], n_rounds);
}

int main(int argc, char **argv)
{
    static const char *const two[] = {"/a", "/b"}, *const same[] = {"/a", "/a"};
    size_t n_rounds = argc < 3 ? 0 : strtoul(argv[1], NULL, 10);
    if (n_rounds == 0 || n_rounds > ROUNDS_MAX || argc - 3 > BPF_EXTRA_MAX) {
        (void)fprintf(stderr, "usage: switch_cost ROUNDS two|same|processes [EVENT ...]\n");
        return 64;
    }
    bool is_process = strcmp(argv[2], "processes") == 0;
    settings.granularity = is_process ? GRANULARITY_PROCESS : GRANULARITY_CGROUP;
    settings.events = (const char *const *)&argv[3];
    settings.n_subjects = (size_t)argc - 3 + ENGINE + 1;
    if (bench_find_machine(&counters_bpf, settings.granularity) != 0)
        return 1;
    load_empty();
    bench_make_cgroup("");
    bench_make_cgroup("/a");
    bench_make_cgroup("/b");
    start_pair(strcmp(argv[2], "same") == 0 ? same : two, (int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
    run(n_rounds);
    return bench_remove_all(NULL);
}
