/* SPDX-License-Identifier: BSD-3-Clause */
/* The perf engine on the real machine: processes of known appetite in cgroups of their own. Each
 * burns CPU time by its own clock and stops itself, so that nothing here waits for time to pass.
 * Needs root and a cgroup2 mount; skips (77) without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/engine.h"

extern const struct engine_ops counters_perf, counters_proc;

#define SKIPPED 77

struct bench {
    char cgroupfs[PATH_MAX], name[64];
    struct host host;
    struct topology topology;
    struct target_rules *rules;
    struct targets *targets;
    struct engine *engine;
    struct report report;
};

static struct bench bench;

static void make_path(char *path, const char *cgroup, const char *file)
{
    (void)snprintf(path, PATH_MAX, "%s%s%s%s", bench.cgroupfs, bench.name, cgroup, file);
}

static void make_cgroup(const char *cgroup)
{
    char path[PATH_MAX];
    make_path(path, cgroup, "");
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        fail_msg("%s: %s", path, strerror(errno));
}

/* The kernel lets a cgroup go when its last process has been reaped; rmdir is tried until then. */
static void remove_cgroup(const char *cgroup)
{
    char path[PATH_MAX];
    make_path(path, cgroup, "");
    for (int attempt = 0; rmdir(path) < 0 && errno == EBUSY && attempt < 100000; attempt++) {
        (void)waitpid(-1, NULL, WNOHANG);
        (void)sched_yield();
    }
}

static void burn_ms(long ms)
{
    struct timespec start, now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    do
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < ms * 1000000);
}

