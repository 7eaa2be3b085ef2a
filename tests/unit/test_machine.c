/* SPDX-License-Identifier: BSD-3-Clause */
/* The probe's answer is read as it is meant, and what is no answer is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
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
                        "\"granularities\":[\"process\"]}],\"perf_event_paranoid\":2}"),
        0);
    assert_int_equal(machine.n_parts, 3);
    assert_string_equal(machine.cpu, "X");
    assert_string_equal(machine_chosen(&machine, "energy")->name, "curve");
    assert_true(machine_chosen(&machine, "energy")->is_estimate);
    assert_string_equal(machine_chosen(&machine, "engine")->name, "proc");
    assert_string_equal(machine_locked(&machine)->advice, "sudo");
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
    assert_int_equal(parse(&machine, "{\"sources\":[],\"engines\":[]}"), 0);
    assert_null(machine_chosen(&machine, "energy"));
    assert_null(machine_locked(&machine));
    machine_deinit(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_understood),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(nothing_chosen_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
