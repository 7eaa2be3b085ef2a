/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy that comes ticks later is split by what was done in all of them. Ticks are of 2 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "formula/held_counts.h"
#include "formula/scope.h"
#include "formula/scope_inside.h"
#include "formula/state_io.h"

#define TICK_NS INT64_C(2000000000)
#define assert_near(a, b) assert_true(fabs((a) - (b)) <= 1e-9 * fabs(b))

static struct report report;
static uint64_t seq;
static struct scopes *scopes;
static struct reasons reasons;
static const struct scope *list;
static size_t n_scopes;

static int set_up(void **state)
{
    (void)state;
    report_init(&report);
    seq = 7;
    reasons = (struct reasons){0};
    return scopes_new(&scopes, 0);
}

static int tear_down(void **state)
{
    (void)state;
    scopes_free(scopes);
    report_deinit(&report);
    return 0;
}

static void begin(const char *second_event)
{
    report_clear(&report);
    report.key.seq = seq++;
    report.dt_ns = TICK_NS;
    report.valid = true;
    assert_int_equal(report_add_event(&report, "cpu_ns"), 0);
    assert_int_equal(report_add_event(&report, second_event), 0);
}

/* span_ns 0: there was none, for a reason. */
static void add_energy(enum domain domain, int64_t span_ns, int64_t energy_uj)
{
    struct energy_sample *sample;
    assert_int_equal(report_add_energy(&report, &sample), 0);
    sample->domain = domain;
    sample->package = 0;
    sample->valid = span_ns > 0;
    if (span_ns > 0) {
        sample->dt_ns = span_ns;
        sample->energy_uj = energy_uj;
    } else {
        (void)snprintf(sample->reason, sizeof(sample->reason), "no_update");
    }
}

static struct count_row *add_row(const char *target, int64_t cpu_ns, int64_t second)
{
    struct count_row *row;
    assert_int_equal(target ? report_add_target(&report, &row) : report_add_total(&report, &row),
                     0);
    row->target = target ? target : "";
    row->package = 0;
    row->has_counts = true;
    int64_t *counts = report_counts(&report, row);
    counts[0] = cpu_ns;
    counts[1] = second;
    return row;
}

static void build(void)
{
    assert_int_equal(scopes_build(scopes, &report, NULL, &reasons, &list, &n_scopes), 0);
}

/* /b works in the first tick, /a in the second, "other" in both. */
static void build_tick_without_energy(void)
{
    begin("instructions");
    add_energy(DOMAIN_PACKAGE, 0, 0);
    (void)add_row("/b", 1000, 600);
    (void)add_row(NULL, 1400, 700);
    build();
    assert_true(isnan(list[0].tick.measured_w));
    assert_int_equal(list[0].tick.n_activities, 2);
}

static void build_tick_with_energy(int64_t span_ns)
{
    begin("instructions");
    add_energy(DOMAIN_PACKAGE, span_ns, 40000000);
    (void)add_row("/a", 3000, 5000);
    (void)add_row(NULL, 3200, 6000);
    build();
}

static void assert_whole_span(void)
{
    const struct scope_tick *tick = &list[0].tick;
    assert_int_equal(n_scopes, 1);
    assert_near(tick->measured_w, 10.0);
    assert_near(tick->dt_s, 4.0);
    assert_int_equal(tick->n_activities, 3);
    assert_string_equal(tick->activities[0].name, "/a");
    assert_string_equal(tick->activities[1].name, "/b");
    assert_string_equal(tick->activities[2].name, "other");
    assert_near(tick->activities[0].rates[0], 750.0);
    assert_near(tick->activities[0].rates[1], 1250.0);
    assert_near(tick->activities[1].rates[0], 250.0);
    assert_near(tick->activities[1].rates[1], 150.0);
    assert_near(tick->activities[2].rates[0], 150.0);
    assert_near(tick->total_rates[0], 1150.0);
    assert_near(tick->total_rates[1], 1675.0);
}

static void assert_own_tick(void)
{
    assert_int_equal(list[0].tick.n_activities, 2);
    assert_string_equal(list[0].tick.activities[0].name, "/a");
    assert_near(list[0].tick.activities[0].rates[0], 1500.0);
    assert_near(list[0].tick.total_rates[0], 1600.0);
}

static void energy_of_two_ticks_is_split_by_both(void **state)
{
    (void)state;
    build_tick_without_energy();
    build_tick_with_energy(2 * TICK_NS + 1000);
    assert_true(list[0].tick.learn);
    build_tick_without_energy();
    build_tick_with_energy(2 * TICK_NS);
    assert_whole_span();
    build_tick_with_energy(TICK_NS); /* the next one is by itself again */
    assert_own_tick();
    assert_true(list[0].tick.learn);
}

