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

/* Halves of many together are not more than there was. */
static void scaled_counts_are_rounded_down(void **state)
{
    (void)state;
    static const bool is_exact[N_EVENTS] = {true, false};
    struct bench bench;
    for (int64_t running = 0; running <= 2; running += 2) {
        bench_new(&bench, 1);
        bench.tally.is_exact = is_exact;
        put(tally_total(&bench.tally, 0), 3, 3, 6, running ? 6 : 3);
        for (size_t i = 1; i <= 2; i++) /* 1 of 3 that ran for two thirds, or of 3 uncounted */
            put(tally_cell(&bench.tally, i, 0), running ? 1 : 3, running / 2, 3, running);
        publish(&bench);
        const struct count_row *other = row_of(&bench, "other", 0);
        assert_int_equal(report_counts(&bench.report, other)[0], 1);
        assert_int_equal(report_counts(&bench.report, other)[1], 1);
        assert_int_equal(bench.report.reasons.n_words, 0);
        bench_free(&bench);
    }
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

/* CPU time is counted without a counter: it stays with whom it is of, and what that target's
 * instructions were is missing in its row and not in other. */
static void what_is_exact_stays_where_it_is(void **state)
{
    (void)state;
    static const bool is_exact[N_EVENTS] = {true, false};
    struct bench bench;
    bench_new(&bench, 1);
    bench.tally.is_exact = is_exact;
    /* Of 100 that the machine ran, 20 without a counter: the total's CPU time is on the scale of what
     * ran, 80 of 100. */
    put(tally_total(&bench.tally, 0), 80, 800, 100, 80);
    put(tally_cell(&bench.tally, 1, 0), 20, 0, 20, 0);
    put(tally_cell(&bench.tally, 2, 0), 50, 500, 50, 50);
    publish(&bench);
    const struct count_row *row = row_of(&bench, "/:1@1", 0);
    assert_int_equal(report_counts(&bench.report, row)[0], 20);
    assert_int_equal(report_counts(&bench.report, row)[1], VALUE_ABSENT);
    assert_int_equal(row->enabled_ns, 20);
    assert_int_equal(row->running_ns, 0);
    const struct count_row *other = row_of(&bench, "other", 0);
    assert_int_equal(report_counts(&bench.report, other)[0], 24);  /* 30 / 100 * 80 */
    assert_int_equal(report_counts(&bench.report, other)[1], 240); /* 800 - 400 - 160 */
    assert_int_equal(bench.report.reasons.n_words, 0);
    /* Nobody had a counter. */
    report_clear(&bench.report);
    assert_int_equal(report_add_event(&bench.report, "cpu_ns"), 0);
    assert_int_equal(report_add_event(&bench.report, "instructions"), 0);
    put(tally_total(&bench.tally, 0), 100, 0, 100, 0);
    put(tally_cell(&bench.tally, 2, 0), 50, 0, 50, 0);
    publish(&bench);
    assert_int_equal(report_counts(&bench.report, &bench.report.total[0])[0], 100);
    assert_int_equal(report_counts(&bench.report, &bench.report.total[0])[1], VALUE_ABSENT);
    other = row_of(&bench, "other", 0);
    assert_int_equal(report_counts(&bench.report, other)[0], 30);
    assert_int_equal(report_counts(&bench.report, other)[1], VALUE_ABSENT);
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
        cmocka_unit_test(scaled_counts_are_rounded_down),
        cmocka_unit_test(not_counted_is_not_zero),
        cmocka_unit_test(what_is_exact_stays_where_it_is),
        cmocka_unit_test(unread_rows_say_why),
        cmocka_unit_test(what_is_not_counted_stays_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
