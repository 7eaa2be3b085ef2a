/* SPDX-License-Identifier: BSD-3-Clause */
/* Cgroup targets on a made-up tree: which directories become targets, when they go, and what is
 * said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "sensor/target_name.h"
#include "sensor/targets.h"
#include "tests/unit/made_tree.h"

struct bench {
    struct made_tree tree;
    struct host host;
    struct target_rules *rules;
    struct targets *targets;
    size_t n_released;
};

static void bench_new(struct bench *bench, const char *const *rules, size_t n_rules)
{
    *bench = (struct bench){0};
    made_tree_new(&bench->tree);
    bench->host = (struct host){.cgroupfs = bench->tree.root};
    assert_int_equal(target_rules_parse(&bench->rules, rules, n_rules, NULL), 0);
    assert_int_equal(targets_new(&bench->targets, &bench->host, GRANULARITY_CGROUP, bench->rules),
                     0);
}

static void bench_free(struct bench *bench)
{
    targets_free(bench->targets);
    target_rules_free(bench->rules);
    made_tree_remove(&bench->tree, "");
}

static void make_cgroup(struct bench *bench, const char *name, const char *procs)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", name);
    made_tree_write(&bench->tree, path, procs);
}

static void refresh(struct bench *bench)
{
    struct error err = {0};
    if (targets_refresh(bench->targets, &err) < 0)
        fail_msg("%s", err.text);
}

static void count_release(struct target *target, void *context)
{
    struct bench *bench = context;
    assert_true(target_has_vanished(bench->targets, target));
    bench->n_released++;
}

static struct target *find(struct bench *bench, const char *name)
{
    struct target *found = NULL;
    for (size_t i = 0; i < targets_count(bench->targets); i++)
        if (!strcmp(targets_at(bench->targets, i)->name, name))
            found = targets_at(bench->targets, i);
    return found;
}

static void cgroups_with_processes_are_targets(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "", "1\n");
    make_cgroup(&bench, "slice", "");
    make_cgroup(&bench, "slice/unit", "12\n13\n");
    make_cgroup(&bench, "slice/empty", "");
    made_tree_mkdir(&bench.tree, "slice/no-file");
    make_cgroup(&bench, "odd %\nname", "5\n");
    refresh(&bench);
    assert_int_equal(targets_count(bench.targets), 3);
    assert_string_equal(targets_at(bench.targets, 0)->name, "other");
    struct target *unit = find(&bench, "/slice/unit");
    assert_non_null(unit);
    assert_string_equal(unit->cgroup, "/slice/unit");
    assert_non_null(find(&bench, "/odd %25%0Aname"));
    assert_null(find(&bench, "/"));
    /* Emptied, it stays; filled, another joins; numbers grow. */
    make_cgroup(&bench, "slice/unit", "");
    make_cgroup(&bench, "slice/empty", "9\n");
    refresh(&bench);
    assert_ptr_equal(find(&bench, "/slice/unit"), unit);
    assert_false(target_has_vanished(bench.targets, unit));
    assert_int_equal(find(&bench, "/slice/empty")->number, 3);
    assert_false(target_has_vanished(bench.targets, targets_at(bench.targets, 0)));
    bench_free(&bench);
}

static void rules_choose_also_empty_cgroups(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, (const char *const[]){"cgroup:/a/**", "!cgroup:/a/b"}, 2);
    make_cgroup(&bench, "a", "");
    make_cgroup(&bench, "a/b", "1\n");
    make_cgroup(&bench, "a/b/c", "");
    make_cgroup(&bench, "z", "1\n");
    refresh(&bench);
    assert_int_equal(targets_count(bench.targets), 3);
    assert_non_null(find(&bench, "/a"));
    assert_non_null(find(&bench, "/a/b/c"));
    struct target *target;
    assert_int_equal(targets_find_process(bench.targets,
                                          &(struct seen_process){1, 7, 1, "x", "/a/b", 0}, &target),
                     0);
    assert_ptr_equal(target, find(&bench, "/a"));
    assert_int_equal(targets_find_process(bench.targets,
                                          &(struct seen_process){1, 7, 1, "x", "/a/b/c/d", 0},
                                          &target),
                     0);
    assert_ptr_equal(target, find(&bench, "/a/b/c"));
    assert_int_equal(targets_find_process(bench.targets,
                                          &(struct seen_process){1, 7, 1, "x", "/ab", 0}, &target),
                     0);
    assert_null(target);
    bench_free(&bench);
}

