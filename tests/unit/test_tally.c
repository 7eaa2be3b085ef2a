/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts on their way into a report: per package, multiplexed, not counted, unread; other is always
 * what is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "sensor/tally.h"

enum { ENABLED = 2, RUNNING = 3, N_EVENTS = 2 };

struct bench {
    struct host host;
    struct targets *targets;
    struct tally tally;
    struct report report;
};

/* Two processes stand for any targets; index 0 is other. */
static void bench_new(struct bench *bench, size_t n_packages)
{
    *bench = (struct bench){0};
    struct target *target;
    assert_int_equal(targets_new(&bench->targets, &bench->host, GRANULARITY_PROCESS, NULL), 0);
    assert_int_equal(targets_refresh(bench->targets, NULL), 0);
    assert_int_equal(
        targets_find_process(bench->targets, &(struct seen_process){1, 0, 1, "a", "/", 0}, &target),
        0);
    assert_int_equal(
        targets_find_process(bench->targets, &(struct seen_process){2, 0, 1, "b", "/", 0}, &target),
        0);
    assert_int_equal(tally_begin(&bench->tally, 3, n_packages, N_EVENTS, true), 0);
    report_init(&bench->report);
    assert_int_equal(report_add_event(&bench->report, "cpu_ns"), 0);
    assert_int_equal(report_add_event(&bench->report, "instructions"), 0);
}

static void bench_free(struct bench *bench)
{
    targets_free(bench->targets);
    tally_deinit(&bench->tally);
    report_deinit(&bench->report);
}

static void put(int64_t *cell, int64_t first, int64_t second, int64_t enabled, int64_t running)
{
    cell[0] = first;
    cell[1] = second;
    cell[ENABLED] = enabled;
    cell[RUNNING] = running;
}

static const struct count_row *row_of(struct bench *bench, const char *target, int32_t package)
{
    for (size_t i = 0; i < bench->report.n_targets; i++)
        if (!strcmp(bench->report.targets[i].target, target) &&
            bench->report.targets[i].package == package)
            return &bench->report.targets[i];
    return NULL;
}

static void publish(struct bench *bench)
{
    static const int32_t packages[] = {0, 7};
    assert_int_equal(tally_publish(&bench->tally, bench->targets, packages, &bench->report), 0);
}

static void packages_balance_each_by_itself(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, 2);
    put(tally_total(&bench.tally, 0), 100, 1000, 50, 50);
    put(tally_total(&bench.tally, 1), 10, 10, 50, 50);
    put(tally_cell(&bench.tally, 1, 0), 30, 400, 5, 5);
    put(tally_cell(&bench.tally, 2, 0), 20, 600, 5, 5);
    put(tally_cell(&bench.tally, 2, 1), 11, 0, 5, 5);
    publish(&bench);
    assert_int_equal(bench.report.n_total, 2);
    assert_int_equal(bench.report.total[1].package, 7);
    assert_null(row_of(&bench, "/:1@1", 7));
    const struct count_row *other = row_of(&bench, "other", 0);
    assert_int_equal(report_counts(&bench.report, other)[0], 50);
    assert_int_equal(report_counts(&bench.report, other)[1], 0);
    assert_int_equal(report_counts(&bench.report, row_of(&bench, "other", 7))[0], 0);
    assert_int_equal(report_counts(&bench.report, row_of(&bench, "other", 7))[1], 10);
    assert_true(reasons_have(&bench.report.reasons, "skew"));
    bench_free(&bench);
}

