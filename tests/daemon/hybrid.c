/* SPDX-License-Identifier: BSD-3-Clause */
/* The bpf and perf engines where CPUs are of two types, or in two packages. The machine's own CPUs
 * are told to be so by a folder: that of a hybrid names the kernel's software PMU for both types, so
 * that real system calls open real events by the numbers of each. Needs root, two CPUs and a cgroup2
 * mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/typed_events.h"
#include "tests/daemon/engine_bench.h"
#include "tests/unit/made_tree.h"

extern const struct engine_ops counters_bpf, counters_perf;

/* ---- two types ---- */

#define DEVICE(name) "bus/event_source/devices/" name

/* A software event of the kernel as a raw one, as a CPU's PMU is asked: 2 are page faults. */
static const char *const events[] = {"cpu_ns", "faults=perf_raw::r2", "page_faults"};
static const char *const columns[] = {"cpu_ns", "faults:core", "faults:atom", "page_faults"};

static void make_hybrid(struct made_tree *tree, int n_cpus)
{
    char path[PATH_MAX], list[32];
    made_tree_new(tree);
    made_tree_path(tree, "devices", path);
    assert_int_equal(symlink("/sys/devices", path), 0);
    (void)snprintf(list, sizeof(list), "0-%d\n", n_cpus - 2);
    made_tree_write(tree, DEVICE("cpu_core/type"), "1\n");
    made_tree_write(tree, DEVICE("cpu_core/cpus"), list);
    (void)snprintf(list, sizeof(list), "%d\n", n_cpus - 1);
    made_tree_write(tree, DEVICE("cpu_atom/type"), "1\n");
    made_tree_write(tree, DEVICE("cpu_atom/cpus"), list);
}

static int64_t sum_of(const struct count_row *rows, size_t n, const char *target, const char *event)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (!target || !strcmp(rows[i].target, target))
            sum += report_counts(&bench.report, &rows[i])[bench_event(event)];
    return sum;
}

static int64_t touched(const char *event)
{
    char name[160];
    (void)snprintf(name, sizeof(name), "%s/touch", bench.name);
    return sum_of(bench.report.targets, bench.report.n_targets, name, event);
}

static bool are_in(const char *own, const char *other)
{
    int64_t faults = touched("page_faults");
    return touched(own) >= TOUCHED_PAGES && labs(touched(own) + touched(other) - faults) <= 16 &&
           touched(other) <= 16;
}

/* A kernel does not tell each and every switch (counters_bpf.c): one round without must come soon. */
static void faults_are_in(int cpu, const char *own, const char *other)
{
    bool did_agree = false;
    pid_t pid = start_toucher("/touch", cpu);
    for (int round = 0; round < 20 && !did_agree; round++) {
        bench_tick();
        bench_sweep();
        let_burn(pid);
        bench_tick();
        did_agree = are_in(own, other);
        bench_sweep();
    }
    assert_true(did_agree);
    end_process(pid);
}

static void each_type_counts_in_its_column(const struct engine_ops *ops)
{
    struct made_tree tree;
    struct host_record record;
    int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cpus < 2)
        skip();
    make_hybrid(&tree, n_cpus);
    bench.host.sysfs = tree.root;
    bench_make_cgroup("");
    bench_make_cgroup("/touch");
    bench_open(ops, GRANULARITY_CGROUP, events, 3, NULL);
    host_record_init(&record);
    assert_int_equal(ops->describe(bench.engine, &record), 0);
    assert_int_equal(record.n_events, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(record.events[i].name, columns[i]);
    assert_string_equal(record.events[1].pmu, "cpu_core");
    assert_string_equal(record.events[2].pmu, "cpu_atom");
    host_record_deinit(&record);
    faults_are_in(0, "faults:core", "faults:atom");
    faults_are_in(n_cpus - 1, "faults:atom", "faults:core");
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(bench.report.events[i], columns[i]);
    bench_close();
    bench.host.sysfs = "/sys";
    made_tree_remove(&tree, "");
    (void)bench_remove_all(NULL);
}