static void a_new_inode_is_a_new_life(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "a", "1\n");
    make_cgroup(&bench, "b", "1\n");
    refresh(&bench);
    struct target *first = find(&bench, "/a");
    char from[PATH_MAX], to[PATH_MAX];
    made_tree_path(&bench.tree, "a", from);
    made_tree_path(&bench.tree, "b/moved", to);
    assert_int_equal(rename(from, to), 0);
    make_cgroup(&bench, "a", "2\n");
    refresh(&bench);
    struct target *second = find(&bench, "/a");
    assert_ptr_not_equal(first, second);
    assert_true(target_has_vanished(bench.targets, first));
    assert_false(target_has_vanished(bench.targets, second));
    /* The same inode under another path is not the same life either. */
    assert_non_null(find(&bench, "/b/moved"));
    assert_int_equal(target_open_cgroup(first, bench.tree.root), -ESTALE);
    int fd = target_open_cgroup(second, bench.tree.root);
    assert_true(fd >= 0);
    (void)close(fd);
    targets_sweep(bench.targets, count_release, &bench);
    assert_int_equal(bench.n_released, 1);
    assert_int_equal(targets_count(bench.targets), 4);
    made_tree_remove(&bench.tree, "b");
    refresh(&bench);
    targets_sweep(bench.targets, count_release, &bench);
    assert_int_equal(bench.n_released, 3);
    assert_int_equal(targets_count(bench.targets), 2);
    bench_free(&bench);
}

static void a_tree_that_cannot_be_walked_ends_nobody(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "a", "1\n");
    refresh(&bench);
    struct error err = {0};
    bench.host.cgroupfs = "/nonexistent";
    assert_int_equal(targets_refresh(bench.targets, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent"));
    assert_false(target_has_vanished(bench.targets, find(&bench, "/a")));
    bench.host.cgroupfs = NULL;
    assert_int_equal(targets_refresh(bench.targets, &err), -ENOENT);
    assert_non_null(strstr(err.text, "--cgroupfs"));
    bench.host.cgroupfs = bench.tree.root;
    refresh(&bench);
    assert_false(target_has_vanished(bench.targets, find(&bench, "/a")));
    bench_free(&bench);
}

static void nesting_has_an_end(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    char name[1000] = "d";
    for (int depth = 0; depth < 120; depth++)
        (void)snprintf(name + strlen(name), sizeof(name) - strlen(name), "/d");
    make_cgroup(&bench, name, "1\n");
    make_cgroup(&bench, "d/d", "1\n");
    refresh(&bench);
    assert_int_equal(targets_count(bench.targets), 2);
    bench_free(&bench);
}

static void records_say_who_it_is(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "system.slice/nginx.service", "1\n");
    refresh(&bench);
    struct target_record record;
    struct target_names scratch;
    target_describe(targets_at(bench.targets, 0), &record, &scratch);
    assert_string_equal(record.target, "other");
    assert_string_equal(record.target_kind, "other");
    assert_null(record.cgroup);
    target_describe(find(&bench, "/system.slice/nginx.service"), &record, &scratch);
    assert_string_equal(record.target_kind, "unit");
    assert_string_equal(record.unit, "nginx.service");
    assert_true(record.cgroup_inode > 0);
    assert_int_equal(record.pid, VALUE_ABSENT);
    assert_null(record.comm);
    bench_free(&bench);

    struct targets *targets;
    struct target *process;
    assert_int_equal(targets_new(&targets, &bench.host, GRANULARITY_PROCESS, NULL), 0);
    assert_int_equal(targets_refresh(targets, NULL), 0);
    assert_int_equal(
        targets_find_process(
            targets, &(struct seen_process){42, 7, 99, "odd\n%", "/docker/x\xff", 0}, &process),
        0);
    target_describe(process, &record, &scratch);
    assert_string_equal(record.target, "/docker/x%FF:42@99");
    assert_string_equal(record.target_kind, "process");
    assert_string_equal(record.comm, "odd%0A%25");
    assert_string_equal(record.cgroup, "/docker/x%FF");
    assert_string_equal(record.user, "root");
    assert_int_equal(record.pid, 42);
    assert_int_equal(record.parent_pid, 7);
    assert_int_equal(record.start_ticks, 99);
    targets_free(targets);
}

