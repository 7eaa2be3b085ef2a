/* SPDX-License-Identifier: BSD-3-Clause */
/* Readings of the power PMU that the kernel takes by itself (made_power_pmu.h): nothing is lost or
 * counted twice where they begin, end, or are not fetched in time. Skips (77) where it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <sched.h>
#include <sys/utsname.h>

#include "sensor/recorded_reading.h"
#include "sensor/recorded_ticks.h"
#include "tests/daemon/made_power_pmu.h"

static struct recorded_ticks ticks;

struct sums {
    uint64_t n_ticks, n_periods;
    double energy_uj, span_ns;
};

static int set_up_ticks(void **state)
{
    recorded_ticks_init(&ticks, &clock_system);
    int r = set_up(state);
    host.clock = &ticks.clock;
    return r;
}

static uint64_t moment_of(const struct energy_sample *sample)
{
    assert_true(sample->skew_ns != VALUE_ABSENT);
    return (uint64_t)sample->skew_ns;
}

static void add(struct sums *sums, const struct energy_sample *sample)
{
    if (!sample->valid)
        fail_msg("package %d is not valid: %s", (int)sample->package, sample->reason);
    sums->energy_uj += (double)sample->energy_uj;
    sums->span_ns += (double)sample->dt_ns;
    sums->n_ticks++;
}

static void add_tick(struct sums *sums)
{
    tick();
    assert_int_equal(report.n_energy, 1);
    add(sums, &report.energy[0]);
}

static int start_recording(uint64_t interval_ns)
{
    uint64_t first_ns = clock_monotonic_ns(&clock_system) + interval_ns;
    return recorded_ticks_start(
        &ticks, source,
        &(struct recording_plan){.first_ns = first_ns, .interval_ns = interval_ns});
}

/* Every tick is of its own moment. */
static void add_row(struct sums *sums)
{
    for (uint64_t n; (n = recorded_ticks_take(&ticks)) > 0; sums->n_periods += n) {
        uint64_t at_ns = clock_monotonic_ns(&ticks.clock);
        add_tick(sums);
        assert_true(moment_of(&report.energy[0]) == at_ns);
    }
}

static void assert_power(const struct sums *sums, double power_w)
{
    double error = sums->energy_uj / (power_w * sums->span_ns / 1e3) - 1;
    if (!(fabs(error) < 0.01))
        fail_msg("energy is off by %.3f %%", error * 100);
}

/* From where the last reading that was asked for ended to where the next one begins. */
static void nothing_is_lost_at_either_end(void **state)
{
    (void)state;
    struct sums sums = {0};
    double power_w = true_power_w();
    open_source();
    pass_ms(15);
    tick();
    uint64_t start_ns = moment_of(&report.energy[0]);
    assert_int_equal(start_recording(NS_PER_MS), 0);
    uint64_t first_ns = ticks.last_ns;
    for (int i = 0; i < 3; i++) {
        pass_ms(200);
        add_row(&sums);
        assert_true(recorded_ticks_end_row(&ticks));
    }
    assert_true(sums.n_ticks > 100); /* a busy machine may keep most interrupts waiting */
    sums.n_periods += recorded_ticks_end(&ticks);
    uint64_t n_passed = (clock_monotonic_ns(&clock_system) - first_ns) / NS_PER_MS;
    assert_in_range(sums.n_periods, n_passed - 1, n_passed + 1);
    pass_ms(15);
    add_tick(&sums);
    assert_true(fabs(sums.span_ns - (double)(moment_of(&report.energy[0]) - start_ns)) < 10);
    assert_power(&sums, power_w);
}

/* The ring has come round several times: the periods are counted, and the energy is in one tick. */
static void what_was_not_fetched_is_in_the_next_tick(void **state)
{
    (void)state;
    struct sums sums = {0};
    double power_w = true_power_w();
    open_source();
    assert_int_equal(start_recording(NS_PER_MS), 0);
    pass_ms(50);
    add_row(&sums);
    assert_true(recorded_ticks_end_row(&ticks));
    pass_ms(3 * RECORDED_READINGS_MAX);
    uint64_t n = recorded_ticks_take(&ticks);
    assert_in_range(n, 2 * RECORDED_READINGS_MAX, 4 * RECORDED_READINGS_MAX);
    add_tick(&sums);
    assert_true(report.energy[0].dt_ns > (int64_t)(2 * RECORDED_READINGS_MAX * NS_PER_MS));
    add_row(&sums);
    assert_power(&sums, power_w);
    (void)recorded_ticks_end(&ticks);
}

/* The last reading that the old CPU's counter gave is where its energy ends; on the new one it
 * begins where it was opened, and not where the clock stood. */
