/* SPDX-License-Identifier: BSD-3-Clause */
/* A source that blocks holds up nobody: what it says is there when it says it, and what it does not
 * say is missing. "third" of the scripted sources is slow, and blocks where a test says so. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "common/scope.h"
#include "sensor/slow_source.h"
#include "tests/unit/scripted_sources.h"

#define LIMIT_NS (60 * NS_PER_S) /* for what happens at once, on a busy machine */

/* What the thread stands at. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut, is_waiting;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void pass_gate(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.is_waiting = true;
    (void)pthread_cond_broadcast(&gate.changed);
    while (gate.is_shut)
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    gate.is_waiting = false;
    (void)pthread_mutex_unlock(&gate.lock);
}

static void shut_gate(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.is_shut = true;
    (void)pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.is_shut = false;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void wait_at_gate(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    while (!gate.is_waiting)
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

static int read_blocking(struct source *source, const struct topology *here, struct report *report)
{
    pass_gate();
    return read_source(source, here, report);
}

static struct source_ops blocking;
static struct source *source;
static struct report report;
static int n_counted;

static int count_blocking(struct source *unused, struct targets *targets, struct report *into)
{
    (void)unused, (void)targets, (void)into;
    n_counted++;
    return 0;
}

static int open_blocking(struct source **ret_source, const struct host *here,
                         const struct topology *unused, const void *settings, struct error *err)
{
    (void)here, (void)unused, (void)settings;
    return open_source(&scripts[2], &blocking, ret_source, err);
}

static int set_up(void **state)
{
    (void)set_up_sources(state);
    gate.is_shut = gate.is_waiting = false;
    make_script(2, GPU, 2);
    blocking = *source_table[2];
    blocking.open = open_blocking;
    blocking.read = read_blocking;
    blocking.count = count_blocking;
    n_counted = 0;
    report_init(&report);
    return slow_source_open(&source, &blocking, &host, &topology, NULL, NULL);
}

static int tear_down(void **state)
{
    open_gate();
    source->ops->close(source);
    report_deinit(&report);
    return tear_down_sources(state);
}

/* A tick, after some time; the clock is only set while the thread looks elsewhere. */
static void tick(uint64_t after_ns)
{
    if (after_ns > 0)
        now_ns += after_ns;
    report_clear(&report);
    assert_int_equal(source->ops->read(source, &topology, &report), 0);
    assert_int_equal(source->ops->count(source, NULL, &report), 0);
}

static void expect_samples(bool is_valid)
{
    assert_int_equal(report.n_energy, 2);
    for (int i = 0; i < 2; i++) {
        const struct energy_sample *sample = &report.energy[i];
        assert_int_equal(sample->domain, DOMAIN_GPU);
        assert_int_equal(sample->package, i);
        assert_string_equal(sample->source, "third");
        assert_int_equal(sample->valid, is_valid);
        if (is_valid)
            assert_int_equal(sample->energy_uj, 100);
        else
            assert_string_equal(sample->reason, "no_answer");
    }
}

/* Ticks that take no time, until there are samples. */
static void tick_until_answered(void)
{
    uint64_t until_ns = clock_monotonic_ns(&clock_system) + LIMIT_NS;
    do {
        assert_true(clock_monotonic_ns(&clock_system) < until_ns);
        (void)sched_yield();
        tick(0);
    } while (report.n_energy == 0 || !report.energy[0].valid);
}

static void what_answers_in_time_is_in_the_tick(void **state)
{
    (void)state;
    tick(NS_PER_S);
    expect_samples(true); /* by ourselves: no thread yet */
    assert_int_equal(slow_source_start(source, LIMIT_NS), 0);
    for (int i = 0; i < 100; i++) {
        tick(NS_PER_S);
        expect_samples(true);
    }
    assert_int_equal(n_counted, 101);
}

