/* SPDX-License-Identifier: BSD-3-Clause */
/* The bpf engine on the real machine, held against cpu.stat: moves, churn, processes that live a
 * millisecond, too little room. Only CPU times are asserted. Needs root, a cgroup2 mount and a
 * kernel with BTF; fails without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sensor/awake_time.h"
#include "sensor/bpf_settings.h"
#include "sensor/event_set.h"
#include "tests/daemon/engine_bench.h"

extern const struct engine_ops counters_bpf;

#define N_HOGS 4
#define ROUND_MS 60
#define CHILD_MS 3
#define WINDOW_MS 10000
#ifdef __SANITIZE_ADDRESS__ /* where fork takes many times as long */
#define N_BRIEF 2000
#define N_TURNS 30
#else
#define N_BRIEF 10000
#define N_TURNS 100
#endif
#define N_FORKERS 2

static int64_t total_ns(const struct count_row *rows, size_t n, const char *prefix)
{
    int64_t sum = 0;
    size_t event = bench_event("cpu_ns");
    for (size_t i = 0; i < n; i++)
        if (!strncmp(rows[i].target, prefix, strlen(prefix)))
            sum += report_counts(&bench.report, &rows[i])[event];
    return sum;
}

/* CPU time of all targets whose name begins with that of the cgroup and then `rest`. */
static int64_t rows_ns(const char *cgroup, const char *rest)
{
    char prefix[160];
    (void)snprintf(prefix, sizeof(prefix), "%s%s%s", bench.name, cgroup, rest);
    return total_ns(bench.report.targets, bench.report.n_targets, prefix);
}

static size_t count_rows(const char *cgroup)
{
    char prefix[160];
    size_t n = 0;
    (void)snprintf(prefix, sizeof(prefix), "%s%s", bench.name, cgroup);
    for (size_t i = 0; i < bench.report.n_targets; i++)
        n += !strncmp(bench.report.targets[i].target, prefix, strlen(prefix));
    return n;
}

static void is_within(int64_t value_ns, int64_t expected_ns, double share, const char *what)
{
    double off = (double)(value_ns - expected_ns) / (double)expected_ns;
    if (off < -share || off > share)
        fail_msg("%s: %ld us, expected %ld us within %.1f %%", what, (long)(value_ns / 1000),
                 (long)(expected_ns / 1000), share * 100);
}

static void sum_is_total(void)
{
    int64_t total = total_ns(bench.report.total, bench.report.n_total, "");
    assert_true(total_ns(bench.report.targets, bench.report.n_targets, "") == total);
}

/* ---- churn ---- */

/* Burns, with a child that burns now and then, and says after each piece that it is done. */
static void be_hog(const char *cgroup, long n_rounds, int told_fd)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_enter(cgroup);
    (void)raise(SIGSTOP);
    for (long i = 0; i < n_rounds; i++) {
        burn_ms(ROUND_MS);
        pid_t child = fork();
        if (child == 0) {
            burn_ms(CHILD_MS);
            _exit(0);
        }
        (void)waitpid(child, NULL, 0);
        if (write(told_fd, "x", 1) != 1)
            _exit(1);
    }
    (void)raise(SIGSTOP);
    _exit(0);
}

static void wait_stopped(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

/* How often a hog must burn so that all of them take the window, the CPUs being theirs alone. */
static long rounds_per_hog(void)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return WINDOW_MS * (n_cpus < N_HOGS ? n_cpus : N_HOGS) / (N_HOGS * (ROUND_MS + CHILD_MS)) + 1;
}