/* A slow source says nothing at all in the ticks between. */
static void an_absent_source_is_waited_for(void **state)
{
    (void)state;
    build_tick_with_energy(TICK_NS);
    for (int i = 0; i < 2; i++) {
        begin("instructions");
        add_energy(DOMAIN_MACHINE, TICK_NS, 30000000);
        (void)add_row("/b", 1000, 600);
        build();
        assert_int_equal(n_scopes, 1);
        assert_int_equal(list[0].domain, DOMAIN_MACHINE);
        assert_near(list[0].tick.activities[0].rates[0], 500.0);
    }
    build_tick_with_energy(3 * TICK_NS);
    assert_int_equal(n_scopes, 1);
    assert_int_equal(list[0].tick.n_activities, 3);
    assert_near(list[0].tick.activities[1].rates[0], 2000 / 6.0);
    assert_near(list[0].tick.activities[0].rates[0], 500.0);
    assert_int_equal(reasons.n_words, 0);
}

/* Its clock is that of all of them, too. */
static void clocks_are_added_up(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct clock_sample *clock;
        begin("instructions");
        add_energy(DOMAIN_PACKAGE, i == 0 ? 0 : 2 * TICK_NS, 40000000);
        (void)add_row("/a", 1000, 600);
        assert_int_equal(report_add_clock(&report, &clock), 0);
        *clock = (struct clock_sample){.package = 0, .aperf = 3 + i, .mperf = 2};
        build();
    }
    assert_near(list[0].tick.aperf, 7.0);
    assert_near(list[0].tick.mperf, 4.0);
    assert_near(list[0].tick.clock_ratio, 1.75);
}

/* A counter that began anew, a tick that was lost on the way: its energy is not that of the ticks
 * that were kept. */
static void energy_of_another_span_has_its_own_tick(void **state)
{
    (void)state;
    build_tick_without_energy();
    build_tick_with_energy(TICK_NS);
    assert_own_tick();
    assert_true(list[0].tick.learn);
    build_tick_without_energy();
    build_tick_with_energy(3 * TICK_NS);
    assert_own_tick();
    assert_false(list[0].tick.learn);
}

static void what_cannot_be_added_is_not_kept(void **state)
{
    (void)state;
    begin("llc_misses");
    add_energy(DOMAIN_PACKAGE, 0, 0);
    (void)add_row("/b", 1000, 600);
    build();
    build_tick_with_energy(2 * TICK_NS); /* other events */
    assert_own_tick();
    assert_false(list[0].tick.learn);
    begin("instructions");
    add_energy(DOMAIN_PACKAGE, 0, 0);
    build(); /* a tick in which nothing was counted */
    build_tick_with_energy(2 * TICK_NS);
    assert_own_tick();
    assert_false(list[0].tick.learn);
    for (int i = 0; i <= HELD_TICKS_MAX; i++)
        build_tick_without_energy();
    build_tick_with_energy((HELD_TICKS_MAX + 2) * TICK_NS);
    assert_own_tick();
    assert_false(list[0].tick.learn);
    build_tick_without_energy(); /* and it goes on */
    build_tick_with_energy(2 * TICK_NS);
    assert_whole_span();
}

/* Who worked before a tick that was lost, or in another run of the sensor, does not pay for it. */
static void ticks_follow_each_other(void **state)
{
    (void)state;
    build_tick_without_energy();
    seq++;
    build_tick_with_energy(2 * TICK_NS);
    assert_own_tick();
    assert_false(list[0].tick.learn);
    build_tick_without_energy();
    seq = 0;
    build_tick_with_energy(2 * TICK_NS);
    assert_own_tick();
    assert_false(list[0].tick.learn);
    build_tick_without_energy();
    seq++;
    build_tick_without_energy();
    seq = 0; /* all that its energy is of is known again */
    build_tick_without_energy();
    build_tick_with_energy(2 * TICK_NS);
    assert_whole_span();
    assert_true(list[0].tick.learn);
}

/* The next energy begins there, and not where the last one that is known ended. */
static void what_begins_anew_is_not_waited_for(void **state)
{
    (void)state;
    static const char *const anew[] = {"reopened", "counter_reset"};
    for (size_t i = 0; i < 3; i++) {
        begin("instructions");
        if (i < 2) {
            add_energy(DOMAIN_PACKAGE, 0, 0);
            (void)snprintf(report.energy[0].reason, sizeof(report.energy[0].reason), "%s", anew[i]);
        } else {
            add_energy(DOMAIN_PACKAGE, TICK_NS, INT64_C(1) << 60); /* nobody believes it */
        }
        (void)add_row("/early", 500, 100);
        build();
        assert_int_equal(list[0].measured_uj, VALUE_ABSENT);
        build_tick_without_energy();
        build_tick_with_energy(2 * TICK_NS);
        assert_whole_span();
        assert_true(list[0].tick.learn);
    }
}

