/* SPDX-License-Identifier: BSD-3-Clause */
/* The bpf engine where something is refused to it: descriptors for many CPUs, and what CPUs have counted by a kernel that lets them hand nothing in any
 * more: what is not known is not zero, and the engine gives way. That refusal is a filter of system calls, which stays: it comes last. Needs what
 * counters_bpf.c does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/error.h"
#include "tests/daemon/engine_bench.h"

extern const struct engine_ops counters_bpf;

/* Of a kernel before 5.10: ENOTSUPP, which no header has. */
#define NOT_SUPPORTED 524

#define MANY_CPUS 64

/* 64 CPUs with six events each under a limit of 256 descriptors. */
static void descriptors_are_reckoned_beforehand(void **state)
{
    (void)state;
    static const char *const events[] = {
        "a=perf::PAGE-FAULTS", "b=perf::MINOR-FAULTS", "c=perf::MAJOR-FAULTS",
        "d=perf::CPU-CLOCK",   "e=perf::TASK-CLOCK",   "f=perf::CPU-MIGRATIONS"};
    bool is_online[MANY_CPUS];
    int32_t package[MANY_CPUS] = {0}, packages[] = {0};
    struct topology topology = {.n_cpus = MANY_CPUS,
                                .is_online = is_online,
                                .package = package,
                                .packages = packages,
                                .n_packages = 1};
    struct rlimit low;
    struct topology real;
    struct engine *engine;
    struct error err = {0};
    memset(is_online, true, sizeof(is_online));
    assert_int_equal(topology_read(&real, &bench.host, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
    low.rlim_cur = 20;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    if (counters_bpf.open(&engine, &bench.host, &real, GRANULARITY_CGROUP, NULL, 0, NULL, &err) < 0)
        fail_msg("the soft limit is raised: %s", err.text);
    counters_bpf.close(engine);
    topology_deinit(&real);
    low = (struct rlimit){20, 256};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(counters_bpf.open(&engine, &bench.host, &topology, GRANULARITY_CGROUP, events,
                                       6, NULL, &err),
                     -EMFILE);
    assert_non_null(strstr(err.text, "6 events on 64 CPUs"));
    if (counters_bpf.open(&engine, &bench.host, &topology, GRANULARITY_CGROUP, events, 2, NULL,
                          &err) < 0)
        fail_msg("two events fit: %s", err.text);
    counters_bpf.close(engine);
}

static void refuse_to_run_programs(void)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_PROG_TEST_RUN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | NOT_SUPPORTED),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(steps) / sizeof(steps[0]), .filter = steps};
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static void what_is_not_handed_in_is_not_zero(void **state)
{
    (void)state;
    struct error err = {0};
    bench_make_cgroup("");
    bench_make_cgroup("/a");
    pid_t burner = start_burner("/a", 50);
    bench_open(&counters_bpf, GRANULARITY_CGROUP, NULL, 0, NULL);
    bench_tick();
    let_burn(burner);
    bench_tick();
    is_near_ms(bench_row_ms("/a"), 50, "before");
    assert_false(reasons_have(&bench.report.reasons, "read_error"));
    refuse_to_run_programs();
    for (int i = 0; i < 2; i++) {
        let_burn(burner);
        bench_tick();
        assert_true(reasons_have(&bench.report.reasons, "read_error"));
        assert_true(bench.report.n_total > 0);
        assert_string_equal(bench.report.total[0].reason, "read_error");
        assert_false(bench.report.total[0].has_counts);
        assert_int_equal(bench.report.n_clock, 0);
    }
    assert_true(bench.engine->ops->set_targets(bench.engine, bench.targets, &bench.topology, &err) <
                0);
    assert_non_null(strstr(err.text, "hand in"));
    end_process(burner);

    /* Who starts now does not begin. */
    struct engine_probe probe;
    counters_bpf.probe(&bench.host, &bench.topology, GRANULARITY_CGROUP, &probe);
    assert_false(probe.is_usable);
    assert_non_null(strstr(probe.reason, "running the counting program"));
    bench_close();
}

int main(void)
{
    int r = bench_find_machine(&counters_bpf, GRANULARITY_CGROUP);
    if (r != 0)
        return r;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_reckoned_beforehand),
        cmocka_unit_test(what_is_not_handed_in_is_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, bench_remove_all);
}
