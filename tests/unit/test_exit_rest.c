/* SPDX-License-Identifier: BSD-3-Clause */
/* What records of ended processes lack, on made-up cgroups whose books are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "sensor/exit_rest.h"
#include "sensor/host.h"
#include "tests/unit/made_tree.h"

#define US 1000

struct bench {
    struct made_tree tree;
    struct host host;
    struct exit_rest rest;
    uint64_t use_ns[2];
};

static void bench_new(struct bench *bench)
{
    *bench = (struct bench){0};
    made_tree_new(&bench->tree);
    bench->host.cgroupfs = bench->tree.root;
    bench->rest.host = &bench->host;
}

static void bench_free(struct bench *bench)
{
    exit_rest_deinit(&bench->rest);
    made_tree_remove(&bench->tree, "");
}

/* A look: the cgroup's books, what a process in it was seen to use, and those that ended, each with
 * 100 us in its record. */
static void look(struct bench *bench, const char *cgroup, long usage_us, uint64_t seen_us,
                 size_t n_ended)
{
    char name[64], text[64];
    (void)snprintf(name, sizeof(name), "%s/cpu.stat", cgroup + 1);
    (void)snprintf(text, sizeof(text), "usage_usec %ld\nuser_usec 1\n", usage_us);
    made_tree_write(&bench->tree, name, text);
    exit_rest_begin(&bench->rest);
    for (size_t i = 0; i < n_ended; i++) {
        bench->use_ns[i] = 100 * US;
        assert_int_equal(exit_rest_add(&bench->rest, cgroup, 100 * US, &bench->use_ns[i]), 0);
    }
    exit_rest_see(&bench->rest, cgroup, seen_us * US);
    exit_rest_see(&bench->rest, "/another", 1000000 * US);
    exit_rest_see(&bench->rest, "/a-longer-name", 1000000 * US);
    exit_rest_settle(&bench->rest);
}

static void the_rest_is_shared_by_those_that_ended(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench);
    look(&bench, "/a", 5000, 0, 1);
    assert_int_equal(bench.use_ns[0], 100 * US); /* what the books said before is not known */
    look(&bench, "/a", 6000, 300, 2);            /* 1000 used, 300 + 200 seen */
    assert_int_equal(bench.use_ns[0], 350 * US);
    assert_int_equal(bench.use_ns[1], 350 * US);
    look(&bench, "/a", 6800, 100, 0); /* 700 of nobody who ended */
    look(&bench, "/a", 6900, 0, 1);
    assert_int_equal(bench.use_ns[0], 100 * US);
    bench_free(&bench);
}

static void what_was_given_too_much_is_taken_off(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench);
    look(&bench, "/a", 1000, 0, 1);
    look(&bench, "/a", 1100, 300, 0); /* clocks were read after the books */
    look(&bench, "/a", 1600, 0, 1);   /* 500 used, 200 of them seen before, 100 recorded */
    assert_int_equal(bench.use_ns[0], 300 * US);
    look(&bench, "/a", 1600, 5000000, 0); /* somebody came with what he had used elsewhere */
    look(&bench, "/a", 201600, 0, 1);
    look(&bench, "/a", 202100, 0, 1);
    assert_int_equal(bench.use_ns[0], 500 * US);
    bench_free(&bench);
}

static void one_process_is_never_given_much(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench);
    look(&bench, "/a", 1000, 0, 1);
    look(&bench, "/a", 1000000, 0, 1);
    assert_int_equal(bench.use_ns[0], 10100 * US);
    look(&bench, "/a", 1000100, 0, 1);
    assert_int_equal(bench.use_ns[0], 100 * US);
    bench_free(&bench);
}

static void books_that_hold_others_are_not_used(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench);
    look(&bench, "/a", 1000, 0, 1);
    exit_rest_begin(&bench.rest);
    made_tree_write(&bench.tree, "a/cpu.stat", "usage_usec 9000\n");
    assert_int_equal(exit_rest_add(&bench.rest, "/a", 100 * US, &bench.use_ns[0]), 0);
    exit_rest_see(&bench.rest, "/a/below", 1 * US);
    exit_rest_settle(&bench.rest);
    assert_int_equal(bench.use_ns[0], 100 * US);
    look(&bench, "/", 1000, 0, 1);
    look(&bench, "/", 9000, 0, 1);
    assert_int_equal(bench.use_ns[0], 100 * US);
    bench_free(&bench);
}

static void a_cgroup_is_left_when_nobody_ends_in_it(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench);
    assert_int_equal(exit_rest_add(&bench.rest, "/never-made", 1, &bench.use_ns[0]), 0);
    assert_int_equal(bench.rest.n_cgroups, 0);
    look(&bench, "/a", 1000, 0, 1);
    look(&bench, "/b", 1000, 0, 1);
    assert_int_equal(bench.rest.n_cgroups, 2);
    for (int i = 0; i < 70; i++)
        look(&bench, "/b", 2000 + i * 100, 0, 1);
    assert_int_equal(bench.rest.n_cgroups, 1);
    look(&bench, "/b", 9900, 500, 1);
    assert_int_equal(bench.use_ns[0], 500 * US);
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_is_shared_by_those_that_ended),
        cmocka_unit_test(what_was_given_too_much_is_taken_off),
        cmocka_unit_test(one_process_is_never_given_much),
        cmocka_unit_test(books_that_hold_others_are_not_used),
        cmocka_unit_test(a_cgroup_is_left_when_nobody_ends_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
