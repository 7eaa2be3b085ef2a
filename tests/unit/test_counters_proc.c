/* SPDX-License-Identifier: BSD-3-Clause */
/* The proc engine on made-up trees, where every number is known: processes that are born, die,
 * change their name or cgroup or have their number given away; cgroups with and without selected
 * descendants. And once on the real machine, where a process that burns must be seen burning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#include "common/error.h"
#include "sensor/engine.h"
#include "tests/unit/made_tree.h"

extern const struct engine_ops counters_proc;

/* An engine over a made tree: procfs/ and cgroup/ in it. */
struct bench {
    struct made_tree tree;
    char procfs[128], cgroupfs[128];
    struct host host;
    struct topology topology;
    struct target_rules *rules;
    struct targets *targets;
    struct engine *engine;
    struct report report;
    int64_t busy_ticks;
};

static void write_busy(struct bench *bench, int64_t more_ticks)
{
    bench->busy_ticks += more_ticks;
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "cpu  %ld 0 0 999 5 0 0 7 3 0\ncpu0 %ld 0 0 999 5 0 0 7 3 0\nintr 1\n",
                   (long)bench->busy_ticks, (long)bench->busy_ticks);
    made_tree_write(&bench->tree, "procfs/stat", text);
}

static void write_process(struct bench *bench, int pid, const char *comm, long ticks, long start,
                          const char *cgroup)
{
    char name[64], text[512];
    (void)snprintf(name, sizeof(name), "procfs/%d/stat", pid);
    (void)snprintf(text, sizeof(text), "%d (%s) S 1 1 1 0 -1 0 0 0 0 0 %ld 0 0 0 20 0 1 0 %ld 0\n",
                   pid, comm, ticks, start);
    made_tree_write(&bench->tree, name, text);
    (void)snprintf(name, sizeof(name), "procfs/%d/cgroup", pid);
    (void)snprintf(text, sizeof(text), "1:cpu:/elsewhere\n0::%s\n", cgroup);
    made_tree_write(&bench->tree, name, text);
}

static void remove_process(struct bench *bench, int pid)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "procfs/%d", pid);
    made_tree_remove(&bench->tree, name);
}

static void write_usage(struct bench *bench, const char *cgroup, long usage_us)
{
    char name[128], text[128];
    (void)snprintf(name, sizeof(name), "cgroup%s/cpu.stat", cgroup);
    (void)snprintf(text, sizeof(text), "usage_usec %ld\nuser_usec 1\n", usage_us);
    made_tree_write(&bench->tree, name, text);
    (void)snprintf(name, sizeof(name), "cgroup%s/cgroup.procs", cgroup);
    made_tree_write(&bench->tree, name, "1\n");
}

static void bench_new(struct bench *bench, const char *const *rules, size_t n_rules)
{
    *bench = (struct bench){0};
    made_tree_new(&bench->tree);
    made_tree_mkdir(&bench->tree, "cgroup");
    (void)snprintf(bench->procfs, sizeof(bench->procfs), "%s/procfs", bench->tree.root);
    (void)snprintf(bench->cgroupfs, sizeof(bench->cgroupfs), "%s/cgroup", bench->tree.root);
    bench->host = (struct host){.sysfs = "/nonexistent",
                                .procfs = bench->procfs,
                                .devfs = "/nonexistent",
                                .cgroupfs = bench->cgroupfs,
                                .clock = &clock_system};
    write_busy(bench, 100);
    assert_int_equal(target_rules_parse(&bench->rules, rules, n_rules, NULL), 0);
    assert_int_equal(topology_read(&bench->topology, &bench->host, NULL), 0);
    report_init(&bench->report);
}

static void bench_open(struct bench *bench, enum granularity granularity)
{
    struct error err = {0};
    assert_int_equal(targets_new(&bench->targets, &bench->host, granularity, bench->rules), 0);
    if (counters_proc.open(&bench->engine, &bench->host, &bench->topology, granularity, NULL, 0,
                           NULL, &err) < 0)
        fail_msg("%s", err.text);
}

static void release(struct target *target, void *context)
{
    struct bench *bench = context;
    bench->engine->ops->release_target(bench->engine, target);
}

