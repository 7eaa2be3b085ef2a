/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted without a perf event, what needs one, and where there are too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/host_record.h"
#include "sensor/bpf_columns.h"

static void add_to(struct typed_events *events, size_t type, const char *name, const char *text,
                   uint32_t kind)
{
    struct event_set *set = &events->sets[type];
    struct counted_event *event = &set->events[set->n_events++];
    *event = (struct counted_event){.attr = {.type = kind}};
    event->is_typed = events->types.n > 1 && kind != PERF_TYPE_SOFTWARE;
    (void)snprintf(event->name, sizeof(event->name), "%s", name);
    (void)snprintf(event->text, sizeof(event->text), "%s", text);
    typed_events_name(events);
}

static void add(struct typed_events *events, const char *name, const char *text, uint32_t kind)
{
    add_to(events, 0, name, text, kind);
}

static void the_default_is_plain_counts_and_hardware(void **state)
{
    (void)state;
    struct typed_events events = {.types = {.n = 1}};
    struct bpf_columns columns;
    add(&events, "cpu_ns", "perf::TASK-CLOCK", PERF_TYPE_SOFTWARE);
    add(&events, "instructions", "perf::INSTRUCTIONS", PERF_TYPE_HARDWARE);
    add(&events, "migrations", "perf::CPU-MIGRATIONS", PERF_TYPE_SOFTWARE);
    for (int twice = 0; twice < 2; twice++) { /* as after some were found not to fit */
        assert_int_equal(bpf_columns_choose(&columns, &events, false, NULL), 0);
        assert_int_equal(columns.n_columns, BPF_PLAIN + 1);
        assert_string_equal(columns.columns[0].name, "cpu_ns");
        assert_int_equal(columns.columns[0].extra, -1);
        assert_string_equal(columns.columns[BPF_PLAIN].name, "instructions");
        assert_int_equal(columns.columns[BPF_PLAIN].extra, 0);
        assert_int_equal(columns.columns[BPF_PLAIN].offset, offsetof(struct bpf_sums, extra));
        assert_int_equal(events.sets[0].n_events, 1);
    }
}

static void hardware_that_finds_no_room_is_left_out(void **state)
{
    (void)state;
    struct typed_events events = {.types = {.n = 1}}, asked;
    struct bpf_columns columns;
    for (int i = 0; i <= BPF_EXTRA_MAX; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "h%d", i);
        add(&events, name, name, PERF_TYPE_RAW);
    }
    asked = events;
    assert_int_equal(bpf_columns_choose(&columns, &events, false, NULL), 0);
    assert_int_equal(columns.n_columns, BPF_PLAIN + BPF_EXTRA_MAX);
    assert_int_equal(events.sets[0].n_events, BPF_EXTRA_MAX);
    struct error err = {0};
    assert_int_equal(bpf_columns_choose(&columns, &asked, true, &err), -E2BIG);
    assert_non_null(strstr(err.text, "h6"));
}

static void what_is_asked_for_comes_in_its_order(void **state)
{
    (void)state;
    struct typed_events events = {.types = {.n = 1}};
    struct bpf_columns columns;
    add(&events, "page_faults", "perf::PAGE-FAULTS", PERF_TYPE_SOFTWARE);
    add(&events, "mine", "perf::PAGE-FAULTS", PERF_TYPE_SOFTWARE);
    add(&events, "cpu_ns", "perf::PAGE-FAULTS", PERF_TYPE_SOFTWARE); /* whatever the name says */
    assert_int_equal(bpf_columns_choose(&columns, &events, true, NULL), 0);
    assert_int_equal(columns.n_columns, 3);
    assert_int_equal(columns.columns[0].extra, -1);
    assert_int_equal(columns.columns[0].offset, offsetof(struct bpf_sums, page_faults));
    assert_int_equal(columns.columns[1].extra, 0);
    assert_int_equal(columns.columns[2].extra, 1);
    struct host_record record;
    host_record_init(&record);
    assert_int_equal(bpf_columns_describe(&columns, &events, &record), 0);
    assert_int_equal(record.n_events, 3);
    assert_string_equal(record.events[0].event, "");
    assert_string_equal(record.events[1].event, "perf::PAGE-FAULTS");
    host_record_deinit(&record);
}

/* Three types, each with all the events that a CPU can have: every column has a place of its own. */
static void each_type_of_cpus_has_its_columns(void **state)
{
    (void)state;
    struct typed_events events = {
        .types = {.n = 3, .types = {{.name = "core"}, {.name = "atom"}, {.name = "lowpower"}}}};
    struct bpf_columns columns;
    for (size_t type = 0; type < 3; type++) {
        add_to(&events, type, "cpu_ns", "perf::TASK-CLOCK", PERF_TYPE_SOFTWARE);
        for (int i = 0; i < BPF_EXTRA_MAX; i++) {
            char name[8];
            (void)snprintf(name, sizeof(name), "h%d", i);
            add_to(&events, type, name, name, PERF_TYPE_RAW);
        }
    }
    assert_int_equal(bpf_columns_choose(&columns, &events, false, NULL), 0);
    assert_int_equal(columns.n_columns, BPF_COLUMNS_MAX);
    assert_string_equal(columns.columns[BPF_PLAIN].name, "h0:core");
    assert_string_equal(columns.columns[BPF_PLAIN + 1].name, "h0:atom");
    assert_string_equal(columns.columns[BPF_PLAIN + 2].name, "h0:lowpower");
    for (size_t i = 0; i < columns.n_columns; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(columns.columns[i].offset != columns.columns[j].offset);
    assert_int_equal(columns.columns[BPF_COLUMNS_MAX - 1].offset + sizeof(uint64_t),
                     sizeof(struct bpf_sums));
    for (size_t type = 0; type < 3; type++)
        for (size_t i = 0; i < BPF_EXTRA_MAX; i++)
            assert_int_equal(events.column[type][i], 3 * i + type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_plain_counts_and_hardware),
        cmocka_unit_test(hardware_that_finds_no_room_is_left_out),
        cmocka_unit_test(what_is_asked_for_comes_in_its_order),
        cmocka_unit_test(each_type_of_cpus_has_its_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
