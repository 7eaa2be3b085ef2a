/* SPDX-License-Identifier: BSD-3-Clause */
/* Every joule of hwmon's counters, the trapezoid of its powers, and nothing where they say nothing.
 * The tree is made of plain files; time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>

#include "common/error.h"
#include "common/options.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"
#include "tests/unit/made_tree.h"

#define SECOND UINT64_C(1000000000)
#define CARD "0000:03:00.0"

extern const struct source_ops source_hwmon;

/* As the source's options lay it out. */
struct settings {
    struct option_list rails;
    uint64_t gap_ns;
};

static struct made_tree tree;
static uint64_t now_ns;
static struct host host;
static struct topology topology;
static struct source *source;
static struct report report;
static char *rules[4];
static struct settings settings;

static const struct clock clock_test = MADE_CLOCK(now_ns);

static void put(int number, const char *file, const char *text)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "sys/class/hwmon/hwmon%d/%s", number, file);
    made_tree_write(&tree, name, text);
}

static void put_number(int number, const char *file, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", value);
    put(number, file, text);
}

static void link_device(int number, const char *device)
{
    char path[PATH_MAX], target[128];
    (void)snprintf(path, sizeof(path), "%s/sys/class/hwmon/hwmon%d/device", tree.root, number);
    (void)snprintf(target, sizeof(target), "../../../devices/%s", device);
    assert_int_equal(symlink(target, path), 0);
}

static void make_card(int number)
{
    made_tree_write(&tree, "sys/bus/pci/devices/" CARD "/class", "0x030000\n");
    made_tree_write(&tree, "sys/bus/pci/devices/" CARD "/vendor", "0x1002\n");
    made_tree_write(&tree, "sys/devices/" CARD "/power/runtime_status", "active\n");
    put(number, "name", "amdgpu\n");
    put(number, "power1_label", "PPT\n");
    put_number(number, "power1_cap_max", 300000000);
    put_number(number, "power1_average", 20000000);
    link_device(number, CARD);
}

static void remove_hwmon(int number)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "sys/class/hwmon/hwmon%d", number);
    made_tree_remove(&tree, name);
}

static int set_up(void **state)
{
    (void)state;
    static char sysfs[80], procfs[80];
    made_tree_new(&tree);
    (void)snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.root);
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", tree.root);
    made_tree_write(&tree, "sys/devices/system/cpu/possible", "0-3\n");
    made_tree_write(&tree, "sys/devices/system/cpu/online", "0-3\n");
    host = (struct host){.sysfs = sysfs, .procfs = procfs, .clock = &clock_test};
    now_ns = 1000 * SECOND;
    report_init(&report);
    settings = (struct settings){.rails = {rules, 0}, .gap_ns = 10 * SECOND};
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_hwmon.close(source);
    source = NULL;
    report_deinit(&report);
    topology_deinit(&topology);
    made_tree_remove(&tree, "");
    return 0;
}

static void open_source(void)
{
    struct error err = {0};
    if (source_hwmon.open(&source, &host, &topology, &settings, &err) < 0)
        fail_msg("%s", err.text);
}

static void tick(uint64_t dt_ns)
{
    now_ns += dt_ns;
    report_clear(&report);
    assert_int_equal(source_hwmon.read(source, &topology, &report), 0);
}

static const struct energy_sample *sample_of(enum domain domain, int32_t package)
{
    for (size_t i = 0; i < report.n_energy; i++) {
        const struct energy_sample *sample = &report.energy[i];
        if (sample->domain == domain && sample->package == package) {
            assert_string_equal(sample->source, "hwmon");
            assert_false(sample->estimate);
            return sample;
        }
    }
    fail_msg("no sample of %s %d", domain_name(domain), package);
    return NULL;
}

static void check_energy(enum domain domain, int32_t package, int64_t energy_uj, uint64_t dt_ns)
{
    const struct energy_sample *sample = sample_of(domain, package);
    if (!sample->valid)
        fail_msg("%s", sample->reason);
    assert_int_equal(sample->energy_uj, energy_uj);
    assert_int_equal(sample->dt_ns, dt_ns);
}

