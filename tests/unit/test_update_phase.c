/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters that are updated about once a millisecond, and ticks that are woken somewhat late: with
 * the phase followed, a constant load is seen as constant, at the price of few repeated readings;
 * what shows no updates is left in peace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "sensor/update_phase.h"

#define INTERVAL_NS UINT64_C(1000000)
#define LOOK_NS 3000
#define N_TICKS 20000
#define N_FIRST 1000 /* the phase is looked for */

struct counter {
    double period_ns; /* 0: never updated */
    uint64_t jitter_ns;
    uint64_t wake_ns;     /* ticks are late by up to this */
    uint64_t stall_every; /* one tick in so many is later by 0.7 intervals */
};

struct result {
    double deviation; /* of power, over its mean */
    double mean;
    double looks; /* per tick */
    uint64_t n_samples;
};

static uint64_t hash(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ (x >> 27)) * UINT64_C(0x81dadef4bc2dd44d);
    return x ^ (x >> 33);
}

static double update_ns(const struct counter *counter, uint64_t number)
{
    uint64_t late_ns = counter->jitter_ns ? hash(number) % counter->jitter_ns : 0;
    return (double)number * counter->period_ns + (double)late_ns;
}

/* The moment of the last update, which is what the counter's value stands for at constant power. */
static double value_at(const struct counter *counter, uint64_t at_ns)
{
    if (counter->period_ns == 0)
        return 0;
    uint64_t number = (uint64_t)((double)at_ns / counter->period_ns);
    return update_ns(counter, number) <= (double)at_ns ? update_ns(counter, number)
                                                       : update_ns(counter, number - 1);
}

static struct result simulate(const struct counter *counter, bool follows)
{
    struct update_phase phase;
    update_phase_init(&phase, INTERVAL_NS);
    double value = 0, sum = 0, sum_squares = 0;
    uint64_t shown_ns = 0, n_looks = 0, n = 0, last_ns = 0;
    for (uint64_t tick = 10; tick < N_TICKS; tick++) {
        uint64_t due_ns = tick * INTERVAL_NS + (uint64_t)(follows ? phase.offset_ns : 0);
        if (due_ns < last_ns + INTERVAL_NS / 2)
            continue; /* the period has no tick of its own */
        last_ns = due_ns;
        uint64_t at_ns = due_ns + hash(tick * 7) % counter->wake_ns, waited_ns = 0;
        bool is_late = counter->stall_every && tick % counter->stall_every == 0;
        at_ns += is_late ? INTERVAL_NS * 7 / 10 : 0;
        uint64_t patience_ns = follows && !is_late ? update_phase_patience_ns(&phase) : 0;
        for (n_looks++; value_at(counter, at_ns + waited_ns) <= value && waited_ns < patience_ns;
             n_looks++)
            waited_ns += LOOK_NS;
        at_ns += waited_ns;
        bool is_updated = value_at(counter, at_ns) > value;
        uint64_t lag_ns = is_updated && follows ? update_phase_lag_ns(&phase, at_ns, waited_ns) : 0;
        if (!is_late)
            update_phase_note(&phase,
                              !is_updated ? UPDATE_NOT
                              : waited_ns ? UPDATE_LATER
                                          : UPDATE_AT_ONCE,
                              waited_ns);
        if (!is_updated && follows)
            continue;
        double power = (value_at(counter, at_ns) - value) / (double)(at_ns - lag_ns - shown_ns);
        value = value_at(counter, at_ns);
        shown_ns = at_ns - lag_ns;
        if (tick < N_FIRST)
            continue;
        sum += power;
        sum_squares += power * power;
        n++;
    }
    double mean = n ? sum / (double)n : 0;
    return (struct result){.mean = mean,
                           .deviation = n ? sqrt(sum_squares / (double)n - mean * mean) / mean : 0,
                           .looks = (double)n_looks / N_TICKS,
                           .n_samples = n};
}