static void tick(struct bench *bench)
{
    const struct engine_ops *ops = bench->engine->ops;
    struct error err = {0};
    report_clear(&bench->report);
    assert_int_equal(targets_refresh(bench->targets, &err), 0);
    assert_int_equal(ops->set_targets(bench->engine, bench->targets, &bench->topology, &err), 0);
    assert_int_equal(ops->read(bench->engine, bench->targets, &bench->topology, &bench->report), 0);
}

static void sweep(struct bench *bench)
{
    targets_sweep(bench->targets, release, bench);
}

static void bench_free(struct bench *bench)
{
    for (size_t i = 0; i < targets_count(bench->targets); i++)
        release(targets_at(bench->targets, i), bench);
    bench->engine->ops->close(bench->engine);
    targets_free(bench->targets);
    target_rules_free(bench->rules);
    topology_deinit(&bench->topology);
    report_deinit(&bench->report);
    made_tree_remove(&bench->tree, "");
}

/* CPU time of a target in ms: -1 without a row, -2 without counts. Each name has one row at most.
 */
static long row_ms(struct bench *bench, const char *name)
{
    long ms = -1;
    for (size_t i = 0; i < bench->report.n_targets; i++) {
        const struct count_row *row = &bench->report.targets[i];
        if (strcmp(row->target, name) != 0)
            continue;
        assert_int_equal(ms, -1);
        assert_int_equal(row->package, PACKAGE_NONE);
        assert_int_equal(row->enabled_ns, VALUE_ABSENT);
        ms = row->has_counts ? (long)(*report_counts(&bench->report, row) / 1000000) : -2;
    }
    return ms;
}

static long total_ms(struct bench *bench)
{
    assert_int_equal(bench->report.n_total, 1);
    return (long)(*report_counts(&bench->report, &bench->report.total[0]) / 1000000);
}

static void processes_are_counted_and_the_rest_is_other(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    write_process(&bench, 10, "busy", 500, 77, "/a/b");
    write_process(&bench, 11, "idle) R 1 (", 3, 78, "/a");
    made_tree_mkdir(&bench.tree, "procfs/12"); /* vanishes between listing and reading */
    made_tree_mkdir(&bench.tree, "procfs/99999999999999999999");
    made_tree_mkdir(&bench.tree, "procfs/13x");
    bench_open(&bench, GRANULARITY_PROCESS);
    tick(&bench);
    assert_int_equal(bench.report.n_targets, 0); /* the first gives a baseline and nothing else */
    assert_int_equal(bench.report.n_total, 0);
    sweep(&bench);

    write_process(&bench, 10, "busy", 540, 77, "/a/b");
    write_process(&bench, 14, "born", 5, 99, "/c");
    write_busy(&bench, 60);
    tick(&bench);
    assert_int_equal(bench.report.n_events, 1);
    assert_string_equal(bench.report.events[0], "cpu_ns");
    assert_int_equal(total_ms(&bench), 600);
    assert_int_equal(row_ms(&bench, "/a/b:10@77"), 400);
    assert_int_equal(row_ms(&bench, "/a:11@78"), -1);
    assert_int_equal(row_ms(&bench, "/c:14@99"), 50);
    assert_int_equal(row_ms(&bench, "other"), 150);
    assert_false(reasons_have(&bench.report.reasons, "skew"));
    sweep(&bench);
    assert_int_equal(targets_count(bench.targets), 4);

    /* More than the total: other is nothing, and the tick says so. */
    write_process(&bench, 10, "busy", 550, 77, "/a/b");
    remove_process(&bench, 14);
    write_busy(&bench, 9);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a/b:10@77"), 100);
    assert_int_equal(row_ms(&bench, "other"), -1);
    assert_true(reasons_have(&bench.report.reasons, "skew"));
    sweep(&bench);
    assert_int_equal(targets_count(bench.targets), 3);
    bench_free(&bench);
}

static void a_number_given_away_is_another_process(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    write_process(&bench, 10, "old", 500, 77, "/a");
    bench_open(&bench, GRANULARITY_PROCESS);
    tick(&bench);
    sweep(&bench);
    write_process(&bench, 10, "new", 2, 900, "/a");
    write_busy(&bench, 10);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a:10@77"), -1);
    assert_int_equal(row_ms(&bench, "/a:10@900"), 20);
    sweep(&bench);
    assert_int_equal(targets_count(bench.targets), 2);
    bench_free(&bench);
}