static void check_missing(enum domain domain, int32_t package, const char *reason)
{
    const struct energy_sample *sample = sample_of(domain, package);
    assert_false(sample->valid);
    assert_string_equal(sample->reason, reason);
    assert_true(sample->energy_uj == VALUE_ABSENT && sample->dt_ns == VALUE_ABSENT);
}

static void power_is_integrated_by_trapezoids(void **state)
{
    (void)state;
    make_card(3);
    open_source();
    put_number(3, "power1_average", 40000000);
    tick(SECOND); /* 20 W to 40 W */
    check_energy(DOMAIN_GPU, 0, 30000000, SECOND);
    put_number(3, "power1_average", 0); /* a true reading */
    tick(SECOND / 2);
    check_energy(DOMAIN_GPU, 0, 10000000, SECOND / 2);
    put_number(3, "power1_average", 1); /* half a microwatt: rounding is carried */
    int64_t sum_uj = 0;
    tick(SECOND);
    for (int i = 0; i < 3; i++) {
        sum_uj += sample_of(DOMAIN_GPU, 0)->energy_uj;
        tick(SECOND);
    }
    assert_int_equal(sum_uj, 2); /* 0.5 + 1 + 1, the rest is carried */
}

/* Two amperes of five volts, then three. */
static void voltage_and_current_are_a_power(void **state)
{
    (void)state;
    made_tree_write(&tree, "sys/firmware/devicetree/base/compatible", "nvidia,p3767-0005");
    put(3, "name", "ina3221\n");
    put(3, "in1_label", "VDD_IN\n");
    put_number(3, "in1_input", 5000);
    put_number(3, "curr1_input", 2000);
    open_source();
    put_number(3, "curr1_input", 3000);
    tick(NS_PER_S);
    check_energy(DOMAIN_MACHINE, PACKAGE_NONE, 12500000, NS_PER_S);
    put_number(3, "in1_input", INT64_MAX / 2);
    tick(NS_PER_S);
    check_missing(DOMAIN_MACHINE, PACKAGE_NONE, "read_error");
    put_number(3, "in1_input", 5000);
    put_number(3, "curr1_input", -8); /* the converter's last bit */
    tick(NS_PER_S);
    check_missing(DOMAIN_MACHINE, PACKAGE_NONE, "implausible");
    put(3, "in1_input", "");
    tick(NS_PER_S);
    check_missing(DOMAIN_MACHINE, PACKAGE_NONE, "read_error");
}

static void a_gap_is_not_bridged(void **state)
{
    (void)state;
    make_card(3);
    open_source();
    tick(10 * SECOND);
    check_energy(DOMAIN_GPU, 0, 200000000, 10 * SECOND);
    tick(10 * SECOND + 1);
    check_missing(DOMAIN_GPU, 0, "gap");
    tick(SECOND);
    check_energy(DOMAIN_GPU, 0, 20000000, SECOND);
}

static void nothing_impossible_is_published(void **state)
{
    (void)state;
    make_card(3);
    open_source();
    static const char *const lies[] = {"600000001\n", "-1\n", "4294967295000000\n"};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        put(3, "power1_average", lies[i]);
        tick(SECOND);
        check_missing(DOMAIN_GPU, 0, "implausible");
        put(3, "power1_average", "20000000\n");
        tick(SECOND);
        check_missing(DOMAIN_GPU, 0, "reopened");
        tick(SECOND);
        check_energy(DOMAIN_GPU, 0, 20000000, SECOND);
    }
    put(3, "power1_average", "600000000\n"); /* twice the cap is as far as a card may go */
    tick(SECOND);
    assert_true(sample_of(DOMAIN_GPU, 0)->valid);
}

static void hostile_readings_are_no_readings(void **state)
{
    (void)state;
    static const char binary[] = "20\x00\xff\x80";
    static const char *const bad[] = {
        "",
        "\n",
        "N/A\n",
        "20.5\n",
        "0x20\n",
        "+20\n",
        " 20\n",
        "20 30\n",
        "--20\n",
        "99999999999999999999\n",
        "11111111111111111111111111111111111111111111111111111\n",
    };
    make_card(3);
    open_source();
    for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
        if (i < sizeof(bad) / sizeof(bad[0]))
            put(3, "power1_average", bad[i]);
        else
            made_tree_write_bytes(&tree, "sys/class/hwmon/hwmon3/power1_average", binary,
                                  sizeof(binary));
        tick(SECOND);
        check_missing(DOMAIN_GPU, 0, "read_error");
        put(3, "power1_average", "20000000"); /* no newline: a number all the same */
        tick(SECOND);
        check_missing(DOMAIN_GPU, 0, "reopened");
        tick(SECOND);
        check_energy(DOMAIN_GPU, 0, 20000000, SECOND);
    }
}

