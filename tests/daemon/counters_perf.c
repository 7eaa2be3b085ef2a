/* SPDX-License-Identifier: BSD-3-Clause */
/* The perf and proc engines on the real machine. Needs root and a cgroup2 mount; fails
 * without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "sensor/perf_watch.h"
#include "tests/daemon/engine_bench.h"
#include "tests/unit/made_tree.h"

extern const struct engine_ops counters_perf, counters_proc;

#define ROUNDS_PER_TICK 10000
#define N_TICKS 4
#define LATE_NS 20000000 /* the books of one that runs on, with what was stolen from it */

/* Three levels, the middle one idle by itself; then death, and a second life under the same name.
 */
static void cgroups_are_counted(const struct engine_ops *ops, bool sees_last_breath)
{
    bench_make_cgroup("");
    bench_make_cgroup("/outer");
    bench_make_cgroup("/outer/inner");
    bench_make_cgroup("/idle");
    pid_t outer = start_burner("/outer", 60);
    pid_t inner = start_burner("/outer/inner", 120);
    pid_t idle = start_burner("/idle", 0);
    bench_open(ops, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    assert_int_equal(bench.report.n_targets, 0);
    bench_sweep();

    long outer_before = bench_usage_ms("/outer"), inner_before = bench_usage_ms("/outer/inner");
    let_burn(outer);
    let_burn(inner);
    bench_tick();
    is_near_ms(bench_row_ms("/outer"), 60, "outer without inner");
    is_near_ms(bench_row_ms("/outer/inner"), 120, "inner");
    did_nothing("/idle");
    did_nothing("");
    long outer_ms = bench_usage_ms("/outer") - outer_before,
         inner_ms = bench_usage_ms("/outer/inner") - inner_before;
    is_near_ms(bench_row_ms("/outer") + bench_row_ms("/outer/inner"), outer_ms, "beside cpu.stat");
    is_near_ms(bench_row_ms("/outer/inner"), inner_ms, "beside cpu.stat");
    bench_sweep();

    let_burn(inner);
    end_process(inner);
    bench_remove_cgroup("/outer/inner");
    bench_make_cgroup("/outer/inner");
    pid_t second = start_burner("/outer/inner", 40);
    bench_tick();
    if (sees_last_breath)
        is_near_ms(bench_row_ms("/outer/inner"), 120, "last breath");
    bench_sweep();
    let_burn(second);
    bench_tick();
    is_near_ms(bench_row_ms("/outer/inner"), 40, "second life");
    did_nothing("/outer");
    bench_sweep();
    bench_close();
    end_process(outer);
    end_process(second);
    end_process(idle);
    bench_remove_cgroup("/outer/inner");
    bench_remove_cgroup("/outer");
    bench_remove_cgroup("/idle");
    bench_remove_cgroup("");
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
    bench_make_cgroup("");
    bench_make_cgroup("/busy");
    pid_t busy = start_burner("/busy", 200);
    bench_open(&counters_perf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    let_burn(busy);
    bench_tick();
    bool has_busy = false;
    for (size_t i = 0; i < bench.report.n_targets; i++) {
        const struct count_row *row = &bench.report.targets[i];
        if (strncmp(row->target, bench.name, strlen(bench.name)) != 0)
            continue;
        has_busy = true;
        /* The cgroup's time on the CPU, which software events count all along. */
        is_near_ms((long)(row->enabled_ns / 1000000), bench_row_ms("/busy"), "enabled");
        assert_int_equal(row->enabled_ns, row->running_ns);
    }
    assert_true(has_busy);
    int64_t total_ns = 0, enabled_ns = 0;
    size_t event = bench_event("cpu_ns");
    assert_int_equal(bench.report.n_total, bench.topology.n_packages);
    for (size_t i = 0; i < bench.report.n_total; i++) {
        total_ns += report_counts(&bench.report, &bench.report.total[i])[event];
        enabled_ns += bench.report.total[i].enabled_ns;
    }
    assert_true(total_ns >= 195000000);
    assert_true(total_ns <= enabled_ns + 40000000); /* in clock ticks */
    bench_close();
    end_process(busy);
    bench_remove_cgroup("/busy");
    bench_remove_cgroup("");
}

/* A CPU that leaves takes its groups with it; when it is back they are opened anew. Real CPUs stay
 * on: only the topology says so. */
static void a_cpu_leaves_and_comes_back(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_make_cgroup("/busy");
    pid_t busy = start_burner("/busy", 50);
    bench_open(&counters_perf, GRANULARITY_CGROUP, NULL, 0, NULL);
    if (bench.topology.n_cpus < 2 || !bench.topology.is_online[1]) {
        bench_close();
        end_process(busy);
        bench_remove_cgroup("/busy");
        bench_remove_cgroup("");
        skip();
    }
    bench_tick();
    bench.topology.is_online[1] = false;
    let_burn(busy);
    bench_tick();
    assert_true(reasons_have(&bench.report.reasons, "cpu_offline"));
    assert_string_equal(bench.report.total[0].reason, "cpu_offline");
    assert_true(bench.report.total[0].has_counts);
    bench_tick();
    assert_false(reasons_have(&bench.report.reasons, "cpu_offline"));
    assert_string_equal(bench.report.total[0].reason, "");
    bench.topology.is_online[1] = true;
    bench_tick();
    let_burn(busy);
    bench_tick();
    is_near_ms(bench_row_ms("/busy"), 50, "after the CPU came back");
    bench_close();
    end_process(busy);
    bench_remove_cgroup("/busy");
    bench_remove_cgroup("");
}

static bool is_still(const char *cgroup)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "%s%s", bench.name, cgroup);
    for (size_t i = 0; i < targets_count(bench.targets); i++) {
        const struct target *target = targets_at(bench.targets, i);
        const struct perf_watch *watch = target->engine_data;
        if (!strcmp(target->name, name))
            return watch->is_still;
    }
    fail_msg("%s is no target", name);
    return false;
}