static struct target *find(struct bench *bench, const char *name)
{
    for (size_t i = 0; i < targets_count(bench->targets); i++)
        if (!strcmp(targets_at(bench->targets, i)->name, name))
            return targets_at(bench->targets, i);
    return NULL;
}

static void exec_and_moves_are_noticed(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, (const char *const[]){"comm:sh", "comm:work"}, 2);
    write_process(&bench, 10, "sh", 0, 77, "/a");
    bench_open(&bench, GRANULARITY_PROCESS);
    tick(&bench);
    struct target *target = find(&bench, "/a:10@77");
    assert_non_null(target);
    target->is_announced = true;
    targets_all_announced(bench.targets);
    write_process(&bench, 10, "work", 10, 77, "/a");
    write_busy(&bench, 10);
    tick(&bench);
    assert_ptr_equal(find(&bench, "/a:10@77"), target);
    assert_string_equal(target->comm, "work");
    assert_false(target->is_announced);
    assert_true(targets_have_unannounced(bench.targets));
    sweep(&bench);
    /* Moved: what it used since is charged where it is now. */
    write_process(&bench, 10, "work", 15, 77, "/b");
    write_busy(&bench, 10);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/b:10@77"), 50);
    assert_int_equal(row_ms(&bench, "/a:10@77"), -1);
    sweep(&bench);
    assert_null(find(&bench, "/a:10@77"));
    /* A command that no rule selects is nobody's any more. */
    write_process(&bench, 10, "secret", 25, 77, "/b");
    write_busy(&bench, 10);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "other"), 100);
    sweep(&bench);
    assert_int_equal(targets_count(bench.targets), 1);
    bench_free(&bench);
}

static void damaged_files_cost_only_their_process(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    write_process(&bench, 10, "fine", 1, 5, "/a");
    write_process(&bench, 11, "bad", 1, 5, "/a");
    bench_open(&bench, GRANULARITY_PROCESS);
    tick(&bench);
    sweep(&bench);
    write_process(&bench, 10, "fine", 4, 5, "/a");
    made_tree_write(&bench.tree, "procfs/11/stat", "11 (bad");
    made_tree_write(&bench.tree, "procfs/stat", "no cpu line\n");
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a:10@5"), 30);
    assert_int_equal(row_ms(&bench, "/a:11@5"), -1);
    assert_false(bench.report.total[0].has_counts);
    assert_string_equal(bench.report.total[0].reason, "read_error");
    assert_int_equal(row_ms(&bench, "other"), -2); /* not known is not nothing */
    bench_free(&bench);
}

static void cgroups_lose_their_selected_descendants(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    write_usage(&bench, "/a", 1000000);
    write_usage(&bench, "/a/b", 400000);
    write_usage(&bench, "/a/b/c", 100000);
    made_tree_mkdir(&bench.tree, "cgroup/empty");
    bench_open(&bench, GRANULARITY_CGROUP);
    tick(&bench);
    sweep(&bench);
    write_usage(&bench, "/a", 1000000 + 700000);
    write_usage(&bench, "/a/b", 400000 + 500000);
    write_usage(&bench, "/a/b/c", 100000 + 300000);
    write_busy(&bench, 100);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a"), 200);
    assert_int_equal(row_ms(&bench, "/a/b"), 200);
    assert_int_equal(row_ms(&bench, "/a/b/c"), 300);
    assert_int_equal(row_ms(&bench, "/empty"), -1);
    assert_int_equal(row_ms(&bench, "other"), 300);
    sweep(&bench);
    /* A child read after its parent may have more than the parent: never below 0. A file may turn
     * bad. */
    write_usage(&bench, "/a/b", 400000 + 600000);
    made_tree_write(&bench.tree, "cgroup/a/b/c/cpu.stat", "usage_usec -5\n");
    write_busy(&bench, 100);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a"), -1);
    assert_int_equal(row_ms(&bench, "/a/b"), 100);
    assert_int_equal(row_ms(&bench, "/a/b/c"), -2);
    sweep(&bench);
    bench_free(&bench);
}