static void a_card_comes_back_under_another_number(void **state)
{
    (void)state;
    make_card(3);
    open_source();
    put(3, "power1_average", ""); /* what an open file says once its device is gone */
    tick(SECOND);
    check_missing(DOMAIN_GPU, 0, "read_error");
    remove_hwmon(3);
    tick(SECOND);
    check_missing(DOMAIN_GPU, 0, "vanished");
    tick(SECOND);
    check_missing(DOMAIN_GPU, 0, "vanished");
    put(3, "name", "nvme\n"); /* another device takes its number */
    put(3, "temp1_input", "40000\n");
    make_card(8);
    tick(SECOND);
    check_missing(DOMAIN_GPU, 0, "reopened");
    tick(SECOND);
    check_energy(DOMAIN_GPU, 0, 20000000, SECOND);
    assert_int_equal(report.n_energy, 1);
}

static void a_new_card_is_taken(void **state)
{
    (void)state;
    put(0, "name", "amd_energy\n");
    put(0, "energy1_label", "Esocket0\n");
    put_number(0, "energy1_input", 5);
    open_source();
    put_number(0, "energy1_input", 6);
    tick(SECOND);
    assert_int_equal(report.n_energy, 1);
    make_card(1);
    source->has_changed = false;
    put_number(0, "energy1_input", 1000006);
    tick(10 * SECOND);
    check_energy(DOMAIN_PACKAGE, 0, 1000000, 10 * SECOND);
    check_missing(DOMAIN_GPU, 0, "reopened");
    assert_true(source->has_changed);
    tick(SECOND);
    check_energy(DOMAIN_GPU, 0, 20000000, SECOND);
    check_missing(DOMAIN_PACKAGE, 0, "stuck");
    put_number(0, "energy1_input", 3000006);
    tick(SECOND);
    check_energy(DOMAIN_PACKAGE, 0, 2000000, 2 * SECOND);
}

static void counters_are_exact_and_may_be_reset(void **state)
{
    (void)state;
    put(0, "name", "amd_energy\n");
    put(0, "energy1_label", "Esocket0\n");
    put_number(0, "energy1_input", INT64_C(9000000000000000000));
    for (int core = 0; core < 4; core++) {
        char file[32], label[32];
        (void)snprintf(file, sizeof(file), "energy%d_label", core + 2);
        (void)snprintf(label, sizeof(label), "Ecore%03d\n", core);
        put(0, file, label);
        (void)snprintf(file, sizeof(file), "energy%d_input", core + 2);
        put_number(0, file, 100);
    }
    open_source();
    put_number(0, "energy1_input", INT64_C(9000000000012345678));
    put_number(0, "energy2_input", 1100);
    put_number(0, "energy5_input", 10100);
    tick(SECOND);
    check_energy(DOMAIN_PACKAGE, 0, 12345678, SECOND);
    check_energy(DOMAIN_CORE, 0, 11000, SECOND);
    put_number(0, "energy1_input", 3);
    put_number(0, "energy3_input", 99);
    tick(SECOND);
    check_missing(DOMAIN_PACKAGE, 0, "counter_reset");
    check_missing(DOMAIN_CORE, 0, "counter_reset");
    put_number(0, "energy1_input", INT64_C(4000000000)); /* 4 kW */
    tick(SECOND);
    check_missing(DOMAIN_PACKAGE, 0, "implausible");
    put_number(0, "energy1_input", INT64_C(4000000007));
    tick(SECOND);
    check_energy(DOMAIN_PACKAGE, 0, 7, SECOND);
}

