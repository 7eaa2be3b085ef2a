/* SPDX-License-Identifier: BSD-3-Clause */
/* Ten minutes of scripted time per fault, through the real sources: watt-hwsim serves the counters,
 * a clock that this test moves is the sources' and, through DIR/clock, the simulator's. Every valid
 * sample must be what the counter's updates say of the span it names, and off what was used in it
 * by no more than an update's lateness; every other one must have the fault's reason, and nothing
 * impossible may be published. Needs root and /dev/fuse; fails without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/scope.h"
#include "tests/hwsim/harness_fixture.h"
#include "tests/hwsim/script.h"

#define TICKS 600
#define TICK_NS UINT64_C(1000000000)
#define SETTLED 100       /* ticks: more than an update is long */
#define HIGHEST_W 120.0   /* both users at full load, and a stuck second made good */
#define DRAWN_W 47.0      /* of one domain, at full load */
#define IDLE_W 1.0        /* the least of them at no load */
#define UPDATE_NS 1500000 /* how old a reading is at most: an update, its jitter and its lag */

#define AROUND_VENDOR(vendor)                                                                    \
    "[machine]\n" vendor "packages = 2\ncpus = 4\nclock = file\njitter_us = 200\nlag_us = 300\n" \
    "[package 1]\nidle_w = 7\n"                                                                  \
    "[user first]\nload = 1\nwatts = 30\ndram_watts = 3\ncore_watts = 25\n"                      \
    "[user second]\nload = 2\nperiod_s = 17\nwatts = 20\npackage = 1\n"

static const char intel_text[] = AROUND_VENDOR("vendor = intel\nfamily = 6\nmodel = 0x9e\n"
                                               "domains = package dram\nhigh_bits = 0xabcd\n");
static const char amd_text[] = AROUND_VENDOR("vendor = amd\nfamily = 0x19\nmodel = 0x11\n"
                                             "domains = package core\nenergy_unit = 16\n");

struct fault_case {
    const char *name, *script;
    enum domain domain; /* the counters it is about: of this domain, or of all with any_domain */
    bool any_domain;
    int32_t package;
    const char *reason, *or_reason; /* NULL: none */
    size_t least, most;             /* invalid ticks */
    size_t n_wrapped;    /* valid ticks that say so */
    size_t lost;         /* seconds that no valid sample covers, at most; they are declared */
    uint64_t late_ns;    /* so much older than UPDATE_NS are readings of every counter, unseen */
    bool steps_back;     /* its 32 bits do, once */
    bool switches_cores; /* a core without a CPU uses nothing: not what is simulated */
};

/* What only failed or stood still costs nothing: the next sample covers it. What was reset or gone
 * is lost, and said to be. A late update within a tick is less movement, and nothing tells that
 * from less power: what it holds back is in the next sample (test_late_updates: what is seen). */
