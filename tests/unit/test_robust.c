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
    double once = robust_weight(&robust, 10, 50), again = robust_weight(&robust, 10, 50);
    assert_true(again > 0.2 && again < 0.8);
    assert_true(once < again / 4);
    assert_true(robust_weight(&robust, 1, 50) == 1);
    double usual_w = residual_sigma_w(&robust.residual);
    for (int i = 0; i < 4; i++) /* odd once, below and above in turn: never believed */
        assert_true(robust_weight(&robust, i % 2 ? 1000 : -1000, 50) < 1e-6);
    assert_true(residual_sigma_w(&robust.residual) < 5 * usual_w);
    assert_true(robust_weight(&robust, -1000, 50) < 1e-6);
    assert_true(robust_weight(&robust, -1000, 50) > 1e-3); /* it goes on: the machine has changed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(misses_are_weighed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
