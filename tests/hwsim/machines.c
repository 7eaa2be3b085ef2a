/* SPDX-License-Identifier: BSD-3-Clause */
/* The machines of tests/fixtures/machines, each as its sysfs, procfs and devfs say: which sources
 * it offers, which of them are chosen, what each gives in which units, and then ten minutes of
 * scripted time through every source whose counters watt-hwsim can serve. Every part of every
 * counter wraps on the way. Needs root and /dev/fuse; fails without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/ladder.h"
#include "tests/hwsim/harness_fixture.h"
#include "tests/hwsim/recorded.h"
#include "tests/unit/made_clock.h"

#define FOLDER "tests/fixtures/machines"
#define TICKS 600
#define TICK_NS UINT64_C(1000000000)
#define TEXT_SIZE 512
#define N_LOADS 4
#define TICKS_PER_S 100 /* of /proc/stat */

/* For all machines: the clock is the test's, and updates are as irregular as real ones. */
#define SIMULATOR "[machine]\nclock = file\njitter_us = 200\nlag_us = 300\n"

/* What idles alone would run over after five minutes; with its load each does so before. */
#define WRAPS                                                                  \
    "time 300 package-0 wrap\ntime 300 package-1 wrap\ntime 300 dram-0 wrap\n" \
    "time 300 dram-1 wrap\ntime 300 core-0 wrap\ntime 300 core-1 wrap\n"       \
    "time 300 uncore-0 wrap\ntime 300 uncore-1 wrap\ntime 300 psys wrap\n"

/* The same ten minutes with everything that a counter can do wrong, one after the other. */
#define FAULTS                                                                          \
    "time 60 package-0 eio for 3\ntime 120 package-0 stuck for 5\n"                     \
    "time 200.5 package-0 reset\ntime 260 all eagain for 2\ntime 320 all late for 30\n" \
    "time 400 package-0 vanish for 20\ntime 500 all enodev for 3\n"
#define LOST_TICKS 27 /* after the reset and while it was away; all others are made good */

static const char *const fault_reasons[] = {"read_error", "stuck",    "counter_reset",
                                            "vanished",   "reopened", "cpu_offline"};

static struct recorded recorded;
static struct topology topology;
static size_t n_wrong;

/* All that is wrong with a machine is said at once. */
__attribute__((format(printf, 1, 2))) static void say_wrong(const char *format, ...)
{
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print_error("%s\n", text);
    n_wrong++;
}

/* ---- what the machine is, and what is chosen ---- */

/* "" and a key that is not there are alike: nothing. */
static void expect_text(const char *key, const char *text)
{
    const char *expected = recorded_expected(&recorded, key);
    if (strcmp(expected ? expected : "", text) != 0)
        say_wrong("%s %s: but the test expects \"%s\"", key, text, expected ? expected : "");
}

__attribute__((format(printf, 2, 3))) static void append(char text[static TEXT_SIZE],
                                                         const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + length, TEXT_SIZE - length, format, arguments);
    va_end(arguments);
}

static void check_topology(void)
{
    char text[TEXT_SIZE] = "";
    size_t n_online = 0;
    for (size_t i = 0; i < topology.n_packages; i++)
        append(text, "%s%d", i ? " " : "", topology.packages[i]);
    expect_text("packages", text);
    for (int cpu = 0; cpu < topology.n_cpus; cpu++)
        n_online += topology.is_online[cpu];
    (void)snprintf(text, sizeof(text), "%zu", n_online);
    expect_text("online", text);
    text[0] = '\0';
    if (topology.base_hz != VALUE_ABSENT)
        append(text, "%" PRId64, topology.base_hz);
    expect_text("base_hz", text);
    expect_text("virtual", topology.is_virtual ? "yes" : "no");
}

static void check_usable(void)
{
    char usable[TEXT_SIZE] = "";
    for (size_t i = 0; source_table[i]; i++) {
        struct source_probe probe = {0};
        source_table[i]->probe(&harness.host, &topology, NULL, &probe);
        if (probe.availability == SOURCE_USABLE)
            append(usable, "%s%s", *usable ? " " : "", source_table[i]->name);
    }
    expect_text("usable", usable);
}

/* Which source is published of each domain and package. */
static void write_published(const struct ladder *ladder, char text[static TEXT_SIZE])
{
    struct host_record record;
    host_record_init(&record);
    assert_int_equal(ladder_describe(ladder, &record), 0);
    for (size_t i = 0; i < record.n_sources; i++) {
        const struct host_source *row = &record.sources[i];
        append(text, "%s%s:%s", i ? " " : "", row->source, domain_name(row->domain));
        if (row->package != PACKAGE_NONE)
            append(text, "-%d", row->package);
    }
    host_record_deinit(&record);
}

