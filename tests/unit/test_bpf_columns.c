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

static void add(struct event_set *set, const char *name, const char *text, uint32_t type)
{
    struct counted_event *event = &set->events[set->n_events++];
    *event = (struct counted_event){.attr = {.type = type}};
    (void)snprintf(event->name, sizeof(event->name), "%s", name);
    (void)snprintf(event->text, sizeof(event->text), "%s", text);
}

static void the_default_is_plain_counts_and_hardware(void **state)
{
    (void)state;
    struct event_set set = {0};
    struct bpf_columns columns;
    add(&set, "cpu_ns", "perf::TASK-CLOCK", PERF_TYPE_SOFTWARE);
    add(&set, "instructions", "perf::INSTRUCTIONS", PERF_TYPE_HARDWARE);
    add(&set, "migrations", "perf::CPU-MIGRATIONS", PERF_TYPE_SOFTWARE);
    assert_int_equal(bpf_columns_choose(&columns, &set, false, NULL), 0);
    assert_int_equal(columns.n_columns, BPF_PLAIN + 1);
    assert_string_equal(columns.columns[0].name, "cpu_ns");
    assert_int_equal(columns.columns[0].extra, -1);
    assert_string_equal(columns.columns[BPF_PLAIN].name, "instructions");
    assert_int_equal(columns.columns[BPF_PLAIN].extra, 0);
    assert_int_equal(columns.columns[BPF_PLAIN].offset, offsetof(struct bpf_sums, extra));
    assert_int_equal(columns.extra.n_events, 1);
}

static void hardware_that_finds_no_room_is_left_out(void **state)
{
    (void)state;
    struct event_set set = {0};
    struct bpf_columns columns;
    for (int i = 0; i <= BPF_EXTRA_MAX; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "h%d", i);
        add(&set, name, name, PERF_TYPE_RAW);
    }
    assert_int_equal(bpf_columns_choose(&columns, &set, false, NULL), 0);
    assert_int_equal(columns.n_columns, BPF_COLUMNS_MAX);
    assert_int_equal(columns.extra.n_events, BPF_EXTRA_MAX);
    assert_int_equal(columns.columns[BPF_COLUMNS_MAX - 1].offset + sizeof(uint64_t),
                     sizeof(struct bpf_sums));
    struct error err = {0};
    assert_int_equal(bpf_columns_choose(&columns, &set, true, &err), -E2BIG);
    assert_non_null(strstr(err.text, "h6"));
}

static void what_is_asked_for_comes_in_its_order(void **state)
{
    (void)state;
    struct event_set set = {0};
    struct bpf_columns columns;
    add(&set, "page_faults", "perf::PAGE-FAULTS", PERF_TYPE_SOFTWARE);
    add(&set, "mine", "perf::PAGE-FAULTS", PERF_TYPE_SOFTWARE);
    add(&set, "cpu_ns", "perf::PAGE-FAULTS", PERF_TYPE_SOFTWARE); /* whatever the name says */
    assert_int_equal(bpf_columns_choose(&columns, &set, true, NULL), 0);
    assert_int_equal(columns.n_columns, 3);
    assert_int_equal(columns.columns[0].extra, -1);
    assert_int_equal(columns.columns[0].offset, offsetof(struct bpf_sums, page_faults));
    assert_int_equal(columns.columns[1].extra, 0);
    assert_int_equal(columns.columns[2].extra, 1);
    struct host_record record;
    host_record_init(&record);
    assert_int_equal(bpf_columns_describe(&columns, &record), 0);
    assert_int_equal(record.n_events, 3);
    assert_string_equal(record.events[0].event, "");
    assert_string_equal(record.events[1].event, "perf::PAGE-FAULTS");
    host_record_deinit(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_plain_counts_and_hardware),
        cmocka_unit_test(hardware_that_finds_no_room_is_left_out),
        cmocka_unit_test(what_is_asked_for_comes_in_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
