/* SPDX-License-Identifier: BSD-3-Clause */
/* Usual misses count whole, large ones less, outliers nothing, and a changed machine is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formula/robust.h"

static void misses_are_weighed(void **state)
{
    (void)state;
    struct robust robust = {0};
    for (int i = 0; i < 50; i++)
        assert_true(robust_weight(&robust, i % 2 ? 1 : -1, 50) == 1);
    double weight = robust_weight(&robust, 10, 50);
    assert_true(weight > 0.2 && weight < 0.8);
    assert_true(robust_weight(&robust, 1, 50) == 1);
    for (int i = 0; i < 3; i++)
        assert_true(robust_weight(&robust, 1000, 50) == 0);
    assert_true(robust_weight(&robust, 1000, 50) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(misses_are_weighed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
