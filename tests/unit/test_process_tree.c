/* SPDX-License-Identifier: BSD-3-Clause */
/* Who descends from whom, by records alone: in any order, with numbers used again, with parents
 * nobody told of, and in a circle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/process_tree.h"
#include "common/error.h"
#include "common/target_record.h"

static struct identities *identities;
static struct process_tree tree;

static int begin(void **state)
{
    (void)state;
    return identities_new(&identities);
}

static int end(void **state)
{
    (void)state;
    process_tree_deinit(&tree);
    identities_free(identities);
    return 0;
}

static void name_of(int64_t pid, int64_t start_ticks, char name[64])
{
    (void)snprintf(name, 64, "/:%" PRId64 "@%" PRId64, pid, start_ticks);
}

static void tell(int64_t pid, int64_t start_ticks, int64_t parent_pid)
{
    char name[64];
    name_of(pid, start_ticks, name);
    const struct target_record record = {.key = {.sensor = "s"},
                                         .target = name,
                                         .target_kind = "process",
                                         .name = "x",
                                         .cgroup = "/",
                                         .pid = pid,
                                         .start_ticks = start_ticks,
                                         .parent_pid = parent_pid};
    assert_int_equal(identities_add(identities, &record), 0);
}

static bool has(int64_t pid, int64_t start_ticks)
{
    struct identity *identity;
    char name[64];
    name_of(pid, start_ticks, name);
    assert_int_equal(identities_find(identities, "s", name, &identity), 0);
    return process_tree_has(&tree, identity);
}

/* The root is this very test: only what lives can be one. */
static void a_tree_is_found_in_any_order(void **state)
{
    (void)state;
    struct error err = {0};
    int64_t self = getpid();
    assert_int_equal(process_tree_add_pid(&tree, (pid_t)self, &err), 0);
    int64_t start = tree.roots[0].key.start_ticks;
    tell(5000002, start + 30, 5000001); /* before its parent is known */
    tell(self, start, 1);
    tell(5000001, start + 20, self);
    tell(5000003, start + 40, 5000009);  /* whose parent nobody told of */
    tell(5000001, start + 100, 5000003); /* the number, used again */
    tell(5000004, start + 110, 5000001); /* of the second life */
    tell(5000005, start + 20, VALUE_ABSENT);
    assert_int_equal(process_tree_grow(&tree, identities), 0);
    assert_true(has(self, start) && has(5000001, start + 20) && has(5000002, start + 30));
    assert_false(has(5000003, start + 40) || has(5000001, start + 100) ||
                 has(5000004, start + 110) || has(5000005, start + 20));
    assert_int_equal(tree.n_members, 3);
    assert_true(process_tree_lives(&tree));
}

/* Who measures is a child of the root here, as in a shell that follows itself. */
static void who_is_left_out_has_no_part(void **state)
{
    (void)state;
    struct error err = {0};
    int64_t parent = getppid();
    assert_int_equal(process_tree_add_pid(&tree, (pid_t)parent, &err), 0);
    assert_int_equal(process_tree_leave_out(&tree, getpid(), &err), 0);
    assert_int_equal(process_tree_leave_out(&tree, 2000000000, &err), -ESRCH);
    int64_t start = tree.without.start_ticks;
    tell(parent, tree.roots[0].key.start_ticks, 1);
    tell(getpid(), start, parent);
    tell(5000001, start + 10, getpid());
    tell(5000002, start + 20, 5000001);
    tell(5000003, start + 20, parent);
    assert_int_equal(process_tree_grow(&tree, identities), 0);
    assert_true(has(parent, tree.roots[0].key.start_ticks) && has(5000003, start + 20));
    assert_int_equal(tree.n_members, 2);
}

/* A shell that waits for its command is in no record, and has made who works before. */
static void who_does_nothing_passes_it_on(void **state)
{
    (void)state;
    struct error err = {0};
    int go[2];
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        char word;
        (void)close(go[1]);
        _exit(read(go[0], &word, 1) != 0);
    }
    (void)close(go[0]);
    assert_true(child > 0);
    int64_t self = getpid();
    assert_int_equal(process_tree_add_pid(&tree, (pid_t)self, &err), 0);
    assert_int_equal(process_tree_adopt(&tree, &err), 0);
    assert_int_equal(process_tree_adopt(&tree, &err), 0);
    assert_int_equal(tree.n_roots, 2);
    int64_t start = tree.roots[1].key.start_ticks;
    assert_true((tree.roots[0].key.pid == child) != (tree.roots[1].key.pid == child));
    start = start > tree.roots[0].key.start_ticks ? start : tree.roots[0].key.start_ticks;
    tell(5000001, start + 10, self);
    tell(5000002, start + 10, child);
    tell(5000003, start + 20, 5000002);
    tell(5000004, 0, child); /* older than the process of that number */
    tell(5000005, start + 10, 5000009);
    assert_int_equal(process_tree_grow(&tree, identities), 0);
    assert_true(has(5000001, start + 10) && has(5000002, start + 10) && has(5000003, start + 20));
    assert_false(has(5000004, 0) || has(5000005, start + 10));
    (void)close(go[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_circle_ends(void **state)
{
    (void)state;
    tell(5000001, 10, 5000002);
    tell(5000002, 10, 5000003);
    tell(5000003, 10, 5000001);
    tell(5000004, 10, 5000004);
    tell(5000005, 11, 5000003);
    assert_int_equal(process_tree_grow(&tree, identities), 0);
    assert_int_equal(tree.n_members, 0);
    assert_false(process_tree_lives(&tree));
}

static void who_is_not_there_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(process_tree_add_pid(&tree, 2000000000, &err), -ESRCH);
    assert_int_equal(process_tree_add_name(&tree, "no such name", &err), -ESRCH);
    assert_non_null(strstr(err.text, "no such name"));
    assert_int_equal(tree.n_roots, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_is_found_in_any_order, begin, end),
        cmocka_unit_test_setup_teardown(who_is_left_out_has_no_part, begin, end),
        cmocka_unit_test_setup_teardown(who_does_nothing_passes_it_on, begin, end),
        cmocka_unit_test_setup_teardown(a_circle_ends, begin, end),
        cmocka_unit_test_setup_teardown(who_is_not_there_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
