/* SPDX-License-Identifier: BSD-3-Clause */
/* What a machine draws from its batteries and adapters, as their drivers say it in all the ways
 * they do, and no value where nothing measures it. The tree is made of plain files; time is the
 * test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>

#include "common/error.h"
#include "sensor/power_supplies.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"
#include "tests/unit/made_tree.h"

#define SECOND UINT64_C(1000000000)
#define INTERVAL (10 * SECOND)

extern const struct source_ops source_supply;

static struct made_tree tree;
static uint64_t now_ns, slept_ns;
static struct host host;
static struct topology topology;
static struct source *source;
static struct report report;
static const uint64_t settings = INTERVAL; /* as the source's options lay it out */

static uint64_t test_boottime(void *context)
{
    (void)context;
    return now_ns + slept_ns;
}

static const struct clock clock_test = {made_clock_ns, test_boottime, made_clock_ns, &now_ns};

static void put(const char *supply, const char *file, const char *text)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "class/power_supply/%s/%s", supply, file);
    made_tree_write(&tree, name, text);
}

static void put_number(const char *supply, const char *file, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", value);
    put(supply, file, text);
}

static void make_battery(const char *name, const char *status, int64_t power_uw)
{
    put(name, "type", "Battery\n");
    put(name, "present", "1\n");
    put(name, "model_name", "5B10W13894\n");
    put(name, "serial_number", " 1234\n");
    put(name, "status", status);
    put_number(name, "power_now", power_uw);
}

static void make_adapter(const char *name, int online)
{
    put(name, "type", "Mains\n");
    put_number(name, "online", online);
}

static void remove_supply(const char *supply)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "class/power_supply/%s", supply);
    made_tree_remove(&tree, name);
}

static int set_up(void **state)
{
    (void)state;
    made_tree_new(&tree);
    host = (struct host){.sysfs = tree.root, .procfs = tree.root, .clock = &clock_test};
    now_ns = 1000 * SECOND;
    slept_ns = 0;
    report_init(&report);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_supply.close(source);
    source = NULL;
    report_deinit(&report);
    made_tree_remove(&tree, "");
    return 0;
}

static void open_source(void)
{
    struct error err = {0};
    if (source_supply.open(&source, &host, &topology, &settings, &err) < 0)
        fail_msg("%s", err.text);
}

static void tick(uint64_t dt_ns)
{
    now_ns += dt_ns;
    report_clear(&report);
    assert_int_equal(source_supply.read(source, &topology, &report), 0);
}

static void check_energy(int64_t energy_uj, uint64_t dt_ns)
{
    assert_int_equal(report.n_energy, 1);
    const struct energy_sample *sample = &report.energy[0];
    assert_int_equal(sample->domain, DOMAIN_WALL);
    assert_int_equal(sample->package, PACKAGE_NONE);
    assert_string_equal(sample->source, "supply");
    if (!sample->valid)
        fail_msg("%s", sample->reason);
    assert_int_equal(sample->energy_uj, energy_uj);
    assert_int_equal(sample->dt_ns, dt_ns);
}

static void check_missing(const char *reason)
{
    assert_int_equal(report.n_energy, 1);
    assert_false(report.energy[0].valid);
    assert_string_equal(report.energy[0].reason, reason);
    assert_true(report.energy[0].energy_uj == VALUE_ABSENT);
}

static void a_battery_is_read_once_in_a_while(void **state)
{
    (void)state;
    make_adapter("AC", 0);
    make_battery("BAT0", "Discharging\n", 10000000);
    open_source();
    for (int i = 0; i < 9; i++) {
        tick(SECOND);
        assert_int_equal(report.n_energy, 0);
    }
    put_number("BAT0", "power_now", 14000000);
    tick(SECOND - 1000000); /* a little early */
    check_energy(119988000, INTERVAL - 1000000);
    tick(SECOND);
    assert_int_equal(report.n_energy, 0);
    tick(13 * SECOND); /* slower ticks: one sample for their span */
    check_energy(196000000, 14 * SECOND);
}

