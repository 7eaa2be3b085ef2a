/* SPDX-License-Identifier: BSD-3-Clause */
/* Two sources of one counter: what differs by more than 2 % is found, what is only noise of the
 * beginning is not, and at the end nothing is open that is not used. */
#include <errno.h>
#include <string.h>

#include "common/scope.h"
#include "sensor/ladder.h"
#include "tests/unit/scripted_sources.h"

static void tick(uint64_t after_ns)
{
    SCOPED(report_deinit) struct report report;
    report_init(&report);
    now_ns += after_ns;
    assert_int_equal(ladder_read(&ladder, &topology, &report), 0);
}

/* Opens, and takes the first reading. */
static void climb(void)
{
    const struct ladder_settings settings = {.energy = "auto"};
    struct error err = {0};
    if (ladder_open(&ladder, &settings, &host, &topology, &err) < 0)
        fail_msg("%s", err.text);
    tick(0);
}

static void ticks(int n)
{
    for (int i = 0; i < n; i++)
        tick(NS_PER_S);
}

static void set_energy(struct script *script, int64_t energy_uj)
{
    for (size_t i = 0; i < script->n_rows; i++)
        script->rows[i].energy_uj = energy_uj;
}

static const struct check_pair *pair_of(enum domain domain, int32_t package)
{
    for (size_t i = 0; i < ladder.check.n_pairs; i++) {
        const struct check_pair *pair = &ladder.check.pairs[i];
        if (pair->domain == domain && pair->package == package)
            return pair;
    }
    fail_msg("%s %d is not compared", domain_name(domain), package);
    return NULL;
}

/* Field bug 4.2. */
static void a_disagreement_is_named_with_both_figures(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 2), *second = make_script(1, PKG, 2);
    set_energy(first, 20000000);
    set_energy(second, 20000000);
    second->rows[1].energy_uj = 21000000;
    climb();
    expect_sources(&ladder, "first");
    assert_int_equal(second->n_open, 1);
    ticks(1);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_AGREES);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 1)->state, CHECK_RUNNING); /* to be sure */
    ticks(1);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 1)->state, CHECK_DIFFERS);
    assert_int_equal(second->n_open, 0); /* it is over */
    char text[256];
    cross_check_sentence(pair_of(DOMAIN_PACKAGE, 1), text, sizeof(text));
    assert_string_equal(text, "package 1: first says 40.000 J in 2.000 s, second says 42.000 J in "
                              "2.000 s: 4.8 %");
    ticks(1);
    assert_true(pair_of(DOMAIN_PACKAGE, 1)->source_uj == 40e6);
}

/* 0.27 % is what perf and powercap differ by for the memory of servers. */
static void small_differences_agree(void **state)
{
    (void)state;
    struct script *first = make_script(0, RAM, 1), *second = make_script(1, RAM, 1);
    set_energy(first, 15258800);
    set_energy(second, 15300000);
    climb();
    ticks(1);
    assert_int_equal(pair_of(DOMAIN_DRAM, 0)->state, CHECK_AGREES);
}

/* A few units of energy, or a short time, say nothing of a percent. */
static void it_waits_for_enough_energy(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 1), *second = make_script(1, PKG, 1);
    set_energy(first, 61);
    set_energy(second, 122);
    climb();
    ticks(2);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_RUNNING);
    assert_int_equal(second->n_open, 1);
    set_energy(first, 0);
    set_energy(second, 0);
    ticks(3600);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_RUNNING);
    assert_int_equal(second->n_open, 1);
    int n_before = second->n_reads;
    ticks(40);
    assert_int_equal(second->n_reads - n_before, 10); /* rarely by now: each covers four seconds */
    set_energy(first, 20000000);
    set_energy(second, 84000000);
    second->rows[0].dt_ns = 4 * (int64_t)NS_PER_S;
    ticks(40);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_DIFFERS);
    assert_int_equal(second->n_open, 0);
}

static void a_counter_that_stands_still_disagrees(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 1), *second = make_script(1, PKG, 1);
    set_energy(first, 0);
    set_energy(second, 20000000);
    climb();
    ticks(2);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_DIFFERS);
    assert_true(cross_check_difference(pair_of(DOMAIN_PACKAGE, 0)) == 1);
}

/* Of spans that are not the same, powers are compared. */
static void spans_may_differ(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 1), *second = make_script(1, PKG, 1);
    set_energy(first, 10000000);
    set_energy(second, 9950000);
    second->rows[0].dt_ns = 995 * (int64_t)NS_PER_MS;
    climb();
    ticks(1);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_AGREES);
    assert_true(cross_check_difference(pair_of(DOMAIN_PACKAGE, 0)) < 1e-9);
}