static void multiplexed_counts_meet_on_one_scale(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, 1);
    /* The total ran half of its time, the target a quarter: 100 counted are 400 true, 200 on the
     * total's scale. */
    put(tally_total(&bench.tally, 0), 1000, 1000, 100, 50);
    put(tally_cell(&bench.tally, 1, 0), 100, 100, 40, 10);
    publish(&bench);
    const struct count_row *row = row_of(&bench, "/:1@1", 0);
    assert_int_equal(report_counts(&bench.report, row)[0], 100); /* raw */
    assert_int_equal(row->enabled_ns, 40);
    assert_int_equal(row->running_ns, 10);
    const struct count_row *other = row_of(&bench, "other", 0);
    assert_int_equal(report_counts(&bench.report, other)[0], 800);
    assert_int_equal(other->running_ns, 50);
    assert_int_equal(bench.report.reasons.n_words, 0);
    bench_free(&bench);
}

static void not_counted_is_not_zero(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, 1);
    put(tally_total(&bench.tally, 0), 10, 10, 100, 100);
    put(tally_cell(&bench.tally, 1, 0), 0, 0, 40, 0); /* was there, never on the hardware */
    put(tally_cell(&bench.tally, 2, 0), 0, 0, 0, 0);  /* was not there */
    publish(&bench);
    const struct count_row *row = row_of(&bench, "/:1@1", 0);
    assert_non_null(row);
    assert_true(row->has_counts);
    assert_int_equal(report_counts(&bench.report, row)[0], VALUE_ABSENT);
    assert_null(row_of(&bench, "/:2@1", 0));
    assert_int_equal(report_counts(&bench.report, row_of(&bench, "other", 0))[0], 10);
    bench_free(&bench);
}

static void unread_rows_say_why(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, 1);
    put(tally_total(&bench.tally, 0), 10, 10, 100, 100);
    tally_mark(&bench.tally, 1, "no_descriptors", true);
    tally_mark(&bench.tally, 2, "cpu_offline", false);
    publish(&bench);
    const struct count_row *row = row_of(&bench, "/:1@1", 0);
    assert_false(row->has_counts);
    assert_string_equal(row->reason, "no_descriptors");
    assert_int_equal(row->enabled_ns, VALUE_ABSENT);
    assert_null(row_of(&bench, "/:2@1", 0)); /* it did nothing */
    report_clear(&bench.report);
    assert_int_equal(report_add_event(&bench.report, "cpu_ns"), 0);
    assert_int_equal(report_add_event(&bench.report, "instructions"), 0);
    tally_mark_total(&bench.tally, 0, "read_error", true);
    publish(&bench);
    assert_false(bench.report.total[0].has_counts);
    assert_false(row_of(&bench, "other", 0)->has_counts);
    assert_string_equal(row_of(&bench, "other", 0)->reason, "read_error");
    bench_free(&bench);
}

/* /a above /a/b above /a/b/c; nobody counts /a/b, so what it used by itself stays with /a, and
 * /a/b/c is not in two rows. */
static void what_is_not_counted_stays_above(void **state)
{
    (void)state;
    size_t parent[] = {TARGET_TREE_NONE, 0, 1}, life[] = {0, 1, 2}, order[] = {0, 1, 2};
    const struct target_tree tree = {
        .n_targets = 3, .parent = parent, .life = life, .order = order};
    struct tally tally = {0};
    assert_int_equal(tally_begin(&tally, 3, 1, N_EVENTS, true), 0);
    put(tally_cell(&tally, 0, 0), 100, 1000, 60, 60);
    put(tally_cell(&tally, 2, 0), 30, 400, 20, 20);
    tally_mark(&tally, 1, "no_descriptors", true);
    tally_settle(&tally, &tree);
    assert_int_equal(tally_cell(&tally, 0, 0)[0], 70);
    assert_int_equal(tally_cell(&tally, 0, 0)[1], 600);
    assert_int_equal(tally_cell(&tally, 0, 0)[ENABLED], 40);
    assert_int_equal(tally_cell(&tally, 2, 0)[0], 30);
    tally_deinit(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages_balance_each_by_itself),
        cmocka_unit_test(multiplexed_counts_meet_on_one_scale),
        cmocka_unit_test(not_counted_is_not_zero),
        cmocka_unit_test(unread_rows_say_why),
        cmocka_unit_test(what_is_not_counted_stays_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
