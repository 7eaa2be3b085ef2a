/* SPDX-License-Identifier: BSD-3-Clause */
/* What a folder of hwmon says, however it is written, and which part of the machine that is: as
 * the drivers' documentation has it, as the operator's rules have it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/error.h"
#include "common/options.h"
#include "common/scope.h"
#include "sensor/host.h"
#include "sensor/hwmon_channels.h"
#include "sensor/hwmon_map.h"
#include "sensor/topology.h"
#include "tests/unit/made_tree.h"

static struct made_tree tree;
static struct host host;
static struct hwmon_channel *channels;
static int n_channels;

static int32_t two_packages[] = {0, 1};
static int32_t package_of_cpu[] = {0, 0, 1, 1};
static struct topology topology = {
    .n_cpus = 4, .package = package_of_cpu, .packages = two_packages, .n_packages = 2};

static void put(int number, const char *file, const char *text)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "class/hwmon/hwmon%d/%s", number, file);
    made_tree_write(&tree, name, text);
}

static void link_device(int number, const char *device)
{
    char path[PATH_MAX], target[128];
    (void)snprintf(path, sizeof(path), "%s/class/hwmon/hwmon%d/device", tree.root, number);
    (void)snprintf(target, sizeof(target), "../../../devices/%s", device);
    assert_int_equal(symlink(target, path), 0);
    (void)snprintf(path, sizeof(path), "devices/%s", device);
    made_tree_mkdir(&tree, path);
}

static void find(void)
{
    free(channels);
    channels = NULL;
    n_channels = hwmon_channels_find(&host, &channels);
}

static const struct hwmon_channel *channel_named(const char *name)
{
    char text[200];
    for (int i = 0; i < n_channels; i++) {
        hwmon_channel_name(&channels[i], text, sizeof(text));
        if (strcmp(text, name) == 0)
            return &channels[i];
    }
    for (int i = 0; i < n_channels; i++) {
        hwmon_channel_name(&channels[i], text, sizeof(text));
        print_message("there is %s\n", text);
    }
    fail_msg("no %s", name);
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    made_tree_new(&tree);
    host = (struct host){.sysfs = tree.root};
    topology.n_packages = 2;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(channels);
    channels = NULL;
    made_tree_remove(&tree, "");
    return 0;
}

static void check_map(const char *name, const struct option_list *rules, const char *domain,
                      int32_t package)
{
    enum domain is;
    int32_t of = PACKAGE_NONE;
    int r = hwmon_map(channel_named(name), rules, &host, &topology, &is, &of);
    if (r != (domain ? HWMON_KNOWN : HWMON_UNKNOWN))
        fail_msg("%s: %s", name, r ? "known" : "unknown");
    if (!domain)
        return;
    assert_string_equal(domain_name(is), domain);
    assert_int_equal(of, package);
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    find();
    assert_int_equal(n_channels, 0);
    made_tree_mkdir(&tree, "class/hwmon/hwmon0");
    put(1, "power1_input", "1\n"); /* no name */
    find();
    assert_int_equal(n_channels, 0);
}

static void a_channel_is_its_chip_device_and_label(void **state)
{
    (void)state;
    put(7, "name", "ina226\n");
    put(7, "power1_input", "1500000\n");
    put(7, "label", "VDD_CPU\n");
    link_device(7, "1-0040");
    put(2, "name", "ina226\n");
    put(2, "power1_input", "2500000\n");
    put(2, "power1_rated_max", "20000000\n");
    link_device(2, "1-0041");
    put(3, "name", "pmbus\n");
    put(3, "power1_input", "1\n");
    put(3, "power1_label", "pin\n");
    put(3, "power2_input", "1\n");
    put(3, "power2_label", "pout1\n");
    put(3, "power1_alarm", "0\n");
    put(3, "power1_max", "0\n");
    put(3, "energy1_input", "1\n");
    put(3, "powerx_input", "1\n");
    put(3, "temp1_input", "1\n");
    find();
    assert_int_equal(n_channels, 5);
    assert_true(isnan(channel_named("ina226@1-0040/VDD_CPU")->limit_w));
    assert_float_equal(channel_named("ina226@1-0041/power1")->limit_w, 20, 1e-9);
    assert_false(channel_named("pmbus/pin")->is_energy);
    assert_false(channel_named("pmbus/pout1")->is_energy);
    assert_true(channel_named("pmbus/energy1")->is_energy);
    for (int i = 0; i < n_channels; i++) {
        char name[200];
        hwmon_channel_name(&channels[i], name, sizeof(name));
        check_map(name, NULL, NULL, 0);
    }
}

static void the_average_is_taken_if_it_can_be_read(void **state)
{
    (void)state;
    put(0, "name", "amdgpu\n");
    put(0, "power1_average", "30000000\n");
    put(0, "power1_input", "31000000\n");
    put(0, "power1_label", "PPT\n");
    put(0, "power1_cap_max", "300000000\n");
    find();
    assert_int_equal(n_channels, 1);
    assert_non_null(strstr(channels[0].path, "power1_average"));
    assert_float_equal(channels[0].limit_w, 300, 1e-9);
    put(0, "power1_average", "");
    find();
    assert_non_null(strstr(channels[0].path, "power1_input"));
}

