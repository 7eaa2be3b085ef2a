/* SPDX-License-Identifier: BSD-3-Clause */
/* Impossible rates never pass, possible ones are not touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "formula/gate.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static const char *const events[] = {"cpu_ns", "cycles", "instructions", "llc_misses"};

static void sound_rates_pass_untouched(void **state)
{
    (void)state;
    struct gate_limits limits = {8, 8 * 4e9};
    double rates[] = {1e9, 3e9, 9e9, 1e7, NAN, 1e9, NAN, 0};
    double before[8];
    for (int i = 0; i < 8; i++)
        before[i] = rates[i];
    assert_int_equal(gate_rates(&limits, 4, events, 2, rates), 0);
    for (int i = 0; i < 8; i++)
        assert_true(isnan(before[i]) ? isnan(rates[i]) : rates[i] == before[i]);
}

static void a_wrapped_counter_gets_a_stand_in(void **state)
{
    (void)state;
    struct gate_limits limits = {8, 8 * 4e9};
    double rates[] = {1e9, 3e9, 6e9, 3e7, 2e9, 6e9, 2.8e14, 6e7};
    assert_int_equal(gate_rates(&limits, 4, events, 2, rates), 1);
    assert_near(rates[6], 12e9, 1); /* twice the CPU time of the sound row */
}

static void impossible_ratios_are_seen(void **state)
{
    (void)state;
    struct gate_limits limits = {NAN, NAN};
    double rates[] = {1e9, 3e9, 25e9, 4e9};
    assert_int_equal(gate_rates(&limits, 4, events, 1, rates), 2);
    assert_true(rates[2] == 0 && rates[3] == 0); /* nobody to compare with */
    double negative[] = {-1, 3e9, 3e9, 1};
    assert_int_equal(gate_rates(&limits, 4, events, 1, negative), 1);
    assert_true(negative[0] >= 0);
    double few[] = {1, 1, 90000, 3};
    assert_int_equal(gate_rates(&limits, 4, events, 1, few), 0);
}

static void more_time_than_there_are_cpus_is_refused(void **state)
{
    (void)state;
    struct gate_limits limits = {2, NAN};
    double rates[] = {5e9, 1e9, 1e9, 1};
    assert_int_equal(gate_rates(&limits, 4, events, 1, rates), 1);
    double absurd[] = {INFINITY, 1e15, 1e300, 1e16};
    assert_int_equal(gate_rates(&limits, 4, events, 1, absurd), 4);
    for (int i = 0; i < 4; i++)
        assert_true(absurd[i] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_rates_pass_untouched),
        cmocka_unit_test(a_wrapped_counter_gets_a_stand_in),
        cmocka_unit_test(impossible_ratios_are_seen),
        cmocka_unit_test(more_time_than_there_are_cpus_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
