/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files: whole, trimmed, or refused; the cgroup2 mount among others, with escaped spaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "sensor/host.h"
#include "tests/unit/made_tree.h"

static void text_is_trimmed_or_refused(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    made_tree_write(&tree, "a", " word \n\t\n");
    made_tree_write(&tree, "empty", "");
    char text[8];
    assert_int_equal(host_read_text(text, sizeof(text), "%s/%s", tree.root, "a"), -EFBIG);
    char wide[16];
    assert_int_equal(host_read_text(wide, sizeof(wide), "%s/a", tree.root), 5);
    assert_string_equal(wide, " word");
    assert_int_equal(host_read_text(text, sizeof(text), "%s/empty", tree.root), 0);
    assert_string_equal(text, "");
    assert_int_equal(host_read_text(text, sizeof(text), "%s/none", tree.root), -ENOENT);
    assert_int_equal(host_read_text(text, sizeof(text), "%s", tree.root), -EISDIR);
    made_tree_remove(&tree, "");
}

static void numbers_are_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int outcome;
        int64_t value;
    } cases[] = {
        {"42\n", 0, 42},
        {"-7", 0, -7},
        {"9223372036854775807\n", 0, INT64_MAX},
        {"9223372036854775808\n", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"\n", -EINVAL, 0},
        {"12x", -EINVAL, 0},
        {"1 2", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"99999999999999999999999999999999999999999999999999999999999999999999999999", -EINVAL, 0},
    };
    struct made_tree tree;
    made_tree_new(&tree);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        made_tree_write(&tree, "n", cases[i].text);
        int64_t value = 123;
        assert_int_equal(host_read_int64(&value, "%s/n", tree.root), cases[i].outcome);
        assert_int_equal(value, cases[i].outcome == 0 ? cases[i].value : 123);
    }
    made_tree_write_bytes(&tree, "n", "1\0002", 3);
    int64_t value;
    assert_int_equal(host_read_int64(&value, "%s/n", tree.root), -EINVAL);
    made_tree_remove(&tree, "");
}