/* A process in the cgroup, stopped; each SIGCONT lets it burn once more, until it stops again. */
static pid_t start_burner(const char *cgroup, long ms)
{
    char path[PATH_MAX];
    make_path(path, cgroup, "/cgroup.procs");
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        FILE *file = fopen(path, "w");
        if (!file || fprintf(file, "0\n") < 0 || fclose(file) != 0)
            _exit(1);
        for (;;) {
            (void)raise(SIGSTOP);
            burn_ms(ms);
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static void let_burn(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

static void end(pid_t pid)
{
    int status;
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static long usage_ms(const char *cgroup)
{
    char path[PATH_MAX], text[4096];
    make_path(path, cgroup, "/cpu.stat");
    assert_true(host_read_text(text, sizeof(text), "%s", path) > 0);
    return strtol(text + strlen("usage_usec "), NULL, 10) / 1000;
}

static void release(struct target *target, void *context)
{
    (void)context;
    bench.engine->ops->release_target(bench.engine, target);
}

static void tick(void)
{
    struct error err = {0};
    report_clear(&bench.report);
    if (targets_refresh(bench.targets, &err) < 0 ||
        bench.engine->ops->set_targets(bench.engine, bench.targets, &bench.topology, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(
        bench.engine->ops->read(bench.engine, bench.targets, &bench.topology, &bench.report), 0);
}

static void sweep(void)
{
    targets_sweep(bench.targets, release, NULL);
}

static size_t event_index(const char *event)
{
    size_t i = 0;
    while (i < bench.report.n_events && strcmp(bench.report.events[i], event) != 0)
        i++;
    assert_true(i < bench.report.n_events);
    return i;
}

/* CPU time of a cgroup over all packages in ms, -1 without any row. */
static long row_ms(const char *cgroup)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "%s%s", bench.name, cgroup);
    int64_t cpu_ns = -1;
    size_t event = event_index("cpu_ns");
    for (size_t i = 0; i < bench.report.n_targets; i++) {
        const struct count_row *row = &bench.report.targets[i];
        if (strcmp(row->target, name) != 0)
            continue;
        assert_true(row->has_counts);
        int64_t count = report_counts(&bench.report, row)[event];
        assert_true(count >= 0);
        cpu_ns = (cpu_ns < 0 ? 0 : cpu_ns) + count;
    }
    return cpu_ns < 0 ? -1 : (long)(cpu_ns / 1000000);
}

static void open_bench(const struct engine_ops *ops)
{
    static char rule[128];
    const char *const rules[] = {rule};
    struct error err = {0};
    (void)snprintf(rule, sizeof(rule), "cgroup:%s/**", bench.name);
    assert_int_equal(target_rules_parse(&bench.rules, rules, 1, &err), 0);
    assert_int_equal(topology_read(&bench.topology, &bench.host, &err), 0);
    assert_int_equal(targets_new(&bench.targets, &bench.host, GRANULARITY_CGROUP, bench.rules), 0);
    if (ops->open(&bench.engine, &bench.host, &bench.topology, GRANULARITY_CGROUP, NULL, 0, NULL,
                  &err) < 0)
        fail_msg("%s", err.text);
    report_init(&bench.report);
}

static void close_bench(void)
{
    for (size_t i = 0; i < targets_count(bench.targets); i++)
        release(targets_at(bench.targets, i), NULL);
    bench.engine->ops->close(bench.engine);
    targets_free(bench.targets);
    target_rules_free(bench.rules);
    topology_deinit(&bench.topology);
    report_deinit(&bench.report);
}

/* What signals and bookkeeping take is less than a millisecond. */
static void did_nothing(const char *cgroup)
{
    if (row_ms(cgroup) > 1)
        fail_msg("%s: %ld ms, expected none", cgroup, row_ms(cgroup));
}

static void is_near(long value, long expected, const char *what)
{
    /* Perf counts time that a hypervisor took away while the task was on the CPU; the task's own
     * clock does not. */
    if (value < expected - 5 || value > expected * 2 + 20)
        fail_msg("%s: %ld ms, expected about %ld", what, value, expected);
}

/* Three levels, the middle one idle by itself; then death, and a second life under the same name.
 */
static void cgroups_are_counted(const struct engine_ops *ops, bool sees_last_breath)
{
    make_cgroup("");
    make_cgroup("/outer");
    make_cgroup("/outer/inner");
    make_cgroup("/idle");
    pid_t outer = start_burner("/outer", 60);
    pid_t inner = start_burner("/outer/inner", 120);
    pid_t idle = start_burner("/idle", 0);
    open_bench(ops);
    tick();
    assert_int_equal(bench.report.n_targets, 0);
    sweep();

    long outer_before = usage_ms("/outer"), inner_before = usage_ms("/outer/inner");
    let_burn(outer);
    let_burn(inner);
    tick();
    is_near(row_ms("/outer"), 60, "outer without inner");
    is_near(row_ms("/outer/inner"), 120, "inner");
    did_nothing("/idle");
    did_nothing("");
    long outer_ms = usage_ms("/outer") - outer_before,
         inner_ms = usage_ms("/outer/inner") - inner_before;
    is_near(row_ms("/outer") + row_ms("/outer/inner"), outer_ms, "beside cpu.stat");
    is_near(row_ms("/outer/inner"), inner_ms, "beside cpu.stat");
    sweep();

    let_burn(inner);
    end(inner);
    remove_cgroup("/outer/inner");
    make_cgroup("/outer/inner");
    pid_t second = start_burner("/outer/inner", 40);
    tick();
    if (sees_last_breath)
        is_near(row_ms("/outer/inner"), 120, "last breath");
    sweep();
    let_burn(second);
    tick();
    is_near(row_ms("/outer/inner"), 40, "second life");
    did_nothing("/outer");
    sweep();
    close_bench();
    end(outer);
    end(second);
    end(idle);
    remove_cgroup("/outer/inner");
    remove_cgroup("/outer");
    remove_cgroup("/idle");
    remove_cgroup("");
}

/* What a failed test left; its processes are killed first. */
static int remove_cgroups(void **state)
{
    (void)state;
    char path[PATH_MAX];
    make_path(path, "", "/cgroup.kill");
    FILE *file = fopen(path, "w");
    if (file) {
        (void)fputs("1", file);
        (void)fclose(file);
    }
    static const char *const left[] = {"/outer/inner", "/outer", "/idle", "/busy", ""};
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        remove_cgroup(left[i]);
    return 0;
}

static void perf_counts_cgroups(void **state)
{
    (void)state;
    cgroups_are_counted(&counters_perf, true);
}

static void proc_counts_cgroups(void **state)
{
    (void)state;
    cgroups_are_counted(&counters_proc, false);
}

static void rows_carry_times_and_the_total_is_without_idle(void **state)
{
    (void)state;
    make_cgroup("");
    make_cgroup("/busy");
    pid_t busy = start_burner("/busy", 200);
    open_bench(&counters_perf);
    tick();
    let_burn(busy);
    tick();
    bool has_busy = false;
    for (size_t i = 0; i < bench.report.n_targets; i++) {
        const struct count_row *row = &bench.report.targets[i];
        if (strncmp(row->target, bench.name, strlen(bench.name)) != 0)
            continue;
        has_busy = true;
        /* The cgroup's time on the CPU, which software events count all along. */
        is_near((long)(row->enabled_ns / 1000000), row_ms("/busy"), "enabled");
        assert_int_equal(row->enabled_ns, row->running_ns);
    }
    assert_true(has_busy);
    int64_t total_ns = 0, enabled_ns = 0;
    size_t event = event_index("cpu_ns");
    assert_int_equal(bench.report.n_total, bench.topology.n_packages);
    for (size_t i = 0; i < bench.report.n_total; i++) {
        total_ns += report_counts(&bench.report, &bench.report.total[i])[event];
        enabled_ns += bench.report.total[i].enabled_ns;
    }
    assert_true(total_ns >= 150000000); /* in clock ticks, sampled */
    assert_true(total_ns <= enabled_ns + 40000000);
    close_bench();
    end(busy);
    remove_cgroup("/busy");
    remove_cgroup("");
}

/* A CPU that leaves takes its groups with it; when it is back they are opened anew. Real CPUs stay
 * on: only the topology says so. */
static void a_cpu_leaves_and_comes_back(void **state)
{
    (void)state;
    make_cgroup("");
    make_cgroup("/busy");
    pid_t busy = start_burner("/busy", 50);
    open_bench(&counters_perf);
    if (bench.topology.n_cpus < 2 || !bench.topology.is_online[1]) {
        close_bench();
        end(busy);
        remove_cgroup("/busy");
        remove_cgroup("");
        skip();
    }
    tick();
    bench.topology.is_online[1] = false;
    let_burn(busy);
    tick();
    assert_true(reasons_have(&bench.report.reasons, "cpu_offline"));
    assert_string_equal(bench.report.total[0].reason, "cpu_offline");
    assert_true(bench.report.total[0].has_counts);
    tick();
    assert_false(reasons_have(&bench.report.reasons, "cpu_offline"));
    assert_string_equal(bench.report.total[0].reason, "");
    bench.topology.is_online[1] = true;
    tick();
    let_burn(busy);
    tick();
    is_near(row_ms("/busy"), 50, "after the CPU came back");
    close_bench();
    end(busy);
    remove_cgroup("/busy");
    remove_cgroup("");
}

int main(void)
{
    char mounts[65536];
    if (geteuid() != 0) {
        (void)fprintf(stderr, "skipped: needs root to make cgroups\n");
        return SKIPPED;
    }
    if (host_read_text(mounts, sizeof(mounts), "/proc/self/mounts") < 0 ||
        host_find_cgroupfs(mounts, bench.cgroupfs, sizeof(bench.cgroupfs)) < 0) {
        (void)fprintf(stderr, "skipped: no cgroup2 mount\n");
        return SKIPPED;
    }
    (void)snprintf(bench.name, sizeof(bench.name), "/watt-test-engines-%d", (int)getpid());
    bench.host = (struct host){.sysfs = "/sys",
                               .procfs = "/proc",
                               .devfs = "/dev",
                               .cgroupfs = bench.cgroupfs,
                               .clock = &clock_system};
    struct topology topology;
    struct engine_probe probe;
    if (topology_read(&topology, &bench.host, NULL) < 0)
        return 1;
    counters_perf.probe(&bench.host, &topology, GRANULARITY_CGROUP, &probe);
    topology_deinit(&topology);
    if (!probe.is_usable) {
        (void)fprintf(stderr, "skipped: %s\n", probe.reason);
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perf_counts_cgroups),
        cmocka_unit_test(proc_counts_cgroups),
        cmocka_unit_test(rows_carry_times_and_the_total_is_without_idle),
        cmocka_unit_test(a_cpu_leaves_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, remove_cgroups);
}