/* As many as a CPU may have, twice. */
static void bpf_has_room_for_all_columns(void **state)
{
    (void)state;
    static const char *const most[] = {"a=perf_raw::r1", "b=perf_raw::r2", "c=perf_raw::r3",
                                       "d=perf_raw::r4", "e=perf_raw::r5", "f=perf_raw::r6"};
    static const char *const names[] = {"a:core", "a:atom", "b:core", "b:atom", "c:core", "c:atom",
                                        "d:core", "d:atom", "e:core", "e:atom", "f:core", "f:atom"};
    struct made_tree tree;
    int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cpus < 2)
        skip();
    make_hybrid(&tree, n_cpus);
    bench.host.sysfs = tree.root;
    bench_make_cgroup("");
    bench_open(&counters_bpf, GRANULARITY_CGROUP, most, 6, NULL);
    pid_t pid = start_burner("", 30);
    bench_tick();
    bench_sweep();
    let_burn(pid);
    bench_tick();
    assert_int_equal(bench.report.n_events, 12);
    int64_t switches = 0;
    for (size_t i = 0; i < 12; i++) {
        assert_string_equal(bench.report.events[i], names[i]);
        if (names[i][0] == 'c')
            switches += sum_of(bench.report.total, bench.report.n_total, NULL, names[i]);
    }
    assert_true(switches > 0);
    bench_close();
    end_process(pid);
    bench.host.sysfs = "/sys";
    made_tree_remove(&tree, "");
    (void)bench_remove_all(NULL);
}

/* There is no PMU of that number: what is asked of it cannot be opened there. */
static void one_type_may_lack_an_event(const struct engine_ops *ops)
{
    struct made_tree tree;
    struct error err = {0};
    struct host_record record;
    int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cpus < 2)
        skip();
    make_hybrid(&tree, n_cpus);
    made_tree_write(&tree, DEVICE("cpu_atom/type"), "1000000\n");
    bench.host.sysfs = tree.root;
    bench_make_cgroup("");
    bench_open(ops, GRANULARITY_CGROUP, events, 2, NULL);
    host_record_init(&record);
    assert_int_equal(ops->describe(bench.engine, &record), 0);
    assert_int_equal(record.n_events, 2);
    assert_string_equal(record.events[1].name, "faults:core");
    host_record_deinit(&record);
    bench_tick();
    bench_sweep();
    bench_tick();
    assert_int_equal(bench.report.n_total, 1);
    assert_true(bench.report.total[0].has_counts);
    struct engine *none;
    assert_true(ops->open(&none, &bench.host, &bench.topology, GRANULARITY_CGROUP, events + 1, 1,
                          NULL, &err) < 0);
    assert_non_null(strstr(err.text, "cpu_atom"));
    bench_close();
    bench.host.sysfs = "/sys";
    made_tree_remove(&tree, "");
    (void)bench_remove_all(NULL);
}

/* Lists of two types may name the same events in another order: what is given up, from the end, has
 * to be the same of both. */
static void types_give_up_the_same(void **state)
{
    (void)state;
    static const char *const asked[] = {"cpu_ns", "a=perf_raw::r3", "b=perf_raw::r4",
                                        "c=perf_raw::r5"};
    struct made_tree tree;
    struct topology topology;
    struct typed_events typed;
    struct error err = {0};
    int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cpus < 2)
        skip();
    make_hybrid(&tree, n_cpus);
    const struct host host = {.sysfs = tree.root, .procfs = "/proc", .clock = &clock_system};
    assert_int_equal(topology_read(&topology, &host, &err), 0);
    if (typed_events_choose(&typed, &host, &topology, asked, 4, &err) < 0)
        fail_msg("%s", err.text);
    struct event_set *atom = &typed.sets[1];
    const struct counted_event first = atom->events[0];
    memmove(&atom->events[0], &atom->events[1], 3 * sizeof(first));
    atom->events[3] = first;
    assert_int_equal(typed_events_fit(&typed, &host, false, &err), 0);
    typed_events_cut(&typed, 2);
    assert_int_equal(typed.n_columns, 3);
    assert_string_equal(typed.columns[0].name, "cpu_ns");
    assert_string_equal(typed.columns[1].name, "a:core");
    assert_string_equal(typed.columns[2].name, "a:atom");
    typed_events_deinit(&typed);
    topology_deinit(&topology);
    made_tree_remove(&tree, "");
}

/* ---- two packages ---- */

#define LAST_PACKAGE 7 /* numbers of packages have gaps on some machines */

static void make_packages(struct made_tree *tree, int n_cpus)
{
    char path[96], list[32];
    made_tree_new(tree);
    (void)snprintf(list, sizeof(list), "0-%d\n", n_cpus - 1);
    made_tree_write(tree, "devices/system/cpu/online", list);
    made_tree_write(tree, "devices/system/cpu/possible", list);
    for (int cpu = 0; cpu < n_cpus; cpu++) {
        (void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%d/topology/physical_package_id",
                       cpu);
        (void)snprintf(list, sizeof(list), "%d\n", cpu == n_cpus - 1 ? LAST_PACKAGE : 0);
        made_tree_write(tree, path, list);
    }
}

static int64_t touched_in(int32_t package)
{
    int64_t sum = 0;
    char name[160];
    (void)snprintf(name, sizeof(name), "%s/touch", bench.name);
    for (size_t i = 0; i < bench.report.n_targets; i++) {
        const struct count_row *row = &bench.report.targets[i];
        if (!strcmp(row->target, name) && row->package == package)
            sum += report_counts(&bench.report, row)[bench_event("page_faults")];
    }
    return sum;
}

