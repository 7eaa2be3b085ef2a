/* SPDX-License-Identifier: BSD-3-Clause */
/* Busy is what is neither idle nor stolen, per CPU and for all, rounded up by no more than a file in
 * clock ticks explains; what is cut or damaged is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "common/report.h"
#include "sensor/cpu_busy.h"
#include "sensor/host.h"
#include "sensor/topology.h"
#include "tests/unit/made_tree.h"

#define TICK_NS INT64_C(10000000)

static void columns_are_told_apart(void **state)
{
    (void)state;
    struct cpu_times times[3] = {0};
    assert_int_equal(cpu_busy_parse("cpu  1 20 300 4000 50000 600000 7000000 8 1 20\n"
                                    "cpu1 1 1 1 1 1 1 1 1 1 1\n"
                                    "intr 5\n",
                                    times, 2),
                     0);
    assert_int_equal(times[2].sampled, 7600321);
    assert_int_equal(times[2].away, 54000);
    assert_int_equal(times[2].stolen, 8);
    assert_int_equal(times[1].sampled, 5);
    assert_true(times[1].has_line);
    assert_false(times[0].has_line);
    /* The first kernels' four columns; CPUs beyond those we know. */
    assert_int_equal(cpu_busy_parse("cpu  1 2 3 4\ncpu7 9 9 9 9\ncpu0 1 1 1 1\n", times, 2), 0);
    assert_int_equal(times[2].sampled, 6);
    assert_int_equal(times[0].sampled, 3);
    assert_false(times[1].has_line);
}

/* A second of one CPU, 100 clock ticks. */
static int64_t busy_ticks(struct cpu_times last, struct cpu_times now)
{
    return cpu_busy_between(&last, &now, 100 * TICK_NS, TICK_NS) / TICK_NS;
}

static void busy_is_what_is_neither_idle_nor_stolen(void **state)
{
    (void)state;
    const struct cpu_times last = {.sampled = 500, .away = 1000, .stolen = 70, .has_line = true};
    static const struct {
        struct cpu_times now;
        int64_t busy_ticks;
    } cases[] = {
        {{510, 1060, 70, true}, 40}, /* the timer tick met a quarter of it */
        {{595, 1060, 70, true}, 40}, /* or more than there was */
        {{590, 1000, 80, true}, 90}, /* stolen from what ran */
        {{510, 1080, 80, true}, 10}, /* before the last call of a CPU that slept: in both columns */
        {{514, 1080, 80, true}, 14}, /* partly so */
        {{530, 1080, 80, true}, 20},
        {{500, 1101, 70, true}, -1}, /* rounding: the caller's next tick has it */
        {{500, 1040, 60, true}, 60}, /* nothing was given back */
        {{500, 998, 70, true}, 100}, /* between two columns, each cut off */
        {{507, 400, 70, true}, 7},   /* idle began anew: what was sampled */
        {{450, 400, 70, true}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (busy_ticks(last, cases[i].now) != cases[i].busy_ticks)
            fail_msg("case %zu: %d", i, (int)busy_ticks(last, cases[i].now));
    struct cpu_times offline = last;
    offline.has_line = false;
    assert_int_equal(busy_ticks(offline, cases[0].now), 10);
}

/* What the targets are known to have used is lent as far as rounding goes, and given back. */
static void targets_never_have_more_than_rounding_explains(void **state)
{
    (void)state;
    bool is_online[2] = {true, true};
    int32_t package[2] = {0, 1};
    const struct topology topology = {.n_cpus = 2, .is_online = is_online, .package = package};
    int64_t due_ns[3] = {2 * TICK_NS, 50 * TICK_NS, 0};
    struct cpu_busy busy = {.n_cpus = 2,
                            .is_own = true,
                            .span_ns = 100 * TICK_NS,
                            .due_ns = due_ns,
                            .ns_per_tick = TICK_NS};
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 4 * TICK_NS), 4 * TICK_NS);
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 0), 0); /* once, and never below */
    due_ns[0] += 5 * TICK_NS;
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, TICK_NS), 3 * TICK_NS);
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 9 * TICK_NS), 3 * TICK_NS);
    due_ns[0] += 5 * TICK_NS;
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 9 * TICK_NS), 5 * TICK_NS);
    assert_int_equal(cpu_busy_take(&busy, &topology, 1, 0), 50 * TICK_NS); /* the other package */
    is_online[1] = false;
    due_ns[1] = 50 * TICK_NS;
    assert_int_equal(cpu_busy_take(&busy, &topology, 1, TICK_NS), 0);
    assert_int_equal(cpu_busy_take(&busy, NULL, 0, 0), 47 * TICK_NS); /* of the machine */
    due_ns[0] = -1000 * TICK_NS;
    assert_int_equal(cpu_busy_take(&busy, NULL, 0, 0), 0);
    assert_int_equal(due_ns[0] + due_ns[1], -6 * TICK_NS); /* no more than rounding is owed */
    due_ns[0] = 4 * TICK_NS;
    due_ns[1] = 0;
    busy.span_ns = 5 * TICK_NS; /* rounding explains more than there was */
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 7 * TICK_NS), 5 * TICK_NS);
    due_ns[0] += 5 * TICK_NS;
    due_ns[1] = 5 * TICK_NS;
    assert_int_equal(cpu_busy_take(&busy, NULL, 0, 12 * TICK_NS), 10 * TICK_NS);
}