static void a_counter_bridges_a_failed_reading(void **state)
{
    (void)state;
    put(0, "name", "amd_energy\n");
    for (int core = 0; core < 2; core++) {
        put(0, core ? "energy2_label" : "energy1_label", core ? "Ecore001\n" : "Ecore000\n");
        put_number(0, core ? "energy2_input" : "energy1_input", 100);
    }
    open_source();
    put_number(0, "energy1_input", 1000);
    put(0, "energy2_input", "");
    tick(SECOND);
    check_missing(DOMAIN_CORE, 0, "read_error");
    put_number(0, "energy1_input", 2100);
    put_number(0, "energy2_input", 600);
    tick(SECOND);
    check_energy(DOMAIN_CORE, 0, 2500, 2 * SECOND);
    put_number(0, "energy2_input", -600);
    tick(SECOND);
    check_missing(DOMAIN_CORE, 0, "implausible");
}

static void a_processor_draws_something(void **state)
{
    (void)state;
    rules[0] = "ina226/power1=package";
    settings.rails.n_values = 1;
    put(0, "name", "ina226\n");
    put_number(0, "power1_input", 5000000);
    open_source();
    put_number(0, "power1_input", 0);
    tick(SECOND);
    check_missing(DOMAIN_PACKAGE, 0, "implausible");
}

static void rails_of_one_part_are_added(void **state)
{
    (void)state;
    rules[0] = "ina226@1-0040/power1=package:0";
    rules[1] = "ina226@1-0041/power1=package:0";
    rules[2] = "ina226@1-0042/power1=wall";
    settings.rails.n_values = 3;
    for (int i = 0; i < 4; i++) {
        char device[16];
        (void)snprintf(device, sizeof(device), "1-004%d", i);
        put(i, "name", "ina226\n");
        put_number(i, "power1_input", 1000000 * (i + 1));
        link_device(i, device);
    }
    open_source();
    tick(SECOND);
    assert_int_equal(report.n_energy, 2); /* the fourth: nobody knows what it is */
    check_energy(DOMAIN_PACKAGE, 0, 3000000, SECOND);
    check_energy(DOMAIN_WALL, PACKAGE_NONE, 3000000, SECOND);
    put(1, "power1_input", "");
    tick(SECOND); /* a part of the sum is missing: so is the sum */
    check_missing(DOMAIN_PACKAGE, 0, "read_error");
    check_energy(DOMAIN_WALL, PACKAGE_NONE, 3000000, SECOND);
}

static void a_counter_is_better_than_a_power(void **state)
{
    (void)state;
    rules[0] = "ltc2947/power1=machine";
    rules[1] = "ltc2947/energy1=machine";
    rules[2] = "ltc2947/a power=machine";
    settings.rails.n_values = 3;
    put(0, "name", "ltc2947\n");
    put_number(0, "power1_input", 5000000);
    put_number(0, "power2_input", 5000000);
    put(0, "power2_label", "a power\n"); /* before the counter in the alphabet */
    put_number(0, "energy1_input", 1000000);
    open_source();
    put_number(0, "energy1_input", 8000000);
    tick(SECOND);
    assert_int_equal(report.n_energy, 1);
    check_energy(DOMAIN_MACHINE, PACKAGE_NONE, 7000000, SECOND);
}

static void a_sleeping_card_is_left_asleep(void **state)
{
    (void)state;
    make_card(3);
    made_tree_write(&tree, "sys/devices/" CARD "/power/runtime_status", "suspended\n");
    put(3, "power1_average", "no reading while it sleeps\n");
    open_source(); /* it is there, and may wake */
    tick(SECOND);
    check_missing(DOMAIN_GPU, 0, "asleep");
    made_tree_write(&tree, "sys/devices/" CARD "/power/runtime_status", "active\n");
    put(3, "power1_average", "20000000\n");
    tick(SECOND);
    check_missing(DOMAIN_GPU, 0, "reopened");
    tick(SECOND);
    check_energy(DOMAIN_GPU, 0, 20000000, SECOND);
}

