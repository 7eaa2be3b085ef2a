/* SPDX-License-Identifier: BSD-3-Clause */
/* What registers are worth, model by model; increases of 32-bit counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "common/scope.h"
#include "sensor/msr_registers.h"

#define INTEL "GenuineIntel"
#define AMD "AuthenticAMD"
#define USUAL 0xa0e03        /* ESU 14, PU 3 */
#define SANDY_BRIDGE 0xa1003 /* ESU 16 */

static const struct msr_model *find(const char *vendor, int family, int number)
{
    const struct msr_model *model = msr_model_find(vendor, family, number);
    assert_non_null(model);
    return model;
}

/* Field bug 4.2, hardware trap 3: one unit for everything. */
static void units_follow_the_model(void **state)
{
    (void)state;
    static const struct {
        const char *vendor;
        int family, model;
        uint64_t unit_bits;
        double package_uj, dram_uj, psys_uj; /* 0: no such domain */
    } cases[] = {
        {INTEL, 6, 0x2a, SANDY_BRIDGE, 15.2587890625, 0, 0},
        {INTEL, 6, 0x2d, SANDY_BRIDGE, 15.2587890625, 15.2587890625, 0},
        {INTEL, 6, 0x3f, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x4f, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x56, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x55, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x6a, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x6c, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x57, USUAL, 61.03515625, 15.3, 0},
        {INTEL, 6, 0x8f, USUAL, 61.03515625, 61.03515625, 1e6},
        {INTEL, 6, 0xcf, USUAL, 61.03515625, 61.03515625, 1e6},
        {INTEL, 6, 0x9e, USUAL, 61.03515625, 61.03515625, 61.03515625},
        {INTEL, 6, 0x37, 0x505, 32, 0, 0},
        {INTEL, 6, 0x4c, 0x505, 32, 0, 0},
        {INTEL, 6, 0x4d, 0xa0e03, 61.03515625, 0, 0},
        {AMD, 0x17, 0x31, 0xa1003, 15.2587890625, 0, 0},
        {AMD, 0x19, 0x11, 0xa1003, 15.2587890625, 0, 0},
        {AMD, 0x19, 0x61, 0xa1000, 15.2587890625, 0, 0}, /* says a power unit of 1 W */
        {"HygonGenuine", 0x18, 1, 0xa1003, 15.2587890625, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct msr_model *model = find(cases[i].vendor, cases[i].family, cases[i].model);
        const double wanted_uj[DOMAIN_COUNT] = {[DOMAIN_PACKAGE] = cases[i].package_uj,
                                                [DOMAIN_DRAM] = cases[i].dram_uj,
                                                [DOMAIN_PSYS] = cases[i].psys_uj};
        static const enum domain domains[] = {DOMAIN_PACKAGE, DOMAIN_DRAM, DOMAIN_PSYS};
        for (size_t d = 0; d < ARRAY_SIZE(domains); d++) {
            double unit_uj = msr_unit_uj(model, domains[d], cases[i].unit_bits);
            assert_int_equal(msr_energy_register(model, domains[d]) != 0,
                             wanted_uj[domains[d]] > 0);
            if (wanted_uj[domains[d]] > 0 && unit_uj != wanted_uj[domains[d]])
                fail_msg("%s: %.6f uJ", model->name, unit_uj);
        }
        assert_true(model->source[0] != '\0' && model->peak_w > 0);
        assert_true(isnan(msr_unit_uj(model, DOMAIN_PACKAGE, 0)));
    }
}

static void registers_and_scopes(void **state)
{
    (void)state;
    const struct msr_model *intel = find(INTEL, 6, 0x9e), *amd = find(AMD, 0x19, 0x11);
    assert_int_equal(msr_unit_register(intel), 0x606);
    assert_int_equal(msr_energy_register(intel, DOMAIN_PACKAGE), 0x611);
    assert_int_equal(msr_energy_register(intel, DOMAIN_DRAM), 0x619);
    assert_int_equal(msr_energy_register(intel, DOMAIN_CORE), 0x639);
    assert_int_equal(msr_energy_register(intel, DOMAIN_UNCORE), 0x641);
    assert_int_equal(msr_energy_register(intel, DOMAIN_PSYS), 0x64d);
    assert_int_equal(msr_power_register(intel), 0x614);
    assert_int_equal(msr_scope(intel, DOMAIN_CORE), MSR_SCOPE_DIE);
    assert_int_equal(msr_unit_register(amd), 0xc0010299);
    assert_int_equal(msr_energy_register(amd, DOMAIN_PACKAGE), 0xc001029b);
    assert_int_equal(msr_energy_register(amd, DOMAIN_CORE), 0xc001029a);
    assert_int_equal(msr_energy_register(amd, DOMAIN_DRAM), 0);
    assert_int_equal(msr_energy_register(amd, DOMAIN_MACHINE), 0);
    assert_int_equal(msr_power_register(amd), 0);
    assert_int_equal(msr_scope(amd, DOMAIN_PACKAGE), MSR_SCOPE_PACKAGE);
    assert_int_equal(msr_scope(amd, DOMAIN_CORE), MSR_SCOPE_CORE);
}

static void what_is_not_in_the_table_is_refused(void **state)
{
    (void)state;
    assert_null(msr_model_find(INTEL, 6, 0xad)); /* Granite Rapids: other registers altogether */
    assert_null(msr_model_find(INTEL, 5, 0x9e));
    assert_null(msr_model_find(INTEL, 6, VALUE_ABSENT));
    assert_null(msr_model_find(AMD, 0x15, 1));
    assert_null(msr_model_find(AMD, 0x1b, 1));
    assert_null(msr_model_find("", VALUE_ABSENT, VALUE_ABSENT));
    assert_null(msr_model_find("Genuine", 6, 0x9e));
}

static void thermal_power_is_in_power_units(void **state)
{
    (void)state;
    assert_true(msr_thermal_w(USUAL, 270 * 8) == 270);
    assert_true(msr_thermal_w(USUAL, 0) == 0);
    assert_true(msr_thermal_w(USUAL, 0x12340000 + 15 * 8) == 15);
}

/* Field bug 4.1, hardware traps 1 and 2. */
static void increases_are_modulo_two_to_the_32(void **state)
{
    (void)state;
    static const struct {
        uint32_t last, now;
        double bound_uj; /* at 10 uJ a count */
        const char *reason;
        uint32_t counts;
    } cases[] = {
        {100, 150, 1000, NULL, 50},
        {100, 100, 0, NULL, 0},
        {0xffffffff, 0, 1000, NULL, 1},
        {0xfffffff0, 0x10, 1000, NULL, 0x20},
        {500, 20, 1000, "counter_reset", 0},
        {20, 500, 1000, "implausible", 0},
        {100, 99, 42949672950.0, NULL, 0xffffffff}, /* one count short of a second wrap */
        {100, 100, 42949672960.0, "span_too_long", 0},
        {100, 150, 42949673460.0, "span_too_long", 0},
        {100, 150, 42949673459.0, NULL, 50},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t counts = 0;
        const char *reason =
            msr_increase(cases[i].last, cases[i].now, 10, cases[i].bound_uj, &counts);
        if ((reason == NULL) != (cases[i].reason == NULL) ||
            (reason && strcmp(reason, cases[i].reason) != 0))
            fail_msg("case %zu: %s", i, reason ? reason : "taken");
        assert_int_equal(counts, cases[i].counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_follow_the_model),
        cmocka_unit_test(registers_and_scopes),
        cmocka_unit_test(what_is_not_in_the_table_is_refused),
        cmocka_unit_test(thermal_power_is_in_power_units),
        cmocka_unit_test(increases_are_modulo_two_to_the_32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