static void recording_ends_with_its_cpu(void **state)
{
    (void)state;
    struct sums sums = {0};
    double power_w = true_power_w();
    open_source();
    assert_int_equal(start_recording(NS_PER_MS), 0);
    pass_ms(100);
    assert_true(recorded_ticks_take(&ticks) > 0);
    made_tree_write(&tree, PMU "cpumask", "1\n");
    tick();
    assert_false(report.energy[0].valid);
    assert_int_equal(recorded_ticks_take(&ticks), 0);
    while (recorded_ticks_end_row(&ticks))
        assert_int_equal(recorded_ticks_take(&ticks), 0);
    assert_true(recorded_ticks_end(&ticks) >= 95);
    tick();
    assert_false(report.energy[0].valid);
    pass_ms(15);
    tick();
    if (report.energy[0].valid) /* else the baseline was taken only now */
        add(&sums, &report.energy[0]);
    pass_ms(15);
    add_tick(&sums);
    assert_power(&sums, power_w);
}

/* A timer for each, and whatever its moment is, each tick has a reading of both. */
static void packages_are_recorded_each_by_itself(void **state)
{
    (void)state;
    static const uint64_t intervals_ns[] = {NS_PER_MS, 10 * NS_PER_MS};
    struct sums sums[2] = {0};
    double power_w = true_power_w();
    made_tree_write(&tree, PMU "cpumask", "0-1\n");
    put_topology("3\n");
    for (size_t i = 0; i < 2; i++) {
        size_t n_late = 0, n_ticks = 0;
        open_source();
        assert_int_equal(start_recording(intervals_ns[i]), 0);
        pass_ms(300);
        while (recorded_ticks_take(&ticks) > 0) {
            uint64_t at_ns = clock_monotonic_ns(&ticks.clock);
            tick();
            n_ticks++;
            assert_int_equal(report.n_energy, 2);
            add(&sums[0], sample_of(DOMAIN_PACKAGE, 0));
            const struct energy_sample *other = sample_of(DOMAIN_PACKAGE, 3);
            int64_t off_ns = other->skew_ns - (int64_t)at_ns;
            if (!other->valid || (uint64_t)llabs(off_ns) > intervals_ns[i])
                n_late++; /* its interrupt was kept waiting */
            if (other->valid)
                add(&sums[1], other);
        }
        assert_true(n_late < n_ticks / 5);
        assert_true(recorded_ticks_end_row(&ticks));
        (void)recorded_ticks_end(&ticks);
        source_perf.close(source);
        source = NULL;
    }
    for (int i = 0; i < 2; i++) {
        assert_true(sums[i].span_ns > 400e6);
        assert_power(&sums[i], power_w);
    }
}

/* Counters of one package on two CPUs would have to be added up. */
static void dies_are_not_recorded(void **state)
{
    (void)state;
    made_tree_write(&tree, PMU "cpumask", "0-1\n");
    open_source();
    assert_int_equal(start_recording(NS_PER_MS), -ENOTSUP);
    pass_ms(15);
    tick();
    assert_true(report.energy[0].valid);
}

/* It has to be on the CPU of the counters for a moment, to start the timer there. */
static void the_thread_goes_back_to_its_cpus(void **state)
{
    (void)state;
    cpu_set_t before, other;
    open_source();
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(start_recording(NS_PER_MS), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(other), &other), 0);
    assert_true(CPU_EQUAL(&before, &other));
    (void)recorded_ticks_end(&ticks);
    pass_ms(15);
    tick();
    assert_true(report.energy[0].valid);
}

/* True, after saying so: this kernel cannot pin a timer to a CPU. */
static bool is_too_old(void)
{
    struct utsname names;
    unsigned major = 0, minor = 0;
    bool is_known = uname(&names) == 0 && sscanf(names.release, "%u.%u", &major, &minor) == 2;
    bool is_old = is_known && (major < 6 || (major == 6 && minor < 7));
    if (is_old)
        (void)fprintf(stderr, "skipped: Linux %s takes no readings by itself, 6.7 does\n",
                      names.release);
    return is_old;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost_at_either_end, set_up_ticks, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_fetched_is_in_the_next_tick, set_up_ticks,
                                        tear_down),
        cmocka_unit_test_setup_teardown(recording_ends_with_its_cpu, set_up_ticks, tear_down),
        cmocka_unit_test_setup_teardown(packages_are_recorded_each_by_itself, set_up_ticks,
                                        tear_down),
        cmocka_unit_test_setup_teardown(dies_are_not_recorded, set_up_ticks, tear_down),
        cmocka_unit_test_setup_teardown(the_thread_goes_back_to_its_cpus, set_up_ticks, tear_down),
    };
    if (is_too_old() || !can_open())
        return CANNOT_RUN;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