static void check_ladder(void)
{
    char chosen[TEXT_SIZE] = "", published[TEXT_SIZE] = "";
    struct ladder ladder;
    struct error err = {0};
    const struct ladder_settings settings = {.energy = "auto"};
    if (ladder_open(&ladder, &settings, &harness.host, &topology, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ladder.n_sources; i++)
        append(chosen, "%s%s", i ? " " : "", ladder.sources[i]->ops->name);
    write_published(&ladder, published);
    ladder_close(&ladder);
    expect_text("chosen", chosen);
    expect_text("published", published);
}

/* ---- what a source gives ---- */

static void write_row(char text[static TEXT_SIZE], const struct host_source *row)
{
    text[0] = '\0';
    append(text, "row %s %s ", row->source, domain_name(row->domain));
    if (row->package == PACKAGE_NONE)
        append(text, "- ");
    else
        append(text, "%d ", row->package);
    if (isnan(row->unit_uj))
        append(text, "- ");
    else
        append(text, "%.9g ", row->unit_uj);
    if (row->range_uj == VALUE_ABSENT)
        append(text, "- ");
    else
        append(text, "%" PRId64 " ", row->range_uj);
    if (isnan(row->peak_w))
        append(text, "-");
    else
        append(text, "%.0f", row->peak_w);
}

static size_t count_rows(const char *source)
{
    char prefix[64];
    size_t n = 0;
    (void)snprintf(prefix, sizeof(prefix), "row %s ", source);
    for (size_t i = 0; i < recorded.n_expects; i++)
        n += strncmp(recorded.expects[i], prefix, strlen(prefix)) == 0;
    return n;
}

static bool is_expected(const char *line)
{
    for (size_t i = 0; i < recorded.n_expects; i++) {
        if (strcmp(recorded.expects[i], line) == 0)
            return true;
    }
    return false;
}

static void check_rows(const struct source *source)
{
    char line[TEXT_SIZE];
    const char *name = source->ops->name;
    struct host_record record;
    host_record_init(&record);
    assert_int_equal(source->ops->describe(source, &record), 0);
    for (size_t i = 0; i < record.n_sources; i++) {
        write_row(line, &record.sources[i]);
        if (!is_expected(line))
            say_wrong("%s: but the test does not expect it", line);
    }
    if (record.n_sources != count_rows(name))
        say_wrong("%s gives %zu rows instead of %zu", name, record.n_sources, count_rows(name));
    host_record_deinit(&record);
}

/* ---- ten minutes ---- */

/* NAN: this source does not give it. */
static double peak_w(const char *source, const struct counter_truth *truth)
{
    char prefix[64], package[12] = "-";
    size_t length;
    if (truth->package != PACKAGE_NONE)
        (void)snprintf(package, sizeof(package), "%d", truth->package);
    (void)snprintf(prefix, sizeof(prefix), "row %s %s %s ", source, domain_name(truth->domain),
                   package);
    length = strlen(prefix);
    for (size_t i = 0; i < recorded.n_expects; i++) {
        double found_w;
        if (strncmp(recorded.expects[i], prefix, length) == 0 &&
            sscanf(recorded.expects[i] + length, "%*s %*s %lf", &found_w) == 1)
            return found_w;
    }
    return NAN;
}

static void check_counter(const char *source, const struct counter_truth *truth)
{
    double most_w = peak_w(source, truth);
    struct counter_sum sum = harness_sum(&harness, truth);
    double slack_uj = 2 * (double)truth->n_parts * truth->unit_uj + 4;
    bool is_right = isnan(most_w)
                        ? sum.n_valid + sum.n_invalid == 0
                        : sum.n_valid == TICKS && sum.n_invalid == 0 && sum.highest_w < most_w &&
                              fabs(sum.valid_uj - sum.true_uj) <= 1e-3 * sum.true_uj &&
                              sum.worst_uj <= slack_uj && truth->n_back >= truth->n_parts;
    char what[TEXT_SIZE] = "";
    append(what,
           "%s: %s-%d: %zu valid, %zu invalid, %.3f J of %.3f J, worst %.0f uJ, at most %.1f W, "
           "%zu wraps of %zu parts",
           source, domain_name(truth->domain), truth->package, sum.n_valid, sum.n_invalid,
           sum.valid_uj / 1e6, sum.true_uj / 1e6, sum.worst_uj, sum.highest_w, truth->n_back,
           truth->n_parts);
    if (!is_right)
        say_wrong("%s", what);
    else if (!isnan(most_w))
        print_message("%s\n", what);
}

static size_t count_fault_reasons(const struct counter_truth *truth)
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(fault_reasons); i++)
        n += harness_count(&harness, truth, fault_reasons[i]);
    return n;
}