static void old_drivers_keep_attributes_in_the_device(void **state)
{
    (void)state;
    made_tree_mkdir(&tree, "class/hwmon/hwmon4");
    link_device(4, "ACPI000D:00");
    made_tree_write(&tree, "devices/ACPI000D:00/name", "power_meter\n");
    made_tree_write(&tree, "devices/ACPI000D:00/power1_average", "120000000\n");
    made_tree_write(&tree, "devices/ACPI000D:00/power1_oem_info", "Grace Power Socket 1\n");
    find();
    assert_int_equal(n_channels, 1);
    check_map("power_meter@ACPI000D:00/Grace Power Socket 1", NULL, "package", 1);
    made_tree_write(&tree, "devices/ACPI000D:00/power1_oem_info", "Module Power Socket 1\n");
    find();
    check_map("power_meter@ACPI000D:00/Module Power Socket 1", NULL, NULL, 0);
}

static void documentation_says_what_is_known(void **state)
{
    (void)state;
    made_tree_write(&tree, "bus/pci/devices/0000:01:00.0/class", "0x030000\n");
    made_tree_write(&tree, "bus/pci/devices/0000:01:00.0/vendor", "0x1a03\n");
    made_tree_write(&tree, "bus/pci/devices/0000:c3:00.0/class", "0x030000\n");
    made_tree_write(&tree, "bus/pci/devices/0000:c3:00.0/vendor", "0x1002\n");
    put(0, "name", "amdgpu\n");
    put(0, "power1_average", "30000000\n");
    put(0, "power1_label", "PPT\n");
    link_device(0, "0000:c3:00.0");
    put(1, "name", "amd_energy\n");
    put(1, "energy1_input", "1\n");
    put(1, "energy1_label", "Ecore003\n");
    put(1, "energy2_input", "1\n");
    put(1, "energy2_label", "Esocket1\n");
    put(1, "energy3_input", "1\n");
    put(1, "energy3_label", "Esocket2\n"); /* there is no such package */
    put(1, "energy4_input", "1\n");
    put(1, "energy4_label", "Ecore004\n"); /* nor such a CPU */
    put(2, "name", "apm_xgene\n");
    put(2, "power1_input", "1\n");
    put(2, "power1_label", "CPU power\n");
    put(2, "power2_input", "1\n");
    put(2, "power2_label", "IO power\n");
    put(3, "name", "xe\n");
    put(3, "energy1_input", "1\n");
    put(3, "energy1_label", "card\n");
    put(3, "energy2_input", "1\n");
    put(3, "energy2_label", "pkg\n");
    link_device(3, "0000:01:00.0");
    put(4, "name", "i915_gt0\n");
    put(4, "energy1_input", "1\n");
    find();
    check_map("amdgpu@0000:c3:00.0/PPT", NULL, "gpu", 1);
    check_map("amd_energy/Ecore003", NULL, "core", 1);
    check_map("amd_energy/Esocket1", NULL, "package", 1);
    check_map("amd_energy/Esocket2", NULL, NULL, 0);
    check_map("amd_energy/Ecore004", NULL, NULL, 0);
    check_map("xe@0000:01:00.0/card", NULL, "gpu", 0);
    check_map("xe@0000:01:00.0/pkg", NULL, NULL, 0);
    check_map("i915_gt0/energy1", NULL, NULL, 0);
    check_map("apm_xgene/CPU power", NULL, NULL, 0); /* of which of the two? */
    topology.n_packages = 1;
    check_map("apm_xgene/CPU power", NULL, "package", 0);
    check_map("apm_xgene/IO power", NULL, NULL, 0);
    put(0, "in1_label", "vddnb\n"); /* an APU: its CPU is in the figure */
    find();
    check_map("amdgpu@0000:c3:00.0/PPT", NULL, NULL, 0);
}

static void make_board(const char *compatible, size_t size)
{
    char path[PATH_MAX];
    made_tree_mkdir(&tree, "firmware/devicetree/base");
    (void)snprintf(path, sizeof(path), "%s/firmware/devicetree/base/compatible", tree.root);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(compatible, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void put_rail(int number, int rail, const char *label)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "in%d_label", rail);
    if (label)
        put(number, name, label);
    (void)snprintf(name, sizeof(name), "in%d_input", rail);
    put(number, name, "5000\n");
    (void)snprintf(name, sizeof(name), "curr%d_input", rail);
    put(number, name, "400\n");
}

