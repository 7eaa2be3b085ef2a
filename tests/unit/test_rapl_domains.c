/* SPDX-License-Identifier: BSD-3-Clause */
/* Units and bounds are known although no energy may be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "sensor/rapl_domains.h"
#include "tests/unit/made_tree.h"

static void put_zone(const struct made_tree *tree, const char *zone, const char *name,
                     const char *range_uj)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "class/powercap/%s/name", zone);
    made_tree_write(tree, path, name);
    (void)snprintf(path, sizeof(path), "class/powercap/%s/max_energy_range_uj", zone);
    made_tree_write(tree, path, range_uj);
}

static void zones_tell_units_and_limits(void **state)
{
    (void)state;
    struct made_tree tree;
    struct rapl_domain domains[DOMAIN_COUNT];
    made_tree_new(&tree);
    struct host host = {.sysfs = tree.root};
    struct topology topology = {.vendor = "GenuineIntel", .family = 6, .model = 0x6a};
    put_zone(&tree, "intel-rapl:0", "package-0\n", "262143328850\n");
    put_zone(&tree, "intel-rapl:0:0", "dram\n", "65712999613\n");
    put_zone(&tree, "intel-rapl:1", "package-1\n", "262143328850\n");
    made_tree_write(&tree, "class/powercap/intel-rapl:1/constraint_0_max_power_uw", "270000000\n");
    rapl_domains_find(domains, &host, &topology);
    assert_float_equal(domains[DOMAIN_PACKAGE].unit_uj, 61.035, 1e-9);
    assert_float_equal(domains[DOMAIN_DRAM].unit_uj, 15.3, 1e-9);
    assert_true(isnan(domains[DOMAIN_PSYS].unit_uj));
    assert_true(domains[DOMAIN_PACKAGE].peak_w == 810);
    assert_true(domains[DOMAIN_DRAM].peak_w == 600);
    made_tree_remove(&tree, "");
}

/* Hardware trap 3: psys of Sapphire Rapids counts joules. */
static void the_table_knows_the_rest(void **state)
{
    (void)state;
    struct made_tree tree;
    struct rapl_domain domains[DOMAIN_COUNT];
    made_tree_new(&tree);
    struct host host = {.sysfs = tree.root};
    struct topology topology = {.vendor = "GenuineIntel", .family = 6, .model = 0x8f};
    rapl_domains_find(domains, &host, &topology);
    assert_true(isnan(domains[DOMAIN_PACKAGE].unit_uj));
    assert_true(domains[DOMAIN_PACKAGE].peak_w == 1500);
    assert_true(domains[DOMAIN_PSYS].unit_uj == 1e6);
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_tell_units_and_limits),
        cmocka_unit_test(the_table_knows_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
