/* SPDX-License-Identifier: BSD-3-Clause */
/* A cgroup's CPU time is what the books say, by package as the clock has it; what lies between two
 * looks is nobody's for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/perf_booked.h"
#include "sensor/perf_watch.h"

enum { CPU_NS, SWITCHES, N_EVENTS, ENABLED = N_EVENTS, RUNNING, N_PACKAGES = 2, N_TARGETS = 3 };
enum { ABOVE = 1, BELOW = 2 };

#define LATE_NS 10000000

struct bench {
    struct host host;
    struct targets *targets;
    struct tally tally;
    struct perf_watch *watches[N_TARGETS];
    size_t parent[N_TARGETS], life[N_TARGETS], order[N_TARGETS];
    struct target_tree tree;
    struct perf_span span;
};

/* Two processes stand for a cgroup and one in it; index 0 is other. */
static int set_up(void **state)
{
    static struct bench bench;
    struct target *target;
    bench = (struct bench){.parent = {TARGET_TREE_NONE, TARGET_TREE_NONE, ABOVE},
                           .life = {0, ABOVE, BELOW},
                           .order = {0, ABOVE, BELOW},
                           .span = {.wall_ns = 1000000000, .late_ns = LATE_NS, .n_late = 1}};
    bench.tree = (struct target_tree){.n_targets = N_TARGETS,
                                      .parent = bench.parent,
                                      .life = bench.life,
                                      .order = bench.order};
    assert_int_equal(targets_new(&bench.targets, &bench.host, GRANULARITY_PROCESS, NULL), 0);
    assert_int_equal(targets_refresh(bench.targets, NULL), 0);
    for (int i = ABOVE; i <= BELOW; i++) {
        const struct seen_process process = {i, 0, 1, "a", "/", 0};
        assert_int_equal(targets_find_process(bench.targets, &process, &target), 0);
        bench.watches[i] = perf_watch_new(1);
        assert_non_null(bench.watches[i]);
        target->engine_data = bench.watches[i];
    }
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    for (int i = ABOVE; i <= BELOW; i++)
        perf_watch_free(bench->watches[i]);
    targets_free(bench->targets);
    tally_deinit(&bench->tally);
    return 0;
}

static void begin(struct bench *bench)
{
    assert_int_equal(tally_begin(&bench->tally, N_TARGETS, N_PACKAGES, N_EVENTS, true), 0);
}

/* What perf's clock has, with all below. */
static void clock_has(struct bench *bench, size_t target, size_t package, int64_t cpu_ns,
                      int64_t enabled_ns)
{
    int64_t *cell = tally_cell(&bench->tally, target, package);
    cell[CPU_NS] = cell[RUNNING] = cpu_ns;
    cell[ENABLED] = enabled_ns;
}

static void settle(struct bench *bench, int64_t above_us, int64_t below_us)
{
    bench->watches[ABOVE]->booked_us = above_us;
    bench->watches[BELOW]->booked_us = below_us;
    perf_booked_note(&bench->tally, bench->targets, CPU_NS);
    tally_settle(&bench->tally, &bench->tree);
    perf_booked_put(&bench->tally, &bench->tree, bench->targets, CPU_NS, bench->span);
}

static int64_t time_of(struct bench *bench, size_t target, size_t package)
{
    return tally_cell(&bench->tally, target, package)[CPU_NS];
}

/* The clock lacks more of one package's than of the other's; that is nothing of whom is above. */
static void each_has_its_own_by_package(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    clock_has(bench, ABOVE, 0, 3000000, 3000000);
    clock_has(bench, ABOVE, 1, 1000000, 1000000);
    clock_has(bench, BELOW, 0, 1000000, 1000000);
    clock_has(bench, BELOW, 1, 1000000, 1000000);
    settle(bench, 6000, 4000);
    assert_int_equal(time_of(bench, BELOW, 0), 2000000);
    assert_int_equal(time_of(bench, BELOW, 1), 2000000);
    assert_int_equal(time_of(bench, ABOVE, 0), 2000000);
    assert_int_equal(time_of(bench, ABOVE, 1), 0);
}

