/* SPDX-License-Identifier: BSD-3-Clause */
/* Who takes a counter away is told only where the machine says that it does. (Groups themselves:
 * tests/daemon.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "sensor/host.h"
#include "sensor/perf_group.h"
#include "tests/unit/made_tree.h"

static void the_nmi_watchdog_is_named_where_it_is_on(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    const struct host host = {.procfs = tree.root};
    assert_string_equal(perf_group_rival(&host), "");
    made_tree_write(&tree, "sys/kernel/nmi_watchdog", "0\n");
    assert_string_equal(perf_group_rival(&host), "");
    made_tree_write(&tree, "sys/kernel/nmi_watchdog", "1\n");
    assert_non_null(strstr(perf_group_rival(&host), "sysctl kernel.nmi_watchdog=0"));
    made_tree_write(&tree, "sys/kernel/nmi_watchdog", "on");
    assert_string_equal(perf_group_rival(&host), "");
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_nmi_watchdog_is_named_where_it_is_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
