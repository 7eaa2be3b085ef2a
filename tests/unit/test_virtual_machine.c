/* SPDX-License-Identifier: BSD-3-Clause */
/* What a libvirt machine's QEMU says of itself, and where QEMU is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sensor/virtual_machine.h"
#include "tests/unit/made_tree.h"

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"

/* An argument list as C's string has it: the last argument's NUL is the literal's own. */
#define ARGUMENTS(text) {text, sizeof(text)}

static const struct {
    struct {
        const char *bytes;
        size_t size;
    } arguments;
    const char *name, *uuid; /* NULL: no machine */
} cases[] = {
    /* as libvirt writes it */
    {ARGUMENTS("/usr/bin/qemu-system-x86_64\0-name\0guest=web 01/ä,debug-threads=on\0-S\0"
               "-machine\0pc-q35-9.0,usb=off\0-uuid\0" UUID "\0-no-user-config"),
     "web 01/ä", UUID},
    {ARGUMENTS("qemu\0-uuid\0" UUID "\0-name\0guest=a,,b,,,process=x"), "a,b,", UUID},
    {ARGUMENTS("qemu\0-name\0process=x,guest=last"), "last", ""},
    {ARGUMENTS("qemu\0--name\0plain,debug-threads=on\0--uuid\0" UUID), "plain", UUID},
    {ARGUMENTS("qemu\0-name\0guest=line\nfeed\xff"), "line\nfeed\xff", ""},
    {ARGUMENTS("qemu\0-name\0guest="), NULL, NULL},
    {ARGUMENTS("qemu\0-name\0debug-threads=on"), NULL, NULL},
    {ARGUMENTS("qemu\0-name\0,guest"), NULL, NULL},
    {ARGUMENTS("qemu\0-name\0"), NULL, NULL},
    {ARGUMENTS("qemu\0-name"), NULL, NULL},
    {ARGUMENTS("/usr/sbin/libvirtd\0--timeout\0120"), NULL, NULL},
    {{"qemu\0-name\0guest=cut short", 27}, "cut short", ""},
    {{"x", 1}, NULL, NULL},
};

static void command_lines_name_machines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct virtual_machine machine;
        FILE *file = fmemopen((void *)cases[i].arguments.bytes, cases[i].arguments.size, "r");
        assert_non_null(file);
        print_message("case %zu\n", i);
        assert_int_equal(virtual_machine_parse(file, &machine), cases[i].name != NULL);
        if (cases[i].name) {
            assert_string_equal(machine.name, cases[i].name);
            assert_string_equal(machine.uuid, cases[i].uuid);
        }
        (void)fclose(file);
    }
}

static void long_names_are_cut(void **state)
{
    (void)state;
    char bytes[4096] = "-name";
    struct virtual_machine machine;
    memset(bytes + 6, 'x', sizeof(bytes) - 6);
    FILE *file = fmemopen(bytes, sizeof(bytes), "r");
    assert_non_null(file);
    assert_true(virtual_machine_parse(file, &machine));
    assert_int_equal(strlen(machine.name), sizeof(machine.name) - 1);
    (void)fclose(file);
}

/* Nobody is held up by a process that says what it likes. */
static void command_lines_without_end_are_left(void **state)
{
    (void)state;
    static const char name[] = "-name\0guest=far away";
    struct virtual_machine machine;
    for (int byte = 0; byte <= 'x'; byte += 'x') {
        FILE *file = tmpfile();
        assert_non_null(file);
        for (int i = 0; i < 1024 * 1024; i++)
            assert_int_equal(fputc(byte, file), byte);
        assert_int_equal(fputc('\0', file), '\0');
        assert_int_equal(fwrite(name, 1, sizeof(name), file), sizeof(name));
        rewind(file);
        assert_false(virtual_machine_parse(file, &machine));
        assert_in_range(ftell(file), 1, 512 * 1024);
        (void)fclose(file);
    }
}

static bool find(const struct made_tree *tree, struct virtual_machine *machine)
{
    char cgroup[PATH_MAX], procfs[PATH_MAX];
    made_tree_path(tree, "cgroup", cgroup);
    made_tree_path(tree, "proc", procfs);
    int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    bool is_found = virtual_machine_find(fd, procfs, machine);
    (void)close(fd);
    return is_found;
}

static void qemu_is_found_where_libvirt_puts_it(void **state)
{
    (void)state;
    static const char *const lists[] = {"cgroup/cgroup.procs", "cgroup/cgroup.threads",
                                        "cgroup/libvirt/cgroup.procs",
                                        "cgroup/emulator/cgroup.procs"};
    static const char helper[] = "/usr/bin/swtpm\0socket", qemu[] = "qemu\0-name\0guest=m";
    struct made_tree tree;
    struct virtual_machine machine;
    made_tree_new(&tree);
    made_tree_write_bytes(&tree, "proc/7/cmdline", helper, sizeof(helper));
    made_tree_write_bytes(&tree, "proc/9/cmdline", qemu, sizeof(qemu));
    made_tree_mkdir(&tree, "cgroup");
    assert_false(find(&tree, &machine));
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        made_tree_write(&tree, lists[i], "7\n8\n9\n");
        assert_true(find(&tree, &machine));
        assert_string_equal(machine.name, "m");
        made_tree_write(&tree, lists[i], "7\n0\nx\n9\n"); /* another name space's, and damage */
        assert_false(find(&tree, &machine));
        made_tree_remove(&tree, lists[i]);
    }
    char crowd[2000 * 2 + 3] = ""; /* before QEMU */
    memset(crowd, ' ', sizeof(crowd) - 1);
    for (size_t i = 0; i < 2000; i++)
        crowd[2 * i] = '7';
    crowd[sizeof(crowd) - 2] = '9';
    made_tree_write(&tree, lists[0], crowd);
    assert_false(find(&tree, &machine));
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_name_machines),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(command_lines_without_end_are_left),
        cmocka_unit_test(qemu_is_found_where_libvirt_puts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