static void an_open_file_is_read_anew(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    made_tree_write(&tree, "f", "first\n");
    char path[PATH_MAX], text[32];
    made_tree_path(&tree, "f", path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(host_reread(fd, text, sizeof(text)), 5);
    assert_int_equal(pwrite(fd, "other", 5, 0), 5);
    assert_int_equal(host_reread(fd, text, sizeof(text)), 5);
    assert_string_equal(text, "other");
    assert_int_equal(host_reread(-1, text, sizeof(text)), -EBADF);
    (void)close(fd);
    made_tree_remove(&tree, "");
}

static void the_first_cgroup2_mount_is_found(void **state)
{
    (void)state;
    char path[64];
    assert_int_equal(host_find_cgroupfs("tmpfs /x tmpfs rw 0 0\n"
                                        "cgroup /cgroup2 cgroup rw 0 0\n"
                                        "cgroup2 /sys/fs/cg\\040roup\\134 cgroup2 rw 0 0\n"
                                        "none /second cgroup2 rw 0 0\n",
                                        NULL, NULL, path, sizeof(path)),
                     0);
    assert_string_equal(path, "/sys/fs/cg roup\\");
    assert_int_equal(host_find_cgroupfs("", NULL, NULL, path, sizeof(path)), -ENOENT);
    assert_int_equal(host_find_cgroupfs("cgroup2\ncgroup2 /a\ncgroup2 /a cgroup2", NULL, NULL, path,
                                        sizeof(path)),
                     -ENOENT);
    assert_int_equal(host_find_cgroupfs("none /long/long cgroup2 rw", NULL, NULL, path, 4),
                     -ENAMETOOLONG);
}

static void a_controller_is_an_option_of_its_mount(void **state)
{
    (void)state;
    static const char mounts[] = "perf_event /a tmpfs rw,perf_event 0 0\n"
                                 "cgroup2 /b cgroup2 rw,perf_event 0 0\n"
                                 "cgroup /c cgroup rw,name=perf_event 0 0\n"
                                 "cgroup /d cgroup rw,perf_events,xperf_event 0 0\n"
                                 "cgroup /e cgroup rw\n"
                                 "cgroup /f\\012 cgroup rw,nosuid,cpuacct,perf_event 0 0\n"
                                 "cgroup /g cgroup perf_event,rw";
    char path[64];
    assert_int_equal(host_find_cgroupfs(mounts, "perf_event", NULL, path, sizeof(path)), 0);
    assert_string_equal(path, "/f\n");
    assert_int_equal(host_find_cgroupfs(mounts, "cpuacct", NULL, path, sizeof(path)), 0);
    assert_string_equal(path, "/f\n");
    assert_int_equal(host_find_cgroupfs(mounts, "perf_event", "/g", path, sizeof(path)), 0);
    assert_string_equal(path, "/g");
    assert_int_equal(host_find_cgroupfs(mounts, "perf_event", "/b", path, sizeof(path)), -ENOENT);
    assert_int_equal(host_find_cgroupfs(mounts, "pids", NULL, path, sizeof(path)), -ENOENT);
    assert_int_equal(host_find_cgroupfs(mounts, NULL, NULL, path, sizeof(path)), 0);
    assert_string_equal(path, "/b");
}

/* A tree: NULL for none. */
static void expect_trees(const char *mounts, const char *asked, const char *cgroup2,
                         const char *perf_event, const char *cpuacct)
{
    struct made_tree tree;
    static struct host_mounts found;
    made_tree_new(&tree);
    struct host host = {.procfs = tree.root};
    if (mounts)
        made_tree_write(&tree, "self/mounts", mounts);
    host_find_trees(&host, asked, &found);
    const char *const pairs[][2] = {{host.cgroupfs, cgroup2},
                                    {host.perf_cgroupfs, perf_event},
                                    {host.cpuacct_cgroupfs, cpuacct},
                                    {host_perf_tree(&host), perf_event ? perf_event : cgroup2}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (!pairs[i][0] != !pairs[i][1] || (pairs[i][0] && strcmp(pairs[i][0], pairs[i][1]) != 0))
            fail_msg("%zu: %s instead of %s", i, pairs[i][0] ? pairs[i][0] : "none",
                     pairs[i][1] ? pairs[i][1] : "none");
    made_tree_remove(&tree, "");
}

static void mounts_and_what_is_asked_for_decide_the_tree(void **state)
{
    (void)state;
    static const char unified[] = "cgroup2 /cg cgroup2 rw 0 0\n";
    static const char old[] = "cgroup /cg/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
                              "cgroup /cg/perf_event cgroup rw,perf_event 0 0\n";
    static const char hybrid[] = "cgroup2 /cg/unified cgroup2 rw 0 0\n"
                                 "cgroup /cg/cpuacct cgroup rw,cpuacct 0 0\n"
                                 "cgroup /cg/perf_event cgroup rw,perf_event 0 0\n";
    expect_trees(unified, NULL, "/cg", NULL, NULL);
    expect_trees(old, NULL, NULL, "/cg/perf_event", "/cg/cpu,cpuacct");
    expect_trees(hybrid, NULL, "/cg/unified", "/cg/perf_event", "/cg/cpuacct");
    expect_trees(hybrid, "/cg/unified", "/cg/unified", NULL, "/cg/cpuacct");
    expect_trees(hybrid, "/cg/perf_event//", NULL, "/cg/perf_event", "/cg/cpuacct");
    expect_trees(hybrid, "/cg/cpuacct", "/cg/cpuacct", NULL, "/cg/cpuacct");
    expect_trees("", NULL, NULL, NULL, NULL);
    expect_trees(NULL, NULL, NULL, NULL, NULL);
    expect_trees(NULL, "/made", "/made", NULL, NULL);
}

/* Thousands of containers have lines of a kilobyte before the one that is looked for. */
static void a_long_list_of_mounts_is_read(void **state)
{
    (void)state;
    enum { N_LINES = 4000, LINE_SIZE = 1000 };
    static char mounts[N_LINES * LINE_SIZE + 64];
    size_t length = 0;
    for (int i = 0; i < N_LINES; i++)
        length += (size_t)snprintf(mounts + length, LINE_SIZE + 1,
                                   "overlay /%d overlay lowerdir=%0*d\n", i, LINE_SIZE - 40, 0);
    assert_true(length > 3u << 20);
    (void)snprintf(mounts + length, sizeof(mounts) - length, "cgroup2 /cg cgroup2 rw 0 0\n");
    expect_trees(mounts, NULL, "/cg", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_trimmed_or_refused),
        cmocka_unit_test(numbers_are_whole_numbers),
        cmocka_unit_test(an_open_file_is_read_anew),
        cmocka_unit_test(the_first_cgroup2_mount_is_found),
        cmocka_unit_test(a_controller_is_an_option_of_its_mount),
        cmocka_unit_test(mounts_and_what_is_asked_for_decide_the_tree),
        cmocka_unit_test(a_long_list_of_mounts_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
