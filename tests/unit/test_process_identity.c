/* SPDX-License-Identifier: BSD-3-Clause */
/* Which line of PROCFS/PID/cgroup says where a process lives, and who it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "sensor/process_identity.h"
#include "tests/unit/made_tree.h"

static const struct {
    const char *text, *cgroup2, *perf_event;
} cases[] = {
    {"0::/a/b\n", "/a/b", "/a/b"},
    {"0::/\n", "/", "/"},
    {"", "/", "/"},
    {"nonsense\n1:cpu\n::\n0::\n0::relative\n", "/", "/"},
    {"9:name=systemd:/s\n5:perf_event:/docker/x\n0::/u\n", "/u", "/docker/x"},
    {"5:perf_event:/p", "/", "/p"},
    {"5:cpu,perf_event:/p\n", "/", "/p"},
    {"5:perf_event,cpu:/p\n", "/", "/p"},
    {"5:cpu,perf_event,net_cls:/p\n", "/", "/p"},
    {"0::/u\n5:perf_event:/p\n", "/u", "/p"},
    {"5:name=perf_event:/n\n4:perf_events:/m\n3:xperf_event:/l\n0::/u\n", "/u", "/u"},
    {"5:cpu:/a:perf_event:/b\n0::/u:perf_event:\n", "/u:perf_event:", "/u:perf_event:"},
    {"5:perf_event:/odd :name\xff\\x2d\n", "/", "/odd :name\xff\\x2d"},
    {"5:perf_event:/gone (deleted)\n0::/too (deleted)\n", "/too", "/gone"},
    {"0::/x\n0::/y\n", "/x", "/x"},
};

static void the_line_of_the_hierarchy_has_the_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int is_v1 = 0; is_v1 < 2; is_v1++) {
            char text[256];
            (void)snprintf(text, sizeof(text), "%s", cases[i].text);
            const char *expected = is_v1 ? cases[i].perf_event : cases[i].cgroup2;
            const char *path = process_cgroup(text, is_v1);
            if (strcmp(path, expected) != 0)
                fail_msg("%s: v%d: \"%s\" instead of \"%s\"", cases[i].text, is_v1 ? 1 : 2, path,
                         expected);
        }
}

static void a_process_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    const struct host host = {.procfs = tree.root};
    struct process_identity identity;
    made_tree_write(&tree, "7/stat", "7 (a) b) S 5 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 99 0\n");
    assert_int_equal(process_identity_read(&host, false, 7, &identity), -ENOENT);
    made_tree_write(&tree, "7/cgroup", "3:perf_event:/old\n0::/new\n");
    assert_int_equal(process_identity_read(&host, false, 7, &identity), 0);
    assert_string_equal(identity.cgroup, "/new");
    assert_string_equal(identity.comm, "a) b");
    assert_int_equal(identity.parent_pid, 5);
    assert_int_equal(identity.start_ticks, 99);
    assert_int_equal(identity.uid, getuid());
    assert_int_equal(process_identity_read(&host, true, 7, &identity), 0);
    assert_string_equal(identity.cgroup, "/old");
    assert_int_equal(process_identity_read(&host, true, 8, &identity), -ENOENT);
    made_tree_write(&tree, "7/cgroup", "0::/ends in blanks \t \n");
    assert_int_equal(process_identity_read(&host, false, 7, &identity), 0);
    assert_string_equal(identity.cgroup, "/ends in blanks \t ");
    made_tree_write(&tree, "7/stat", "7 (a");
    assert_true(process_identity_read(&host, false, 7, &identity) < 0);
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_of_the_hierarchy_has_the_path),
        cmocka_unit_test(a_process_is_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