static void build_many(size_t first, size_t n, int64_t span_ns)
{
    static char names[HELD_TARGETS_MAX + 2][16];
    begin("instructions");
    add_energy(DOMAIN_PACKAGE, span_ns, 40000000);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "/t%06zu", first + i);
        (void)add_row(names[i], (int64_t)(first + i) + 1, 1);
    }
    build();
}

/* Names that were forgotten meanwhile, their numbers given to others, among them. */
static void who_is_gone_is_charged(void **state)
{
    (void)state;
    build_many(0, 10000, 0);
    build_many(10000, 10000, 0);
    build_many(20000, 10000, 0);
    build_many(30000, 10, 4 * TICK_NS);
    assert_int_equal(list[0].tick.n_activities, 30010);
    for (size_t i = 0; i < 30010; i++) {
        const struct activity *activity = &list[0].tick.activities[i];
        char name[16];
        (void)snprintf(name, sizeof(name), "/t%06zu", i);
        assert_string_equal(activity->name, name);
        assert_near(activity->rates[0], (double)(i + 1) / 8);
    }
}

/* Ticks in between cost what they did without; where too many come and go, all is lost. */
static void cost_is_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        build_many(i * 100, 100, 0);
    assert_int_equal(scopes->n_slots, 100);
    build_many(1000, 100, 5 * TICK_NS); /* of another span */
    assert_int_equal(scopes->n_slots, 100);
    build_many(0, HELD_TARGETS_MAX, 0);
    build_many(10, 2, 2 * TICK_NS);
    assert_int_equal(list[0].tick.n_activities, HELD_TARGETS_MAX);
    build_many(0, HELD_TARGETS_MAX + 1, 0);
    build_many(10, 2, 2 * TICK_NS);
    assert_int_equal(list[0].tick.n_activities, 2);
    assert_false(list[0].tick.learn);
}

/* One tick of which too little was seen makes all of them doubtful; what one did not count of a
 * target is not known of it. */
static void a_doubtful_tick_makes_all_doubtful(void **state)
{
    (void)state;
    begin("instructions");
    add_energy(DOMAIN_PACKAGE, 0, 0);
    struct count_row *row = add_row("/b", 1, VALUE_ABSENT); /* 1 of 1000 was seen */
    (void)add_row("/c", 100, 1);
    row->enabled_ns = TICK_NS;
    row->running_ns = TICK_NS / 1000;
    build();
    build_tick_with_energy(2 * TICK_NS);
    assert_int_equal(list[0].tick.n_activities, 4);
    assert_near(list[0].tick.activities[1].rates[0], 250.0); /* its CPU time is */
    assert_true(isnan(list[0].tick.activities[1].rates[1]));
    assert_near(list[0].tick.activities[2].rates[0], 25.0);
    assert_false(list[0].tick.learn);
    assert_true(list[0].tick.learn_idle);
    begin("instructions");
    report.valid = false;
    add_energy(DOMAIN_PACKAGE, 0, 0);
    (void)add_row("/b", 1000, 600);
    (void)add_row(NULL, 1400, 700);
    build();
    build_tick_with_energy(2 * TICK_NS);
    assert_whole_span();
    assert_false(list[0].tick.learn);
}

static void save_and_load(bson_t *saved)
{
    struct state_io out = {.out = saved};
    assert_int_equal(scopes_visit(scopes, &out), 0);
    assert_false(out.is_damaged);
    scopes_free(scopes);
    assert_int_equal(scopes_new(&scopes, 0), 0);
    struct state_io in = {.in = saved};
    assert_int_equal(scopes_visit(scopes, &in), 0);
    assert_false(in.is_damaged);
}

static void a_saved_state_keeps_them(void **state)
{
    (void)state;
    bson_t saved = BSON_INITIALIZER;
    build_tick_without_energy();
    save_and_load(&saved);
    build_tick_with_energy(2 * TICK_NS);
    assert_whole_span();
    assert_true(list[0].tick.learn);
    bson_reinit(&saved);
    save_and_load(&saved); /* nothing is held: a source that is late from here on is waited for */
    begin("instructions");
    (void)add_row("/b", 1000, 600);
    (void)add_row(NULL, 1400, 700);
    build();
    assert_int_equal(n_scopes, 0);
    build_tick_with_energy(2 * TICK_NS);
    assert_whole_span();
    bson_destroy(&saved);
}