static void what_blocks_is_missing_and_holds_up_nobody(void **state)
{
    (void)state;
    assert_int_equal(slow_source_start(source, NS_PER_MS), 0);
    shut_gate();
    tick(NS_PER_S);
    assert_int_equal(report.n_energy, 0); /* it may be slow only */
    wait_at_gate();
    tick(NS_PER_S);
    assert_int_equal(report.n_energy, 0);
    tick(NS_PER_S);
    expect_samples(false);
    tick(NS_PER_S);
    expect_samples(false);
    assert_int_equal(n_counted, 0);
    int64_t read_at_ns = (int64_t)now_ns;
    open_gate();
    tick_until_answered();
    expect_samples(true);
    assert_true(report.energy[0].skew_ns <= read_at_ns); /* of its own moment */
    assert_int_equal(n_counted, 1);
    assert_int_equal(scripts[2].n_reads, 1); /* one question is one reading */
}

/* By the real clock: how long a tick takes whose question is not answered. */
static uint64_t unanswered_tick_ns(void)
{
    shut_gate();
    uint64_t began_ns = clock_monotonic_ns(&clock_system);
    tick(NS_PER_S);
    uint64_t took_ns = clock_monotonic_ns(&clock_system) - began_ns;
    wait_at_gate();
    assert_int_equal(report.n_energy, 0);
    return took_ns;
}

/* What was slow once is waited for no more, until it is quick again. */
static void ticks_wait_for_the_quick_only(void **state)
{
    (void)state;
    const uint64_t patience_ns = NS_PER_S / 2;
    assert_int_equal(slow_source_start(source, patience_ns), 0);
    assert_true(unanswered_tick_ns() >= patience_ns);
    uint64_t until_ns = clock_monotonic_ns(&clock_system) + patience_ns;
    while (clock_monotonic_ns(&clock_system) < until_ns)
        (void)sched_yield(); /* the answer comes late for sure */
    open_gate();
    tick_until_answered();
    assert_true(unanswered_tick_ns() < patience_ns);
    open_gate();
    tick_until_answered();
    expect_samples(true);
    tick(NS_PER_S); /* at once, and waited for or not */
    if (report.n_energy == 0)
        tick_until_answered();
    assert_true(unanswered_tick_ns() >= patience_ns);
}

static void rates_of_their_own_are_kept(void **state)
{
    (void)state;
    tick(NS_PER_S);
    source->due_ns = now_ns + 10 * NS_PER_S;
    assert_int_equal(slow_source_start(source, LIMIT_NS), 0);
    tick(9 * NS_PER_S);
    assert_int_equal(report.n_energy, 0);
    assert_int_equal(scripts[2].n_reads, 1);
    tick(NS_PER_S);
    expect_samples(true);
}

static void it_describes_itself_while_it_blocks(void **state)
{
    (void)state;
    SCOPED(host_record_deinit) struct host_record record;
    host_record_init(&record);
    assert_int_equal(slow_source_start(source, 0), 0);
    shut_gate();
    tick(NS_PER_S);
    wait_at_gate();
    assert_int_equal(source->ops->describe(source, &record), 0);
    assert_int_equal(record.n_sources, 2);
    assert_string_equal(record.sources[1].source, "third");
}

/* A topology is the sensor's, and it may be gone while the source still looks at it. */
static void the_topology_may_change_meanwhile(void **state)
{
    (void)state;
    int32_t *numbers = malloc(sizeof(*numbers));
    assert_non_null(numbers);
    *numbers = 7;
    struct topology here = {.packages = numbers, .n_packages = 1}, copy = {0};
    assert_int_equal(topology_assign(&copy, &here), 0);
    free(numbers);
    assert_int_equal(copy.n_packages, 1);
    assert_int_equal(copy.packages[0], 7);
    topology_deinit(&copy);
}

#define WITH_GATE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GATE(what_answers_in_time_is_in_the_tick),
        WITH_GATE(what_blocks_is_missing_and_holds_up_nobody),
        WITH_GATE(ticks_wait_for_the_quick_only),
        WITH_GATE(rates_of_their_own_are_kept),
        WITH_GATE(it_describes_itself_while_it_blocks),
        WITH_GATE(the_topology_may_change_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
