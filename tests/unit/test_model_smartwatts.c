/* SPDX-License-Identifier: BSD-3-Clause */
/* When SmartWatts speaks, when it is silent, and which of its options do what they say. That its
 * watts are right is shown beside the real one (tests/replay/smartwatts.sh). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/error.h"
#include "common/options.h"
#include "common/scope.h"
#include "formula/model.h"
#include "formula/model_smartwatts.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* A machine of 10 W idle, whose two targets cost 1 nJ a cycle. */
struct machine {
    struct model *model;
    double rates[2][2], dynamic_w[2], sigma_w[2];
    struct activity activities[2];
    struct scope_tick tick;
    struct model_output output;
    unsigned n_ticks;
};

static const char *const two_events[] = {"cycles", "instructions"};

static void machine_init(struct machine *machine, const struct smartwatts_settings *settings)
{
    *machine = (struct machine){.model = NULL};
    assert_int_equal(model_smartwatts.new(&machine->model, DOMAIN_PACKAGE, settings, NULL), 0);
    for (size_t i = 0; i < 2; i++)
        machine->activities[i] =
            (struct activity){.name = i ? "/b" : "/a", .rates = machine->rates[i]};
    machine->tick = (struct scope_tick){
        .learn = true,
        .learn_idle = true,
        .n_events = 1,
        .events = two_events,
        .n_activities = 2,
        .activities = machine->activities,
        .aperf = 21,
        .mperf = 21,
    };
}

/* One tick at a clock; true when the model spoke. */
static bool step(struct machine *machine, double mhz)
{
    machine->n_ticks++;
    machine->rates[0][0] = 1e9 * (1 + machine->n_ticks % 7);
    machine->rates[1][0] = 1e9 * (machine->n_ticks % 3);
    machine->rates[0][1] = machine->rates[1][1] = NAN;
    machine->tick.measured_w = 10 + 1e-9 * (machine->rates[0][0] + machine->rates[1][0]);
    machine->tick.aperf = machine->tick.mperf * mhz / 2100;
    machine->output = (struct model_output){.predicted_w = NAN,
                                            .sigma_w = NAN,
                                            .idle_w = NAN,
                                            .dynamic_w = machine->dynamic_w,
                                            .target_sigma_w = machine->sigma_w};
    assert_int_equal(model_smartwatts.step(machine->model, &machine->tick, &machine->output), 0);
    assert_true(machine->output.is_silent == isnan(machine->output.predicted_w));
    return !machine->output.is_silent;
}

static void a_layer_is_silent_until_it_has_ten_samples(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, NULL);
    for (int i = 0; i < 10; i++)
        assert_false(step(&machine, 2150));
    assert_true(step(&machine, 2150));
    for (int i = 0; i < 10; i++)
        assert_false(step(&machine, 2200)); /* another layer, from its very edge */
    assert_true(step(&machine, 2299));
    assert_true(step(&machine, 2100));
    assert_false(step(&machine, 99)); /* below the lowest layer */
    assert_false(step(&machine, 100));
    model_smartwatts.free(machine.model);
}

static void the_intercept_is_zero_before_sixty_samples(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, NULL);
    for (int i = 0; i < 60; i++)
        if (step(&machine, 2100))
            assert_true(machine.output.idle_w == 0);
    for (int i = 0; i < 5; i++)
        (void)step(&machine, 2100);
    assert_near(machine.output.idle_w, 10, 0.01);
    assert_near(machine.output.predicted_w, machine.tick.measured_w, 0.01);
    assert_near(machine.dynamic_w[0], 1e-9 * machine.rates[0][0], 0.01);
    assert_near(machine.dynamic_w[1], 1e-9 * machine.rates[1][0], 0.01);
    model_smartwatts.free(machine.model);
}

static void an_intercept_of_tdp_or_more_is_refused(void **state)
{
    (void)state;
    struct machine machine;
    struct smartwatts_settings settings = smartwatts_defaults;
    settings.cpu_tdp_w = 10;
    machine_init(&machine, &settings);
    for (int i = 0; i < 200; i++)
        (void)step(&machine, 2100);
    assert_true(machine.output.idle_w == 0);
    model_smartwatts.free(machine.model);
}

static void a_high_threshold_keeps_the_first_fit(void **state)
{
    (void)state;
    struct machine machine;
    struct smartwatts_settings settings = smartwatts_defaults;
    settings.cpu_threshold_w = 100;
    settings.error_method = (char *)"mean";
    machine_init(&machine, &settings);
    for (int i = 0; i < 200; i++)
        (void)step(&machine, 2100);
    assert_true(machine.output.idle_w == 0);
    model_smartwatts.free(machine.model);
}

