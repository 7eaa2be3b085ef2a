/* SPDX-License-Identifier: BSD-3-Clause */
/* What clocks do to whole programs: the real sensor on a simulated machine, in scripted time, and
 * the real formula on what it wrote. The machine sleeps, its clock is set, the sensor is stopped:
 * every joule belongs to the span that it was used in or is said to be unknown, no watts are
 * published that the machine did not draw, and each fault stands in the ticks as a reason (field
 * bugs 4.5, 4.6; 4.7: published joules are the measured ones). Needs root and /dev/fuse; fails
 * without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/power_record.h"
#include "common/scope.h"
#include "sensor/sensor.h"
#include "tests/hwsim/harness_fixture.h"

#define START_NS (INT64_C(1700000000) * (int64_t)NS_PER_S)
#define TICKS 600
#define FAULT_TICK 200 /* the 200th tick meets the fault */
#define HOUR_NS (3600 * (int64_t)NS_PER_S)
#define LEAST_W 9.9 /* 10 idle, and 30 per busy CPU of one */
#define HIGHEST_W 45.0
#define TICKS_PER_S 100
#define URI_SIZE 64

static const char machine_text[] =
    "[machine]\nvendor = intel\nfamily = 6\nmodel = 0x9e\npackages = 1\ncpus = 2\nclock = file\n"
    "domains = package dram\njitter_us = 200\nlag_us = 300\nmax_w = 95\n"
    "[package 0]\nidle_w = 10\ndram_idle_w = 2\n"
    "[user web]\nload = 1\nperiod_s = 40\nwatts = 30\ndram_watts = 3\n";

struct scenario {
    const char *name, *script;
    int64_t slept_ns;   /* the machine sleeps for so long before the tick */
    int64_t stepped_ns; /* its clock is set by so much */
    uint64_t n_periods; /* the tick is so many periods late: 1, none */
    const char *reason; /* of the tick; NULL: none */
    size_t n_reason;    /* in so many ticks, at least */
    int64_t lost_ns;    /* of awake time that no valid sample covers, at most */
};

static const struct scenario scenarios[] = {
    {"nothing", "", .n_periods = 1},
    {"suspend to idle", "", .slept_ns = HOUR_NS, .n_periods = 1, .reason = "suspend", .n_reason = 1,
     .lost_ns = 1000000000},
    {"suspend that resets the counters", "time 230 all reset\n", .slept_ns = HOUR_NS,
     .n_periods = 1, .reason = "suspend", .n_reason = 1, .lost_ns = 1000000000},
    /* The sleep is short enough for its energy to pass for that of the ticks after it. */
    {"suspend, and the counters fail on waking up", "time 260.5 all eio for 5\n",
     .slept_ns = 60 * (int64_t)NS_PER_S, .n_periods = 1, .reason = "suspend", .n_reason = 1,
     .lost_ns = 7000000000},
    {"clock set forward", "", .stepped_ns = HOUR_NS, .n_periods = 1, .reason = "clock_step",
     .n_reason = 1},
    {"clock set back", "", .stepped_ns = -HOUR_NS, .n_periods = 1, .reason = "clock_step",
     .n_reason = TICKS - FAULT_TICK},
    {"NTP jump from 1970", "", .stepped_ns = 20 * 365 * 24 * HOUR_NS, .n_periods = 1,
     .reason = "clock_step", .n_reason = 1},
    {"stopped for 90 s", "", .n_periods = 90, .reason = "merged", .n_reason = 1},
    {"stopped for 90 s, and the clock set back", "", .stepped_ns = -HOUR_NS, .n_periods = 90,
     .reason = "merged", .n_reason = 1},
    {"moved to another machine", "time 201 all reset\n", .stepped_ns = 2 * (int64_t)NS_PER_S,
     .n_periods = 1, .reason = "clock_step", .n_reason = 1, .lost_ns = 2000000000},
};

static const struct store_ops *const *const tables[] = {store_table_local, NULL};

/* ---- the machine ---- */

static struct {
    int64_t monotonic_ns, boottime_ns, realtime_ns;
} times;

static uint64_t monotonic(void *context)
{
    (void)context;
    return (uint64_t)times.monotonic_ns;
}

static uint64_t boottime(void *context)
{
    (void)context;
    return (uint64_t)times.boottime_ns;
}

static uint64_t realtime(void *context)
{
    (void)context;
    return (uint64_t)times.realtime_ns;
}

static const struct clock scripted_clock = {monotonic, boottime, realtime, NULL};