/* Four hogs that are moved from cgroup to cgroup by others while they run. */
static void cpu_time_agrees_with_cpu_stat_under_moves_and_churn(void **state)
{
    (void)state;
    static const char *const cgroups[N_HOGS] = {"/a", "/b", "/c", "/d"};
    int64_t counted_ns[N_HOGS] = {0}, whole_ns = 0;
    long before_us[N_HOGS], n_rounds = rounds_per_hog();
    pid_t hogs[N_HOGS];
    int told[2];
    assert_int_equal(pipe(told), 0);
    bench_make_cgroup("");
    for (size_t i = 0; i < N_HOGS; i++) {
        bench_make_cgroup(cgroups[i]);
        hogs[i] = fork();
        if (hogs[i] == 0)
            be_hog(cgroups[i], n_rounds, told[1]);
        wait_stopped(hogs[i]);
    }
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    int64_t busy_ns = bench_machine_busy_ns();
    for (size_t i = 0; i < N_HOGS; i++) {
        before_us[i] = bench_usage_us(cgroups[i]);
        assert_int_equal(kill(hogs[i], SIGCONT), 0);
    }
    for (size_t done = 1; done <= N_HOGS * (size_t)n_rounds; done++) {
        char byte;
        assert_int_equal(read(told[0], &byte, 1), 1);
        bench_move(cgroups[(done * 3) % N_HOGS], hogs[done % N_HOGS]);
        char name[16];
        (void)snprintf(name, sizeof(name), "/x%zu", done);
        bench_make_cgroup(name);
        bench_remove_cgroup(name);
        if (done == N_HOGS * (size_t)n_rounds)
            for (size_t i = 0; i < N_HOGS; i++)
                wait_stopped(hogs[i]);
        bench_tick();
        sum_is_total();
        whole_ns += total_ns(bench.report.total, bench.report.n_total, "");
        for (size_t i = 0; i < N_HOGS; i++)
            counted_ns[i] += rows_ns(cgroups[i], "");
        bench_sweep();
    }
    is_within(whole_ns, bench_machine_busy_ns() - busy_ns, 0.005, "the whole machine");
    int64_t all_ns = 0, all_us = 0;
    for (size_t i = 0; i < N_HOGS; i++) {
        int64_t used_us = bench_usage_us(cgroups[i]) - before_us[i];
        all_ns += counted_ns[i];
        all_us += used_us;
        is_within(counted_ns[i], used_us * 1000, 0.005, cgroups[i]);
    }
    is_within(all_ns, all_us * 1000, 0.005, "all hogs");
    bench_close();
    for (size_t i = 0; i < N_HOGS; i++)
        end_process(hogs[i]);
    (void)close(told[0]);
    (void)close(told[1]);
    (void)bench_remove_all(NULL);
}

/* ---- CPUs that fall asleep thousands of times a second ---- */

static void burn_us(int64_t us)
{
    struct timespec start, now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    do
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < us * 1000);
}

/* Passes a byte on, after some work; each sleeps while the other works. */
static pid_t start_half(int cpu, int from, int to, int told_fd)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    cpu_set_t set;
    char byte = 'x';
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sched_setaffinity(0, sizeof(set), &set);
    bench_enter("/pair");
    if (told_fd >= 0 && write(to, &byte, 1) != 1)
        _exit(1);
    for (unsigned n = 1; read(from, &byte, 1) == 1; n++) {
        burn_us(150);
        if (write(to, &byte, 1) != 1 ||
            (told_fd >= 0 && n % 1000 == 0 && write(told_fd, "x", 1) != 1))
            break;
    }
    _exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The total of so long a time. */
static int64_t count_for_ns(int told_fd, int64_t span_ns)
{
    int64_t whole_ns = 0, end_ns = now_ns() + span_ns;
    char byte;
    while (now_ns() < end_ns) {
        assert_int_equal(read(told_fd, &byte, 1), 1);
        bench_tick();
        sum_is_total();
        whole_ns += total_ns(bench.report.total, bench.report.n_total, "");
        bench_sweep();
    }
    return whole_ns;
}

static void what_cpus_are_awake_for_is_in_the_total(void **state)
{
    (void)state;
    int there[2], back[2], told[2];
    int64_t window_ns = (int64_t)AWAKE_WINDOW_NS;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        skip(); /* one CPU does not sleep while another works */
    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    assert_int_equal(pipe(told), 0);
    bench_make_cgroup("");
    bench_make_cgroup("/pair");
    pid_t pids[2] = {start_half(0, back[0], there[1], told[1]),
                     start_half(1, there[0], back[1], -1)};
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    bench_sweep();
    (void)count_for_ns(told[0], window_ns); /* what is found in it is booked after it */
    int64_t off_ns = 0, busy_ns = 0;
    for (int round = 0; round < 4; round++) { /* other load may change from window to window */
        busy_ns = bench_machine_busy_ns();
        off_ns = count_for_ns(told[0], window_ns);
        busy_ns = bench_machine_busy_ns() - busy_ns;
        off_ns -= busy_ns;
        if (llabs(off_ns) <= busy_ns / 200)
            break;
    }
    is_within(busy_ns + off_ns, busy_ns, 0.005, "the whole machine");
    bench_close();
    for (size_t i = 0; i < 2; i++)
        end_process(pids[i]);
    (void)bench_remove_all(NULL);
}