/* libvirt makes the scope, then executes QEMU: the sensor may look in between. */
static void a_machine_is_announced_anew_with_its_own_name(void **state)
{
    (void)state;
#define SCOPE "machine.slice/machine-qemu\\x2d3\\x2dmyvm.scope"
    static const char before[] = "/usr/sbin/libvirtd",
                      after[] = "qemu\0-name\0guest=my vm,debug-threads=on\0-uuid\0c7a5fdbd";
    struct bench bench;
    struct target_record record;
    struct target_names scratch;
    char procfs[PATH_MAX];
    bench_new(&bench, NULL, 0);
    made_tree_path(&bench.tree, "proc", procfs);
    bench.host.procfs = procfs;
    make_cgroup(&bench, SCOPE "/libvirt", "42\n");
    made_tree_write_bytes(&bench.tree, "proc/42/cmdline", before, sizeof(before));
    refresh(&bench);
    struct target *machine = find(&bench, "/" SCOPE "/libvirt");
    assert_non_null(machine);
    target_describe(machine, &record, &scratch);
    assert_string_equal(record.target_kind, "vm");
    assert_string_equal(record.name, "vm myvm");
    assert_null(record.container);
    machine->is_announced = true;
    targets_all_announced(bench.targets);

    made_tree_write_bytes(&bench.tree, "proc/42/cmdline", after, sizeof(after));
    targets_keep(bench.targets); /* the second look; a tree that stays is not walked */
    assert_true(targets_have_unannounced(bench.targets));
    assert_false(machine->is_announced);
    target_describe(machine, &record, &scratch);
    assert_string_equal(record.target_kind, "vm");
    assert_string_equal(record.name, "vm my vm");
    assert_string_equal(record.container, "c7a5fdbd");
    assert_string_equal(record.target, "/" SCOPE "/libvirt");
    machine->is_announced = true;
    targets_all_announced(bench.targets);
    for (int look = 0; look < 10; look++) {
        targets_keep(bench.targets);
        refresh(&bench);
    }
    assert_false(targets_have_unannounced(bench.targets));
    bench_free(&bench);
#undef SCOPE
}

static void brief_processes_are_one_target_per_command(void **state)
{
    (void)state;
    struct bench bench;
    struct target_record record;
    struct target_names scratch;
    bench_new(&bench, NULL, 0);
    struct targets *targets;
    struct target *first, *second, *other;
    assert_int_equal(targets_new(&targets, &bench.host, GRANULARITY_PROCESS, bench.rules), 0);
    assert_int_equal(targets_refresh(targets, NULL), 0);
    assert_int_equal(
        targets_find_command(targets, &(struct seen_process){7, 1, 5, "cc1", "/", 0}, &first), 0);
    assert_int_equal(
        targets_find_command(targets, &(struct seen_process){8, 1, 5, "cc1", "/", 0}, &second), 0);
    assert_int_equal(
        targets_find_command(targets, &(struct seen_process){9, 1, 5, "c:\n1", "/a", 0}, &other),
        0);
    assert_ptr_equal(first, second);
    assert_string_equal(first->name, "/:cc1");
    assert_string_equal(other->name, "/a:c:%0A1");
    target_describe(first, &record, &scratch);
    assert_string_equal(record.target_kind, "process");
    assert_string_equal(record.comm, "cc1");
    assert_int_equal(record.pid, VALUE_ABSENT);
    assert_null(record.user);
    assert_int_equal(targets_refresh(targets, NULL), 0);
    targets_sweep(targets, NULL, NULL);
    assert_int_equal(targets_count(targets), 1);
    assert_int_equal(
        targets_find_command(targets, &(struct seen_process){7, 1, 5, "cc1", "/", 0}, &first), 0);
    assert_false(first->is_announced);
    targets_free(targets);
    bench_free(&bench);
}

static bool refuse_once(uint64_t inode, void *context)
{
    (void)inode;
    return (*(int *)context)++ > 0;
}

static void cgroups_are_given_until_taken_and_charged_above(void **state)
{
    (void)state;
    struct bench bench;
    const char *const rules[] = {"cgroup:/a"};
    bench_new(&bench, rules, 1);
    make_cgroup(&bench, "a/b", "1\n");
    refresh(&bench);
    int n_given = 0;
    targets_each_new_cgroup(bench.targets, refuse_once, &n_given);
    assert_int_equal(n_given, 2);
    targets_each_new_cgroup(bench.targets, refuse_once, &n_given);
    assert_int_equal(n_given, 3);
    targets_each_new_cgroup(bench.targets, refuse_once, &n_given);
    assert_int_equal(n_given, 3);
    make_cgroup(&bench, "a/b/c", "1\n");
    refresh(&bench);
    targets_each_new_cgroup(bench.targets, refuse_once, &n_given);
    assert_int_equal(n_given, 4);
    struct stat status;
    char path[PATH_MAX];
    made_tree_path(&bench.tree, "a/b", path);
    assert_int_equal(stat(path, &status), 0);
    struct target *target = NULL;
    assert_true(targets_find_cgroup(bench.targets, status.st_ino, &target));
    assert_string_equal(target->name, "/a");
    assert_false(targets_find_cgroup(bench.targets, status.st_ino + 12345, &target));
    bench_free(&bench);
}

