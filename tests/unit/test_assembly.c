/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports become whole ticks in order, whatever the order of arrival within the wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formula/assembly.h"

static struct assembly *assembly;
static struct report report;

static int set_up(void **state)
{
    (void)state;
    report_init(&report);
    return assembly_new(&assembly, 2, false);
}

static int tear_down(void **state)
{
    (void)state;
    assembly_free(assembly);
    report_deinit(&report);
    return 0;
}

static void begin(const char *run, uint64_t seq, int64_t timestamp_ms)
{
    report_clear(&report);
    (void)snprintf(report.key.sensor, sizeof(report.key.sensor), "s");
    (void)snprintf(report.key.run, sizeof(report.key.run), "%s", run);
    report.key.seq = seq;
    report.key.timestamp_ms = timestamp_ms;
}

static void add_target(const char *name, const char *event, int64_t count)
{
    struct count_row *row;
    if (report.n_events == 0)
        assert_int_equal(report_add_event(&report, event), 0);
    assert_int_equal(report_add_target(&report, &row), 0);
    row->target = name;
    row->package = 0;
    row->has_counts = true;
    report_counts(&report, row)[0] = count;
}

static void add_energy(int64_t energy_uj, int64_t dt_ns)
{
    struct energy_sample *sample;
    assert_int_equal(report_add_energy(&report, &sample), 0);
    sample->domain = DOMAIN_PACKAGE;
    sample->package = 0;
    sample->valid = true;
    sample->energy_uj = energy_uj;
    sample->dt_ns = report.dt_ns = dt_ns;
}

static const struct report *next(void)
{
    const struct report *tick = NULL;
    return assembly_next(assembly, &tick, NULL) == 1 ? tick : NULL;
}

static void hand_over(bool is_powerapi)
{
    assert_int_equal(assembly_add(assembly, &report, is_powerapi, NULL), 0);
}

static void a_whole_record_is_a_tick_at_once(void **state)
{
    (void)state;
    for (uint64_t seq = 0; seq < 3; seq++) {
        begin("0000000000aa", seq, (int64_t)seq * 1000);
        hand_over(false);
        const struct report *tick = next();
        assert_non_null(tick);
        assert_int_equal(tick->key.seq, seq);
        assert_int_equal(tick->reasons.n_words, 0);
        assert_null(next());
    }
    begin("0000000000aa", 1, 1000); /* again */
    hand_over(false);
    assert_null(next());
    assert_int_equal(assembly_late(assembly), 1);
    begin("0000000000bb", 0, 9000); /* a new run needs no wait */
    hand_over(false);
    assert_non_null(next());
}

static void a_gap_waits_and_is_said(void **state)
{
    (void)state;
    const uint64_t arrival[] = {0, 2, 1, 5, 6, 7};
    const uint64_t expected[] = {0, 1, 2, 5, 6, 7};
    size_t n = 0;
    for (size_t i = 0; i < 6; i++) {
        begin("0000000000aa", arrival[i], (int64_t)arrival[i] * 1000);
        hand_over(false);
        const struct report *tick;
        while ((tick = next())) {
            assert_int_equal(tick->key.seq, expected[n]);
            assert_int_equal(reasons_have(&tick->reasons, "gap"), expected[n] == 5);
            n++;
        }
    }
    assert_int_equal(n, 6);
}

/* The first to come need not be the first: also where a run begins, what belongs before it is
 * waited for. */
static void a_run_may_begin_out_of_order(void **state)
{
    (void)state;
    static const struct {
        const char *run;
        uint64_t seq;
    } arrival[] = {{"0000000000aa", 2}, {"0000000000aa", 1}, {"0000000000aa", 3},
                   {"0000000000bb", 1}, {"0000000000bb", 0}, {"0000000000bb", 2}};
    const uint64_t expected[] = {1, 2, 3, 0, 1, 2};
    size_t n = 0;
    for (size_t i = 0; i < 6; i++) {
        begin(arrival[i].run, arrival[i].seq, (int64_t)i * 1000);
        hand_over(false);
        const struct report *tick;
        while ((tick = next())) {
            assert_int_equal(tick->key.seq, expected[n++]);
            assert_false(reasons_have(&tick->reasons, "gap"));
        }
    }
    assert_int_equal(n, 6);
}