/* One look at cpu.stat spares the groups of what sleeps, and loses nothing of what runs. */
static void what_sleeps_is_not_read(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_make_cgroup("/now-and-then");
    pid_t pid = start_burner("/now-and-then", 30);
    bench_open(&counters_perf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    for (int i = 0; i < 3; i++) {
        /* The kernel's books may close late, and what gained is read once more. */
        for (int looks = 0; looks < 100 && !is_still("/now-and-then"); looks++)
            bench_tick();
        assert_true(is_still("/now-and-then"));
        let_burn(pid);
        bench_tick();
        assert_false(is_still("/now-and-then"));
        is_near_ms(bench_row_ms("/now-and-then"), 30, "after sleeping");
    }
    bench_close();
    end_process(pid);
    bench_remove_cgroup("/now-and-then");
    bench_remove_cgroup("");
}

/* Two that wake each other across CPUs, so that neither runs for long and both CPUs sleep often:
 * the timer tick hardly ever meets them. */
static pid_t start_player(int cpu, int from_fd, int to_fd, int told_fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
        bench_enter("/players");
        char byte = 'x';
        for (long i = 1; read(from_fd, &byte, 1) == 1 && write(to_fd, &byte, 1) == 1; i++)
            if (i % ROUNDS_PER_TICK == 0 && write(told_fd, &byte, 1) != 1)
                break;
        _exit(1);
    }
    return pid;
}

static int64_t sum_of(const struct count_row *rows, size_t n)
{
    int64_t sum_ns = 0;
    for (size_t i = 0; i < n; i++)
        sum_ns += report_counts(&bench.report, &rows[i])[bench_event("cpu_ns")];
    return sum_ns;
}

static int64_t players_of(const struct count_row *rows, size_t n)
{
    int64_t sum_ns = 0;
    for (size_t i = 0; i < n; i++)
        if (strstr(rows[i].target, "/players"))
            sum_ns += report_counts(&bench.report, &rows[i])[bench_event("cpu_ns")];
    return sum_ns;
}

/* What the kernel says, before and after a tick: the tick's own moment is in between. */
struct known {
    int64_t busy_ns, players_ns;
};

static struct known look(void)
{
    return (struct known){bench_machine_busy_ns(), bench_usage_us("/players") * INT64_C(1000)};
}

static void known_tick(struct known ret_around[2])
{
    ret_around[0] = look();
    bench_tick();
    ret_around[1] = look();
}

static void is_between(int64_t value_ns, int64_t least_ns, int64_t most_ns, const char *what)
{
    if (value_ns < least_ns - least_ns / 200 || value_ns > most_ns + most_ns / 200)
        fail_msg("%s: %ld us, from %ld to %ld us within 0.5 %%", what, (long)(value_ns / 1000),
                 (long)(least_ns / 1000), (long)(most_ns / 1000));
}

/* A whole turn at least, however long nobody looked: within less than a millisecond the moments of
 * the targets' readings and of the machine's are different times. */
static void await_turn(int told_fd)
{
    struct pollfd told = {.fd = told_fd, .events = POLLIN};
    char byte;
    while (poll(&told, 1, 0) == 1)
        assert_int_equal(read(told_fd, &byte, 1), 1);
    for (int i = 0; i < 2; i++) /* the first may have come at once */
        assert_int_equal(read(told_fd, &byte, 1), 1);
}