static void nothing_is_learned_without_leave(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, NULL);
    machine.tick.learn = false;
    for (int i = 0; i < 100; i++)
        assert_false(step(&machine, 2100));
    model_smartwatts.free(machine.model);
}

static void other_events_begin_anew_when_they_stay(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, NULL);
    for (int i = 0; i < 20; i++)
        (void)step(&machine, 2100);
    machine.tick.n_events = 2;
    assert_false(step(&machine, 2100));
    machine.tick.n_events = 1;
    assert_true(step(&machine, 2100)); /* it was one tick only */
    machine.tick.n_events = 2;
    for (int i = 0; i < 9 + 10; i++)
        assert_false(step(&machine, 2100));
    assert_true(step(&machine, 2100));
    model_smartwatts.free(machine.model);
}

static void without_a_clock_there_is_one_layer(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, NULL);
    machine.tick.mperf = NAN;
    for (int i = 0; i < 10; i++)
        assert_false(step(&machine, 2100));
    assert_true(step(&machine, 2100));
    model_smartwatts.free(machine.model);
}

static void a_domain_can_be_switched_off(void **state)
{
    (void)state;
    struct model *model = NULL;
    struct smartwatts_settings settings = smartwatts_defaults;
    settings.disable_dram = true;
    assert_int_equal(model_smartwatts.new(&model, DOMAIN_DRAM, &settings, NULL), MODEL_DISABLED);
    assert_int_equal(model_smartwatts.new(&model, DOMAIN_PACKAGE, &settings, NULL), 0);
    model_smartwatts.free(model);
}

static void the_table_has_the_defaults(void **state)
{
    (void)state;
    struct model_settings *settings;
    struct options *options;
    char program[] = "watt-formula", flag[] = "--dram-error-threshold", value[] = "0.25";
    char *argv[] = {program, flag, value, NULL};
    int operands;
    struct error err = {0};
    assert_int_equal(model_settings_new(&settings), 0);
    assert_int_equal(options_new(&options, program, "", NULL), 0);
    assert_true(model_settings_add(settings, options) >= 0);
    assert_int_equal(options_parse(options, 3, argv, NULL, NULL, &operands, &err), 0);
    const struct smartwatts_settings *parsed = model_settings_of(settings, &model_smartwatts);
    assert_non_null(parsed);
    assert_true(parsed->dram_threshold_w == 0.25);
    assert_string_equal(parsed->error_method, smartwatts_defaults.error_method);
    struct smartwatts_settings same = *parsed;
    same.dram_threshold_w = smartwatts_defaults.dram_threshold_w;
    same.error_method = smartwatts_defaults.error_method;
    assert_memory_equal(&same, &smartwatts_defaults, sizeof(same));
    assert_null(model_settings_of(settings, &model_share));
    options_free(options);
    model_settings_free(settings);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"--cpu-error-threshold", "-1"},      {"--cpu-error-threshold", "nan"},
        {"--cpu-error-threshold", "1e999"},   {"--cpu-error-threshold", "2W"},
        {"--cpu-error-threshold", "."},       {"--cpu-base-clock", "0"},
        {"--sensor-reports-frequency", "00"}, {"--learn-history-window-size", "0"},
        {"--learn-error-window-size", "0"},   {"--learn-error-window-method", "mode"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct model_settings *settings;
        struct options *options;
        char program[] = "watt-formula", flag[40], value[16];
        (void)snprintf(flag, sizeof(flag), "%s", bad[i][0]);
        (void)snprintf(value, sizeof(value), "%s", bad[i][1]);
        char *argv[] = {program, flag, value, NULL};
        int operands;
        struct error err = {0};
        assert_int_equal(model_settings_new(&settings), 0);
        assert_int_equal(options_new(&options, program, "", NULL), 0);
        assert_true(model_settings_add(settings, options) >= 0);
        assert_int_equal(options_parse(options, 3, argv, NULL, NULL, &operands, &err), -EINVAL);
        assert_non_null(strstr(err.text, bad[i][0]));
        options_free(options);
        model_settings_free(settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_is_silent_until_it_has_ten_samples),
        cmocka_unit_test(the_intercept_is_zero_before_sixty_samples),
        cmocka_unit_test(an_intercept_of_tdp_or_more_is_refused),
        cmocka_unit_test(a_high_threshold_keeps_the_first_fit),
        cmocka_unit_test(nothing_is_learned_without_leave),
        cmocka_unit_test(other_events_begin_anew_when_they_stay),
        cmocka_unit_test(without_a_clock_there_is_one_layer),
        cmocka_unit_test(a_domain_can_be_switched_off),
        cmocka_unit_test(the_table_has_the_defaults),
        cmocka_unit_test(bad_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
