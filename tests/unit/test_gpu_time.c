/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples of utilisation become busy time, and nothing that cannot be does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/scope.h"
#include "sensor/gpu_time.h"

#define NOW_US UINT64_C(1700000000000000)

static struct gpu_time times[16];
static uint64_t newest_us;

static size_t count(const struct nvml_process_sample *samples, size_t n, uint64_t since_us,
                    uint64_t span_ns)
{
    return gpu_time_of(samples, n, since_us, NOW_US, span_ns, times, &newest_us);
}

static void percents_of_the_window(void **state)
{
    (void)state;
    const struct nvml_process_sample samples[] = {
        {.pid = 30, .time_us = NOW_US - 100000, .sm_percent = 25},
        {.pid = 20, .time_us = NOW_US - 150000, .sm_percent = 50},
        {.pid = 10, .time_us = NOW_US - 100000, .encoder_percent = 90}, /* no kernel */
    };
    assert_int_equal(count(samples, 3, NOW_US - 900000, NS_PER_S), 2);
    assert_int_equal(times[0].pid, 20);
    assert_int_equal(times[0].busy_ns, 400000000); /* of the 0.8 s that were sampled */
    assert_int_equal(times[1].busy_ns, 200000000);
    assert_int_equal(newest_us, NOW_US - 100000);
    /* After a long idle time the window is the tick; of what came before the first there is none.
     */
    assert_int_equal(count(samples, 3, NOW_US - 60000000, NS_PER_S), 2);
    assert_int_equal(times[0].busy_ns, 500000000);
    assert_int_equal(count(samples, 3, 0, NS_PER_S), 2);
    assert_int_equal(times[0].busy_ns, 500000000);
    assert_int_equal(count(NULL, 0, 5, NS_PER_S), 0);
    assert_int_equal(newest_us, 5);
}

static void side_by_side_they_share_the_time(void **state)
{
    (void)state;
    const struct nvml_process_sample samples[] = {
        {.pid = 1, .time_us = NOW_US, .sm_percent = 100},
        {.pid = 2, .time_us = NOW_US, .sm_percent = 100},
        {.pid = 3, .time_us = NOW_US, .sm_percent = 50},
    };
    assert_int_equal(count(samples, 3, NOW_US - 1000000, NS_PER_S), 3);
    assert_int_equal(times[0].busy_ns, 400000000);
    assert_int_equal(times[2].busy_ns, 200000000);
}

static void nonsense_is_left_out(void **state)
{
    (void)state;
    const struct nvml_process_sample samples[] = {
        {.pid = 0, .time_us = NOW_US, .sm_percent = 10},
        {.pid = 4000000000u, .time_us = NOW_US, .sm_percent = 10},
        {.pid = 1, .time_us = NOW_US, .sm_percent = 101},
        {.pid = 2, .time_us = NOW_US + 60000000, .sm_percent = 10},
        {.pid = 3, .time_us = UINT64_MAX, .sm_percent = 10},
        {.pid = 4, .time_us = NOW_US - 2000000, .sm_percent = 10}, /* seen before */
        {.pid = 5, .time_us = NOW_US - 500000, .sm_percent = 80},  /* twice: the newest holds */
        {.pid = 5, .time_us = NOW_US, .sm_percent = 20},
        {.pid = 5, .time_us = NOW_US - 400000, .sm_percent = 80},
    };
    assert_int_equal(count(samples, ARRAY_SIZE(samples), NOW_US - 1000000, NS_PER_S), 1);
    assert_int_equal(times[0].pid, 5);
    assert_int_equal(times[0].busy_ns, 200000000);
    assert_int_equal(newest_us, NOW_US);
    assert_int_equal(count(samples, ARRAY_SIZE(samples), NOW_US - 1000000, 0), 1);
    assert_int_equal(times[0].busy_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percents_of_the_window),
        cmocka_unit_test(side_by_side_they_share_the_time),
        cmocka_unit_test(nonsense_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