static void parts_are_joined(void **state)
{
    (void)state;
    for (int32_t part = 2; part >= 1; part--) {
        begin("0000000000aa", 0, 1000);
        report.part = part;
        report.parts = 2;
        if (part == 1)
            add_energy(77, 1000);
        add_target(part == 1 ? "/a" : "/b", "cpu_ns", part);
        hand_over(false);
        const struct report *tick = next();
        assert_int_equal(tick != NULL, part == 1);
        if (!tick)
            continue;
        assert_int_equal(tick->n_targets, 2);
        assert_string_equal(tick->targets[0].target, "/a");
        assert_int_equal(tick->energy[0].energy_uj, 77);
        assert_true(tick->valid);
        assert_null(next());
    }
    begin("0000000000aa", 1, 2000);
    report.part = 1;
    report.parts = 3;
    hand_over(false);
    assert_null(next());
    assembly_finish(assembly, false);
    const struct report *tick = next();
    assert_true(reasons_have(&tick->reasons, "missing_part"));
    assert_false(tick->valid);
}

/* Four reports a tick in four ticks, as PowerAPI sends them; index 0 is "all". */
static void add_powerapi(int tick, int index)
{
    static const char *const names[] = {"all", "/b", "/a", "/c"};
    static const char *const event_names[] = {"", "cycles", "cycles", "instructions"};
    begin("", 0, 1000000 + tick * 1000);
    if (index == 0)
        add_energy(1000 + tick, 1000000000);
    else
        add_target(names[index], event_names[index], tick * 10 + index);
    hand_over(true);
}

static void describe_tick(const struct report *tick, char *text, size_t size)
{
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, size - used, "%d %d %d:", (int)tick->key.seq,
                             (int)tick->energy[0].energy_uj, (int)(tick->dt_ns / 1000000));
    for (size_t e = 0; e < tick->n_events; e++)
        used += (size_t)snprintf(text + used, size - used, " %s", tick->events[e]);
    for (size_t i = 0; i < tick->n_targets; i++)
        for (size_t e = 0; e < tick->n_events; e++)
            used += (size_t)snprintf(text + used, size - used, " %s=%lld", tick->targets[i].target,
                                     (long long)tick->counts[tick->targets[i].first_count + e]);
    (void)snprintf(text + used, size - used, "\n");
}

