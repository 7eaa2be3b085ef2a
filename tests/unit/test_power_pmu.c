/* SPDX-License-Identifier: BSD-3-Clause */
/* The power PMU's files as kernels write them, and as nobody should; increases of its counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/host.h"
#include "sensor/power_pmu.h"
#include "tests/unit/made_tree.h"

#define PMU "bus/event_source/devices/power/"
#define CORE_PMU "bus/event_source/devices/power_core/"
#define SCALE "2.3283064365386962890625e-10"
#define SCALE_J 2.3283064365386962890625e-10

static struct made_tree tree;
static struct host host;

static void put_event(const char *name, const char *code, const char *scale, const char *unit)
{
    char path[128];
    (void)snprintf(path, sizeof(path), PMU "events/%s", name);
    made_tree_write(&tree, path, code);
    (void)snprintf(path, sizeof(path), PMU "events/%s.scale", name);
    made_tree_write(&tree, path, scale);
    (void)snprintf(path, sizeof(path), PMU "events/%s.unit", name);
    made_tree_write(&tree, path, unit);
}

static int set_up(void **state)
{
    (void)state;
    made_tree_new(&tree);
    host = (struct host){.sysfs = tree.root};
    made_tree_write(&tree, PMU "type", "9\n");
    made_tree_write(&tree, PMU "cpumask", "0,28\n");
    made_tree_write(&tree, PMU "format/event", "config:0-7\n");
    put_event("energy-pkg", "event=0x02\n", SCALE "\n", "Joules\n");
    put_event("energy-ram", "event=0x03\n", SCALE "\n", "Joules\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    made_tree_remove(&tree, "");
    return 0;
}

static void expect_pmu(struct power_pmu *pmu)
{
    struct error err = {0};
    if (power_pmu_read(pmu, POWER_PMU, &host, &err) < 0)
        fail_msg("%s", err.text);
}

/* Hardware trap 13. */
static void everything_is_read_from_the_files(void **state)
{
    (void)state;
    struct power_pmu pmu;
    put_event("energy-psys", "event=0x05", SCALE, "Joules"); /* no newline */
    put_event("energy-gpu", "event=0x4", "1e-6", "Joules\n");
    put_event("energy-cores", "event=1\n", SCALE "\n", "Joules\n");
    put_event("energy-moon", "event=0x06\n", SCALE "\n", "Joules\n");
    expect_pmu(&pmu);
    assert_int_equal(pmu.type, 9);
    assert_int_equal(pmu.n_cpus, 2);
    assert_int_equal(pmu.cpus[1], 28);
    static const struct {
        enum domain domain;
        uint64_t config;
    } wanted[] = {{DOMAIN_PACKAGE, 2},
                  {DOMAIN_DRAM, 3},
                  {DOMAIN_CORE, 1},
                  {DOMAIN_UNCORE, 4},
                  {DOMAIN_PSYS, 5}};
    assert_int_equal(pmu.n_events, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_int_equal(pmu.events[i].domain, wanted[i].domain);
        assert_int_equal(pmu.events[i].config, wanted[i].config);
    }
    assert_true(pmu.events[0].scale_j == SCALE_J);
    assert_true(pmu.events[3].scale_j == 1e-6);
}

/* AMD's cores, since Linux 6.14. Each PMU has events of its own. */
static void cores_have_a_pmu_of_their_own(void **state)
{
    (void)state;
    struct power_pmu pmu;
    assert_int_equal(power_pmu_read(&pmu, POWER_CORE_PMU, &host, NULL), -ENOENT);
    made_tree_write(&tree, CORE_PMU "type", "21\n");
    made_tree_write(&tree, CORE_PMU "cpumask", "0-7\n");
    made_tree_write(&tree, CORE_PMU "format/event", "config:0-7\n");
    made_tree_write(&tree, CORE_PMU "events/energy-core", "event=0x01\n");
    made_tree_write(&tree, CORE_PMU "events/energy-core.scale", SCALE "\n");
    made_tree_write(&tree, CORE_PMU "events/energy-core.unit", "Joules\n");
    made_tree_write(&tree, CORE_PMU "events/energy-pkg", "event=0x02\n");
    made_tree_write(&tree, CORE_PMU "events/energy-pkg.scale", SCALE "\n");
    made_tree_write(&tree, CORE_PMU "events/energy-pkg.unit", "Joules\n");
    put_event("energy-core", "event=0x01\n", SCALE "\n", "Joules\n");
    assert_int_equal(power_pmu_read(&pmu, POWER_CORE_PMU, &host, NULL), 0);
    assert_int_equal(pmu.type, 21);
    assert_int_equal(pmu.n_cpus, 8);
    assert_int_equal(pmu.n_events, 1);
    assert_int_equal(pmu.events[0].domain, DOMAIN_CORE);
    assert_int_equal(pmu.events[0].config, 1);
    expect_pmu(&pmu);
    assert_int_equal(pmu.type, 9);
    assert_int_equal(pmu.n_events, 2);
}

static void the_format_places_the_code(void **state)
{
    (void)state;
    struct power_pmu pmu;
    made_tree_write(&tree, PMU "format/event", "config:8-15\n");
    expect_pmu(&pmu);
    assert_int_equal(pmu.events[0].config, 0x200);
    made_tree_write(&tree, PMU "format/event", "config:1\n");
    expect_pmu(&pmu); /* one bit: neither 2 nor 3 fits */
    assert_int_equal(pmu.n_events, 0);
    made_tree_remove(&tree, PMU "format");
    expect_pmu(&pmu);
    assert_int_equal(pmu.events[0].config, 2);
}