static void faults_are_in_package(int cpu, int32_t own, int32_t other)
{
    bool did_agree = false;
    pid_t pid = start_toucher("/touch", cpu);
    for (int round = 0; round < 20 && !did_agree; round++) {
        bench_tick();
        bench_sweep();
        let_burn(pid);
        bench_tick();
        assert_int_equal(bench.report.n_total, 2);
        assert_int_equal(bench.report.total[0].package, 0);
        assert_int_equal(bench.report.total[1].package, LAST_PACKAGE);
        did_agree = touched_in(own) >= TOUCHED_PAGES && touched_in(other) <= 16;
        bench_sweep();
    }
    assert_true(did_agree);
    end_process(pid);
}

static void each_package_has_its_row(const struct engine_ops *ops)
{
    static const char *const two_events[] = {"cpu_ns", "page_faults"};
    struct made_tree tree;
    int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cpus < 2)
        skip();
    make_packages(&tree, n_cpus);
    bench.host.sysfs = tree.root;
    bench_make_cgroup("");
    bench_make_cgroup("/touch");
    bench_open(ops, GRANULARITY_CGROUP, two_events, 2, NULL);
    faults_are_in_package(0, 0, LAST_PACKAGE);
    faults_are_in_package(n_cpus - 1, LAST_PACKAGE, 0);
    /* As if the last CPU had been offline at the opening, when nobody could say where it is. */
    bench.topology.package[n_cpus - 1] = 0;
    faults_are_in_package(n_cpus - 1, 0, LAST_PACKAGE);
    bench_close();
    bench.host.sysfs = "/sys";
    made_tree_remove(&tree, "");
    (void)bench_remove_all(NULL);
}

/* A package that was offline as a whole: its CPUs count where they can, and that is said. */
static void a_package_that_comes_late_is_said(void **state)
{
    (void)state;
    struct made_tree tree;
    char path[96];
    int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cpus < 2)
        skip();
    make_packages(&tree, n_cpus);
    (void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%d/topology/physical_package_id",
                   n_cpus - 1);
    made_tree_write(&tree, path, "0\n");
    bench.host.sysfs = tree.root;
    bench_make_cgroup("");
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    for (int is_late = 0; is_late < 2; is_late++) {
        bench_tick();
        bench_sweep();
        bench_tick();
        assert_int_equal(bench.report.n_total, 1);
        assert_int_equal(reasons_have(&bench.report.reasons, "package_unknown"), is_late);
        assert_string_equal(bench.report.total[0].reason, is_late ? "package_unknown" : "");
        assert_true(bench.report.total[0].has_counts);
        bench_sweep();
        made_tree_write(&tree, path, "7\n");
        topology_deinit(&bench.topology);
        assert_int_equal(topology_read(&bench.topology, &bench.host, NULL), 0);
    }
    bench_close();
    bench.host.sysfs = "/sys";
    made_tree_remove(&tree, "");
    (void)bench_remove_all(NULL);
}

static void bpf_counts_each_type(void **state)
{
    (void)state;
    each_type_counts_in_its_column(&counters_bpf);
}

static void perf_counts_each_type(void **state)
{
    (void)state;
    each_type_counts_in_its_column(&counters_perf);
}

static void bpf_leaves_out_what_a_type_lacks(void **state)
{
    (void)state;
    one_type_may_lack_an_event(&counters_bpf);
}

static void perf_leaves_out_what_a_type_lacks(void **state)
{
    (void)state;
    one_type_may_lack_an_event(&counters_perf);
}

static void bpf_counts_each_package(void **state)
{
    (void)state;
    each_package_has_its_row(&counters_bpf);
}

static void perf_counts_each_package(void **state)
{
    (void)state;
    each_package_has_its_row(&counters_perf);
}

int main(void)
{
    int r = bench_find_machine(&counters_bpf, GRANULARITY_CGROUP);
    if (r != 0)
        return r;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpf_counts_each_type),
        cmocka_unit_test(perf_counts_each_type),
        cmocka_unit_test(bpf_has_room_for_all_columns),
        cmocka_unit_test(bpf_leaves_out_what_a_type_lacks),
        cmocka_unit_test(perf_leaves_out_what_a_type_lacks),
        cmocka_unit_test(types_give_up_the_same),
        cmocka_unit_test(bpf_counts_each_package),
        cmocka_unit_test(a_package_that_comes_late_is_said),
        cmocka_unit_test(perf_counts_each_package),
    };
    return cmocka_run_group_tests(tests, NULL, bench_remove_all);
}