static void order_of_arrival_leaves_no_trace(void **state)
{
    (void)state;
    char expected[4096] = "";
    unsigned seed = 1;
    for (int round = 0; round < 200; round++) {
        struct assembly *one;
        assert_int_equal(assembly_new(&one, 4, false), 0);
        struct assembly *ours = assembly;
        assembly = one;
        int order[16];
        for (int i = 0; i < 16; i++)
            order[i] = i;
        for (int i = 15; i > 0 && round > 0; i--) {
            int j = rand_r(&seed) % (i + 1), swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        char text[4096] = "";
        const struct report *tick;
        for (int i = 0; i < 16; i++) {
            add_powerapi(order[i] / 4, order[i] % 4);
            while ((tick = next()))
                describe_tick(tick, text, sizeof(text));
        }
        assembly_finish(assembly, false);
        while ((tick = next()))
            describe_tick(tick, text, sizeof(text));
        if (round == 0) {
            memcpy(expected, text, sizeof(text));
            assert_non_null(strstr(text, "0 1000 1000: cycles instructions /a=2 "));
            assert_non_null(strstr(text, "3 1003 1000:"));
        }
        assert_string_equal(text, expected);
        assembly_free(one);
        assembly = ours;
    }
}

/* What an original never processes: PowerAPI's last ticks, and none of a native run's. */
static void the_last_may_be_left(void **state)
{
    (void)state;
    for (int is_powerapi = 0; is_powerapi < 2; is_powerapi++) {
        struct assembly *ours = assembly;
        assert_int_equal(assembly_new(&assembly, 2, true), 0);
        int n = 0;
        for (int i = 0; i < 5; i++) {
            if (is_powerapi) {
                add_powerapi(i, 0);
            } else {
                begin("0199d2f4c1a0", (uint64_t)i + 7, 1000 + i); /* the start is missing */
                add_energy(1000, 1000);
                hand_over(false);
            }
            while (next())
                n++;
        }
        assembly_finish(assembly, false);
        while (next())
            n++;
        assert_int_equal(n, is_powerapi ? 3 : 5);
        assembly_free(assembly);
        assembly = ours;
    }
}

static void powerapi_waits_for_later_ticks(void **state)
{
    (void)state;
    add_powerapi(0, 1);
    assert_null(next());
    add_powerapi(1, 0);
    assert_null(next());
    add_powerapi(2, 0);
    const struct report *tick = next();
    assert_non_null(tick);
    assert_true(reasons_have(&tick->reasons, "missing_all"));
    assert_false(tick->valid);
    assert_null(next());
    add_powerapi(0, 0);
    assert_null(next());
    assert_int_equal(assembly_late(assembly), 1);
}

static void cumulative_times_give_way_to_stamps(void **state)
{
    (void)state;
    for (int tick = 0; tick < 6; tick++) {
        begin("", 0, 1000000 + tick * 500);
        add_energy(1000, (int64_t)94000000000 + tick * INT64_C(500000000));
        hand_over(true);
        const struct report *out;
        while ((out = next())) {
            assert_int_equal(out->dt_ns, 500000000);
            assert_int_equal(out->energy[0].dt_ns, 500000000);
        }
    }
}

static void doubles_are_counted_once(void **state)
{
    (void)state;
    add_powerapi(0, 0);
    add_powerapi(0, 0);
    add_powerapi(0, 1);
    add_powerapi(0, 1);
    assembly_finish(assembly, false);
    const struct report *tick = next();
    assert_int_equal(tick->n_energy, 1);
    assert_int_equal(tick->n_targets, 1);
    assert_int_equal(assembly_late(assembly), 2);
}

static void many_events_and_targets_stay_bounded(void **state)
{
    (void)state;
    char event[300][16], name[300][16];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(event[i], sizeof(event[i]), "event_%d", i);
        (void)snprintf(name[i], sizeof(name[i]), "/%d", i);
        begin("", 0, 1000);
        add_target(name[i], event[i], i);
        hand_over(true);
    }
    assembly_finish(assembly, false);
    const struct report *tick = next();
    assert_int_equal(tick->n_targets, 300);
    assert_true(tick->n_events <= 64);
}

/* Its interval is told by the tick behind it, which another run will see. */
static void a_lone_first_tick_is_left_to_the_next_run(void **state)
{
    (void)state;
    begin("", 0, 1000);
    add_energy(77, 0);
    hand_over(true);
    assert_true(assembly_is_waiting(assembly));
    assembly_finish(assembly, true);
    assert_null(next());
    assert_null(assembly_last(assembly));
    begin("", 0, 3000);
    add_energy(77, 0);
    hand_over(true);
    assert_int_equal(next()->energy[0].dt_ns, INT64_C(2000000000));
    assert_non_null(next());
    assert_false(assembly_is_waiting(assembly));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_record_is_a_tick_at_once),
        TEST(a_gap_waits_and_is_said),
        TEST(a_run_may_begin_out_of_order),
        TEST(parts_are_joined),
        TEST(order_of_arrival_leaves_no_trace),
        TEST(powerapi_waits_for_later_ticks),
        TEST(the_last_may_be_left),
        TEST(cumulative_times_give_way_to_stamps),
        TEST(doubles_are_counted_once),
        TEST(a_lone_first_tick_is_left_to_the_next_run),
        TEST(many_events_and_targets_stay_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