static void an_event_that_makes_no_sense_is_left_out(void **state)
{
    (void)state;
    static const char *const codes[] = {"",
                                        "event=",
                                        "event=-2",
                                        "event=0x1ff",
                                        "umask=0x02",
                                        "event=0x02,umask=0x01",
                                        "event=0xfffffffffffffffff",
                                        "\x01\xff\x80",
                                        "event=0x02 x"};
    static const char *const scales[] = {"",    "0",   "-1e-10", "nan",   "inf",      "1e-10x",
                                         "1e9", " 1e", "1e-400", "1e400", "\xff\xfe", "0x"};
    static const char *const units[] = {"", "joules", "Watts", "Joules/s", "\n"};
    struct power_pmu pmu;
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        put_event("energy-pkg", codes[i], SCALE, "Joules");
        expect_pmu(&pmu);
        assert_int_equal(pmu.n_events, 1);
        assert_int_equal(pmu.events[0].domain, DOMAIN_DRAM);
    }
    for (size_t i = 0; i < ARRAY_SIZE(scales); i++) {
        put_event("energy-pkg", "event=0x02", scales[i], "Joules");
        expect_pmu(&pmu);
        if (pmu.n_events != 1)
            fail_msg("scale \"%s\" was taken", scales[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        put_event("energy-pkg", "event=0x02", SCALE, units[i]);
        expect_pmu(&pmu);
        assert_int_equal(pmu.n_events, 1);
    }
    static char huge[1 << 16];
    memset(huge, '1', sizeof(huge) - 1);
    put_event("energy-pkg", huge, huge, huge);
    expect_pmu(&pmu);
    assert_int_equal(pmu.n_events, 1);
}

static void a_pmu_that_makes_no_sense_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *file, *good, *bad[7];
    } cases[] = {
        {PMU "type", "9", {"", "-1", "nine", "99999999999999999999", "4294967296", "9 9", "\xff"}},
        {PMU "cpumask", "0", {"", "\n", "-1", "0-", "1-0", "99999999999", "\x80\x81"}},
        {PMU "format/event",
         "config:0-7",
         {"", "config", "config:", "config:7-0", "config:0-64", "config1:0-7", "config:0-7,9"}},
    };
    struct power_pmu pmu = {.n_cpus = 77};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(cases[i].bad); j++) {
            struct error err = {0};
            made_tree_write(&tree, cases[i].file, cases[i].bad[j]);
            if (power_pmu_read(&pmu, POWER_PMU, &host, &err) != -EBADMSG)
                fail_msg("%s: \"%s\" was taken", cases[i].file, cases[i].bad[j]);
            assert_non_null(strstr(err.text, cases[i].file));
        }
        made_tree_write(&tree, cases[i].file, cases[i].good);
    }
    assert_int_equal(pmu.n_cpus, 77);
    made_tree_write(&tree, PMU "cpumask", "0-1023");
    assert_int_equal(power_pmu_read(&pmu, POWER_PMU, &host, NULL), -EBADMSG);
    made_tree_remove(&tree, PMU "type");
    assert_int_equal(power_pmu_read(&pmu, POWER_PMU, &host, NULL), -ENOENT);
}

static double increase(uint64_t last, uint64_t now, double bound_uj)
{
    double increase_uj = -1;
    const char *reason = power_pmu_increase(last, now, SCALE_J, bound_uj, &increase_uj);
    if (reason)
        assert_string_equal(reason, "counter_reset");
    return reason ? -1 : increase_uj;
}

#define COUNTS_PER_J (UINT64_C(1) << 32)

/* Hardware trap 12: the count may jump down by 2^32 hardware units, or through 2^64. */
static void a_fall_is_repaired_only_where_that_is_plausible(void **state)
{
    (void)state;
    const double bound_uj = 10e9; /* 10 kJ */
    uint64_t high = UINT64_C(300000) * COUNTS_PER_J;
    assert_true(increase(high, high + 5 * COUNTS_PER_J, bound_uj) == 5e6);
    assert_true(increase(high, high, bound_uj) == 0);
    /* above 2^63, and through 2^64: no fall at all */
    assert_true(increase(UINT64_MAX - COUNTS_PER_J + 1, COUNTS_PER_J, bound_uj) == 2e6);
    /* 2^32 units of 2^-14 J and of 2^-16 J */
    assert_true(increase(high, high - 262144 * COUNTS_PER_J + 7 * COUNTS_PER_J, bound_uj) == 7e6);
    assert_true(increase(high, high - 65536 * COUNTS_PER_J + 7 * COUNTS_PER_J, bound_uj) == 7e6);
    /* started anew */
    assert_true(increase(high, 0, bound_uj) < 0);
    assert_true(increase(high, high - 1, bound_uj) < 0);
    /* a span so long that either unit would do */
    assert_true(increase(high, high - 65536 * COUNTS_PER_J, 300e9) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_read_from_the_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cores_have_a_pmu_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_format_places_the_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_that_makes_no_sense_is_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_pmu_that_makes_no_sense_is_an_error, set_up, tear_down),
        cmocka_unit_test(a_fall_is_repaired_only_where_that_is_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
