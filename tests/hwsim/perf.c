/* SPDX-License-Identifier: BSD-3-Clause */
/* The source perf in scripted time: the simulator's `power` PMU is the kernel's msr PMU, so that
 * real system calls read a real counter, the time stamp counter; scripted time is that counter too,
 * much faster, so that its power is constant. What every run of valid samples adds up to lies
 * between what the counter says right before and right after the readings at its ends. Needs root,
 * /dev/fuse and the msr PMU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/scope.h"
#include "tests/hwsim/harness_fixture.h"

#define TICKS 600
#define FASTER 600.0 /* than real time: ten minutes take a second */
#define POWER_W \
    0.2 /* little, so that a test which is stopped between two readings means no absurd power */

#define STOPPED_S 100 /* of scripted time: a machine that is busy let the test wait */

static double scale_j, hz; /* joules per count; counts per second of scripted time */

static uint64_t counter(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

static uint64_t counted_ns(void *context)
{
    (void)context;
    return (uint64_t)((double)counter() / hz * 1e9);
}

static const struct clock counting_clock = {counted_ns, counted_ns, counted_ns, NULL};

/* How fast it counts, to a few percent: enough for a power, since scripted time follows the same.
 */
static void calibrate(void)
{
    uint64_t start_ns = clock_monotonic_ns(&clock_system), start = counter(), span_ns;
    do
        span_ns = clock_monotonic_ns(&clock_system) - start_ns;
    while (span_ns < 50 * NS_PER_MS);
    hz = (double)(counter() - start) / ((double)span_ns / 1e9) / FASTER;
    scale_j = POWER_W / hz;
}

struct tick_bounds {
    uint64_t before, after; /* the counter around the reading */
};

struct perf_case {
    const char *name, *script;
    int packages;
    int32_t package;
    const char *reason, *or_reason;
    size_t least, most; /* invalid ticks */
};

static const struct perf_case cases[] = {
    {"nothing", "", .packages = 1},
    {"CPU offline", "time 100 cpu-0 offline for 30\n", .packages = 1, .reason = "cpu_offline",
     .or_reason = "reopened", .least = 2, .most = 4},
    {"vanish", "time 100 package-1 vanish for 30\n", .packages = 2, .package = 1,
     .reason = "cpu_offline", .or_reason = "reopened", .least = 30, .most = 33},
};

static const struct energy_sample *sample_of(const struct harness_tick *tick, int32_t package)
{
    for (size_t i = 0; i < tick->n_samples; i++) {
        if (tick->samples[i].domain == DOMAIN_PACKAGE && tick->samples[i].package == package)
            return &tick->samples[i];
    }
    return NULL;
}

/* The valid samples of ticks (from, to] together. */
static void check_run(const struct perf_case *fault, const struct tick_bounds *bounds, size_t from,
                      size_t to, double sum_uj)
{
    double least_uj = (double)(bounds[to].before - bounds[from].after) * scale_j * 1e6;
    double most_uj = (double)(bounds[to].after - bounds[from].before) * scale_j * 1e6;
    print_message("%s: ticks %zu to %zu: %.6f J, true %.6f to %.6f J\n", fault->name, from + 1, to,
                  sum_uj / 1e6, least_uj / 1e6, most_uj / 1e6);
    assert_true(sum_uj >= least_uj - 2 && sum_uj <= most_uj + 2);
}

static void check_samples(const struct perf_case *fault, int32_t package,
                          const struct tick_bounds *bounds)
{
    size_t n_invalid = 0, from = 0;
    double sum_uj = 0;
    for (size_t t = 1; t <= TICKS; t++) {
        const struct energy_sample *sample = sample_of(&harness.ticks[t - 1], package);
        assert_non_null(sample);
        if (sample->valid) {
            sum_uj += (double)sample->energy_uj;
            continue;
        }
        double span_s = (double)(bounds[t].after - bounds[t - 1].before) / hz;
        bool was_stopped = span_s > STOPPED_S && strcmp(sample->reason, "span_too_long") == 0;
        bool is_wanted = package == fault->package && fault->reason &&
                         (strcmp(sample->reason, fault->reason) == 0 ||
                          strcmp(sample->reason, fault->or_reason) == 0);
        if (!is_wanted && !was_stopped)
            fail_msg("%s: tick %zu: %s", fault->name, t, sample->reason);
        if (t - 1 > from)
            check_run(fault, bounds, from, t - 1, sum_uj);
        from = t;
        sum_uj = 0;
        n_invalid += !was_stopped;
    }
    check_run(fault, bounds, from, TICKS, sum_uj);
    bool is_concerned = package == fault->package;
    assert_in_range(n_invalid, is_concerned ? fault->least : 0, is_concerned ? fault->most : 0);
}

static void run_case(const struct perf_case *fault)
{
    static struct tick_bounds bounds[TICKS + 1];
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "[machine]\nvendor = intel\nfamily = 6\nmodel = 0x9e\npackages = %d\ncpus = 2\n"
                   "clock = file\npmu_scale_j = %.17g\n",
                   fault->packages, scale_j);
    harness_start(&harness, text, fault->script);
    harness.host.clock = &counting_clock;
    bounds[0].before = counter();
    harness_open(&harness, harness_source("perf"));
    bounds[0].after = counter();
    for (size_t t = 1; t <= TICKS; t++) {
        while ((double)(counter() - bounds[t - 1].after) < hz)
            ; /* a second of scripted time */
        bounds[t].before = counter();
        harness_tick(&harness, NS_PER_S);
        bounds[t].after = counter();
    }
    harness_close(&harness);
    harness_stop(&harness);
    for (int32_t package = 0; package < fault->packages; package++)
        check_samples(fault, package, bounds);
}

static void test_perf(void **state)
{
    (void)state;
    calibrate();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        run_case(&cases[i]);
}

int main(void)
{
    if (!harness_can_run())
        return CANNOT_RUN;
    if (access("/sys/bus/event_source/devices/msr/type", R_OK) != 0 || counter() == 0 ||
        sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        print_message("skipped: needs the kernel's msr PMU and two CPUs\n");
        return CANNOT_RUN;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perf),
    };
    return cmocka_run_group_tests(tests, harness_set_up, harness_tear_down);
}
