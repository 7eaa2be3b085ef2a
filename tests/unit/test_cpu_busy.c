/* SPDX-License-Identifier: BSD-3-Clause */
/* Busy is what design says it is, per CPU and for all; what is cut or damaged is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/cpu_busy.h"
#include "sensor/host.h"
#include "tests/unit/made_tree.h"

static void idle_iowait_steal_and_guests_are_left_out(void **state)
{
    (void)state;
    uint64_t ticks[3] = {0};
    assert_int_equal(cpu_busy_parse("cpu  1 20 300 4000 50000 600000 7000000 8 1 20\n"
                                    "cpu1 1 1 1 1 1 1 1 1 1 1\n"
                                    "intr 5\n",
                                    ticks, 2),
                     0);
    assert_int_equal(ticks[2], 7600321);
    assert_int_equal(ticks[1], 5);
    assert_int_equal(ticks[0], 0);
    /* The first kernels' four columns; CPUs beyond those we know. */
    assert_int_equal(cpu_busy_parse("cpu  1 2 3 4\ncpu7 9 9 9 9\ncpu0 1 1 1 1\n", ticks, 2), 0);
    assert_int_equal(ticks[2], 6);
    assert_int_equal(ticks[0], 3);
}

static void damage_is_refused(void **state)
{
    (void)state;
    uint64_t ticks[2];
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
        if (cpu_busy_parse(bad[i], ticks, 1) == 0)
            fail_msg("taken: %s", bad[i]);
}

static void increases_survive_offline_cpus_and_failures(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    struct host host = {.procfs = tree.root};
    struct cpu_busy busy;
    struct error *none = NULL;
    assert_int_equal(cpu_busy_open(&busy, &host, 2, none), -ENOENT);
    made_tree_write(&tree, "stat",
                    "cpu  100 0 0 0 0 0 0\ncpu0 40 0 0 0 0 0 0\ncpu1 60 0 0 0 0 0 0\n");
    assert_int_equal(cpu_busy_open(&busy, &host, 2, none), 0);
    int64_t all_ns, cpu_ns[2];
    made_tree_write(&tree, "stat", "cpu  110 0 0 0 0 0 0\ncpu0 50 0 0 0 0 0 0\n");
    assert_int_equal(cpu_busy_read(&busy, &all_ns, cpu_ns), 0);
    assert_int_equal(all_ns, 100000000);
    assert_int_equal(cpu_ns[0], 100000000);
    assert_int_equal(cpu_ns[1], 0);
    made_tree_write(&tree, "stat", "damaged\n");
    assert_int_equal(cpu_busy_read(&busy, &all_ns, cpu_ns), -EBADMSG);
    made_tree_write(&tree, "stat",
                    "cpu  130 0 0 0 0 0 0\ncpu0 45 0 0 0 0 0 0\ncpu1 63 0 0 0 0 0 0\n");
    assert_int_equal(cpu_busy_read(&busy, NULL, cpu_ns), 0);
    assert_int_equal(cpu_ns[0], 0); /* a step back is no time */
    assert_int_equal(cpu_ns[1], 30000000);
    cpu_busy_close(&busy);
    cpu_busy_close(&busy);
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_iowait_steal_and_guests_are_left_out),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(increases_survive_offline_cpus_and_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