static void damage_is_refused(void **state)
{
    (void)state;
    struct cpu_times times[2];
    const char *const bad[] = {"",
                               "intr 1\n",
                               "cpu\n",
                               "cpu  1 2 3\n",
                               "cpu  1 2 x 4\n",
                               "cpu  -1 2 3 4\n",
                               "cpu0 1 2 3 4\n",
                               "cpu  1 2 3 4",
                               "cpu  99999999999999999999 2 3 4\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (cpu_busy_parse(bad[i], times, 1) == 0)
            fail_msg("taken: %s", bad[i]);
}

/* Made up, so that only what was sampled says anything. */
static void increases_survive_offline_cpus_and_failures(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    struct host host = {.procfs = tree.root};
    bool is_online[2] = {true, true};
    int32_t package[2] = {0, 1};
    const struct topology topology = {.n_cpus = 2, .is_online = is_online, .package = package};
    struct cpu_busy busy;
    struct error *none = NULL;
    assert_int_equal(cpu_busy_open(&busy, &host, 2, none), -ENOENT);
    made_tree_write(&tree, "stat",
                    "cpu  100 0 0 7 0 0 0\ncpu0 40 0 0 7 0 0 0\ncpu1 60 0 0 0 0 0 0\n");
    assert_int_equal(cpu_busy_open(&busy, &host, 2, none), 0);
    assert_false(busy.is_own);
    made_tree_write(&tree, "stat", "cpu  110 0 0 7 0 0 0\ncpu0 50 0 0 7 0 0 0\n");
    assert_int_equal(cpu_busy_read(&busy), 0);
    assert_int_equal(cpu_busy_take(&busy, NULL, PACKAGE_NONE, 0), 100000000);
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 900000000), 100000000);
    assert_int_equal(cpu_busy_take(&busy, &topology, 1, 0), 0);
    made_tree_write(&tree, "stat", "damaged\n");
    assert_int_equal(cpu_busy_read(&busy), -EBADMSG);
    made_tree_write(&tree, "stat",
                    "cpu  130 0 0 7 0 0 0\ncpu0 45 0 0 7 0 0 0\ncpu1 63 0 0 0 0 0 0\n");
    assert_int_equal(cpu_busy_read(&busy), 0);
    assert_int_equal(cpu_busy_take(&busy, &topology, 0, 0), 0); /* a step back is no time */
    assert_int_equal(cpu_busy_take(&busy, &topology, 1, 0), 30000000);
    cpu_busy_close(&busy);
    cpu_busy_close(&busy);
    made_tree_remove(&tree, "");
}

/* The running kernel's file is known as such: what two looks see is at most the time between them,
 * and what this process burns in between is in it. */
static void the_running_kernels_file_is_measured(void **state)
{
    (void)state;
    struct host host = {.procfs = "/proc"};
    struct cpu_busy busy;
    assert_int_equal(cpu_busy_open(&busy, &host, 0, NULL), 0);
    if (!busy.is_own) {
        cpu_busy_close(&busy);
        skip(); /* a container's own file */
    }
    uint64_t start_ns = busy.last_ns;
    for (clock_t end = clock() + CLOCKS_PER_SEC / 5; clock() < end;)
        ;
    assert_int_equal(cpu_busy_read(&busy), 0);
    int64_t span_ns = (int64_t)(busy.last_ns - start_ns);
    int64_t busy_ns = cpu_busy_take(&busy, NULL, PACKAGE_NONE, 0);
    int64_t rounding_ns = 3 * TICK_NS * (int64_t)busy.n_cpus;
    assert_true(busy_ns >= 200000000 - rounding_ns);
    assert_true(busy_ns <= span_ns * (int64_t)busy.n_cpus + rounding_ns);
    cpu_busy_close(&busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_told_apart),
        cmocka_unit_test(busy_is_what_is_neither_idle_nor_stolen),
        cmocka_unit_test(targets_never_have_more_than_rounding_explains),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(increases_survive_offline_cpus_and_failures),
        cmocka_unit_test(the_running_kernels_file_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
