/* SPDX-License-Identifier: BSD-3-Clause */
/* The probe's answer is read as it is meant, and what is no answer is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "cli/machine.h"
#include "common/error.h"

static int parse(struct machine *machine, const char *json)
{
    struct error err = {0};
    int r = machine_parse(machine, json, strlen(json), &err);
    assert_true(r >= 0 || err.text[0]);
    return r;
}

static void an_answer_is_understood(void **state)
{
    (void)state;
    struct machine machine;
    assert_int_equal(
        parse(&machine, "{\"cpu\":{\"name\":\"X\"},\"sources\":["
                        "{\"name\":\"powercap\",\"usable\":false,\"availability\":\"unreadable\","
                        "\"reason\":\"r\",\"advice\":\"sudo\"},"
                        "{\"name\":\"curve\",\"usable\":true,\"chosen\":true,\"estimate\":true}],"
                        "\"engines\":[{\"name\":\"proc\",\"usable\":true,\"chosen\":true,"
                        "\"granularities\":[\"process\"]}],\"perf_event_paranoid\":2,"
                        "\"granularity\":\"process\",\"events\":[\"cpu_ns\",7,\"cycles\"],"
                        "\"events_missing\":[\"llc_misses\"],\"events_why\":\"w\","
                        "\"events_advice\":\"a\"}"),
        0);
    assert_string_equal(machine.granularity, "process");
    assert_string_equal(machine.events, "cpu_ns, cycles");
    assert_string_equal(machine.events_missing, "llc_misses");
    assert_string_equal(machine.events_why, "w");
    assert_string_equal(machine.events_advice, "a");
    assert_int_equal(machine.n_parts, 3);
    assert_string_equal(machine.cpu, "X");
    assert_string_equal(machine_chosen(&machine, "energy")->name, "curve");
    assert_true(machine_chosen(&machine, "energy")->is_estimate);
    assert_string_equal(machine_chosen(&machine, "engine")->name, "proc");
    assert_string_equal(machine_locked(&machine)->advice, "sudo");
    machine_deinit(&machine);
}

/* psys and a battery measure beside what is attributed: who asks for energy asks for the rest. */
static void domains_are_understood(void **state)
{
    (void)state;
    struct machine machine;
    assert_int_equal(
        parse(&machine,
              "{\"energy_why\":\"because\",\"sources\":["
              "{\"name\":\"perf\",\"usable\":true,\"chosen\":true,\"attributed\":false},"
              "{\"name\":\"curve\",\"usable\":true,\"chosen\":true,\"estimate\":true,"
              "\"attributed\":true}],\"engines\":[],\"domains\":["
              "{\"domain\":\"package\",\"package\":1,\"source\":\"perf\",\"unit_uj\":61.5,"
              "\"range_uj\":262143000000,\"peak_w\":500,\"wrap_s\":524.2,\"attributed\":true,"
              "\"longest_interval_ns\":498000000000,\"update_ns\":1000000,\"reading_ns\":250000,"
              "\"power_w\":12.5,\"filtered\":true,\"includes\":\"i\",\"leaves_out\":\"l\","
              "\"checks\":["
              "{\"source\":\"msr\",\"state\":\"agrees\",\"difference\":0.001},"
              "{\"source\":\"x\",\"state\":\"differs\",\"difference\":0.5}]},"
              "{\"domain\":\"psys\",\"source\":\"perf\",\"unit_uj\":\"no number\","
              "\"checks\":7}]}"),
        0);
    assert_string_equal(machine_chosen(&machine, "energy")->name, "curve");
    assert_string_equal(machine.energy_why, "because");
    assert_int_equal(machine.n_domains, 2);
    const struct machine_domain *domain = &machine.domains[0];
    assert_string_equal(domain->name, "package 1");
    assert_true(domain->unit_uj == 61.5 && domain->range_j == 262143 && domain->peak_w == 500);
    assert_float_equal(domain->longest_interval_s, 498, 1e-9);
    assert_float_equal(domain->update_ms, 1, 1e-9);
    assert_float_equal(domain->reading_ms, 0.25, 1e-9);
    assert_true(domain->power_w == 12.5);
    assert_true(domain->is_filtered && !machine.domains[1].is_filtered);
    assert_int_equal(domain->n_checks, 2);
    assert_true(machine_disagrees(&machine));
    assert_string_equal(machine.domains[1].name, "psys");
    assert_true(isnan(machine.domains[1].unit_uj));
    assert_int_equal(machine.domains[1].n_checks, 0);
    machine_deinit(&machine);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    const char *texts[] = {
        "",
        "{",
        "{}",
        "{\"sources\":1,\"engines\":[]}",
        "{\"sources\":[1],\"engines\":[]}",
        "{\"sources\":[{}],\"engines\":[]}",
        "{\"sources\":[{\"name\":7}],\"engines\":[]}",
        "{\"sources\":[]}",
        "{\"sources\":[],\"engines\":[],\"domains\":[3]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct machine machine;
        assert_int_equal(parse(&machine, texts[i]), -EBADMSG);
    }
}

static void nothing_chosen_is_nothing(void **state)
{
    (void)state;
    struct machine machine;
    assert_int_equal(
        parse(&machine, "{\"sources\":[],\"engines\":[],\"engine_why\":\"none counts\"}"), 0);
    assert_string_equal(machine.engine_why, "none counts");
    assert_string_equal(machine.events_why, "");
    assert_string_equal(machine.events, "");
    assert_null(machine_chosen(&machine, "energy"));
    assert_null(machine_locked(&machine));
    machine_deinit(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_understood),
        cmocka_unit_test(domains_are_understood),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(nothing_chosen_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