/* On cgroup v1 targets are perf_event's cgroups, and the time is in cpuacct's of the same path. */
static void cgroup1_keeps_time_in_another_tree(void **state)
{
    (void)state;
    struct bench bench;
    struct engine_probe probe;
    char cpuacct[PATH_MAX];
    bench_new(&bench, NULL, 0);
    made_tree_path(&bench.tree, "cpuacct", cpuacct);
    bench.host.perf_cgroupfs = bench.cgroupfs;
    bench.host.cgroupfs = NULL;
    counters_proc.probe(&bench.host, &bench.topology, GRANULARITY_CGROUP, &probe);
    assert_false(probe.is_usable);
    assert_non_null(strstr(probe.reason, "cpuacct"));
    bench.host.cpuacct_cgroupfs = cpuacct;
    counters_proc.probe(&bench.host, &bench.topology, GRANULARITY_CGROUP, &probe);
    assert_true(probe.is_usable);
    write_usage(&bench, "/a", 1); /* its cpu.stat counts nothing here */
    write_usage(&bench, "/a/b", 1);
    write_usage(&bench, "/apart", 1);
    made_tree_write(&bench.tree, "cpuacct/a/cpuacct.usage", "9000000000\n");
    made_tree_write(&bench.tree, "cpuacct/a/b/cpuacct.usage", "5000000000\n");
    bench_open(&bench, GRANULARITY_CGROUP);
    targets_set_tree(bench.targets, true);
    assert_true(targets_are_v1(bench.targets));
    tick(&bench);
    sweep(&bench);
    write_usage(&bench, "/a", 700000);
    made_tree_write(&bench.tree, "cpuacct/a/cpuacct.usage", "9300000000\n");
    made_tree_write(&bench.tree, "cpuacct/a/b/cpuacct.usage", "5200000000\n");
    write_busy(&bench, 100);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a"), 100);
    assert_int_equal(row_ms(&bench, "/a/b"), 200);
    assert_int_equal(row_ms(&bench, "/apart"), -2); /* cpuacct has no such cgroup */
    assert_int_equal(row_ms(&bench, "other"), 700);
    sweep(&bench);
    made_tree_write(&bench.tree, "cpuacct/a/b/cpuacct.usage", "18446744073709551616\n");
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a/b"), -2);
    bench_free(&bench);
}

static void a_new_life_shares_the_row(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, (const char *const[]){"cgroup:/a"}, 1);
    write_usage(&bench, "/a", 1000000);
    bench_open(&bench, GRANULARITY_CGROUP);
    tick(&bench);
    sweep(&bench);
    char old[PATH_MAX], aside[PATH_MAX];
    made_tree_path(&bench.tree, "cgroup/a", old);
    made_tree_path(&bench.tree, "aside", aside);
    assert_int_equal(rename(old, aside), 0); /* its inode stays taken */
    write_usage(&bench, "/a", 5000);
    made_tree_write(&bench.tree, "aside/cpu.stat", "usage_usec 1250000\n"); /* its last breath */
    write_busy(&bench, 100);
    tick(&bench);
    assert_int_equal(targets_count(bench.targets), 3);
    assert_int_equal(row_ms(&bench, "/a"), 250);
    sweep(&bench);
    assert_int_equal(targets_count(bench.targets), 2);
    write_usage(&bench, "/a", 15000);
    tick(&bench);
    assert_int_equal(row_ms(&bench, "/a"), 10);
    bench_free(&bench);
}

static void only_cpu_time_is_counted(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    struct engine *engine;
    struct error err = {0};
    const char *const events[] = {"cpu_ns", "instructions"};
    assert_int_equal(counters_proc.open(&engine, &bench.host, &bench.topology, GRANULARITY_PROCESS,
                                        events, 2, NULL, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "instructions"));
    const char *const twice[] = {"cpu_ns", "perf::TASK-CLOCK"};
    assert_int_equal(counters_proc.open(&engine, &bench.host, &bench.topology, GRANULARITY_PROCESS,
                                        twice, 2, NULL, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "twice"));
    struct engine_probe probe;
    counters_proc.probe(&bench.host, &bench.topology, GRANULARITY_CGROUP, &probe);
    assert_true(probe.is_usable);
    bench.host.cgroupfs = NULL;
    counters_proc.probe(&bench.host, &bench.topology, GRANULARITY_CGROUP, &probe);
    assert_false(probe.is_usable);
    bench.host.procfs = "/nonexistent";
    counters_proc.probe(&bench.host, &bench.topology, GRANULARITY_PROCESS, &probe);
    assert_false(probe.is_usable);
    assert_non_null(strstr(probe.reason, "/nonexistent"));
    bench.host.procfs = bench.procfs;
    bench.host.cgroupfs = bench.cgroupfs;
    bench_open(&bench, GRANULARITY_CGROUP);
    bench_free(&bench);
}

