/* SPDX-License-Identifier: BSD-3-Clause */
/* Watts by CPU time, and what it and the default model take for idle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "formula/model.h"

#define CPU_S 1e9 /* cpu_ns per second of one busy CPU */

static const char *const events[] = {"cpu_ns"};
static double rates[2], total_rate;
static struct activity activities[] = {{.target = 0, .name = "/a", .kin = 1, .rates = &rates[0]},
                                       {.target = 1, .name = "/b", .kin = 2, .rates = &rates[1]}};
static double dynamic_w[2], sigma_w[2];
static struct model_output output = {.dynamic_w = dynamic_w, .target_sigma_w = sigma_w};

static void step(struct model *model, double measured_w, double a, double b, bool learn)
{
    rates[0] = a * CPU_S;
    rates[1] = b * CPU_S;
    total_rate = rates[0] + rates[1];
    const struct scope_tick tick = {
        .dt_s = 1,
        .measured_w = measured_w,
        .low_w = NAN,
        .high_w = NAN,
        .learn = learn,
        .learn_idle = !isnan(measured_w),
        .max_w = NAN,
        .floor_w = NAN,
        .n_events = 1,
        .events = events,
        .cpu_event = 0,
        .n_activities = 2,
        .activities = activities,
        .total_rates = &total_rate,
        .aperf = NAN,
        .mperf = NAN,
        .clock_ratio = NAN,
    };
    assert_int_equal(model->ops->step(model, &tick, &output), 0);
}

static struct model *make(const struct model_ops *ops)
{
    struct model *model;
    assert_int_equal(ops->new(&model, DOMAIN_PACKAGE, NULL, NULL), 0);
    return model;
}

static void watts_go_by_cpu_time(void **state)
{
    (void)state;
    struct model *model = make(&model_share);
    step(model, 10, 0, 0, true);
    assert_float_equal(output.idle_w, 10, 0);
    step(model, 50, 0.75, 0.25, true);
    assert_float_equal(output.idle_w, 10, 0);
    assert_true(output.scale_to_measured);
    assert_float_equal(dynamic_w[0] / dynamic_w[1], 3, 1e-12);
    model->ops->free(model);
}

/* The counts of the idle ticks are of no use; their watts are. Idle taken from the busy ticks alone
 * would leave next to nothing to charge. */
static void idle_needs_no_counts(void **state)
{
    (void)state;
    const struct model_ops *const models[] = {&model_share, &model_auto};
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        struct model *model = make(models[i]);
        for (size_t tick = 0; tick < 5; tick++)
            step(model, 12, 0.001, 0.001, false);
        step(model, NAN, 0, 0, false); /* no energy says nothing of idle */
        for (size_t tick = 0; tick < 30; tick++)
            step(model, 72, 1, 0.001, true);
assert_true(output.idle_w < 12.01);
        model->ops->free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watts_go_by_cpu_time),
        cmocka_unit_test(idle_needs_no_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
