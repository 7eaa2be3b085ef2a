/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU lists, two packages with an offline CPU, and roots that lack everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/record.h"
#include "sensor/topology.h"
#include "tests/unit/made_tree.h"

static void lists_are_parsed(void **state)
{
    (void)state;
    bool is_member[8];
    assert_int_equal(cpu_list_parse("0-2,5,7", is_member, 8), 8);
    const bool expected[8] = {1, 1, 1, 0, 0, 1, 0, 1};
    assert_memory_equal(is_member, expected, sizeof(expected));
    assert_int_equal(cpu_list_parse("", is_member, 8), 0);
    assert_false(is_member[0]);
    assert_int_equal(cpu_list_parse("3", is_member, 8), 4);
    assert_int_equal(cpu_list_parse("8", is_member, 8), -ERANGE);
    assert_int_equal(cpu_list_parse("0-99999999999999999999", is_member, 8), -ERANGE);
    const char *const bad[] = {"x", "-1", "1-", "1,", ",1", "3-1", "1 2", "0-1-2", " 1", "1\n2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(cpu_list_parse(bad[i], is_member, 8), -EINVAL);
}

static const char cpuinfo[] = "processor\t: 0\n"
                              "vendor_id\t: GenuineIntel\n"
                              "cpu family\t: 6\n"
                              "model\t\t: 85\n"
                              "model name\t: Some Name @ 2.60GHz\n"
                              "flags\t\t: fpu hypervisors hypervisor\n"
                              "\n"
                              "processor\t: 1\n"
                              "vendor_id\t: Else\n"
                              "model\t\t: 99\n";

static void two_packages_one_cpu_offline(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    made_tree_write(&tree, "cpuinfo", cpuinfo);
    made_tree_write(&tree, "devices/system/cpu/possible", "0-3\n");
    made_tree_write(&tree, "devices/system/cpu/online", "0-1,3\n");
    made_tree_write(&tree, "devices/system/cpu/cpu0/topology/physical_package_id", "4\n");
    made_tree_write(&tree, "devices/system/cpu/cpu1/topology/physical_package_id", "1\n");
    made_tree_write(&tree, "devices/system/cpu/cpu3/topology/physical_package_id", "4\n");
    made_tree_write(&tree, "devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3900000\n");
    struct host host = {.sysfs = tree.root, .procfs = tree.root};
    struct topology topology;
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    assert_int_equal(topology.n_cpus, 4);
    assert_true(topology.is_online[3]);
    assert_false(topology.is_online[2]);
    assert_int_equal(topology.n_packages, 2);
    assert_int_equal(topology.packages[0], 1);
    assert_int_equal(topology.packages[1], 4);
    assert_int_equal(topology.package[3], 4);
    assert_string_equal(topology.vendor, "GenuineIntel");
    assert_string_equal(topology.name, "Some Name @ 2.60GHz");
    assert_int_equal(topology.family, 6);
    assert_int_equal(topology.model, 85);
    assert_true(topology.is_virtual);
    assert_int_equal(topology.base_hz, 2600000000);
    assert_int_equal(topology.max_hz, 3900000000);
    int fd = -1;
    assert_int_equal(topology_has_changed(&topology, &host), 0);
    assert_true(topology_is_unchanged(&topology, &host, &fd));
    static const char *const others[] = {"0-3\n", "0-7\n", "0-1,3,5\n", "0-1\n"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        made_tree_write(&tree, "devices/system/cpu/online", others[i]);
        assert_false(topology_is_unchanged(&topology, &host, &fd));
        assert_int_equal(topology_has_changed(&topology, &host), 1);
    }
    made_tree_write(&tree, "devices/system/cpu/online", "0-1,3\n");
    assert_true(topology_is_unchanged(&topology, &host, &fd));
    assert_true(fd >= 0);
    (void)close(fd);
    fd = -1;
    made_tree_remove(&tree, "devices/system/cpu/online");
    assert_int_equal(topology_has_changed(&topology, &host), -ENOENT);
    assert_false(topology_is_unchanged(&topology, &host, &fd));
    assert_int_equal(fd, -1);
    topology_deinit(&topology);
    topology_deinit(&topology);
    made_tree_remove(&tree, "");
}

static void roots_may_lack_everything(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    struct host host = {.sysfs = "/nonexistent", .procfs = tree.root};
    struct topology topology;
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    assert_true(topology.n_cpus >= 1);
    assert_int_equal(topology.n_packages, 1);
    assert_int_equal(topology.packages[0], 0);
    assert_int_equal(topology.family, VALUE_ABSENT);
    assert_int_equal(topology.base_hz, VALUE_ABSENT);
    assert_string_equal(topology.vendor, "");
    topology_deinit(&topology);
    made_tree_write(&tree, "cpuinfo", cpuinfo);
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    assert_int_equal(topology.n_cpus, 2);
    topology_deinit(&topology);
    made_tree_write(&tree, "cpuinfo",
                    "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: "
                    "0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n");
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    assert_string_equal(topology.vendor, TOPOLOGY_ARM);
    assert_int_equal(topology.family, 0x41);
    assert_int_equal(topology.model, 0xd0c);
    topology_deinit(&topology);
    made_tree_write(&tree, "cpuinfo",
                    "processor\nvendor_id:\n: :\nmodel name\t: @ GHz\ncpu family: x");
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    assert_int_equal(topology.family, VALUE_ABSENT);
    assert_int_equal(topology.base_hz, VALUE_ABSENT);
    topology_deinit(&topology);
    made_tree_write(&tree, "cpuinfo", "vendor_id : \xff\x01\nmodel name : 100% \xc3\xa9 \x80\n");
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    assert_string_equal(topology.vendor, "%FF%01");
    assert_string_equal(topology.name, "100%25 \xc3\xa9 %80");
    topology_deinit(&topology);
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_parsed),
        cmocka_unit_test(two_packages_one_cpu_offline),
        cmocka_unit_test(roots_may_lack_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