static void a_tree_that_is_kept_is_not_walked(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "a", "1\n");
    refresh(&bench);
    make_cgroup(&bench, "b", "1\n");
    made_tree_remove(&bench.tree, "a");
    targets_keep(bench.targets);
    assert_int_equal(targets_count(bench.targets), 2);
    assert_false(target_has_vanished(bench.targets, targets_at(bench.targets, 1)));
    refresh(&bench);
    assert_int_equal(targets_count(bench.targets), 3);
    assert_true(target_has_vanished(bench.targets, targets_at(bench.targets, 1)));
    targets_sweep(bench.targets, NULL, NULL);
    targets_keep(bench.targets);
    assert_int_equal(targets_count(bench.targets), 2);
    assert_string_equal(targets_at(bench.targets, 1)->name, "/b");
    bench_free(&bench);
}

/* However often nothing has changed, what then does is seen: who goes and who comes. */
static void a_tree_that_is_kept_for_long_is_left_alone(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "a", "1\n");
    make_cgroup(&bench, "b", "1\n");
    refresh(&bench);
    struct stat status;
    char path[PATH_MAX];
    made_tree_path(&bench.tree, "a", path);
    assert_int_equal(stat(path, &status), 0);
    made_tree_remove(&bench.tree, "a");
    refresh(&bench); /* one vanishes, and its target goes with the sweep */
    for (int i = 0; i < 3; i++) {
        struct target *target;
        bool has_just_gone = i == 0;
        assert_int_equal(targets_find_cgroup(bench.targets, status.st_ino, &target), has_just_gone);
        targets_sweep(bench.targets, NULL, NULL);
        targets_keep(bench.targets);
        assert_int_equal(targets_count(bench.targets), 2);
        assert_false(target_has_vanished(bench.targets, targets_at(bench.targets, 1)));
    }
    uint64_t generation = targets_generation(bench.targets);
    targets_keep(bench.targets);
    assert_int_equal(targets_generation(bench.targets), generation);
    make_cgroup(&bench, "c", "1\n");
    made_tree_remove(&bench.tree, "b");
    refresh(&bench);
    assert_int_equal(targets_count(bench.targets), 3);
    assert_true(target_has_vanished(bench.targets, targets_at(bench.targets, 1)));
    targets_sweep(bench.targets, NULL, NULL);
    assert_int_equal(targets_count(bench.targets), 2);
    assert_string_equal(targets_at(bench.targets, 1)->name, "/c");
    targets_keep(bench.targets);
    made_tree_remove(&bench.tree, "c");
    refresh(&bench);
    targets_keep(bench.targets); /* nobody swept meanwhile */
    targets_sweep(bench.targets, NULL, NULL);
    assert_int_equal(targets_count(bench.targets), 1);
    make_cgroup(&bench, "d", "1\n");
    refresh(&bench);
    targets_keep(bench.targets);
    made_tree_remove(&bench.tree, "d");
    refresh(&bench);
    targets_sweep(bench.targets, NULL, NULL);
    assert_int_equal(targets_count(bench.targets), 1);
    make_cgroup(&bench, "e", "1\n");
    refresh(&bench);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(targets_at(bench.targets, i)->index, i);
    bench_free(&bench);
}

/* They vanish after the look that did not find them, whatever the tree does. */
static void commands_vanish_in_a_tree_that_is_kept(void **state)
{
    (void)state;
    struct bench bench;
    struct target *target;
    const struct seen_process process = {.pid = 7, .comm = "cc", .cgroup = "/a"};
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "a", "1\n");
    refresh(&bench);
    targets_keep(bench.targets);
    targets_keep(bench.targets);
    assert_int_equal(targets_find_command(bench.targets, &process, &target), 0);
    assert_non_null(target);
    targets_sweep(bench.targets, NULL, NULL);
    assert_int_equal(targets_count(bench.targets), 3);
    targets_keep(bench.targets);
    assert_true(target_has_vanished(bench.targets, target));
    targets_sweep(bench.targets, NULL, NULL);
    assert_int_equal(targets_count(bench.targets), 2);
    bench_free(&bench);
}