static const struct fault_case cases[] = {
    {"nothing", "", .domain = DOMAIN_PACKAGE, .any_domain = true},
    {"wrap", "time 300 package-0 wrap\n", .domain = DOMAIN_PACKAGE, .n_wrapped = 1,
     .steps_back = true},
    {"wrap of memory", "time 100 dram-1 wrap\n", .domain = DOMAIN_DRAM, .package = 1,
     .n_wrapped = 1, .steps_back = true},
    {"wrap that nobody sees", "time 300 package-0 wrap\ntime 290 package-0 eio for 20\n",
     .domain = DOMAIN_PACKAGE, .reason = "read_error", .least = 20, .most = 20, .n_wrapped = 1,
     .steps_back = true},
    {"reset", "time 200.5 package-0 reset\n", .domain = DOMAIN_PACKAGE, .reason = "counter_reset",
     .least = 1, .most = 1, .lost = 1, .steps_back = true},
    {"reset of memory", "time 300.5 dram-1 reset\n", .domain = DOMAIN_DRAM, .package = 1,
     .reason = "counter_reset", .least = 1, .most = 1, .lost = 1, .steps_back = true},
    {"eio", "time 100 package-0 eio for 3\n", .domain = DOMAIN_PACKAGE, .reason = "read_error",
     .least = 3, .most = 3},
    {"eio, by reads", "read 50 dram-1 eio for 2\n", .domain = DOMAIN_DRAM, .package = 1,
     .reason = "read_error", .least = 2, .most = 2},
    {"eagain", "time 100 package-1 eagain for 4\n", .domain = DOMAIN_PACKAGE, .package = 1,
     .reason = "read_error", .least = 4, .most = 4},
    {"einval", "time 100 dram-0 einval for 60\n", .domain = DOMAIN_DRAM, .reason = "read_error",
     .least = 60, .most = 60},
    {"enodev", "time 100 dram-0 enodev for 5\n", .domain = DOMAIN_DRAM, .reason = "vanished",
     .least = 5, .most = 6, .lost = 6},
    {"enxio",
     "time 100 package-0 enxio for 5\ntime 100 dram-0 enxio for 5\ntime 100 core-0 enxio for 5\n",
     .domain = DOMAIN_PACKAGE, .any_domain = true, .reason = "vanished", .or_reason = "cpu_offline",
     .least = 5, .most = 6, .lost = 6},
    {"stuck", "time 100 package-1 stuck for 30\n", .domain = DOMAIN_PACKAGE, .package = 1,
     .reason = "stuck", .least = 30, .most = 30},
    {"stuck for a tick", "time 100 package-0 stuck for 1\n", .domain = DOMAIN_PACKAGE,
     .reason = "stuck", .least = 1, .most = 1},
    {"late update", "time 100 all late for 60\n", .domain = DOMAIN_PACKAGE, .any_domain = true,
     .late_ns = FAULT_LATE_NS},
    {"vanish", "time 100 package-1 vanish for 30\n", .domain = DOMAIN_PACKAGE, .any_domain = true,
     .package = 1, .reason = "vanished", .or_reason = "cpu_offline", .least = 30, .most = 31,
     .lost = 31},
    {"CPU offline", "time 100 cpu-0 offline for 30\n", .domain = DOMAIN_PACKAGE,
     .switches_cores = true},
};

static bool concerns(const struct fault_case *fault, const struct counter_truth *truth)
{
    return fault->package == truth->package &&
           (fault->any_domain || fault->domain == truth->domain);
}

/* The zone of AMD's "core" shows one core only: it is no measure of them all. */
static bool is_left_out(const struct counter_truth *truth)
{
    return truth->domain == DOMAIN_CORE && strcmp(harness.ops->name, "powercap") == 0;
}

static size_t count_wanted(const struct fault_case *fault, const struct counter_truth *truth)
{
    size_t n = harness_count(&harness, truth, "reopened");
    n += fault->reason ? harness_count(&harness, truth, fault->reason) : 0;
    return n + (fault->or_reason ? harness_count(&harness, truth, fault->or_reason) : 0);
}

/* The reading that a sample begins with may be that old, or the one it ends with. */
static bool is_late_as_said(const struct counter_sum *sum, double slack_uj, uint64_t late_ns)
{
    double least_uj = late_ns > 0 ? IDLE_W * (double)(late_ns - UPDATE_NS) / 1e3 : 0;
    double most_uj = slack_uj + DRAWN_W * (double)(late_ns + UPDATE_NS) / 1e3;
    return sum->worst_late_uj >= least_uj && sum->worst_late_uj <= most_uj;
}

static bool is_right(const struct fault_case *fault, const struct counter_truth *truth,
                     const struct counter_sum *sum, size_t n_wanted)
{
    bool is_concerned = concerns(fault, truth);
    /* Two readings in whole units of each part, and microjoules. */
    double slack_uj = 2 * (double)truth->n_parts * truth->unit_uj + 4;
    return fabs(sum->valid_uj - sum->true_uj) <= 1e-3 * sum->true_uj &&
           fabs(sum->valid_uj - sum->used_uj) <= 1e-3 * sum->used_uj &&
           is_late_as_said(sum, slack_uj, fault->late_ns) &&
           sum->highest_w < HIGHEST_W && n_wanted == sum->n_invalid &&
           sum->n_valid + sum->n_invalid <= TICKS &&
           sum->n_valid >= TICKS - (is_concerned ? fault->most : 0) &&
           sum->n_valid <= TICKS - (is_concerned ? fault->least : 0) &&
           sum->covered_ns >= (int64_t)((TICKS - (is_concerned ? fault->lost : 0)) * TICK_NS) &&
           truth->n_back == (is_concerned && fault->steps_back) && sum->worst_uj <= slack_uj;
}