static void drivers_write_signs_as_they_like(void **state)
{
    (void)state;
    make_battery("BAT0", "Discharging\n", -10000000);
    open_source();
    tick(INTERVAL);
    check_energy(100000000, INTERVAL);
    remove_supply("BAT0/power_now");
    put_number("BAT0", "current_now", -1000000);
    put_number("BAT0", "voltage_now", 12000000);
    tick(INTERVAL); /* 10 W to 12 W */
    check_energy(110000000, INTERVAL);
    put_number("BAT0", "current_now", 1000000);
    tick(INTERVAL);
    check_energy(120000000, INTERVAL);
}

static void an_adapter_without_reading_gives_no_value(void **state)
{
    (void)state;
    static const char *const statuses[] = {"Charging\n", "Full\n", "Not charging\n", "Unknown\n",
                                           "Discharging\n"};
    make_adapter("AC", 1);
    make_battery("BAT0", "Charging\n", 30000000);
    open_source();
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        put("BAT0", "status", statuses[i]);
        tick(INTERVAL);
        check_missing("unmetered");
    }
    put_number("AC", "online", 0); /* unplugged */
    tick(INTERVAL);
    check_missing("reopened");
    tick(INTERVAL);
    check_energy(300000000, INTERVAL);
    put_number("AC", "online", 1);
    tick(INTERVAL);
    check_missing("unmetered");
}

static void a_full_battery_alone_gives_no_value(void **state)
{
    (void)state;
    make_battery("BAT0", "Full\n", 0);
    open_source();
    tick(INTERVAL);
    check_missing("unmetered");
    put("BAT0", "status", "Discharging\n"); /* and its driver has not looked yet */
    tick(INTERVAL);
    check_missing("reopened");
    tick(INTERVAL);
    check_missing("no_reading");
}

static void an_adapter_that_measures_is_the_value(void **state)
{
    (void)state;
    put("axp20x-ac", "type", "Mains\n");
    put_number("axp20x-ac", "online", 1);
    put_number("axp20x-ac", "voltage_now", 5000000);
    put_number("axp20x-ac", "current_now", 1000000);
    make_battery("axp20x-battery", "Charging\n", 2000000);
    open_source();
    tick(INTERVAL);
    check_energy(50000000, INTERVAL); /* charging included: it comes through the adapter */
    put("axp20x-battery", "status", "Discharging\n"); /* helps out */
    tick(INTERVAL);
    check_missing("supply_changed");
    tick(INTERVAL);
    check_energy(70000000, INTERVAL);
}

static void what_a_port_agreed_on_is_no_reading(void **state)
{
    (void)state;
    static const char name[] = "ucsi-source-psy-USBC000:001";
    put(name, "type", "USB\n");
    put_number(name, "online", 1);
    put_number(name, "voltage_now", 20000000);
    put_number(name, "current_now", 3250000);
    make_battery("BAT0", "Charging\n", 30000000);
    open_source();
    tick(INTERVAL);
    check_missing("unmetered");
}

static void two_batteries_are_added(void **state)
{
    (void)state;
    make_adapter("AC", 0);
    make_battery("BAT0", "Discharging\n", 4000000);
    make_battery("BAT1", "Discharging\n", 3000000);
    open_source();
    tick(INTERVAL);
    check_energy(70000000, INTERVAL);
    put("BAT0", "status", "Not charging\n"); /* the other one goes on alone */
    put_number("BAT0", "power_now", 0);
    tick(INTERVAL);
    check_missing("supply_changed");
    tick(INTERVAL);
    check_energy(30000000, INTERVAL);
}

static void a_swapped_battery_is_seen(void **state)
{
    (void)state;
    make_battery("BAT0", "Discharging\n", 4000000);
    make_battery("BAT1", "Discharging\n", 4000000);
    open_source();
    put("BAT1", "serial_number", " 1235\n");
    tick(INTERVAL);
    check_missing("supply_changed");
    put("BAT1", "present", "0\n");
    tick(INTERVAL);
    check_missing("supply_changed");
    tick(INTERVAL);
    check_energy(40000000, INTERVAL);
    remove_supply("BAT1");
    tick(INTERVAL);
    check_energy(40000000, INTERVAL);
    remove_supply("BAT0");
    tick(INTERVAL);
    check_missing("vanished");
}