/* Texts of a file have one length: it is written over, since a disk is asked to keep what was cut
 * off. */
static void put(const char *name, const char *text)
{
    char path[PATH_MAX];
    made_tree_path(&harness.tree, name, path);
    if (access(path, F_OK) != 0)
        made_tree_write(&harness.tree, name, text);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void put_process(int pid, double cpu_s)
{
    char name[64], text[256];
    (void)snprintf(name, sizeof(name), "proc/%d/stat", pid);
    (void)snprintf(text, sizeof(text),
                   "%d (worker) S 1 1 1 0 -1 0 0 0 0 0 %012.0f 0 0 0 20 0 1 0 7 0\n", pid,
                   cpu_s * TICKS_PER_S);
    put(name, text);
}

/* The web server follows the simulated load, a batch job takes a tenth of a CPU. */
static void put_processes(void)
{
    double at_s = (double)harness.now_ns / 1e9, omega = 2 * M_PI / 40;
    double web_s = (at_s + (1 - cos(omega * at_s)) / omega) / 2, batch_s = at_s / 10;
    char text[160];
    put_process(41, web_s);
    put_process(42, batch_s);
    (void)snprintf(text, sizeof(text),
                   "cpu  %012.0f 0 0 %012.0f 0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n",
                   (web_s + batch_s) * TICKS_PER_S, (2 * at_s - web_s - batch_s) * TICKS_PER_S);
    put("proc/stat", text);
}

/* The machine is awake, or only its clocks go on. */
static void pass(int64_t ns, bool is_awake)
{
    harness_set_clock(&harness, harness.now_ns + (uint64_t)ns);
    times.monotonic_ns += is_awake ? ns : 0;
    times.boottime_ns += ns;
    times.realtime_ns += ns;
    put_processes();
}

/* ---- the programs ---- */

static void run_sensor(const struct scenario *scenario, const char *source, const char *raw_uri,
                       int64_t *end_ns)
{
    char procfs[128], cgroupfs[128];
    struct error err = {0};
    struct store *store;
    struct sensor *sensor;
    struct target_rules *rules;
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", harness.tree.root);
    (void)snprintf(cgroupfs, sizeof(cgroupfs), "%s/cgroup", harness.tree.root);
    struct host host = harness.host;
    host.procfs = procfs;
    host.cgroupfs = cgroupfs;
    host.clock = &scripted_clock;
    times.monotonic_ns = 100 * (int64_t)NS_PER_S;
    times.boottime_ns = 200 * (int64_t)NS_PER_S;
    times.realtime_ns = START_NS;
    put_processes();
    assert_int_equal(target_rules_parse(&rules, NULL, 0, NULL), 0);
    struct sensor_settings settings = {.name = "node",
                                       .interval_ns = NS_PER_S,
                                       .energy = source,
                                       .engine = "proc",
                                       .granularity = GRANULARITY_PROCESS,
                                       .rules = rules};
    if (store_open(&store, raw_uri, STORE_WRITE, tables, NULL, NULL, &err) < 0 ||
        sensor_new(&sensor, &settings, &host, store, "", &err) < 0)
        fail_msg("%s: %s", scenario->name, err.text);
    for (int i = 1; i <= TICKS; i++) {
        bool is_fault = i == FAULT_TICK;
        if (is_fault && scenario->slept_ns > 0)
            pass(scenario->slept_ns, false);
        times.realtime_ns += is_fault ? scenario->stepped_ns : 0;
        pass((int64_t)(NS_PER_S * (is_fault ? scenario->n_periods : 1)), true);
        assert_int_equal(sensor_tick(sensor, is_fault ? scenario->n_periods : 1, &err), 0);
        end_ns[i - 1] = (int64_t)harness.now_ns;
    }
    assert_int_equal(sensor_flush(sensor, &err), 0);
    sensor_free(sensor);
    store_close(store);
    target_rules_free(rules);
}

static void run_formula(const char *raw_uri, const char *power_uri)
{
    char program[512];
    const char *build = getenv("WATT_BUILD");
    int status;
    (void)snprintf(program, sizeof(program), "%s/watt-formula", build ? build : "build");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)freopen("/dev/null", "w", stderr);
        (void)execl(program, program, "--input", raw_uri, "--output", power_uri, "--post-mortem",
                    "--model", "share", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- what they wrote ---- */

struct reading {
    struct store *store;
    struct cursor *cursor;
    struct document document;
};

static void begin_reading(struct reading *reading, const char *uri, enum record_kind kind)
{
    struct store_query query = {
        .kinds = KIND_BIT(kind), .from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    assert_int_equal(store_open(&reading->store, uri, STORE_READ, tables, NULL, NULL, NULL), 0);
    assert_int_equal(store_query(reading->store, &query, &reading->cursor, NULL), 0);
}

static bool next_document(struct reading *reading)
{
    int r = cursor_next(reading->cursor, &reading->document, NULL);
    assert_true(r == CURSOR_DOCUMENT || r == CURSOR_END);
    return r == CURSOR_DOCUMENT;
}

static void end_reading(struct reading *reading)
{
    cursor_close(reading->cursor);
    store_close(reading->store);
}

/* What the machine draws at least and at most, by what is said of it: of the counters it is known,
 * of the estimate the first scenario, in which nothing happens, says it. */
static struct {
    double least_w, most_w;
    bool is_learned;
} range;

static void check_range(double power_w)
{
    if (range.is_learned) {
        range.least_w = fmin(range.least_w, power_w);
        range.most_w = fmax(range.most_w, power_w);
    }
    assert_true(power_w >= range.least_w * 0.99 && power_w <= range.most_w * 1.01);
}

static bool is_whole(enum domain domain)
{
    return domain == DOMAIN_PACKAGE || domain == DOMAIN_MACHINE;
}

/* An estimate has no truth: it stays within its range, and its books close. */
static double true_uj_of(const struct energy_sample *sample, int64_t end_ns)
{
    const struct counter_truth *truth = harness.truths;
    if (sample->estimate)
        return (double)sample->energy_uj;
    while (truth->domain != sample->domain)
        truth++;
    return (counter_truth_j(truth, end_ns) - counter_truth_j(truth, end_ns - sample->dt_ns)) * 1e6;
}

struct seen {
    size_t n_ticks, n_reason;
    double valid_uj, true_uj; /* of the package, or of the machine */
    int64_t covered_ns, dt_ns;
};

static void check_sample(const struct energy_sample *sample, int64_t end_ns, struct seen *seen)
{
    if (!sample->valid) {
        assert_true(sample->energy_uj == VALUE_ABSENT && sample->reason[0]);
        return;
    }
    double true_uj = true_uj_of(sample, end_ns);
    assert_true(fabs((double)sample->energy_uj - true_uj) <= 1e-4 * true_uj + 200);
    assert_int_equal(sample->skew_ns, 0);
    if (!is_whole(sample->domain))
        return;
    check_range((double)sample->energy_uj * 1e3 / (double)sample->dt_ns);
    seen->valid_uj += (double)sample->energy_uj;
    seen->true_uj += true_uj;
    seen->covered_ns += sample->dt_ns;
}

static struct seen read_raw(const struct scenario *scenario, const char *uri, const int64_t *end_ns)
{
    struct reading reading;
    struct report report;
    struct seen seen = {0};
    int64_t last_ms = 0;
    report_init(&report);
    begin_reading(&reading, uri, RECORD_RAW);
    while (next_document(&reading)) {
        report_clear(&report);
        assert_int_equal(report_decode(&reading.document, &report, NULL), 0);
        assert_int_equal(report.key.seq, seen.n_ticks);
        assert_true(report.key.timestamp_ms > last_ms);
        last_ms = report.key.timestamp_ms;
        for (size_t i = 0; i < report.n_energy; i++)
            check_sample(&report.energy[i], end_ns[seen.n_ticks], &seen);
        seen.n_reason += scenario->reason && reasons_have(&report.reasons, scenario->reason);
        seen.dt_ns += report.dt_ns;
        seen.n_ticks++;
    }
    end_reading(&reading);
    report_deinit(&report);
    return seen;
}

static void check_balance(const struct power_record *power, const struct balance_row *row,
                          struct seen *seen)
{
    if (isnan(row->measured_w))
        return;
    double sum_w = row->idle_w + row->dynamic_w + row->unattributed_w, targets_w = 0;
    for (size_t i = 0; i < power->n_targets; i++) {
        const struct power_row *target = &power->targets[i];
        if (target->domain != row->domain)
            continue;
        assert_true(target->dynamic_w >= 0 && target->dynamic_uj >= 0);
        targets_w += target->dynamic_w;
    }
    assert_true(fabs(sum_w - row->measured_w) <= 2e-6);
    assert_true(fabs(targets_w - row->dynamic_w) <= 2e-6 && row->idle_w >= 0);
    if (!is_whole(row->domain))
        return;
    check_range(row->measured_w);
    seen->valid_uj += (double)row->measured_uj;
    seen->covered_ns += row->dt_ns;
}

static struct seen read_power(const struct scenario *scenario, const char *uri)
{
    struct reading reading;
    struct power_record power;
    struct seen seen = {0};
    power_record_init(&power);
    begin_reading(&reading, uri, RECORD_POWER);
    while (next_document(&reading)) {
        power_record_clear(&power);
        assert_int_equal(power_record_decode(&reading.document, &power, NULL), 0);
        for (size_t i = 0; i < power.n_balance; i++)
            check_balance(&power, &power.balance[i], &seen);
        seen.n_reason += scenario->reason && reasons_have(&power.reasons, scenario->reason);
        seen.n_ticks++;
    }
    end_reading(&reading);
    power_record_deinit(&power);
    return seen;
}

/* A file in memory, for this process and its children: a disk would be asked to keep every tick. */
static int make_file(const char *name, char uri[static URI_SIZE])
{
    int fd = memfd_create(name, 0);
    assert_true(fd >= 0);
    (void)snprintf(uri, URI_SIZE, "jsonl:/proc/self/fd/%d", fd);
    return fd;
}

static void run_scenario(const struct scenario *scenario, const char *source)
{
    static int64_t end_ns[TICKS];
    char raw_uri[URI_SIZE], power_uri[URI_SIZE];
    int raw_fd = make_file("raw", raw_uri), power_fd = make_file("power", power_uri);
    harness_start(&harness, machine_text, scenario->script);
    run_sensor(scenario, source, raw_uri, end_ns);
    harness_read_truth(&harness);
    harness_stop(&harness);
    run_formula(raw_uri, power_uri);
    struct seen raw = read_raw(scenario, raw_uri, end_ns);
    struct seen power = read_power(scenario, power_uri);
    assert_int_equal(close(raw_fd), 0);
    assert_int_equal(close(power_fd), 0);
    print_message("%s, %s: %.1f J of %.1f J in %.0f s of %.0f s, %zu ticks with a reason\n", source,
                  scenario->name, raw.valid_uj / 1e6, raw.true_uj / 1e6,
                  (double)raw.covered_ns / 1e9, (double)raw.dt_ns / 1e9, raw.n_reason);
    assert_int_equal(raw.n_ticks, TICKS);
    assert_int_equal(power.n_ticks, TICKS);
    assert_true(fabs(raw.valid_uj - raw.true_uj) <= 1e-3 * raw.true_uj);
    assert_true(power.valid_uj == raw.valid_uj && power.covered_ns == raw.covered_ns);
    assert_int_equal(raw.dt_ns, (int64_t)((TICKS - 1 + scenario->n_periods) * NS_PER_S));
    assert_true(raw.covered_ns >= raw.dt_ns - scenario->lost_ns);
    assert_true(raw.n_reason >= scenario->n_reason && power.n_reason >= scenario->n_reason);
}

static void run_scenarios(const char *source)
{
    char text[512];
    ssize_t size;
    made_tree_mkdir(&harness.tree, "cgroup");
    harness_start(&harness, machine_text, "");
    size = host_read_text(text, sizeof(text), "%s/cpuinfo", harness.procfs);
    assert_true(size > 0);
    made_tree_write(&harness.tree, "proc/cpuinfo", text);
    made_tree_write(&harness.tree, "proc/41/cgroup", "0::/web\n");
    made_tree_write(&harness.tree, "proc/42/cgroup", "0::/batch\n");
    harness_stop(&harness);
    bool is_estimate = strcmp(source, "curve") == 0;
    range.least_w = is_estimate ? 1e9 : LEAST_W;
    range.most_w = is_estimate ? 0 : HIGHEST_W;
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        range.is_learned = is_estimate && i == 0;
        run_scenario(&scenarios[i], source);
    }
    print_message("%s: %.2f to %.2f W\n", source, range.least_w, range.most_w);
}

static void test_powercap(void **state)
{
    (void)state;
    run_scenarios("powercap");
}

static void test_msr(void **state)
{
    (void)state;
    run_scenarios("msr");
}

static void test_curve(void **state)
{
    (void)state;
    run_scenarios("curve");
}

int main(void)
{
    if (!harness_can_run())
        return CANNOT_RUN;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_powercap, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_msr, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_curve, harness_set_up, harness_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