/* ---- lives of a millisecond ---- */

static void be_forker(const char *cgroup, int told_fd)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "forker");
    bench_enter(cgroup);
    (void)raise(SIGSTOP);
    for (int i = 1; i <= N_BRIEF / N_FORKERS; i++) {
        pid_t child = fork();
        if (child == 0) {
            (void)prctl(PR_SET_NAME, "brief");
            burn_ms(1);
            _exit(0);
        }
        if (waitpid(child, NULL, 0) != child || (i % 1000 == 0 && write(told_fd, "x", 1) != 1))
            _exit(1);
    }
    (void)raise(SIGSTOP);
    _exit(0);
}

/* The same processes, seen by two engines at once. */
struct view {
    struct engine_bench bench;
    int64_t all_ns, brief_ns;
};

static void open_view(struct view *view, enum granularity granularity)
{
    bench_open(&counters_bpf, granularity, NULL, 0, NULL);
    bench_tick();
    bench_sweep();
    view->bench = bench;
}

static void add_view(struct view *view)
{
    bench = view->bench;
    bench_tick();
    assert_false(reasons_have(&bench.report.reasons, "targets_dropped"));
    sum_is_total();
    view->all_ns += rows_ns("/brief", "");
    view->brief_ns += rows_ns("/brief", ":brief");
    bench_sweep();
    view->bench = bench;
}

static void close_view(struct view *view)
{
    bench = view->bench;
    bench_close();
}

static void ten_thousand_brief_processes_are_all_counted(void **state)
{
    (void)state;
    struct view cgroups = {0}, processes = {0};
    pid_t forkers[N_FORKERS];
    int told[2];
    assert_int_equal(pipe(told), 0);
    bench_make_cgroup("");
    bench_make_cgroup("/brief");
    for (int i = 0; i < N_FORKERS; i++) {
        forkers[i] = fork();
        if (forkers[i] == 0)
            be_forker("/brief", told[1]);
        wait_stopped(forkers[i]);
    }
    open_view(&cgroups, GRANULARITY_CGROUP);
    open_view(&processes, GRANULARITY_PROCESS);
    long before_us = bench_usage_us("/brief");
    for (int i = 0; i < N_FORKERS; i++)
        assert_int_equal(kill(forkers[i], SIGCONT), 0);
    for (int i = 0; i < N_BRIEF / 1000; i++) {
        char byte;
        assert_int_equal(read(told[0], &byte, 1), 1);
        add_view(&cgroups);
        add_view(&processes);
    }
    for (int i = 0; i < N_FORKERS; i++)
        wait_stopped(forkers[i]);
    int64_t used_ns = (bench_usage_us("/brief") - before_us) * 1000;
    add_view(&cgroups);
    add_view(&processes);
    assert_true(used_ns > (int64_t)N_BRIEF * 1000000);
    is_within(cgroups.all_ns, used_ns, 0.005, "their cgroup");
    is_within(processes.all_ns, used_ns, 0.005, "processes of their cgroup");
    /* All but the forkers, and who was seen alive at a tick. */
    assert_true(processes.brief_ns > (int64_t)N_BRIEF * 990000);
    close_view(&cgroups);
    close_view(&processes);
    for (int i = 0; i < N_FORKERS; i++)
        end_process(forkers[i]);
    (void)close(told[0]);
    (void)close(told[1]);
    (void)bench_remove_all(NULL);
}

/* ---- moves ---- */

/* Burns in one cgroup, moves itself, and burns on. */
static void a_process_that_moves_itself_is_charged_to_both_sides(void **state)
{
    (void)state;
    static const enum granularity granularities[] = {GRANULARITY_CGROUP, GRANULARITY_PROCESS};
    for (size_t i = 0; i < 2; i++) {
        bench_make_cgroup("");
        bench_make_cgroup("/from");
        bench_make_cgroup("/to");
        pid_t pid = fork();
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            bench_enter("/from");
            (void)raise(SIGSTOP);
            burn_ms(150);
            bench_enter("/to");
            burn_ms(100);
            (void)raise(SIGSTOP);
            _exit(0);
        }
        wait_stopped(pid);
        bench_open(&counters_bpf, granularities[i], NULL, 0, NULL);
        bench_tick();
        bench_sweep();
        let_burn(pid);
        bench_tick();
        is_within(rows_ns("/from", ""), 150000000, 0.05, "before the move");
        is_within(rows_ns("/to", ""), 100000000, 0.05, "after the move");
        bench_close();
        end_process(pid);
        (void)bench_remove_all(NULL);
    }
}