static void a_constant_load_is_constant(void **state)
{
    (void)state;
    static const struct {
        struct counter counter;
        double deviation;
    } cases[] = {
        /* The jitter alone makes 0.289 * sqrt(2) * jitter / period. */
        {{.period_ns = 1000000, .jitter_ns = 0, .wake_ns = 60000}, 0.01},
        {{.period_ns = 1001000, .jitter_ns = 40000, .wake_ns = 60000}, 0.03},
        {{.period_ns = 999000, .jitter_ns = 40000, .wake_ns = 60000}, 0.06},
        {{.period_ns = 1000000, .jitter_ns = 100000, .wake_ns = 10000}, 0.06},
        {{.period_ns = 1003000, .jitter_ns = 40000, .wake_ns = 100000}, 0.06},
        {{.period_ns = 1001000, .jitter_ns = 40000, .wake_ns = 60000, .stall_every = 50}, 0.06},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct result followed = simulate(&cases[i].counter, true);
        struct result plain = simulate(&cases[i].counter, false);
        print_message(
            "period %.0f ns: deviation %.1f %%, not followed %.1f %%; %.2f looks per tick\n",
            cases[i].counter.period_ns, 100 * followed.deviation, 100 * plain.deviation,
            followed.looks);
        assert_true(followed.deviation < cases[i].deviation);
        assert_true(fabs(followed.mean - 1) < 0.01);
        assert_true(followed.looks < 4);
        assert_true(followed.n_samples > (N_TICKS - N_FIRST) * 97 / 100);
    }
}

static void a_counter_that_stands_still_is_left_in_peace(void **state)
{
    (void)state;
    struct result result = simulate(&(struct counter){.wake_ns = 20000}, true);
    assert_int_equal(result.n_samples, 0);
    assert_true(result.looks < 2); /* 84 in each of 8 ticks in about 1000 */
}

static void so_is_one_without_edges(void **state)
{
    (void)state;
    struct update_phase phase;
    update_phase_init(&phase, INTERVAL_NS);
    unsigned n_moves = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t before_ns = phase.offset_ns;
        update_phase_note(&phase, UPDATE_AT_ONCE, 0);
        n_moves += phase.offset_ns != before_ns;
    }
    assert_in_range(n_moves, 1, 400);
}

static void it_finds_the_edge_again(void **state)
{
    (void)state;
    struct update_phase phase;
    update_phase_init(&phase, INTERVAL_NS);
    for (int i = 0; i < 8; i++)
        update_phase_note(&phase, UPDATE_NOT, 0);
    assert_int_equal(update_phase_patience_ns(&phase), 0);
    for (int i = 0; i < 1000; i++)
        update_phase_note(&phase, UPDATE_NOT, 0);
    assert_int_equal(update_phase_patience_ns(&phase), INTERVAL_NS / 4);
}

static void an_update_is_counted_on_from_the_last_one_met(void **state)
{
    (void)state;
    struct update_phase phase;
    update_phase_init(&phase, INTERVAL_NS);
    assert_int_equal(update_phase_lag_ns(&phase, 50 * INTERVAL_NS, 0), 0); /* none was met */
    assert_int_equal(update_phase_lag_ns(&phase, 51 * INTERVAL_NS, 20000), 0);
    assert_int_equal(update_phase_lag_ns(&phase, 52 * INTERVAL_NS + 70000, 0), 70000);
    assert_int_equal(update_phase_lag_ns(&phase, 53 * INTERVAL_NS + 900000, 0),
                     900000); /* woken late */
    assert_int_equal(update_phase_lag_ns(&phase, 54 * INTERVAL_NS + 10000, 0), 10000);
    assert_int_equal(update_phase_lag_ns(&phase, 55 * INTERVAL_NS - 5000, 0),
                     0); /* it came early */
    assert_int_equal(update_phase_lag_ns(&phase, 56 * INTERVAL_NS, 0), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_load_is_constant),
        cmocka_unit_test(a_counter_that_stands_still_is_left_in_peace),
        cmocka_unit_test(so_is_one_without_edges),
        cmocka_unit_test(it_finds_the_edge_again),
        cmocka_unit_test(an_update_is_counted_on_from_the_last_one_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