static void close_pipes(const int there[2], const int back[2], const int told[2])
{
    for (int i = 0; i < 2; i++) {
        (void)close(there[i]);
        (void)close(back[i]);
        (void)close(told[i]);
    }
}

static void sleepers_and_the_machine_have_their_time(const struct engine_ops *ops)
{
    int there[2], back[2], told[2];
    char byte = 'x';
    assert_true(pipe(there) == 0 && pipe(back) == 0 && pipe(told) == 0);
    bench_make_cgroup("");
    bench_make_cgroup("/players");
    bench_open(ops, GRANULARITY_CGROUP, NULL, 0, NULL);
    int64_t whole_ns = 0, players_ns = 0, n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t rounding_ns = 3 * n_cpus * (1000000000 / sysconf(_SC_CLK_TCK));
    struct known first[2], last[2];
    pid_t one = start_player(0, there[0], back[1], told[1]);
    pid_t other = start_player(bench.topology.n_cpus - 1, back[0], there[1], told[1]);
    bench_tick(); /* a cgroup has its baseline from the tick after that which finds it */
    known_tick(first);
    assert_int_equal(write(there[1], &byte, 1), 1);
    for (int i = 0; i < 2 * N_TICKS; i++) {
        await_turn(told[0]);
        known_tick(last);
        int64_t total_ns = sum_of(bench.report.total, bench.report.n_total);
        assert_true(sum_of(bench.report.targets, bench.report.n_targets) == total_ns);
        assert_false(reasons_have(&bench.report.reasons, "skew"));
        whole_ns += total_ns;
        players_ns += players_of(bench.report.targets, bench.report.n_targets);
    }
    is_between(players_ns, last[0].players_ns - first[1].players_ns,
               last[1].players_ns - first[0].players_ns, "the players");
    is_between(whole_ns, last[0].busy_ns - first[1].busy_ns - rounding_ns,
               last[1].busy_ns - first[0].busy_ns + rounding_ns, "the machine");
    bench_close();
    end_process(one);
    end_process(other);
    close_pipes(there, back, told);
    (void)bench_remove_all(NULL);
}

/* Perf's clock of a cgroup runs while it is enabled; the books have a third more of these sleepers. */
static bool are_players_by_the_clock(void)
{
    int64_t enabled_ns = 0;
    for (size_t i = 0; i < bench.report.n_targets; i++)
        if (strstr(bench.report.targets[i].target, "/players"))
            enabled_ns += bench.report.targets[i].enabled_ns;
    int64_t cpu_ns = players_of(bench.report.targets, bench.report.n_targets);
    return llabs(cpu_ns - enabled_ns) < enabled_ns / 20;
}

/* Where CPUs have no tick, the scheduler's books are up to a second late: perf's clock speaks
 * alone. */
static void the_books_of_tickless_cpus_are_not_taken(void **state)
{
    (void)state;
    static const char *const links[] = {"bus", "devices/system/cpu/online",
                                        "devices/system/cpu/possible"};
    static const char *const lists[] = {"\n", "(null)\n", "1\n"};
    struct made_tree tree;
    int there[2], back[2], told[2];
    char byte = 'x', path[PATH_MAX], target[PATH_MAX];
    assert_true(pipe(there) == 0 && pipe(back) == 0 && pipe(told) == 0);
    made_tree_new(&tree);
    bench_make_cgroup("");
    bench_make_cgroup("/players");
    pid_t one = start_player(0, there[0], back[1], told[1]);
    pid_t other = start_player((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, back[0], there[1], told[1]);
    assert_int_equal(write(there[1], &byte, 1), 1);
    made_tree_write(&tree, "devices/system/cpu/nohz_full", "");
    for (size_t i = 0; i < 3; i++) {
        made_tree_path(&tree, links[i], path);
        (void)snprintf(target, sizeof(target), "/sys/%s", links[i]);
        assert_int_equal(symlink(target, path), 0);
    }
    bench.host.sysfs = tree.root;
    for (size_t i = 0; i < 3; i++) {
        made_tree_write(&tree, "devices/system/cpu/nohz_full", lists[i]);
        bench_open(&counters_perf, GRANULARITY_CGROUP, NULL, 0, NULL);
        bench_tick();
        bench_tick();
        bool is_booked = false; /* where the books are late, single rows are by the clock */
        for (int k = 0; k < 5; k++) {
            await_turn(told[0]);
            bench_tick();
            is_booked |= !are_players_by_the_clock();
        }
        assert_int_equal(is_booked, i < 2);
        bench_close();
    }
    bench.host.sysfs = "/sys";
    end_process(one);
    end_process(other);
    close_pipes(there, back, told);
    made_tree_remove(&tree, "");
    (void)bench_remove_all(NULL);
}

static pid_t start_loop(const char *cgroup)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)(bench.topology.n_cpus - 1), &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
        bench_enter(cgroup);
        for (;;)
            ;
    }
    return pid;
}