static void what_is_not_the_machines_is_left_out(void **state)
{
    (void)state;
    struct power_supply *supplies;
    make_battery("hidpp_battery_0", "Discharging\n", 50000);
    put("hidpp_battery_0", "scope", "Device\n");
    put("ups", "type", "UPS\n");
    put("empty", "status", "Discharging\n");
    make_battery("BAT0", "Discharging\n", 4000000);
    put("BAT0", "scope", "System\n");
    assert_int_equal(power_supplies_read(&host, &supplies), 1);
    assert_string_equal(supplies[0].name, "BAT0");
    assert_string_equal(supplies[0].identity, "5B10W13894  1234");
    free(supplies);
}

static void a_level_is_energy_where_power_is_not_said(void **state)
{
    (void)state;
    make_battery("BAT0", "Discharging\n", 0);
    remove_supply("BAT0/power_now");
    put_number("BAT0", "energy_now", 40000000);
    open_source();
    tick(INTERVAL);
    assert_int_equal(report.n_energy, 0); /* not a step yet */
    tick(INTERVAL);
    assert_int_equal(report.n_energy, 0);
    put_number("BAT0", "energy_now", 39950000);
    tick(INTERVAL);
    check_energy(180000000, 3 * INTERVAL);
    put_number("BAT0", "energy_now", 39960000);
    tick(INTERVAL);
    check_missing("counter_reset");
    remove_supply("BAT0/energy_now");
    put_number("BAT0", "charge_now", 3000000);
    put_number("BAT0", "voltage_now", 12000000);
    tick(INTERVAL);
    check_missing("no_reading"); /* two kinds of level cannot be subtracted */
    put_number("BAT0", "charge_now", 2990000);
    put_number("BAT0", "voltage_now", 11000000);
    tick(INTERVAL);
    check_energy(414000000, INTERVAL); /* 36 C at 11.5 V */
    put_number("BAT0", "charge_now", 1000000);
    tick(INTERVAL); /* 8 kW */
    check_missing("implausible");
}

static void power_and_level_check_each_other(void **state)
{
    (void)state;
    make_battery("BAT0", "Discharging\n", 10000); /* milliwatts for microwatts */
    int64_t level_uwh = 50000000;
    put_number("BAT0", "energy_now", level_uwh);
    open_source();
    int n_valid = 0;
    tick(INTERVAL); /* the comparison begins */
    do {
        level_uwh -= 27778; /* 10 W */
        put_number("BAT0", "energy_now", level_uwh);
        tick(INTERVAL);
        assert_true(++n_valid < 40);
    } while (report.energy[0].valid);
    check_missing("disagrees");
    assert_int_equal(n_valid, 36);             /* 1 Wh */
    put_number("BAT0", "power_now", 12000000); /* mended: 20 % more than the level says */
    for (int i = 0; i < 36; i++) {
        check_missing("disagrees");
        level_uwh -= 27778;
        put_number("BAT0", "energy_now", level_uwh);
        tick(INTERVAL);
    }
    check_energy(120000000, INTERVAL);
}

static void a_gap_and_a_sleep_are_not_bridged(void **state)
{
    (void)state;
    make_battery("BAT0", "Discharging\n", 10000000);
    open_source();
    tick(3 * INTERVAL);
    check_energy(300000000, 3 * INTERVAL);
    tick(3 * INTERVAL + 1);
    check_missing("gap");
    slept_ns += SECOND;
    tick(INTERVAL);
    check_missing("suspend");
    tick(INTERVAL);
    check_energy(100000000, INTERVAL);
}