static void what_was_booked_between_two_looks_is_taken_off(void **state)
{
    struct bench *bench = *state;
    static const struct {
        int64_t above_us, below_us, own_ns;
    } ticks[] = {
        {2100, 2000, 100000}, {1000, 1100, 0}, {1500, 1200, 200000},
        {1000, 30000, 0}, /* more than can be late */
        {21000, 1000, 10000000},
    };
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        begin(bench);
        clock_has(bench, ABOVE, 0, 1000000, 1000000);
        clock_has(bench, BELOW, 0, 1000000, 1000000);
        settle(bench, ticks[i].above_us, ticks[i].below_us);
        assert_int_equal(time_of(bench, ABOVE, 0), ticks[i].own_ns);
        assert_int_equal(time_of(bench, BELOW, 0), ticks[i].below_us * 1000);
    }
    /* Booked after the clock had seen it: where it ran last. */
    begin(bench);
    settle(bench, 4000, 4000);
    assert_int_equal(time_of(bench, BELOW, 0), 4000000);
    assert_int_equal(time_of(bench, ABOVE, 0), 0);
}

static void the_clock_speaks_where_books_are_not_known(void **state)
{
    struct bench *bench = *state;
    begin(bench);
    clock_has(bench, ABOVE, 0, 3000000, 3000000);
    clock_has(bench, BELOW, 0, 1000000, 1000000);
    settle(bench, 3500, VALUE_ABSENT);
    assert_int_equal(time_of(bench, BELOW, 0), 1000000);
    assert_int_equal(time_of(bench, ABOVE, 0), 2500000);
    begin(bench);
    clock_has(bench, ABOVE, 0, 3000000, 3000000);
    clock_has(bench, BELOW, 0, 1000000, 1000000);
    settle(bench, VALUE_ABSENT, 1200);
    assert_int_equal(time_of(bench, BELOW, 0), 1200000);
    assert_int_equal(time_of(bench, ABOVE, 0), 2000000);
}

/* The books of a cgroup that is gone cannot be read; those of its next life are its own. */
static void a_life_that_ended_keeps_its_time(void **state)
{
    struct bench *bench = *state;
    bench->life[ABOVE] = BELOW;
    bench->parent[BELOW] = TARGET_TREE_NONE;
    begin(bench);
    clock_has(bench, ABOVE, 0, 120000000, 120000000);
    clock_has(bench, BELOW, 0, 5000000, 5000000);
    settle(bench, VALUE_ABSENT, 4000);
    assert_int_equal(time_of(bench, ABOVE, 0), 0);
    assert_int_equal(time_of(bench, BELOW, 0), 125000000); /* by the clock: a tick may be late */
}

/* It ran on two CPUs until it was begun anew on one. */
static void a_life_that_ended_had_its_cpus_time(void **state)
{
    struct bench *bench = *state;
    bench->life[ABOVE] = BELOW;
    bench->parent[BELOW] = TARGET_TREE_NONE;
    bench->watches[ABOVE]->n_ran = 2;
    bench->watches[BELOW]->n_ran = 1;
    begin(bench);
    clock_has(bench, ABOVE, 0, 1800000000, 1800000000);
    clock_has(bench, BELOW, 0, 90000000, 90000000);
    settle(bench, VALUE_ABSENT, 90000);
    assert_int_equal(time_of(bench, BELOW, 0), 1890000000);
}

/* Readers scale by enabled over running; where no counter was free the time stands as it is. */
static void rows_stay_on_one_scale(void **state)
{
    struct bench *bench = *state;
    static const int64_t booked_us[] = {4000, VALUE_ABSENT};
    for (size_t i = 0; i < 2; i++) {
        begin(bench);
        clock_has(bench, BELOW, 0, 500000, 1000000);
        clock_has(bench, BELOW, 1, 0, 1000000);
        settle(bench, 0, booked_us[i]);
        assert_int_equal(time_of(bench, BELOW, 0), i == 0 ? 1000000 : 500000);
        assert_int_equal(time_of(bench, BELOW, 1), i == 0 ? 2000000 : 1000000);
    }
}