static void whoever_is_new_is_to_be_announced(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    refresh(&bench);
    assert_true(targets_have_unannounced(bench.targets));
    targets_all_announced(bench.targets);
    targets_keep(bench.targets);
    assert_false(targets_have_unannounced(bench.targets));
    make_cgroup(&bench, "a", "1\n");
    refresh(&bench);
    assert_true(targets_have_unannounced(bench.targets));
    targets_at(bench.targets, 0)->is_announced = targets_at(bench.targets, 1)->is_announced = true;
    targets_all_announced(bench.targets);
    targets_announce_anew(bench.targets);
    assert_true(targets_have_unannounced(bench.targets));
    assert_false(targets_at(bench.targets, 1)->is_announced);
    bench_free(&bench);
}

static bool has_changed(struct bench *bench)
{
    bool answer = targets_tree_has_changed(bench->targets);
    refresh(bench);
    return answer;
}

/* What a walk has met is watched from then on; what happened meanwhile is for the walk after it. */
static void settle(struct bench *bench)
{
    assert_true(has_changed(bench));
    (void)has_changed(bench);
    assert_false(targets_tree_has_changed(bench->targets));
}

static void events_say_when_to_walk(void **state)
{
    (void)state;
    struct bench bench;
    bench_new(&bench, NULL, 0);
    make_cgroup(&bench, "slice/unit", "12\n");
    make_cgroup(&bench, "slice/empty", "");
    settle(&bench);
    make_cgroup(&bench, "slice/unit", "12\n13\n"); /* it is a target already */
    assert_false(targets_tree_has_changed(bench.targets));
    make_cgroup(&bench, "slice/empty", "9\n");
    settle(&bench);
    assert_non_null(find(&bench, "/slice/empty"));
    make_cgroup(&bench, "slice/unit/deep", "");
    settle(&bench);
    make_cgroup(&bench, "slice/unit/deep", "7\n");
    settle(&bench);
    assert_non_null(find(&bench, "/slice/unit/deep"));
    made_tree_remove(&bench.tree, "slice/unit/deep");
    settle(&bench);
    assert_true(target_has_vanished(bench.targets, find(&bench, "/slice/unit/deep")));
    bench_free(&bench);
}

/* Where rules name the cgroups who lives in them does not matter, until other rules ask. */
static void rules_decide_what_is_watched(void **state)
{
    (void)state;
    struct bench bench;
    struct target_rules *by_default;
    bench_new(&bench, (const char *const[]){"cgroup:/a"}, 1);
    make_cgroup(&bench, "a", "");
    make_cgroup(&bench, "b", "");
    settle(&bench);
    make_cgroup(&bench, "a", "1\n");
    make_cgroup(&bench, "b", "2\n");
    assert_false(targets_tree_has_changed(bench.targets));
    make_cgroup(&bench, "b", "");
    assert_int_equal(target_rules_parse(&by_default, NULL, 0, NULL), 0);
    targets_set_rules(bench.targets, by_default);
    refresh(&bench);
    settle(&bench);
    make_cgroup(&bench, "b", "2\n");
    settle(&bench);
    assert_non_null(find(&bench, "/b"));
    bench_free(&bench);
    target_rules_free(by_default);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cgroups_with_processes_are_targets),
        cmocka_unit_test(rules_choose_also_empty_cgroups),
        cmocka_unit_test(a_new_inode_is_a_new_life),
        cmocka_unit_test(a_tree_that_cannot_be_walked_ends_nobody),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(records_say_who_it_is),
        cmocka_unit_test(a_machine_is_announced_anew_with_its_own_name),
        cmocka_unit_test(brief_processes_are_one_target_per_command),
        cmocka_unit_test(cgroups_are_given_until_taken_and_charged_above),
        cmocka_unit_test(a_tree_that_is_kept_is_not_walked),
        cmocka_unit_test(a_tree_that_is_kept_for_long_is_left_alone),
        cmocka_unit_test(commands_vanish_in_a_tree_that_is_kept),
        cmocka_unit_test(whoever_is_new_is_to_be_announced),
        cmocka_unit_test(events_say_when_to_walk),
        cmocka_unit_test(rules_decide_what_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