static void hostile_supplies_are_no_supplies(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "\n",
                                      "N/A\n",
                                      "1e6\n",
                                      "99999999999999999999\n",
                                      "9223372036854775807\n",
                                      "-9223372036854775808\n"};
    char huge[5000];
    memset(huge, '7', sizeof(huge));
    make_battery("BAT0", "Discharging\n", 10000000);
    open_source();
    for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
        if (i < sizeof(bad) / sizeof(bad[0]))
            put("BAT0", "power_now", bad[i]);
        else
            made_tree_write_bytes(&tree, "class/power_supply/BAT0/power_now", huge, sizeof(huge));
        tick(INTERVAL);
        check_missing(strstr(bad[i < 7 ? i : 0], "922") ? "implausible" : "no_reading");
        put("BAT0", "power_now", "10000000"); /* no newline */
        tick(INTERVAL);
        assert_int_equal(report.n_energy, 1);
        assert_false(report.energy[0].valid);
        tick(INTERVAL);
        check_energy(100000000, INTERVAL);
    }
    put("BAT0", "status", "");
    tick(INTERVAL);
    check_missing("read_error");
    made_tree_write_bytes(&tree, "class/power_supply/BAT0/status", huge, sizeof(huge));
    tick(INTERVAL);
    check_missing("read_error");
    put("BAT0", "status", "Disch\xff\x01rging\n");
    tick(INTERVAL);
    check_missing("unmetered");
    remove_supply("BAT0/status");
    tick(INTERVAL);
    check_missing("vanished");
    put("BAT0", "type", "\x80\x81\n");
    tick(INTERVAL);
    check_missing("vanished");
}

static void it_says_what_is_there(void **state)
{
    (void)state;
    struct source_probe found;
    struct error err = {0};
    source_supply.probe(&host, &topology, &settings, &found);
    assert_int_equal(found.availability, SOURCE_ABSENT);
    assert_int_equal(source_supply.open(&source, &host, &topology, &settings, &err), -ENODEV);
    make_adapter("AC", 1);
    source_supply.probe(&host, &topology, &settings, &found);
    assert_int_equal(found.availability, SOURCE_ABSENT);
    assert_string_equal(found.reason, "AC in use, no reading");
    assert_int_equal(source_supply.open(&source, &host, &topology, &settings, &err), -ENODEV);
    make_battery("BAT0", "Charging\n", 7300000);
    source_supply.probe(&host, &topology, &settings, &found);
    assert_int_equal(found.availability, SOURCE_USABLE);
    assert_int_equal(found.domains, DOMAIN_BIT(DOMAIN_WALL));
    assert_false(found.is_energy_counter);
    assert_string_equal(found.reason, "AC in use, no reading; BAT0 charges, 7.3 W");
    struct host_record record;
    host_record_init(&record);
    open_source();
    assert_int_equal(source_supply.describe(source, &record), 0);
    assert_int_equal(record.n_sources, 1);
    assert_int_equal(record.sources[0].domain, DOMAIN_WALL);
    host_record_deinit(&record);
    const struct option_spec *interval = &source_supply.options[0];
    assert_string_equal(interval->key, "supply-interval");
    assert_int_equal(interval->check("1s", NULL), 0);
    assert_int_equal(interval->check("999ms", &err), -EINVAL);
    assert_int_equal(interval->check("soon", &err), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_battery_is_read_once_in_a_while),
        TEST(drivers_write_signs_as_they_like),
        TEST(an_adapter_without_reading_gives_no_value),
        TEST(a_full_battery_alone_gives_no_value),
        TEST(an_adapter_that_measures_is_the_value),
        TEST(what_a_port_agreed_on_is_no_reading),
        TEST(two_batteries_are_added),
        TEST(a_swapped_battery_is_seen),
        TEST(what_is_not_the_machines_is_left_out),
        TEST(a_level_is_energy_where_power_is_not_said),
        TEST(power_and_level_check_each_other),
        TEST(a_gap_and_a_sleep_are_not_bridged),
        TEST(hostile_supplies_are_no_supplies),
        TEST(it_says_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
