/* SPDX-License-Identifier: BSD-3-Clause */
/* GPUs are numbered by address among the display controllers, however the address is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/record.h"
#include "sensor/gpu_number.h"
#include "tests/unit/made_tree.h"

static void add_device(const struct made_tree *tree, const char *address, const char *class,
                       const char *vendor)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "bus/pci/devices/%s/class", address);
    made_tree_write(tree, name, class);
    (void)snprintf(name, sizeof(name), "bus/pci/devices/%s/vendor", address);
    made_tree_write(tree, name, vendor);
}

static void addresses_are_numbers(void **state)
{
    (void)state;
    struct pci_address a, b;
    assert_true(pci_address_parse("00000000:3B:1f.7", &a));
    assert_true(pci_address_parse("0000:3b:1F.7", &b));
    assert_int_equal(pci_address_compare(&a, &b), 0);
    assert_true(pci_address_parse("10000:01:00.0", &b)); /* behind VMD */
    assert_true(pci_address_compare(&a, &b) < 0 && pci_address_compare(&b, &a) > 0);
    static const char *const none[] = {
        "",
        "0000:3b:1f",
        "000:3b:1f.0",
        "000000000:3b:1f.0",
        "0000:3b:20.0",
        "0000:3b:1f.8",
        "0000:3b:1f.0 ",
        "0000:3b:1f.00",
        "0000:g0:1f.0",
        "0000;3b:1f.0",
        "-000:3b:1f.0",
        "GPU-0000:3b:1f.0",
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(pci_address_parse(none[i], &a));
}

static void gpus_are_counted_in_order_of_address(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    struct host host = {.sysfs = tree.root};
    assert_int_equal(gpu_number(&host, "0000:01:00.0"), PACKAGE_NONE);
    assert_int_equal(gpu_count(&host, 0x10de), 0);
    add_device(&tree, "10000:01:00.0", "0x030000\n", "0x1002\n");
    add_device(&tree, "0000:c1:00.0", "0x030200\n", "0x10de\n");
    add_device(&tree, "0000:c1:00.1", "0x040300\n", "0x10de\n"); /* its sound */
    add_device(&tree, "0000:41:00.0", "0x030200\n", "0x10de\n");
    add_device(&tree, "0000:03:00.0", "0x030000\n", "0x1a03\n"); /* the console */
    add_device(&tree, "0000:00:00.0", "0x060000\n", "0x8086\n");
    assert_int_equal(gpu_number(&host, "0000:03:00.0"), 0);
    assert_int_equal(gpu_number(&host, "00000000:41:00.0"), 1);
    assert_int_equal(gpu_number(&host, "00000000:C1:00.0"), 2);
    assert_int_equal(gpu_number(&host, "10000:01:00.0"), 3);
    assert_int_equal(gpu_number(&host, "0000:c1:00.1"), PACKAGE_NONE);
    assert_int_equal(gpu_number(&host, "0000:42:00.0"), PACKAGE_NONE);
    assert_int_equal(gpu_number(&host, "nonsense"), PACKAGE_NONE);
    assert_int_equal(gpu_count(&host, 0x10de), 2);
    made_tree_remove(&tree, "");
}

static void broken_files_are_no_gpus(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    struct host host = {.sysfs = tree.root};
    static const char *const classes[] = {
        "",        "\n",       "0x", "-0x030000", "0x030000x", "0x0300000000000000000000000",
        "0x40300", "\xff\x03",
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        add_device(&tree, "0000:01:00.0", classes[i], "0x10de");
        assert_int_equal(gpu_number(&host, "0000:01:00.0"), PACKAGE_NONE);
    }
    made_tree_mkdir(&tree, "bus/pci/devices/not an address");
    made_tree_mkdir(&tree, "bus/pci/devices/0000:02:00.0");
    add_device(&tree, "0000:03:00.0", "0x030000", "0x10de7");
    assert_int_equal(gpu_number(&host, "0000:03:00.0"), 0);
    assert_int_equal(gpu_count(&host, 0x10de), 0);
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_numbers),
        cmocka_unit_test(gpus_are_counted_in_order_of_address),
        cmocka_unit_test(broken_files_are_no_gpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
