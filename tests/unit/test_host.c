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
                                        path, sizeof(path)),
                     0);
    assert_string_equal(path, "/sys/fs/cg roup\\");
    assert_int_equal(host_find_cgroupfs("", path, sizeof(path)), -ENOENT);
    assert_int_equal(
        host_find_cgroupfs("cgroup2\ncgroup2 /a\ncgroup2 /a cgroup2", path, sizeof(path)), -ENOENT);
    assert_int_equal(host_find_cgroupfs("none /long/long cgroup2 rw", path, 4), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_trimmed_or_refused),
        cmocka_unit_test(numbers_are_whole_numbers),
        cmocka_unit_test(an_open_file_is_read_anew),
        cmocka_unit_test(the_first_cgroup2_mount_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