/* A label of a device tree means what it does on that board only, and a part of the sum is none. */
static void a_boards_rails_are_its_makers(void **state)
{
    (void)state;
    static const char agx_orin[] = "nvidia,p3737-0000+p3701-0000\0nvidia,p3701-0000\0nvidia,tegra234";
    put(1, "name", "ina3221\n");
    put_rail(1, 1, "VDD_GPU_SOC\n");
    put_rail(1, 2, "VDD_CPU_CV\n");
    put_rail(1, 3, "VIN_SYS_5V0\n");
    put(1, "curr4_input", "1\n"); /* the sum of some */
    link_device(1, "1-0040");
    put(2, "name", "ina3221\n");
    put_rail(2, 1, NULL); /* not in use */
    put_rail(2, 2, "VDDQ_VDD2_1V8AO\n");
    link_device(2, "1-0041");
    put(3, "name", "nct6775\n"); /* voltages and currents of others say nothing of a power */
    put_rail(3, 1, "VIN\n");
    find();
    assert_int_equal(n_channels, 4);
    check_map("ina3221@1-0040/VDD_CPU_CV", NULL, NULL, 0);
    make_board(agx_orin, sizeof(agx_orin));
    const char *inputs[] = {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"};
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "ina3221@1-0040/%s", inputs[i]);
        check_map(name, NULL, "machine", PACKAGE_NONE);
    }
    check_map("ina3221@1-0041/VDDQ_VDD2_1V8AO", NULL, NULL, 0);
    put(1, "in3_label", "SPARE\n");
    find();
    check_map("ina3221@1-0040/VDD_CPU_CV", NULL, NULL, 0);
    make_board("nvidia,p37011", sizeof("nvidia,p37011"));
    put(1, "in3_label", "VIN_SYS_5V0\n");
    find();
    check_map("ina3221@1-0040/VDD_CPU_CV", NULL, NULL, 0);
    static const char orin_nx[] = "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005";
    make_board(orin_nx, sizeof(orin_nx) - 1); /* whoever wrote it forgot the end */
    put(1, "in1_label", "VDD_IN\n");
    put(1, "in2_label", "VDD_CPU_GPU_CV\n");
    put(1, "in3_label", "VDD_SOC\n");
    find();
    check_map("ina3221@1-0040/VDD_IN", NULL, "machine", PACKAGE_NONE);
    check_map("ina3221@1-0040/VDD_SOC", NULL, NULL, 0);
}

static void rules_say_the_rest(void **state)
{
    (void)state;
    put(0, "name", "ina226\n");
    put(0, "power1_input", "1\n");
    link_device(0, "1-0040");
    put(1, "name", "ina226\n");
    put(1, "power1_input", "1\n");
    link_device(1, "1-0041");
    put(2, "name", "amd_energy\n");
    put(2, "energy2_input", "1\n");
    put(2, "energy2_label", "Esocket1\n");
    put(3, "name", "meter\n");
    put(3, "power1_input", "1\n");
    put(3, "power1_label", "in = out/all\n");
    find();
    char *values[] = {"ina226/power1=package", "ina226@1-0041/power1=dram:1",
                      "amd_energy/Esocket1=none", "meter/in = out/all=wall"};
    struct option_list rules = {values, 4};
    check_map("ina226@1-0040/power1", &rules, "package", 0);
    check_map("ina226@1-0041/power1", &rules, "dram", 1); /* the last that matches */
    check_map("amd_energy/Esocket1", &rules, NULL, 0);
    check_map("meter/in = out/all", &rules, "wall", PACKAGE_NONE);
}

static void bad_rules_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "=",
        "ina226",
        "ina226=package",
        "/power1=package",
        "ina226/=package",
        "ina226@/power1=package",
        "ina226/power1=",
        "ina226/power1=cpu",
        "ina226/power1=package:",
        "ina226/power1=package:-1",
        "ina226/power1=package:1x",
        "ina226/power1=package:99999999",
        "ina226/power1=wall:0",
        "ina226/power1=none:0",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz/power1=package",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        if (hwmon_rule_check(bad[i], &err) != -EINVAL || !err.text[0])
            fail_msg("\"%s\" was taken", bad[i]);
    }
    assert_int_equal(hwmon_rule_check("ina226@1-0040/VDD_CPU=package:0", NULL), 0);
}

static void hostile_names_stay_printable(void **state)
{
    (void)state;
    char long_name[5000];
    memset(long_name, 'x', sizeof(long_name));
    put(0, "name", "bad\x01\xff\n");
    put(0, "power1_input", "1\n");
    put(0, "power1_label", "\xc3(\x7f\n");
    put(1, "name", "");
    put(1, "power1_input", "1\n");
    made_tree_write_bytes(&tree, "class/hwmon/hwmon2/name", long_name, sizeof(long_name));
    put(2, "power1_input", "1\n");
    put(3, "name", "fine");
    made_tree_write_bytes(&tree, "class/hwmon/hwmon3/power1_label", long_name, sizeof(long_name));
    put(3, "power1_input", "1");
    put(3, "power99999_input", "1");
    put(3, "power1_cap_max", "-5\n");
    made_tree_mkdir(&tree, "class/hwmon/hwmon5/name");
    find();
    assert_int_equal(n_channels, 2);
    (void)channel_named("bad?\?/?(?");
    assert_true(isnan(channel_named("fine/power1")->limit_w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_channel_is_its_chip_device_and_label, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_average_is_taken_if_it_can_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_drivers_keep_attributes_in_the_device, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(documentation_says_what_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_boards_rails_are_its_makers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_say_the_rest, set_up, tear_down),
        cmocka_unit_test(bad_rules_are_refused),
        cmocka_unit_test_setup_teardown(hostile_names_stay_printable, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