/* What is valid is true, and what is not has its reason. */
static void check_faulty_counter(const char *source, const struct counter_truth *truth)
{
    double most_w = peak_w(source, truth);
    struct counter_sum sum = harness_sum(&harness, truth);
    if (isnan(most_w))
        return;
    double slack_uj = 2 * (double)truth->n_parts * truth->unit_uj + 4;
    size_t n_wanted = count_fault_reasons(truth);
    bool is_first = truth->domain == DOMAIN_PACKAGE && truth->package == 0;
    bool is_told = !is_first || (harness_count(&harness, truth, "read_error") > 0 &&
                                 harness_count(&harness, truth, "stuck") > 0 &&
                                 harness_count(&harness, truth, "counter_reset") > 0 &&
                                 harness_count(&harness, truth, "vanished") > 0);
    char what[TEXT_SIZE] = "";
    append(what,
           "%s with faults: %s-%d: %zu valid, %zu invalid (%zu as wanted%s), %.3f J of %.3f J, "
           "worst %.0f uJ, at most %.1f W, %.0f s covered",
           source, domain_name(truth->domain), truth->package, sum.n_valid, sum.n_invalid, n_wanted,
           is_told ? "" : ", but one is missing", sum.valid_uj / 1e6, sum.true_uj / 1e6,
           sum.worst_uj, sum.highest_w, (double)sum.covered_ns / 1e9);
    if (is_told && n_wanted == sum.n_invalid && sum.n_valid + sum.n_invalid == TICKS &&
        fabs(sum.valid_uj - sum.true_uj) <= 1e-3 * sum.true_uj && sum.worst_uj <= slack_uj &&
        sum.highest_w < most_w && sum.covered_ns >= (int64_t)((TICKS - LOST_TICKS) * TICK_NS))
        print_message("%s\n", what);
    else
        say_wrong("%s", what);
}

static void start_simulator(const char *script)
{
    char text[4096];
    if (!recorded.simulate)
        return;
    (void)snprintf(text, sizeof(text), "%s%s", recorded.simulate, SIMULATOR);
    harness_start(&harness, text, script);
}

static void check_counters(const char *name, const char *script,
                           void (*check)(const char *source, const struct counter_truth *truth))
{
    start_simulator(script);
    recorded_link(&recorded, &harness);
    harness_open(&harness, harness_source(name));
    for (size_t i = 0; i < TICKS; i++)
        harness_tick(&harness, TICK_NS);
    check_rows(harness.source); /* with psys, now that it has moved */
    harness_close(&harness);
    harness_read_truth(&harness);
    for (size_t i = 0; i < harness.n_truths; i++)
        check(name, &harness.truths[i]);
    harness_stop(&harness);
}

/* Shares of CPU time that are busy, one after the other. */
static const int loads_percent[N_LOADS] = {0, 25, 100, 60};

static void put_stat(uint64_t n_ticks)
{
    char text[TEXT_SIZE] = "";
    uint64_t busy = 0, n_cpus = recorded.n_cpus;
    for (uint64_t i = 0; i < n_ticks; i++)
        busy += (uint64_t)loads_percent[i % N_LOADS] * n_cpus * TICKS_PER_S / 100;
    append(text, "cpu  %" PRIu64 " 0 0 %" PRIu64 " 0 0 0 0 0 0\n", busy,
           n_ticks * n_cpus * TICKS_PER_S - busy);
    made_tree_write(&recorded.tree, "proc/stat", text);
}

static uint64_t fake_now_ns = UINT64_C(1000000000);

/* An estimate is what the table's row says of the busy share, within its bounds. */
static void check_estimate(const struct source *source, double idle_w, double full_w)
{
    struct report report;
    double sum_uj = 0, true_uj = 0;
    report_init(&report);
    for (uint64_t i = 0; i < TICKS; i++) {
        fake_now_ns += TICK_NS;
        put_stat(i + 1);
        report_clear(&report);
        assert_int_equal(source->ops->read((struct source *)source, &topology, &report), 0);
        assert_int_equal(report.n_energy, 1);
        const struct energy_sample *sample = &report.energy[0];
        assert_true(sample->valid && sample->estimate && sample->domain == DOMAIN_MACHINE);
        assert_true(0 < sample->low_uj && sample->low_uj < sample->energy_uj &&
                    sample->energy_uj < sample->high_uj);
        sum_uj += (double)sample->energy_uj;
        true_uj += (idle_w + (full_w - idle_w) * loads_percent[i % N_LOADS] / 100.0) * 1e6;
    }
    report_deinit(&report);
    print_message("curve: %.3f J of %.3f J\n", sum_uj / 1e6, true_uj / 1e6);
    assert_true(fabs(sum_uj - true_uj) <= 1e-3 * true_uj);
}