/* A state with one word changed is refused, or its use does no harm. */
static void a_broken_state_does_no_harm(void **state)
{
    (void)state;
    struct held_counts held = {.domain = DOMAIN_PACKAGE}, read;
    bson_t saved = BSON_INITIALIZER;
    const struct activity activities[] = {{.name = "/a", .rates = (const double[]){1, 2}},
                                          {.name = "/b", .rates = (const double[]){3, 4}}};
    struct scope scope = {.tick = {.n_events = 2,
                                   .events = (const char *const[]){"cpu_ns", "cycles"},
                                   .n_activities = 2,
                                   .activities = activities,
                                   .total_rates = (const double[]){4, 6}}};
    held_counts_clear(&held);
    assert_int_equal(held_counts_add(&held, &scope, TICK_NS, true), 0);
    struct state_io out = {.out = &saved};
    assert_int_equal(held_counts_visit(&held, &out), 0);
    size_t n_refused = 0;
    for (uint32_t at = 4; at < saved.len; at++) {
        uint8_t *bytes = (uint8_t *)bson_get_data(&saved);
        uint8_t kept = bytes[at];
        bytes[at] ^= 0xff;
        struct state_io in = {.in = &saved};
        read = (struct held_counts){0};
        assert_int_equal(held_counts_visit(&read, &in), 0);
        n_refused += in.is_damaged;
        if (!in.is_damaged)
            assert_int_equal(held_counts_add(&read, &scope, TICK_NS, true), 0);
        held_counts_deinit(&read);
        bytes[at] = kept;
    }
    assert_true(n_refused > saved.len / 4);
    held_counts_deinit(&held);
    bson_destroy(&saved);
}

static void set_word(bson_t *saved, const char *path, size_t at, uint64_t word)
{
    bson_iter_t iter, found;
    const uint8_t *bytes;
    uint32_t size;
    assert_true(bson_iter_init(&iter, saved) && bson_iter_find_descendant(&iter, path, &found));
    bson_iter_binary(&found, NULL, &size, &bytes);
    assert_true((at + 1) * sizeof(word) <= size);
    word = htole64(word);
    memcpy((uint8_t *)bytes + at * sizeof(word), &word, sizeof(word));
}

static bool is_refused(const bson_t *saved)
{
    struct state_io in = {.in = saved};
    struct scopes *read;
    assert_int_equal(scopes_new(&read, 0), 0);
    assert_int_equal(scopes_visit(read, &in), 0);
    scopes_free(read);
    return in.is_damaged;
}

/* Words of "numbers". */
enum { DOMAIN, PACKAGE, IS_LOST, N_TICKS = 4, SPAN };

/* Each of these could be written, but not by us. */
static void a_crafted_state_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        struct {
            size_t at;
            uint64_t word;
        } words[2];
    } crafted[] = {
        {"held0.numbers", {{N_TICKS, 0}, {SPAN, 0}}}, /* targets, but no tick: no room for one */
        {"held0.numbers", {{N_TICKS, 0}, {N_TICKS, 0}}},
        {"held0.numbers", {{SPAN, 0}, {SPAN, 0}}},
        {"held0.numbers", {{IS_LOST, 1}, {IS_LOST, 1}}},
        {"held1.numbers", {{DOMAIN, DOMAIN_PACKAGE}, {PACKAGE, 0}}}, /* twice */
        {"held1.numbers", {{DOMAIN, DOMAIN_GPU}, {DOMAIN, DOMAIN_GPU}}},
        {"held1.numbers", {{DOMAIN, DOMAIN_CORE}, {DOMAIN, DOMAIN_CORE}}},
    };
    for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
        bson_t saved = BSON_INITIALIZER;
        struct state_io out = {.out = &saved};
        begin("instructions");
        add_energy(DOMAIN_PACKAGE, 0, 0);
        add_energy(DOMAIN_DRAM, TICK_NS, 1000000);
        (void)add_row("/b", 1000, 600);
        build();
        assert_int_equal(scopes_visit(scopes, &out), 0);
        assert_false(is_refused(&saved));
        for (size_t w = 0; w < 2; w++)
            set_word(&saved, crafted[i].path, crafted[i].words[w].at, crafted[i].words[w].word);
        if (!is_refused(&saved))
            fail_msg("%zu is taken", i);
        bson_destroy(&saved);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(energy_of_two_ticks_is_split_by_both),
        TEST(an_absent_source_is_waited_for),
        TEST(clocks_are_added_up),
        TEST(energy_of_another_span_has_its_own_tick),
        TEST(what_cannot_be_added_is_not_kept),
        TEST(ticks_follow_each_other),
        TEST(what_begins_anew_is_not_waited_for),
        TEST(who_is_gone_is_charged),
        TEST(cost_is_bounded),
        TEST(a_doubtful_tick_makes_all_doubtful),
        TEST(a_saved_state_keeps_them),
        TEST(a_broken_state_does_no_harm),
        TEST(a_crafted_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