/* One that runs all the time, booked every 4 ms and looked at every 5, from wherever in that: each
 * row has the time that there was, and the sum is that of the books. */
static void books_that_move_in_steps_make_even_rows(void **state)
{
    struct bench *bench = *state;
    static const int64_t booked_us[] = {8000, 4000, 4000, 4000};
    bench->span.wall_ns = 5000000;
    for (size_t i = 0; i < 4; i++) {
        bench->watches[BELOW]->owed_ns = 0;
        for (size_t k = 0; k < 40; k++) {
            begin(bench);
            clock_has(bench, BELOW, 0, 5000000, 5000000);
            settle(bench, VALUE_ABSENT, booked_us[(i + k) % 4]);
            assert_int_equal(time_of(bench, BELOW, 0), 5000000);
        }
    }
}

/* It was on two CPUs: there was twice the time. What had no room has it later. */
static void rows_have_no_more_than_their_cpus_had_time(void **state)
{
    struct bench *bench = *state;
    static const int64_t booked_us[] = {13000, 7000, 0}, due_ns[] = {10000000, 5000000, 5000000};
    bench->span.wall_ns = 5000000;
    for (size_t i = 0; i < 3; i++) {
        begin(bench);
        bench->watches[BELOW]->n_ran = i == 0 ? 2 : i == 1 ? 1 : 0;
        clock_has(bench, BELOW, 0, i == 0 ? 12000000 : 0, i == 0 ? 12000000 : 0);
        settle(bench, VALUE_ABSENT, booked_us[i]);
        assert_int_equal(time_of(bench, BELOW, 0), due_ns[i]);
    }
}

/* The clock runs on in stolen time: the books are not left by more than they can be late. */
static void stolen_time_is_not_the_cgroups(void **state)
{
    struct bench *bench = *state;
    int64_t sum_ns = 0;
    bench->span.wall_ns = 5000000;
    for (size_t i = 0; i < 100; i++) {
        begin(bench);
        clock_has(bench, BELOW, 0, 5000000, 5000000);
        settle(bench, VALUE_ABSENT, 3000);
        sum_ns += time_of(bench, BELOW, 0);
    }
    assert_int_equal(sum_ns, 300000000 + LATE_NS);
}

/* Books are late where the cgroup runs: on one CPU by a tick, however many there are; what it had
 * too much on several is taken off all the same. */
static void books_are_late_by_cpu(void **state)
{
    struct bench *bench = *state;
    static const struct {
        size_t n_ran;
        int64_t booked_us, clock_ns, own_ns;
    } ticks[] = {
        {1, 100000, 150000000, 100000000 + LATE_NS},
        {3, 100000, 150000000, 90000000 + 3 * LATE_NS},
        {1, 50000, 20000000, 20000000},
    };
    bench->span.n_late = 4;
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        begin(bench);
        bench->watches[BELOW]->n_ran = ticks[i].n_ran;
        clock_has(bench, BELOW, 0, ticks[i].clock_ns, ticks[i].clock_ns);
        settle(bench, VALUE_ABSENT, ticks[i].booked_us);
        assert_int_equal(time_of(bench, BELOW, 0), ticks[i].own_ns);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_has_its_own_by_package),
        TEST(what_was_booked_between_two_looks_is_taken_off),
        TEST(the_clock_speaks_where_books_are_not_known),
        TEST(a_life_that_ended_keeps_its_time),
        TEST(a_life_that_ended_had_its_cpus_time),
        TEST(rows_stay_on_one_scale),
        TEST(books_that_move_in_steps_make_even_rows),
        TEST(rows_have_no_more_than_their_cpus_had_time),
        TEST(stolen_time_is_not_the_cgroups),
        TEST(books_are_late_by_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