static void pin(pid_t pid, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    assert_int_equal(sched_setaffinity(pid, sizeof(set), &set), 0);
}

/* Every CPU that ran it before still holds something for it. */
static void a_process_moved_while_it_sleeps_is_charged_to_both_sides(void **state)
{
    (void)state;
    static const enum granularity granularities[] = {GRANULARITY_CGROUP, GRANULARITY_PROCESS};
    static const char *const cgroups[] = {"/from", "/to"};
    for (size_t i = 0; i < 2; i++) {
        bench_make_cgroup("");
        bench_make_cgroup("/from");
        bench_make_cgroup("/to");
        pid_t pid = start_burner("/from", 40);
        bench_open(&counters_bpf, granularities[i], NULL, 0, NULL);
        int n_cpus = bench.topology.n_cpus;
        bench_tick();
        bench_sweep();
        for (size_t side = 0; side < 2; side++) {
            bench_move(cgroups[side], pid);
            for (int cpu = 0; cpu < n_cpus; cpu++) {
                pin(pid, cpu);
                let_burn(pid);
            }
        }
        bench_tick();
        is_within(rows_ns("/from", ""), n_cpus * INT64_C(40000000), 0.1, "before the move");
        is_within(rows_ns("/to", ""), n_cpus * INT64_C(40000000), 0.1, "after the move");
        bench_close();
        end_process(pid);
        (void)bench_remove_all(NULL);
    }
}

/* What a CPU had gathered when it went offline is fetched from it. It stays on: only the engine
 * believes it. */
static void a_cpu_that_goes_offline_loses_nothing(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_make_cgroup("/last");
    pid_t pid = start_burner("/last", 40);
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    int cpu = bench.topology.n_cpus - 1;
    bench_tick();
    bench_sweep();
    pin(pid, cpu);
    let_burn(pid);
    bench.topology.is_online[cpu] = false;
    bench_tick();
    is_within(rows_ns("/last", ""), 40000000, 0.1, "before it went offline");
    bench_close();
    end_process(pid);
    (void)bench_remove_all(NULL);
}

/* ---- room ---- */

static void too_little_room_is_said_and_loses_nothing(void **state)
{
    (void)state;
    enum { N = 100 };
    const struct counters_bpf_settings settings = {.n_slots = 64};
    pid_t pids[N];
    bench_make_cgroup("");
    bench_make_cgroup("/many");
    for (int i = 0; i < N; i++)
        pids[i] = start_burner("/many", 2);
    bench_open(&counters_bpf, GRANULARITY_PROCESS, NULL, 0, &settings);
    bench_tick();
    bench_sweep();
    long before_us = bench_usage_us("/many");
    for (int i = 0; i < N; i++)
        let_burn(pids[i]);
    bench_tick();
    assert_true(reasons_have(&bench.report.reasons, "targets_dropped"));
    sum_is_total();
    assert_true(total_ns(bench.report.total, bench.report.n_total, "") >=
                (bench_usage_us("/many") - before_us) * 995);
    assert_true(total_ns(bench.report.targets, bench.report.n_targets, "other") > N * 500000);
    bench_close();
    for (int i = 0; i < N; i++)
        end_process(pids[i]);
    (void)bench_remove_all(NULL);
}

static int n_directories;

static int count_directory(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)path;
    (void)status;
    (void)place;
    n_directories += type == FTW_D;
    return 0;
}

/* Room for all cgroups that this machine has, and for some that others make meanwhile. */
static uint32_t slots_for_present_cgroups(void)
{
    uint32_t n_slots = 64;
    n_directories = 0;
    assert_int_equal(nftw(bench.host.cgroupfs, count_directory, 16, FTW_PHYS), 0);
    while (n_slots < (uint32_t)n_directories + 32)
        n_slots *= 2;
    return n_slots;
}