static void it_describes_what_it_gives(void **state)
{
    (void)state;
    struct host_record record;
    make_card(3);
    open_source();
    host_record_init(&record);
    assert_int_equal(source_hwmon.describe(source, &record), 0);
    assert_int_equal(record.n_sources, 1);
    assert_int_equal(record.sources[0].domain, DOMAIN_GPU);
    assert_int_equal(record.sources[0].package, 0);
    assert_float_equal(record.sources[0].peak_w, 600, 1e-9);
    assert_true(isnan(record.sources[0].unit_uj)); /* no counter */
    host_record_deinit(&record);
}

static void probe(struct source_probe *ret_probe)
{
    source_hwmon.probe(&host, &topology, &settings, ret_probe);
}

static void it_says_what_is_there(void **state)
{
    (void)state;
    struct source_probe found;
    struct error err = {0};
    probe(&found);
    assert_int_equal(found.availability, SOURCE_ABSENT);
    assert_non_null(strstr(found.reason, "no reading of power"));
    put(0, "name", "ina226\n");
    put_number(0, "power1_input", 1);
    link_device(0, "1-0040");
    probe(&found);
    assert_int_equal(found.availability, SOURCE_ABSENT);
    assert_int_equal(found.domains, 0);
    assert_non_null(strstr(found.advice, "ina226@1-0040/power1"));
    assert_int_equal(source_hwmon.open(&source, &host, &topology, &settings, &err), -ENODEV);
    assert_non_null(strstr(err.text, "--hwmon-rail"));
    rules[0] = "ina226/power2=package";
    settings.rails.n_values = 1;
    probe(&found);
    assert_non_null(strstr(found.advice, "ina226/power2=package names no reading"));
    rules[0] = "ina226/power1=package";
    probe(&found);
    assert_int_equal(found.availability, SOURCE_USABLE);
    assert_int_equal(found.domains, DOMAIN_BIT(DOMAIN_PACKAGE));
    assert_true(found.is_energy_counter);
    make_card(1);
    settings.rails.n_values = 0;
    probe(&found);
    assert_int_equal(found.domains, DOMAIN_BIT(DOMAIN_GPU));
    assert_false(found.is_energy_counter);
    put(1, "power1_average", "");
    probe(&found);
    assert_int_equal(found.availability, SOURCE_ABSENT);
    assert_int_equal(source_hwmon.open(&source, &host, &topology, &settings, &err), -ENODEV);
}

/* The user that a locked counter is locked for; root reads everything. */
static void what_is_locked_is_said_to_be(void **state)
{
    (void)state;
    struct source_probe found;
    struct error err = {0};
    char path[PATH_MAX];
    put(0, "name", "amd_energy\n");
    put(0, "energy1_label", "Esocket0\n");
    put_number(0, "energy1_input", 5);
    made_tree_path(&tree, "sys/class/hwmon/hwmon0/energy1_input", path);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(chmod(tree.root, 0755), 0);
    if (geteuid() == 0) { /* as in every folder on the way */
        char command[PATH_MAX + 64];
        (void)snprintf(command, sizeof(command), "chmod -R go+rX %s && chmod 0400 %s", tree.root,
                       path);
        assert_int_equal(system(command), 0);
        assert_int_equal(seteuid(65534), 0);
    } else {
        assert_int_equal(chmod(path, 0), 0);
    }
    probe(&found);
    int r = source_hwmon.open(&source, &host, &topology, &settings, &err);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(found.availability, SOURCE_UNREADABLE);
    assert_true(found.is_energy_counter);
    assert_non_null(strstr(found.advice, "setcap"));
    assert_int_equal(r, -EACCES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(power_is_integrated_by_trapezoids),
        TEST(voltage_and_current_are_a_power),
        TEST(a_gap_is_not_bridged),
        TEST(nothing_impossible_is_published),
        TEST(hostile_readings_are_no_readings),
        TEST(a_card_comes_back_under_another_number),
        TEST(a_new_card_is_taken),
        TEST(counters_are_exact_and_may_be_reset),
        TEST(a_counter_bridges_a_failed_reading),
        TEST(a_processor_draws_something),
        TEST(rails_of_one_part_are_added),
        TEST(a_counter_is_better_than_a_power),
        TEST(a_sleeping_card_is_left_asleep),
        TEST(it_describes_what_it_gives),
        TEST(it_says_what_is_there),
        TEST(what_is_locked_is_said_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