static void check_counter(const struct fault_case *fault, const struct counter_truth *truth)
{
    if (fault->switches_cores && truth->domain == DOMAIN_CORE)
        return;
    struct counter_sum sum = harness_sum(&harness, truth);
    if (is_left_out(truth)) {
        assert_int_equal(sum.n_valid + sum.n_invalid, 0);
        return;
    }
    char what[160];
    size_t n_wanted = count_wanted(fault, truth);
    (void)snprintf(what, sizeof(what),
                   "%s, %s: %s-%d: %zu valid, %zu invalid (%zu as wanted), %.3f J of %.3f J, worst "
                   "%.0f uJ, %.0f uJ off what was used, at most %.1f W, %.0f s covered",
                   harness.ops->name, fault->name, domain_name(truth->domain), truth->package,
                   sum.n_valid, sum.n_invalid, n_wanted, sum.valid_uj / 1e6, sum.true_uj / 1e6,
                   sum.worst_uj, sum.worst_late_uj, sum.highest_w, (double)sum.covered_ns / 1e9);
    size_t n_wrapped = harness_count_noted(&harness, truth, "wrapped");
    if (!is_right(fault, truth, &sum, n_wanted) ||
        n_wrapped != (concerns(fault, truth) ? fault->n_wrapped : 0))
        fail_msg("%s", what);
    if (concerns(fault, truth))
        print_message("%s\n", what);
}

static void check_faults(const char *source, const char *machine_text)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (machine_text == amd_text && cases[i].domain == DOMAIN_DRAM)
            continue;
        harness_start(&harness, machine_text, cases[i].script);
        harness_run(&harness, harness_source(source), TICKS, TICK_NS);
        for (size_t t = 0; t < harness.n_truths; t++)
            check_counter(&cases[i], &harness.truths[t]);
        harness_stop(&harness);
    }
}

static void test_powercap(void **state)
{
    (void)state;
    check_faults("powercap", intel_text);
}

static void test_powercap_of_amd(void **state)
{
    (void)state;
    check_faults("powercap", amd_text);
}

static void test_msr(void **state)
{
    (void)state;
    check_faults("msr", intel_text);
}

static void test_msr_of_amd(void **state)
{
    (void)state;
    check_faults("msr", amd_text);
}

/* Of one sample, once the counter has been seen to move: when the update before the first one was,
 * nobody knows. */
static double highest_w(const struct counter_truth *truth, size_t first_tick)
{
    double highest_w = 0;
    for (size_t t = first_tick; t < harness.n_ticks; t++) {
        for (size_t i = 0; i < harness.ticks[t].n_samples; i++) {
            const struct energy_sample *sample = &harness.ticks[t].samples[i];
            if (sample->valid && sample->domain == truth->domain &&
                sample->package == truth->package)
                highest_w =
                    fmax(highest_w, (double)sample->energy_uj * 1e3 / (double)sample->dt_ns);
        }
    }
    return highest_w;
}

/* Read more often than it is updated: every sample is the mean of whole updates, so that none is 0
 * and none too much, and what stands between is said. */