static void too_many_cgroups_are_other_until_there_is_room(void **state)
{
    (void)state;
    const struct counters_bpf_settings settings = {.n_slots = slots_for_present_cgroups()};
    int n_too_many = 2 * (int)settings.n_slots;
    char name[16];
    bench_make_cgroup("");
    for (int i = 0; i < n_too_many; i++) {
        (void)snprintf(name, sizeof(name), "/c%d", i);
        bench_make_cgroup(name);
    }
    bench_make_cgroup("/late");
    pid_t pid = start_burner("/late", 30);
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, &settings);
    bench_tick();
    bench_sweep();
    bench_tick();
    assert_true(reasons_have(&bench.report.reasons, "targets_dropped"));
    bench_sweep();
    for (int i = 0; i < n_too_many; i++) {
        (void)snprintf(name, sizeof(name), "/c%d", i);
        bench_remove_cgroup(name);
    }
    for (int i = 0; i < 4; i++) {
        bench_tick();
        bench_sweep();
    }
    let_burn(pid);
    bench_tick();
    assert_false(reasons_have(&bench.report.reasons, "targets_dropped"));
    is_within(rows_ns("/late", ""), 30000000, 0.1, "after there was room");
    bench_close();
    end_process(pid);
    (void)bench_remove_all(NULL);
}

/* Many more processes than there is room for, one after the other; each has two slots, as it moves.
 */
static void slots_are_used_again_from_zero(void **state)
{
    (void)state;
    const struct counters_bpf_settings settings = {.n_slots = 1024};
    bench_make_cgroup("");
    bench_make_cgroup("/turn");
    bench_open(&counters_bpf, GRANULARITY_PROCESS, NULL, 0, &settings);
    bench_tick();
    bench_sweep();
    for (int round = 0; round < N_TURNS; round++) {
        long before_us = bench_usage_us("/turn");
        for (int i = 0; i < 40; i++) {
            pid_t pid = fork();
            if (pid == 0) {
                bench_enter("/turn");
                (void)prctl(PR_SET_NAME, "turn");
                _exit(0);
            }
            assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
        bench_tick();
        assert_false(reasons_have(&bench.report.reasons, "targets_dropped"));
        assert_int_equal(count_rows("/turn:turn"), 1);
        int64_t used_ns = (bench_usage_us("/turn") - before_us) * 1000;
        /* No sum of who had the slot before. */
        assert_true(rows_ns("/turn", "") < used_ns + 30000000);
        sum_is_total();
        bench_sweep();
    }
    bench_close();
    (void)bench_remove_all(NULL);
}

static void a_removed_cgroup_keeps_its_last_counts(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_make_cgroup("/gone");
    pid_t pid = start_burner("/gone", 50);
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    bench_sweep();
    let_burn(pid);
    end_process(pid);
    bench_remove_cgroup("/gone");
    bench_make_cgroup("/gone");
    pid = start_burner("/gone", 20);
    let_burn(pid);
    end_process(pid);
    bench_tick();
    is_near_ms((long)(rows_ns("/gone", "") / 1000000), 70, "both lives");
    bench_sweep();
    bench_remove_cgroup("/gone");
    bench_make_cgroup("/gone/"); /* and one that no walk ever sees */
    bench_remove_cgroup("/gone");
    bench_tick();
    assert_int_equal(bench_row_ms("/gone"), -1);
    bench_close();
    (void)bench_remove_all(NULL);
}

/* A cgroup that no walk sees is charged to the one above. */
static void a_cgroup_between_two_ticks_is_charged_above(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    bench_sweep();
    bench_make_cgroup("/short");
    pid_t pid = start_burner("/short", 40);
    let_burn(pid);
    end_process(pid);
    bench_remove_cgroup("/short");
    bench_tick();
    is_near_ms(bench_row_ms(""), 40, "above");
    bench_close();
    (void)bench_remove_all(NULL);
}

/* What it does before the sensor looks at the tree again is its own, not its parent's. */
static void a_cgroup_made_after_the_look_waits_for_the_next(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    bench_sweep();
    bench_look();
    bench_make_cgroup("/late");
    pid_t pid = start_burner("/late", 40);
    let_burn(pid);
    bench_read();
    sum_is_total();
    assert_true(bench_row_ms("") < 5);
    assert_int_equal(bench_row_ms("/late"), -1);
    bench_tick();
    sum_is_total();
    is_near_ms(bench_row_ms("/late"), 40, "late");
    end_process(pid);
    bench_close();
    (void)bench_remove_all(NULL);
}

static pid_t start_with_pid(pid_t pid, long ms)
{
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1};
    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        bench_enter("/same");
        for (;;) {
            (void)raise(SIGSTOP);
            burn_ms(ms);
        }
    }
    return child;
}