/* The real machine: a child burns 50 ms of CPU time by its own clock and then stops itself. */
static void a_real_process_is_seen_to_the_microsecond(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    bench.host.procfs = "/proc";
    bench_open(&bench, GRANULARITY_PROCESS);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)raise(SIGSTOP);
        struct timespec now = {0};
        while (now.tv_nsec < 50000000 && now.tv_sec == 0)
            (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        (void)raise(SIGSTOP);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    tick(&bench);
    sweep(&bench);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    tick(&bench);
    char mark[32];
    (void)snprintf(mark, sizeof(mark), ":%d@", child);
    int64_t cpu_ns = 0;
    for (size_t i = 0; i < bench.report.n_targets; i++)
        if (strstr(bench.report.targets[i].target, mark))
            cpu_ns = *report_counts(&bench.report, &bench.report.targets[i]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    if (cpu_ns < 45000000 || cpu_ns > 80000000 || cpu_ns % 10000000 == 0)
        fail_msg("%ld ns", (long)cpu_ns);
    bench_free(&bench);
}

static size_t n_rows(const struct bench *bench, bool has_counts)
{
    size_t n = 0;
    for (size_t i = 0; i < bench->report.n_targets; i++) {
        const struct count_row *row = &bench->report.targets[i];
        if (strcmp(row->target, "other") == 0)
            continue;
        n += row->has_counts == has_counts;
        if (!row->has_counts)
            assert_string_equal(row->reason, "no_descriptors");
    }
    return n;
}

static void tick_with_use(struct bench *bench, int first, int n_cgroups)
{
    static long usage_us;
    char name[16];
    usage_us += 1000;
    for (int i = first; i < n_cgroups; i++) {
        (void)snprintf(name, sizeof(name), "/c%d", i);
        write_usage(bench, name, usage_us);
    }
    write_busy(bench, n_cgroups);
    tick(bench);
    sweep(bench);
}

/* What cgroups are not given stays for the walk, the stores and the sources. The last test: the
 * limit stays. */
static void descriptors_are_left_for_others(void **state)
{
    (void)state;
    struct bench bench;
    const struct rlimit limit = {40, 40};
    bench_new(&bench, NULL, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    bench_open(&bench, GRANULARITY_CGROUP);
    tick_with_use(&bench, 0, 50);
    tick_with_use(&bench, 0, 50);
    assert_int_equal(n_rows(&bench, true), 30); /* a quarter is not theirs */
    assert_int_equal(n_rows(&bench, false), 20);
    for (int i = 0; i < 35; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "cgroup/c%d", i);
        made_tree_remove(&bench.tree, name);
    }
    for (int i = 0; i < 3; i++) /* they vanish, make room, and it is taken */
        tick_with_use(&bench, 35, 52);
    assert_int_equal(n_rows(&bench, true), 17);
    assert_int_equal(n_rows(&bench, false), 0);
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_are_counted_and_the_rest_is_other),
        cmocka_unit_test(a_number_given_away_is_another_process),
        cmocka_unit_test(exec_and_moves_are_noticed),
        cmocka_unit_test(damaged_files_cost_only_their_process),
        cmocka_unit_test(cgroups_lose_their_selected_descendants),
        cmocka_unit_test(cgroup1_keeps_time_in_another_tree),
        cmocka_unit_test(a_new_life_shares_the_row),
        cmocka_unit_test(only_cpu_time_is_counted),
        cmocka_unit_test(a_real_process_is_seen_to_the_microsecond),
        cmocka_unit_test(descriptors_are_left_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