static struct source *open_source(const char *name)
{
    struct source *source = NULL;
    struct error err = {0};
    const struct source_ops *ops = harness_source(name);
    assert_non_null(ops);
    if (ops->open(&source, &harness.host, &topology, NULL, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return source;
}

static void check_curve(const char *expected)
{
    double idle_w, full_w;
    assert_int_equal(sscanf(expected, "%lf %lf", &idle_w, &full_w), 2);
    struct source *source = open_source("curve");
    check_estimate(source, idle_w, full_w);
    source->ops->close(source);
}

/* A source whose files say a power that does not change: its samples are that power's energy, and
 * together they cover the ten minutes but for its slowest reading. */
static void check_steady(const char *expected)
{
    char name[24];
    double power_w, sum_uj = 0, span_ns = 0;
    assert_int_equal(sscanf(expected, "%23s %lf", name, &power_w), 2);
    struct source *source = open_source(name);
    struct report report;
    report_init(&report);
    for (size_t i = 0; i < TICKS; i++) {
        fake_now_ns += TICK_NS;
        report_clear(&report);
        assert_int_equal(source->ops->read(source, &topology, &report), 0);
        for (size_t s = 0; s < report.n_energy; s++) {
            assert_true(report.energy[s].valid);
            sum_uj += (double)report.energy[s].energy_uj;
            span_ns += (double)report.energy[s].dt_ns;
        }
    }
    report_deinit(&report);
    source->ops->close(source);
    double true_uj = power_w * span_ns / 1e3;
    print_message("%s: %.3f J of %.3f J in %.0f s\n", name, sum_uj / 1e6, true_uj / 1e6,
                  span_ns / 1e9);
    assert_true(fabs(sum_uj - true_uj) <= 1e-3 * true_uj);
    assert_true(span_ns >= (double)(TICKS - 60) * (double)TICK_NS);
}

/* ---- a machine ---- */

static bool is_served(const char *name)
{
    return recorded.simulate && (strcmp(name, "powercap") == 0 || strcmp(name, "msr") == 0);
}

/* A source must open where it is usable, and give its rows; what it gives after ten minutes is
 * looked at then. */
static void check_source(const struct source_ops *ops)
{
    struct source *source = NULL;
    struct source_probe probe = {0};
    struct error err = {0};
    ops->probe(&harness.host, &topology, NULL, &probe);
    if (probe.availability != SOURCE_USABLE) {
        if (count_rows(ops->name) > 0)
            say_wrong("%s cannot be used: %s", ops->name, probe.reason);
        return;
    }
    if (ops->open(&source, &harness.host, &topology, NULL, &err) < 0) {
        say_wrong("%s: %s", ops->name, err.text);
        return;
    }
    if (!is_served(ops->name))
        check_rows(source);
    ops->close(source);
}

static void check_machine(void **state)
{
    n_wrong = 0;
    recorded_read(&recorded, *state);
    put_stat(0);
    start_simulator("");
    recorded_link(&recorded, &harness);
    assert_int_equal(topology_read(&topology, &harness.host, NULL), 0);
    check_topology();
    check_usable();
    check_ladder();
    for (size_t i = 0; source_table[i]; i++)
        check_source(source_table[i]);
    harness_stop(&harness);
    for (size_t i = 0; source_table[i]; i++) {
        if (!is_served(source_table[i]->name))
            continue;
        check_counters(source_table[i]->name, WRAPS, check_counter);
        check_counters(source_table[i]->name, FAULTS, check_faulty_counter);
    }
    const struct clock clock = MADE_CLOCK(fake_now_ns);
    const char *curve = recorded_expected(&recorded, "curve");
    const char *steady = recorded_expected(&recorded, "steady");
    harness.host.clock = &clock;
    if (curve)
        check_curve(curve);
    if (steady)
        check_steady(steady);
    assert_int_equal(n_wrong, 0);
}

static int tear_down(void **state)
{
    (void)state;
    harness_deinit(&harness);
    topology_deinit(&topology);
    recorded_free(&recorded);
    return 0;
}

int main(void)
{
    char *paths[RECORDED_MACHINES_MAX];
    struct CMUnitTest tests[RECORDED_MACHINES_MAX];
    if (!harness_can_run())
        return CANNOT_RUN;
    size_t n = recorded_list(FOLDER, paths);
    if (n == 0) {
        print_message("no machines in %s: start it in the source folder\n", FOLDER);
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){paths[i] + sizeof(FOLDER), check_machine, harness_set_up,
                                       tear_down, paths[i]};
    int r = _cmocka_run_group_tests("machines", tests, n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    return r;
}