static void check_slow_counter(const char *source, uint64_t update_us, uint64_t dt_ns,
                               size_t n_ticks)
{
    char machine_text[sizeof(intel_text) + 64];
    (void)snprintf(machine_text, sizeof(machine_text), "%s[machine]\nupdate_us = %" PRIu64 "\n",
                   intel_text, update_us);
    harness_start(&harness, machine_text, "");
    harness_run(&harness, harness_source(source), n_ticks, dt_ns);
    for (size_t t = 0; t < harness.n_truths; t++) {
        const struct counter_truth *truth = &harness.truths[t];
        struct counter_sum sum = harness_sum(&harness, truth);
        double span_s = (double)(n_ticks * dt_ns) / 1e9;
        /* A thousand times a second no sample is a spike, the first not either. */
        size_t settled = dt_ns < TICK_NS / 500 ? 0 : SETTLED;
        print_message("%s, an update every %" PRIu64 " us: %s-%d: %zu valid, %zu not, %.1f W\n",
                      source, update_us, domain_name(truth->domain), truth->package, sum.n_valid,
                      sum.n_invalid, highest_w(truth, settled));
        assert_true(fabs(sum.valid_uj - sum.true_uj) <= 1e-3 * sum.true_uj + 2 * truth->unit_uj);
        assert_true(highest_w(truth, settled) < HIGHEST_W);
        assert_int_equal(harness_count(&harness, truth, "no_update"), sum.n_invalid);
        assert_true((double)sum.n_valid >=
                    0.9 * fmin(span_s * 1e6 / (double)update_us, (double)n_ticks / 2));
        assert_true((double)sum.covered_ns / 1e9 >= span_s - 2e-6 * (double)update_us);
    }
    harness_stop(&harness);
}

static void test_slow_counters(void **state)
{
    (void)state;
    static const char *const sources[] = {"powercap", "msr"};
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        check_slow_counter(sources[i], 60000, TICK_NS / 100, 3000);
        check_slow_counter(sources[i], 1000, TICK_NS / 1000, 3000);
        check_slow_counter(sources[i], 8000, TICK_NS / 1000, 3000);
    }
}

/* Where ticks are shorter than the lateness, the ones in which nothing comes say so; the sum holds
 * all of it, and no sample is off by more than where ticks are longer. */
static void check_late_updates(const char *source, uint64_t dt_ns, size_t n_told)
{
    harness_start(&harness, intel_text, "time 10 all late for 5\n");
    harness_run(&harness, harness_source(source), 3000, dt_ns);
    for (size_t t = 0; t < harness.n_truths; t++) {
        const struct counter_truth *truth = &harness.truths[t];
        struct counter_sum sum = harness_sum(&harness, truth);
        double slack_uj = 2 * truth->unit_uj + 4;
        print_message("%s, late by %d ms, ticks of %d ms: %s-%d: %zu valid, %zu not, %.0f uJ off\n",
                      source, (int)(FAULT_LATE_NS / 1000000), (int)(dt_ns / 1000000),
                      domain_name(truth->domain), truth->package, sum.n_valid, sum.n_invalid,
                      sum.worst_late_uj);
        assert_int_equal(sum.n_invalid, n_told);
        assert_int_equal(harness_count(&harness, truth, "no_update"), n_told);
        assert_true(is_late_as_said(&sum, slack_uj, FAULT_LATE_NS));
        assert_true(fabs(sum.valid_uj - sum.used_uj) <=
                    1e-3 * sum.used_uj + DRAWN_W * UPDATE_NS / 1e3);
    }
    harness_stop(&harness);
}

static void test_late_updates(void **state)
{
    (void)state;
    static const char *const sources[] = {"powercap", "msr"};
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        check_late_updates(sources[i], TICK_NS / 100, 6);
        check_late_updates(sources[i], TICK_NS / 20, 1);
        check_late_updates(sources[i], TICK_NS / 10, 0);
    }
}

int main(void)
{
    if (!harness_can_run())
        return CANNOT_RUN;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_powercap, harness_end_machine),
        cmocka_unit_test_teardown(test_powercap_of_amd, harness_end_machine),
        cmocka_unit_test_teardown(test_msr, harness_end_machine),
        cmocka_unit_test_teardown(test_msr_of_amd, harness_end_machine),
        cmocka_unit_test_teardown(test_slow_counters, harness_end_machine),
        cmocka_unit_test_teardown(test_late_updates, harness_end_machine),
    };
    return cmocka_run_group_tests(tests, harness_set_up, harness_tear_down);
}
