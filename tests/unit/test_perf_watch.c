/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a cgroup's books are and when they are believed, on made trees; no group of events is
 * open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/perf_watch.h"
#include "tests/unit/made_tree.h"

struct bench {
    struct made_tree tree;
    char procfs[PATH_MAX], cgroups[PATH_MAX], cpuacct[PATH_MAX];
    struct host host;
    struct topology topology;
    struct typed_events events;
    struct targets *targets;
    struct target *target;
    struct perf_watch *watch;
};

static void write_usage(struct bench *bench, int64_t usage_us)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "usage_usec %ld\nuser_usec 1\n", (long)usage_us);
    made_tree_write(&bench->tree, "cgroups/a/cpu.stat", text);
    (void)snprintf(text, sizeof(text), "%ld000\n", (long)usage_us);
    made_tree_write(&bench->tree, "cpuacct/a/cpuacct.usage", text);
}

static int set_up(void **state)
{
    static struct bench bench;
    bench = (struct bench){0};
    made_tree_new(&bench.tree);
    made_tree_path(&bench.tree, "procfs", bench.procfs);
    made_tree_path(&bench.tree, "cgroups", bench.cgroups);
    made_tree_path(&bench.tree, "cpuacct", bench.cpuacct);
    made_tree_write(&bench.tree, "cgroups/a/cgroup.procs", "1\n");
    write_usage(&bench, 1000);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    perf_watch_free(bench->watch);
    bench->target->engine_data = NULL;
    targets_free(bench->targets);
    made_tree_remove(&bench->tree, "");
    return 0;
}

static void fill(struct bench *bench, bool keeps_books)
{
    perf_watch_fill(bench->watch, &bench->events, bench->target, &bench->host, &bench->topology, 1,
                    keeps_books);
    assert_null(bench->watch->reason);
}

static void begin(struct bench *bench, bool is_v1, bool keeps_books)
{
    bench->host = (struct host){.procfs = bench->procfs, .clock = &clock_system};
    if (is_v1)
        bench->host.perf_cgroupfs = bench->cgroups;
    else
        bench->host.cgroupfs = bench->cgroups;
    if (is_v1)
        bench->host.cpuacct_cgroupfs = bench->cpuacct;
    assert_int_equal(targets_new(&bench->targets, &bench->host, GRANULARITY_CGROUP, NULL), 0);
    targets_set_tree(bench->targets, true);
    assert_int_equal(targets_refresh(bench->targets, NULL), 0);
    for (size_t i = 0; i < targets_count(bench->targets); i++)
        if (targets_at(bench->targets, i)->cgroup &&
            !strcmp(targets_at(bench->targets, i)->cgroup, "/a"))
            bench->target = targets_at(bench->targets, i);
    assert_non_null(bench->target);
    bench->watch = bench->target->engine_data = perf_watch_new(0);
    assert_non_null(bench->watch);
    fill(bench, keeps_books);
}

static int64_t booked_us(struct bench *bench)
{
    perf_watch_look(bench->watch, bench->target, &bench->host);
    return bench->watch->booked_us;
}

/* Kept open or opened for each look, in either kind of tree, from the opening of the groups on. */
static void the_books_are_read(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 4; i++) {
        bool is_v1 = i & 1, keeps_books = i & 2;
        write_usage(bench, 1000);
        begin(bench, is_v1, keeps_books);
        assert_int_equal(perf_watch_descriptors(bench->watch), keeps_books);
        write_usage(bench, 1500);
        assert_int_equal(booked_us(bench), 500);
        assert_false(bench->watch->is_still);
        write_usage(bench, 1700);
        perf_watch_close_usage(bench->watch); /* descriptors ran short */
        assert_int_equal(perf_watch_descriptors(bench->watch), 0);
        assert_int_equal(booked_us(bench), 200);
        assert_int_equal(booked_us(bench), 0);
        assert_int_equal(bench->watch->is_still, !is_v1); /* another tree's books */
        if (i == 3)
            break;
        perf_watch_free(bench->watch);
        bench->target->engine_data = NULL;
        targets_free(bench->targets);
    }
}

static void without_cpuacct_nothing_is_known(void **state)
{
    struct bench *bench = *state;
    begin(bench, true, true);
    bench->host.cpuacct_cgroupfs = NULL; /* its cpu.stat counts nothing in v1 */
    perf_watch_close_usage(bench->watch);
    assert_int_equal(booked_us(bench), VALUE_ABSENT);
    assert_false(bench->watch->is_still);
    bench->host.cpuacct_cgroupfs = bench->cpuacct;
    made_tree_remove(&bench->tree, "cpuacct/a");
    assert_int_equal(booked_us(bench), VALUE_ABSENT);
    write_usage(bench, 5000); /* it joins cpuacct late */
    assert_int_equal(booked_us(bench), VALUE_ABSENT);
    write_usage(bench, 5300);
    assert_int_equal(booked_us(bench), 300);
}

/* Another life under the same name has books of its own. */
static void books_of_another_time_are_not_taken(void **state)
{
    struct bench *bench = *state;
    begin(bench, false, false);
    char old[PATH_MAX], aside[PATH_MAX];
    made_tree_path(&bench->tree, "cgroups/a", old);
    made_tree_path(&bench->tree, "aside", aside);
    assert_int_equal(rename(old, aside), 0);
    write_usage(bench, 9000);
    assert_int_equal(booked_us(bench), VALUE_ABSENT);
    perf_watch_fill(bench->watch, &bench->events, bench->target, &bench->host, &bench->topology, 1,
                    true);
    assert_string_equal(bench->watch->reason, "vanished");
}

/* What it used while nothing of it was open is charged above it. */
static void what_was_not_counted_is_not_booked(void **state)
{
    struct bench *bench = *state;
    begin(bench, false, true);
    for (int i = 1; i <= 2; i++) {
        perf_watch_close_usage(bench->watch);
        perf_watch_fill(bench->watch, &bench->events, bench->target, &bench->host,
                        &bench->topology, 0, true);
        assert_string_equal(bench->watch->reason, "no_descriptors");
        write_usage(bench, 4000 * i);
        if (i == 2)
            assert_int_equal(booked_us(bench), VALUE_ABSENT);
        fill(bench, true);
        write_usage(bench, 4000 * i + 100);
        assert_int_equal(booked_us(bench), 100);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_books_are_read),
        TEST(without_cpuacct_nothing_is_known),
        TEST(books_of_another_time_are_not_taken),
        TEST(what_was_not_counted_is_not_booked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
