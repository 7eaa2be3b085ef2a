/* SPDX-License-Identifier: BSD-3-Clause */
/* One bound for all sources: what firmware names counts, nonsense does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "sensor/msr_registers.h"
#include "sensor/peak_power.h"

static const struct msr_model *ice_lake_server(void)
{
    return msr_model_find("GenuineIntel", 6, 0x6a);
}

static void what_firmware_names_bounds_a_package(void **state)
{
    (void)state;
    const struct msr_model *server = ice_lake_server();
    assert_true(peak_power_w(server, DOMAIN_PACKAGE, 270) == 810);
    assert_true(peak_power_w(server, DOMAIN_CORE, 270) == 810);
    assert_true(peak_power_w(server, DOMAIN_PACKAGE, 15) == 500);
    assert_true(peak_power_w(NULL, DOMAIN_PACKAGE, 400) == 1200);
    /* An Atom stays within what Atoms draw, whoever reads it. */
    assert_true(peak_power_w(msr_model_find("GenuineIntel", 6, 0x37), DOMAIN_PACKAGE, 4) == 200);
}

static void no_figure_and_nonsense_leave_the_model(void **state)
{
    (void)state;
    const struct msr_model *server = ice_lake_server();
    const double nothing[] = {NAN, 0, -5, 4095, 1e12, INFINITY};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        assert_true(peak_power_w(server, DOMAIN_PACKAGE, nothing[i]) == server->peak_w);
        assert_true(peak_power_w(NULL, DOMAIN_PACKAGE, nothing[i]) == 3000);
    }
}

static void memory_and_platform_have_bounds_of_their_own(void **state)
{
    (void)state;
    assert_true(peak_power_w(ice_lake_server(), DOMAIN_DRAM, 270) == 600);
    assert_true(peak_power_w(msr_model_find("GenuineIntel", 6, 0x8f), DOMAIN_PSYS, NAN) == 10e3);
    assert_true(peak_power_w(msr_model_find("GenuineIntel", 6, 0x9e), DOMAIN_PSYS, NAN) == 2e3);
    assert_true(peak_power_w(NULL, DOMAIN_PSYS, NAN) == 10e3);
}

static void a_machine_is_its_model(void **state)
{
    (void)state;
    struct topology topology = {.vendor = "AuthenticAMD", .family = 0x19, .model = 1};
    assert_true(peak_power_here_w(&topology, DOMAIN_PACKAGE, NAN) == 1200);
    topology.vendor[0] = '\0';
    assert_true(peak_power_here_w(&topology, DOMAIN_PACKAGE, NAN) == 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_firmware_names_bounds_a_package),
        cmocka_unit_test(no_figure_and_nonsense_leave_the_model),
        cmocka_unit_test(memory_and_platform_have_bounds_of_their_own),
        cmocka_unit_test(a_machine_is_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
