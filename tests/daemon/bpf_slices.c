/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bpf engine makes of a slice that goes on, of nobody's slice, and of a life between two
 * ticks. Needs root, a cgroup2 mount and a kernel with BTF; fails without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sensor/bpf_settings.h"
#include "tests/daemon/engine_bench.h"

extern const struct engine_ops counters_bpf;

#define MS INT64_C(1000000)

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static int64_t own_time_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec;
}

/* CPU time of all targets whose name begins with that of the cgroup and then `rest`. */
static int64_t rows_ns(const char *cgroup, const char *rest)
{
    char prefix[160];
    int64_t sum = 0;
    (void)snprintf(prefix, sizeof(prefix), "%s%s%s", bench.name, cgroup, rest);
    for (size_t i = 0; i < bench.report.n_targets; i++)
        if (!strncmp(bench.report.targets[i].target, prefix, strlen(prefix)))
            sum += report_counts(&bench.report, &bench.report.targets[i])[bench_event("cpu_ns")];
    return sum;
}

/* ---- a slice that goes on ---- */

/* Has a CPU for itself for a second of its own time at most, and says how far it is. */
static pid_t start_unyielding(const char *cgroup, int cpu, _Atomic int64_t *used_ns)
{
    pid_t pid = fork();
    if (pid == 0) {
        const struct sched_param highest = {.sched_priority = 1};
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        bench_enter(cgroup);
        pin(cpu);
        /* Where this is refused others may switch it out, and there is less to prove. */
        (void)sched_setscheduler(0, SCHED_FIFO, &highest);
        int64_t start_ns = own_time_ns();
        while (*used_ns < 1000 * MS)
            *used_ns = own_time_ns() - start_ns;
        _exit(0);
    }
    return pid;
}

static void wait_until(const _Atomic int64_t *value, int64_t wanted)
{
    while (*value < wanted)
        (void)sched_yield();
}

/* Two ticks in one slice: each has its part. The scheduler brings a slice up to date once in its
 * own tick, 10 ms at most. */
static void a_slice_that_goes_on_is_flushed(void **state)
{
    (void)state;
    static const enum granularity granularities[] = {GRANULARITY_CGROUP, GRANULARITY_PROCESS};
    for (size_t i = 0; i < 2; i++) {
        _Atomic int64_t *used_ns = mmap(NULL, sizeof(*used_ns), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(used_ns != MAP_FAILED);
        bench_make_cgroup("");
        bench_make_cgroup("/on");
        bench_open(&counters_bpf, granularities[i], NULL, 0, NULL);
        int cpu = bench.topology.n_cpus - 1;
        bench_tick();
        bench_sweep();
        pid_t pid = start_unyielding("/on", cpu, used_ns);
        int64_t told_ns = 0;
        for (int part = 1; part <= 2; part++) {
            wait_until(used_ns, part * 150 * MS);
            int64_t before_ns = *used_ns;
            bench_tick();
            int64_t after_ns = *used_ns;
            told_ns += rows_ns("/on", "");
            assert_true(told_ns >= before_ns - 11 * MS);
            assert_true(told_ns <= after_ns + 11 * MS);
            bench_sweep();
        }
        bench_close();
        end_process(pid);
        (void)munmap(used_ns, sizeof(*used_ns));
        (void)bench_remove_all(NULL);
    }
}

/* ---- nobody's slices ---- */

static int64_t idle_ns(void)
{
    char text[65536];
    unsigned long long idle, iowait;
    assert_true(host_read_text(text, sizeof(text), "/proc/stat") > 0);
    assert_int_equal(sscanf(text, "cpu %*u %*u %*u %llu %llu", &idle, &iowait), 2);
    return (int64_t)(idle + iowait) * (1000 * MS / sysconf(_SC_CLK_TCK));
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec;
}

/* One CPU works, the others are as idle as they are: with what was idle the total stays within the
 * time that there was, which it could not if the idle task had been counted. */
static void the_idle_task_is_apart(void **state)
{
    (void)state;
    int64_t n_cpus = sysconf(_SC_NPROCESSORS_ONLN), step_ns = 1000 * MS / sysconf(_SC_CLK_TCK);
    int64_t all_idle_ns = 0;
    bench_make_cgroup("");
    bench_make_cgroup("/work");
    pid_t pid = start_burner("/work", 300);
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    for (int round = 0; round < 20 && all_idle_ns < 300 * MS; round++) {
        int64_t from_ns = now_ns(), idle_before_ns = idle_ns();
        bench_tick();
        bench_sweep();
        let_burn(pid);
        bench_tick();
        int64_t idle_for_ns = idle_ns() - idle_before_ns, span_ns = now_ns() - from_ns;
        int64_t total_ns = 0;
        for (size_t i = 0; i < bench.report.n_total; i++)
            total_ns +=
                report_counts(&bench.report, &bench.report.total[i])[bench_event("cpu_ns")];
        assert_true(total_ns >= 300 * MS);
        assert_true(total_ns + idle_for_ns <= span_ns * n_cpus + 2 * n_cpus * step_ns);
        all_idle_ns += idle_for_ns;
        bench_sweep();
    }
    bench_close();
    end_process(pid);
    (void)bench_remove_all(NULL);
}

/* ---- a life between two ticks ---- */

static void live_between_ticks(long ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        bench_enter("/brief");
        (void)prctl(PR_SET_NAME, "brief one");
        burn_ms(ms);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static size_t count_rows(const char *rest)
{
    char prefix[160];
    size_t n = 0;
    (void)snprintf(prefix, sizeof(prefix), "%s/brief%s", bench.name, rest);
    for (size_t i = 0; i < bench.report.n_targets; i++)
        n += !strncmp(bench.report.targets[i].target, prefix, strlen(prefix));
    return n;
}

/* Three lives, 20, 30 and 40 ms: together under their command, or each by itself. */
static void who_lived_between_two_ticks_is_in_the_second(void **state)
{
    (void)state;
    static const struct counters_bpf_settings ways[] = {{.short_lived = (char *)"folded"},
                                                        {.short_lived = (char *)"each"}};
    for (size_t way = 0; way < 2; way++) {
        bench_make_cgroup("");
        bench_make_cgroup("/brief");
        bench_open(&counters_bpf, GRANULARITY_PROCESS, NULL, 0, &ways[way]);
        bench_tick();
        bench_sweep();
        long before_us = bench_usage_us("/brief");
        for (long ms = 20; ms <= 40; ms += 10)
            live_between_ticks(ms);
        int64_t used_ns = (bench_usage_us("/brief") - before_us) * 1000;
        bench_tick();
        assert_int_equal(count_rows(":brief one"), way == 0 ? 1 : 0);
        assert_int_equal(count_rows(":"), way == 0 ? 1 : 3);
        int64_t counted_ns = rows_ns("/brief", ":");
        if (counted_ns < 90 * MS || llabs(counted_ns - used_ns) >= used_ns / 200 + MS)
            fail_msg("counted %" PRId64 " us, used %" PRId64 " us", counted_ns / 1000, used_ns / 1000);
        bench_sweep();
        bench_tick(); /* and in no other, but for their last steps out of the CPU */
        assert_true(rows_ns("/brief", ":") < MS);
        bench_close();
        (void)bench_remove_all(NULL);
    }
}

int main(void)
{
    int r = bench_find_machine(&counters_bpf, GRANULARITY_CGROUP);
    if (r != 0)
        return r;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_that_goes_on_is_flushed),
        cmocka_unit_test(the_idle_task_is_apart),
        cmocka_unit_test(who_lived_between_two_ticks_is_in_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, bench_remove_all);
}