static void a_hole_begins_it_anew(void **state)
{
    (void)state;
    for (size_t failing = 0; failing < 2; failing++) {
        struct script *both[] = {make_script(0, PKG, 1), make_script(1, PKG, 1)};
        set_energy(both[0], 20000);
        set_energy(both[1], 40000);
        climb();
        ticks(1); /* too little */
        assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_RUNNING);
        both[failing]->rows[0].reason = "read_error";
        ticks(1);
        both[failing]->rows[0].reason = NULL;
        set_energy(both[0], 50000);
        set_energy(both[1], 50000);
        ticks(1);
        assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_RUNNING);
        ticks(1);
        assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_AGREES);
        ladder_close(&ladder);
    }
}

/* A failed reading whose energy the next one has is no hole. */
static void what_is_made_up_for_is_no_hole(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 1), *second = make_script(1, PKG, 1);
    set_energy(first, 10000);
    set_energy(second, 10000);
    climb();
    second->rows[0].reason = "no_update";
    ticks(9);
    second->rows[0].reason = NULL;
    second->rows[0].energy_uj = 100000;
    second->rows[0].dt_ns = 10 * (int64_t)NS_PER_S;
    ticks(1);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_AGREES);
}

/* At a thousand ticks a second the second source is not read at each. */
static void short_ticks_are_not_burdened(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 1), *second = make_script(1, PKG, 1);
    set_energy(first, 20000);
    first->rows[0].dt_ns = (int64_t)NS_PER_MS;
    set_energy(second, 1050000); /* of 50 ticks: 5 % more */
    second->rows[0].dt_ns = 50 * (int64_t)NS_PER_MS;
    climb();
    for (int i = 0; i < 3000; i++)
        tick(NS_PER_MS);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_DIFFERS);
    assert_float_equal(cross_check_difference(pair_of(DOMAIN_PACKAGE, 0)), 1 - 1 / 1.05, 1e-6);
    assert_true(second->n_reads <= 61);
}

/* A source that is in use for another domain is compared too, and stays open. */
static void sources_in_use_are_compared(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 2), *second = make_script(1, PKG | RAM, 2);
    set_energy(first, 20000000);
    set_energy(second, 30000000);
    climb();
    expect_sources(&ladder, "first second");
    ticks(2);
    assert_int_equal(ladder.check.n_pairs, 2);
    assert_int_equal(pair_of(DOMAIN_PACKAGE, 0)->state, CHECK_DIFFERS);
    assert_int_equal(second->n_open, 1);
}

/* psys is described once it has moved. */
static void what_moves_later_is_compared_too(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG | PSYS, 1), *second = make_script(1, PKG | PSYS, 1);
    set_energy(first, 20000000);
    set_energy(second, 30000000);
    first->rows[1].is_unmoved = second->rows[1].is_unmoved = true;
    climb();
    assert_int_equal(ladder.check.n_pairs, 1);
    first->rows[1].is_unmoved = false;
    ticks(1);
    assert_int_equal(ladder.check.n_pairs, 1);
    second->rows[1].is_unmoved = false;
    ticks(1);
    assert_int_equal(ladder.check.n_pairs, 2);
    ticks(3);
    assert_int_equal(ladder.check.n_pairs, 2);
    assert_int_equal(pair_of(DOMAIN_PSYS, PACKAGE_NONE)->state, CHECK_DIFFERS);
    assert_int_equal(second->n_open, 0);
}

/* A slow source that has nothing of what is in use is closed as what it was opened as. */
static void what_makes_no_pair_is_closed(void **state)
{
    (void)state;
    struct script *third = make_script(2, PSYS, 1); /* slow */
    make_script(0, PKG | PSYS, 1);
    third->rows[0].is_unmoved = true;
    climb();
    expect_sources(&ladder, "first");
    assert_int_equal(ladder.check.n_spares, 0);
    assert_int_equal(third->n_open, 0);
}

static void nothing_is_compared_with_an_estimate(void **state)
{
    (void)state;
    make_script(3, DOMAIN_BIT(DOMAIN_MACHINE), 1);
    make_script(0, WALL, 1);
    make_script(1, PKG, 1)->availability = SOURCE_UNREADABLE;
    climb();
    assert_int_equal(ladder.check.n_pairs, 0);
    ladder_close(&ladder);
    make_script(1, DOMAIN_BIT(DOMAIN_MACHINE), 1);
    climb();
    assert_int_equal(ladder.check.n_pairs, 0);
    assert_int_equal(scripts[3].n_open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SOURCES(a_disagreement_is_named_with_both_figures),
        WITH_SOURCES(small_differences_agree),
        WITH_SOURCES(it_waits_for_enough_energy),
        WITH_SOURCES(a_counter_that_stands_still_disagrees),
        WITH_SOURCES(spans_may_differ),
        WITH_SOURCES(a_hole_begins_it_anew),
        WITH_SOURCES(what_is_made_up_for_is_no_hole),
        WITH_SOURCES(short_ticks_are_not_burdened),
        WITH_SOURCES(sources_in_use_are_compared),
        WITH_SOURCES(what_moves_later_is_compared_too),
        WITH_SOURCES(what_makes_no_pair_is_closed),
        WITH_SOURCES(nothing_is_compared_with_an_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