/* The books of one that runs on move a scheduler tick at once, which is about what two readings are
 * apart here: neither it nor the machine ever has more than all of the time. */
static void nobody_has_more_time_than_there_was(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_make_cgroup("/loop");
    int64_t n_cpus = sysconf(_SC_NPROCESSORS_ONLN), sum_ns = 0;
    bench_open(&counters_perf, GRANULARITY_CGROUP, NULL, 0, NULL);
    pid_t pid = start_loop("/loop");
    bench_tick();
    uint64_t last_ns = clock_monotonic_ns(&clock_system);
    bench_tick();
    long before_us = bench_usage_us("/loop");
    for (int i = 0; i < 200; i++) {
        burn_ms(5);
        uint64_t now_ns = clock_monotonic_ns(&clock_system);
        bench_tick();
        int64_t most_ns = (int64_t)(clock_monotonic_ns(&clock_system) - last_ns), loop_ns = 0;
        int64_t total_ns = sum_of(bench.report.total, bench.report.n_total);
        last_ns = now_ns;
        for (size_t k = 0; k < bench.report.n_targets; k++)
            if (strstr(bench.report.targets[k].target, "/loop"))
                loop_ns += sum_of(&bench.report.targets[k], 1);
        if (loop_ns > most_ns || total_ns > n_cpus * most_ns)
            fail_msg("%ld us, the machine %ld us within %ld us", (long)(loop_ns / 1000),
                     (long)(total_ns / 1000), (long)(most_ns / 1000));
        sum_ns += loop_ns;
    }
    int64_t used_ns = (bench_usage_us("/loop") - before_us) * INT64_C(1000);
    if (llabs(sum_ns - used_ns) > used_ns / 200 + LATE_NS)
        fail_msg("%ld us, by cpu.stat %ld us", (long)(sum_ns / 1000), (long)(used_ns / 1000));
    bench_close();
    end_process(pid);
    (void)bench_remove_all(NULL);
}

static uint32_t change_capabilities(uint32_t low, uint32_t high, bool adds)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    uint32_t had = data[0].effective & low;
    data[0].effective = adds ? data[0].effective | low : data[0].effective & ~low;
    data[1].effective = adds ? data[1].effective | high : data[1].effective & ~high;
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
    return had;
}

/* As where kernel.perf_event_paranoid was raised meanwhile. */
static void perf_gives_way_where_new_cgroups_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    bench_make_cgroup("");
    bench_make_cgroup("/a");
    bench_open(&counters_perf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    bench_make_cgroup("/b");
    uint32_t admin = 1u << CAP_SYS_ADMIN, perfmon = 1u << (CAP_PERFMON - 32);
    assert_int_equal(change_capabilities(admin, perfmon, false), admin);
    assert_int_equal(targets_refresh(bench.targets, &err), 0);
    int r = bench.engine->ops->set_targets(bench.engine, bench.targets, &bench.topology, &err);
    (void)change_capabilities(admin, perfmon, true);
    if (r != -EACCES || !strstr(err.text, "perf_event_paranoid"))
        fail_msg("%d: %s", r, err.text);
    bench_look();
    bench_close();
    (void)bench_remove_all(NULL);
}

static void perf_misses_no_time_of_sleepers(void **state)
{
    (void)state;
    sleepers_and_the_machine_have_their_time(&counters_perf);
}

static void proc_misses_no_time_of_sleepers(void **state)
{
    (void)state;
    sleepers_and_the_machine_have_their_time(&counters_proc);
}

int main(void)
{
    int r = bench_find_machine(&counters_perf, GRANULARITY_CGROUP);
    if (r != 0)
        return r;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perf_counts_cgroups),
        cmocka_unit_test(proc_counts_cgroups),
        cmocka_unit_test(rows_carry_times_and_the_total_is_without_idle),
        cmocka_unit_test(a_cpu_leaves_and_comes_back),
        cmocka_unit_test(what_sleeps_is_not_read),
        cmocka_unit_test(perf_gives_way_where_new_cgroups_are_refused),
        cmocka_unit_test(perf_misses_no_time_of_sleepers),
        cmocka_unit_test(nobody_has_more_time_than_there_was),
        cmocka_unit_test(the_books_of_tickless_cpus_are_not_taken),
        cmocka_unit_test(proc_misses_no_time_of_sleepers),
    };
    return cmocka_run_group_tests(tests, NULL, bench_remove_all);
}