static void a_pid_used_again_is_another_target(void **state)
{
    (void)state;
    bench_make_cgroup("");
    bench_make_cgroup("/same");
    pid_t first = start_burner("/same", 30);
    bench_open(&counters_bpf, GRANULARITY_PROCESS, NULL, 0, NULL);
    bench_tick();
    let_burn(first);
    bench_tick();
    bench_sweep();
    let_burn(first);
    end_process(first);
    pid_t second = start_with_pid(first, 50);
    if (second != first) { /* another one was faster, or may not */
        bench_close();
        (void)bench_remove_all(NULL);
        skip();
    }
    wait_stopped(second);
    let_burn(second);
    bench_tick();
    assert_int_equal(count_rows("/same:"), 2);
    is_near_ms((long)(rows_ns("/same", ":") / 1000000), 80, "both lives");
    bench_close();
    end_process(second);
    (void)bench_remove_all(NULL);
}

/* ---- changes of the tree ---- */

static bool has_changed(void)
{
    return bench.engine->ops->tree_has_changed(bench.engine);
}

/* A process, born in the cgroup of that descriptor, that burns and ends; -1: as any other. */
static void live_in(int cgroup_fd, long ms)
{
    struct clone_args args = {.exit_signal = SIGCHLD};
    if (cgroup_fd >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        burn_ms(ms);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int open_cgroup(const char *cgroup)
{
    char path[PATH_MAX];
    bench_make_path(path, cgroup, "");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A slice whose switch the kernel does not tell is shared out by guess, which is rare: of three
 * rounds two must be right. */
static void lives_agree(int fd, long before_us)
{
    int n_right = 0;
    for (int round = 0; round < 3; round++) {
        live_in(fd, 30);
        long after_us = bench_usage_us("/empty");
        int64_t used_ns = (after_us - before_us) * 1000;
        bench_tick();
        assert_true(used_ns >= 30000000);
        n_right += llabs(rows_ns("/empty", "") - used_ns) <= used_ns / 20;
        bench_sweep();
        before_us = after_us;
    }
    if (n_right < 2)
        fail_msg("their cgroup has their time in %d of 3 rounds", n_right);
}

/* Nobody makes, enters or leaves a cgroup when a process is born in an empty one. Others on this
 * machine may change the tree at any time, so that silence after a plain birth is waited for. */
static void a_birth_in_another_cgroup_changes_the_tree(void **state)
{
    (void)state;
    static const enum granularity granularities[] = {GRANULARITY_CGROUP, GRANULARITY_PROCESS};
    for (size_t i = 0; i < 2; i++) {
        bench_make_cgroup("");
        bench_make_cgroup("/empty");
        int fd = open_cgroup("/empty");
        bench_open(&counters_bpf, granularities[i], NULL, 0, NULL);
        bench_tick();
        bench_sweep();
        long before_us = bench_usage_us("/empty");
        bool is_told = true;
        for (int round = 0; round < 1000 && is_told; round++) {
            (void)has_changed();
            live_in(-1, 0);
            is_told = has_changed();
        }
        assert_false(is_told);
        for (int round = 0; round < 10; round++) {
            (void)has_changed();
            live_in(fd, 0);
            assert_true(has_changed());
        }
        lives_agree(fd, before_us);
        bench_close();
        (void)close(fd);
        (void)bench_remove_all(NULL);
    }
}

/* ---- extra events ---- */

static bool do_faults_agree(void)
{
    size_t own = bench_event("page_faults"), extra = bench_event("faults");
    const struct count_row *row = NULL;
    char name[160];
    (void)snprintf(name, sizeof(name), "%s/touch", bench.name);
    for (size_t i = 0; i < bench.report.n_targets; i++)
        if (!strcmp(bench.report.targets[i].target, name))
            row = &bench.report.targets[i];
    assert_non_null(row);
    const int64_t *counts = report_counts(&bench.report, row);
    assert_true(row->enabled_ns > 0 && row->running_ns == row->enabled_ns);
    assert_true(counts[own] < 10000 && counts[extra] < 10000);
    return counts[own] >= 5120 && labs(counts[extra] - counts[own]) <= 16;
}

/* A kernel does not tell each and every switch, and what faulted in a slice that began unseen is
 * nobody's: one round without must come soon. */
static void faults_agree(pid_t pid)
{
    for (int round = 0; round < 20; round++) {
        let_burn(pid);
        bench_tick();
        if (do_faults_agree())
            return;
        bench_sweep();
    }
    fail_msg("the extra event never agrees");
}

static void extra_events_follow_the_target_and_the_cpus(void **state)
{
    (void)state;
    static const char *const events[] = {"cpu_ns", "faults=perf::PAGE-FAULTS", "page_faults",
                                         "perf::CPU-MIGRATIONS"};
    bench_make_cgroup("");
    bench_make_cgroup("/touch");
    bench_open(&counters_bpf, GRANULARITY_CGROUP, events, 4, NULL);
    int cpu = bench.topology.n_cpus - 1;
    pid_t pid = start_toucher("/touch", cpu);
    bench_tick();
    bench_sweep();
    faults_agree(pid);
    assert_int_equal(bench.report.n_events, 4);
    assert_string_equal(bench.report.events[3], "migrations");
    bench_sweep();
    if (cpu > 0) {
        bench.topology.is_online[cpu] = false; /* it stays on: only the engine believes it */
        bench_tick();
        bench.topology.is_online[cpu] = true;
        bench_tick();
        faults_agree(pid);
    }
    bench_close();
    end_process(pid);
    (void)bench_remove_all(NULL);
}

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The time stamp counter runs at one rate on all CPUs: two spans of work show the same rate per
 * CPU, each known from outside only between the moments before and after its ticks. */
static void the_clock_of_every_cpu_is_read(void **state)
{
    (void)state;
    double low_hz = 0, high_hz = INFINITY;
    struct event_set offered;
    event_set_clock(&offered, &bench.host);
    bench_make_cgroup("");
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick(); /* the first gives a baseline */
    if (offered.n_events == 0)
        assert_int_equal(bench.report.n_clock, 0);
    for (int i = 0; i < 3 && offered.n_events > 0; i++) {
        uint64_t before_ns = clock_ns();
        bench_tick();
        uint64_t from_ns = clock_ns();
        burn_ms(100);
        uint64_t to_ns = clock_ns();
        bench_tick();
        uint64_t after_ns = clock_ns();
        assert_int_equal(bench.report.n_clock, bench.topology.n_packages);
        double cycles = 0;
        for (size_t package = 0; package < bench.report.n_clock; package++)
            cycles += (double)bench.report.clock[package].tsc;
        cycles /= (double)sysconf(_SC_NPROCESSORS_ONLN);
        low_hz = fmax(low_hz, cycles * 1e9 / (double)(after_ns - before_ns));
        high_hz = fmin(high_hz, cycles * 1e9 / (double)(to_ns - from_ns));
    }
    assert_true(low_hz <= high_hz * 1.0001);
    if (offered.n_events > 0)
        assert_true(low_hz > 1e8 && high_hz < 1e10);
    bench_close();
    (void)bench_remove_all(NULL);
}

int main(void)
{
    int r = bench_find_machine(&counters_bpf, GRANULARITY_CGROUP);
    if (r != 0)
        return r;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cpus_are_awake_for_is_in_the_total),
        cmocka_unit_test(cpu_time_agrees_with_cpu_stat_under_moves_and_churn),
        cmocka_unit_test(a_process_that_moves_itself_is_charged_to_both_sides),
        cmocka_unit_test(a_process_moved_while_it_sleeps_is_charged_to_both_sides),
        cmocka_unit_test(a_cpu_that_goes_offline_loses_nothing),
        cmocka_unit_test(too_little_room_is_said_and_loses_nothing),
        cmocka_unit_test(too_many_cgroups_are_other_until_there_is_room),
        cmocka_unit_test(slots_are_used_again_from_zero),
        cmocka_unit_test(a_removed_cgroup_keeps_its_last_counts),
        cmocka_unit_test(a_cgroup_between_two_ticks_is_charged_above),
        cmocka_unit_test(a_cgroup_made_after_the_look_waits_for_the_next),
        cmocka_unit_test(a_pid_used_again_is_another_target),
        cmocka_unit_test(a_birth_in_another_cgroup_changes_the_tree),
        cmocka_unit_test(extra_events_follow_the_target_and_the_cpus),
        cmocka_unit_test(the_clock_of_every_cpu_is_read),
        cmocka_unit_test(ten_thousand_brief_processes_are_all_counted),
    };
    return cmocka_run_group_tests(tests, NULL, bench_remove_all);
}
