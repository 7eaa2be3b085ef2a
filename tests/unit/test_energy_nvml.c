/* SPDX-License-Identifier: BSD-3-Clause */
/* Every joule of a GPU, and who used it, from a library with NVML's ABI and GPUs of known truth
 * (tests/hwsim/nvml_stub.c). Time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>

#include "common/error.h"
#include "common/events.h"
#include "sensor/source.h"
#include "sensor/targets.h"
#include "tests/unit/made_clock.h"
#include "tests/unit/made_tree.h"

#define START_NS (1000 * NS_PER_S)

extern const struct source_ops source_nvml;

static uint64_t now_ns;

static const struct clock clock_test = MADE_CLOCK(now_ns);

struct fixture {
    struct made_tree tree;
    char procfs[128], world[PATH_MAX];
    char script[4096]; /* of the library */
    struct host host;
    struct topology topology;
    struct {
        char *library;
    } settings;
    struct source *source;
    struct target_rules *rules;
    struct targets *targets;
    struct report report;
};

/* One more line of the library's script. */
__attribute__((format(printf, 2, 3))) static void say(struct fixture *fixture, const char *format,
                                                      ...)
{
    size_t length = strlen(fixture->script);
    va_list arguments;
    va_start(arguments, format);
    int n =
        vsnprintf(fixture->script + length, sizeof(fixture->script) - length, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && length + (size_t)n + 2 < sizeof(fixture->script));
    memcpy(fixture->script + length + (size_t)n, "\n", 2);
}

/* From now on the GPU does what is said next. */
static void from_now(struct fixture *fixture, unsigned gpu)
{
    say(fixture, "at %" PRIu64 " %u", now_ns, gpu);
}

static void write_world(const struct fixture *fixture)
{
    FILE *file = fopen(fixture->world, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "clock %" PRIu64 " %" PRIu64 "\n%s", now_ns, now_ns / 1000,
                        fixture->script) > 0);
    assert_int_equal(fclose(file), 0);
}

static void add_gpu(struct fixture *fixture, const char *address, const char *vendor)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "bus/pci/devices/%s/class", address);
    made_tree_write(&fixture->tree, name, "0x030200\n");
    (void)snprintf(name, sizeof(name), "bus/pci/devices/%s/vendor", address);
    made_tree_write(&fixture->tree, name, vendor);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    made_tree_new(&fixture->tree);
    now_ns = START_NS;
    (void)snprintf(fixture->procfs, sizeof(fixture->procfs), "%s/proc", fixture->tree.root);
    made_tree_path(&fixture->tree, "world", fixture->world);
    fixture->host = (struct host){.sysfs = fixture->tree.root,
                                  .procfs = fixture->procfs,
                                  .cgroupfs = fixture->tree.root,
                                  .clock = &clock_test};
    fixture->settings.library = (char *)NVML_STUB;
    add_gpu(fixture, "0000:03:00.0", "0x1a03\n"); /* the console: GPU 0 */
    add_gpu(fixture, "0000:41:00.0", "0x10de\n");
    add_gpu(fixture, "0000:c1:00.0", "0x10de\n");
    say(fixture, "gpu 00000000:41:00.0 300\ngpu 00000000:C1:00.0 0");
    report_init(&fixture->report);
    *state = fixture;
    return setenv("NVML_STUB_WORLD", fixture->world, 1);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->source)
        source_nvml.close(fixture->source);
    targets_free(fixture->targets);
    target_rules_free(fixture->rules);
    report_deinit(&fixture->report);
    made_tree_remove(&fixture->tree, "");
    free(fixture);
    return 0;
}

static void open_source(struct fixture *fixture)
{
    struct error err = {0};
    write_world(fixture);
    if (source_nvml.open(&fixture->source, &fixture->host, &fixture->topology, &fixture->settings,
                         &err) < 0)
        fail_msg("%s", err.text);
}

static void tick_after(struct fixture *fixture, uint64_t span_ns)
{
    now_ns += span_ns;
    write_world(fixture);
    report_clear(&fixture->report);
    assert_int_equal(source_nvml.read(fixture->source, &fixture->topology, &fixture->report), 0);
}

static const struct energy_sample *sample_of(const struct fixture *fixture, int32_t gpu)
{
    const struct energy_sample *found = NULL;
    for (size_t i = 0; i < fixture->report.n_energy; i++) {
        const struct energy_sample *sample = &fixture->report.energy[i];
        assert_int_equal(sample->domain, DOMAIN_GPU);
        assert_string_equal(sample->source, "nvml");
        if (sample->package == gpu)
            found = sample;
    }
    return found;
}

static void expect_energy(const struct fixture *fixture, int32_t gpu, int64_t energy_uj,
                          uint64_t span_ns)
{
    const struct energy_sample *sample = sample_of(fixture, gpu);
    assert_non_null(sample);
    if (!sample->valid)
        fail_msg("not valid: %s", sample->reason);
    assert_int_equal(sample->energy_uj, energy_uj);
    assert_int_equal(sample->dt_ns, span_ns);
    assert_false(sample->estimate);
}

static void expect_reason(const struct fixture *fixture, int32_t gpu, const char *reason)
{
    const struct energy_sample *sample = sample_of(fixture, gpu);
    assert_non_null(sample);
    assert_false(sample->valid);
    assert_string_equal(sample->reason, reason);
    assert_int_equal(sample->energy_uj, VALUE_ABSENT);
}

/* ---- energy ---- */

/* Field bug 4.21. */
static void a_counter_gives_every_joule(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "idle 80\nuser 77 200 0.5");
    open_source(fixture);
    assert_int_equal(fixture->report.n_energy, 0);
    for (int i = 0; i < 3; i++) {
        tick_after(fixture, NS_PER_S);
        assert_int_equal(fixture->report.n_energy, 2);
        expect_energy(fixture, 1, 50000000, NS_PER_S);
        expect_energy(fixture, 2, 180000000, NS_PER_S);
    }
    from_now(fixture, 0);
    say(fixture, "idle 100");
    tick_after(fixture, 10 * NS_PER_S);
    expect_energy(fixture, 1, 1000000000, 10 * NS_PER_S);
    struct host_record record;
    host_record_init(&record);
    assert_int_equal(source_nvml.describe(fixture->source, &record), 0);
    assert_int_equal(record.n_sources, 2);
    assert_int_equal(record.sources[0].package, 1);
    assert_true(record.sources[0].unit_uj == 1000);
    assert_int_equal(record.sources[0].range_uj, VALUE_ABSENT);
    assert_true(record.sources[0].peak_w == 900);  /* three times the limit */
    assert_true(record.sources[1].peak_w == 6000); /* it tells none */
    assert_int_equal(record.n_events, 1);
    assert_string_equal(record.events[0].name, EVENT_GPU_NS);
    host_record_deinit(&record);
}

/* The driver is asked ten times a second at most; nothing is lost in between. */
static void fast_ticks_have_no_sample(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "idle 50");
    open_source(fixture);
    for (int i = 0; i < 9; i++) {
        tick_after(fixture, 10 * NS_PER_MS);
        assert_int_equal(fixture->report.n_energy, i == 8 ? 2 : 0);
    }
    expect_energy(fixture, 1, 4000000, 90 * NS_PER_MS); /* as of 80 ms */
    tick_after(fixture, 110 * NS_PER_MS);
    expect_energy(fixture, 1, 6000000, 110 * NS_PER_MS);
}

static void power_is_integrated_where_there_is_no_counter(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "fail energy 3\nidle 100");
    open_source(fixture);
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 100000000, NS_PER_S);
    from_now(fixture, 0);
    say(fixture, "fail energy 3\nidle 200");
    tick_after(fixture, 2 * NS_PER_S);
    expect_energy(fixture, 1, 300000000, 2 * NS_PER_S); /* from 100 W to 200 W */
    tick_after(fixture, 11 * NS_PER_S);
    expect_reason(fixture, 1, "gap");
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 200000000, NS_PER_S);
    from_now(fixture, 0);
    say(fixture, "fail power 15");
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "vanished");
    from_now(fixture, 0);
    say(fixture, "idle 300");
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "reopened"); /* nobody knows what it drew meanwhile */
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 300000000, NS_PER_S);
}

static void what_fails_has_a_reason_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int code;
        const char *reason;
    } faults[] = {{15, "vanished"}, {16, "reset_required"}, {4, "permission"},  {17, "permission"},
                  {9, "vanished"},  {1, "vanished"},        {999, "read_error"}};
    from_now(fixture, 0);
    say(fixture, "idle 50");
    open_source(fixture);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        from_now(fixture, 0);
        say(fixture, "idle 50\nfail energy %d", faults[i].code);
        tick_after(fixture, NS_PER_S);
        expect_reason(fixture, 1, faults[i].reason);
        from_now(fixture, 0);
        say(fixture, "idle 50");
        tick_after(fixture, NS_PER_S);
        expect_energy(fixture, 1, 100000000, 2 * NS_PER_S);
    }
}

static void a_driver_loaded_anew_is_a_reset(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    open_source(fixture);
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
    from_now(fixture, 0);
    say(fixture, "idle 50\nreset");
    tick_after(fixture, NS_PER_S / 2);
    expect_reason(fixture, 1, "counter_reset");
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
}

/* All fell off the bus and were found again: the library that knew them does not, a new one does. */
static void a_library_that_lost_all_is_loaded_anew(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "idle 80");
    open_source(fixture);
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
    say(fixture, "init 9\nloaded %" PRIu64, now_ns + NS_PER_S);
    int n_gone = 0;
    do {
        tick_after(fixture, NS_PER_S);
        expect_reason(fixture, 1, "vanished");
        expect_reason(fixture, 2, "vanished");
    } while (++n_gone < 15); /* at first the driver is not there either */
    say(fixture, "init 0");
    do {
        tick_after(fixture, NS_PER_S);
        assert_true(++n_gone < 30);
    } while (strcmp(sample_of(fixture, 1)->reason, "vanished") == 0);
    expect_reason(fixture, 1, "reopened");
    expect_reason(fixture, 2, "reopened");
    assert_true(fixture->source->has_changed);
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
    expect_energy(fixture, 2, 80000000, NS_PER_S);
}

/* One of two falls off the bus. The other goes on, also when the library is loaded anew; the one
 * that comes back, where only a new library sees it, is counted anew. */
static void one_that_was_lost_comes_back(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "idle 80");
    open_source(fixture);
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
    from_now(fixture, 0);
    say(fixture, "idle 50\nfail energy 15\nloaded %" PRIu64 " 0", now_ns + 1);
    for (int i = 0; i < 150; i++) { /* two new libraries do not find it */
        tick_after(fixture, NS_PER_S);
        expect_reason(fixture, 1, "vanished");
        expect_energy(fixture, 2, 80000000, NS_PER_S);
    }
    assert_false(fixture->source->has_changed);
    from_now(fixture, 0);
    say(fixture, "idle 50");
    int n_ticks = 0;
    do {
        tick_after(fixture, NS_PER_S);
        expect_energy(fixture, 2, 80000000, NS_PER_S);
        assert_true(++n_ticks < 70);
    } while (strcmp(sample_of(fixture, 1)->reason, "vanished") == 0);
    assert_true(n_ticks > 1);
    expect_reason(fixture, 1, "reopened");
    assert_true(fixture->source->has_changed);
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
    expect_energy(fixture, 2, 80000000, NS_PER_S);
}

/* The library does not start at first when it is loaded anew: who was not lost loses nothing. */
static void who_was_not_lost_goes_on(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "idle 80");
    open_source(fixture);
    say(fixture, "init 9\nloaded %" PRIu64 " 0", now_ns + 1);
    int n_valid = 0, n_gone = 0;
    for (int i = 0; i < 65; i++) {
        tick_after(fixture, NS_PER_S);
        expect_reason(fixture, 1, "vanished");
        n_valid += sample_of(fixture, 2)->valid;
        n_gone += !sample_of(fixture, 2)->valid;
    }
    assert_true(n_valid > 0 && n_gone > 0);
    say(fixture, "init 0");
    do {
        tick_after(fixture, NS_PER_S);
        assert_true(n_gone++ < 30);
    } while (!sample_of(fixture, 2)->valid);
    expect_energy(fixture, 2, n_gone * INT64_C(80000000), (uint64_t)n_gone * NS_PER_S);
    expect_reason(fixture, 1, "reopened");
}

/* A healthy one, without a counter, of which the new library says for a moment that it is lost. */
static void a_moment_without_is_survived(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "fail energy 3\nidle 80");
    open_source(fixture);
    say(fixture, "first 1 15\nloaded %" PRIu64 " 0", now_ns + 1);
    int n_ticks = 0;
    do {
        tick_after(fixture, NS_PER_S);
        expect_energy(fixture, 2, 80000000, NS_PER_S);
        assert_true(++n_ticks < 70);
    } while (strcmp(sample_of(fixture, 1)->reason, "vanished") == 0);
    expect_reason(fixture, 1, "reopened");
    expect_energy(fixture, 2, 80000000, NS_PER_S);
}

static void tick_until(struct fixture *fixture, int32_t gpu, const char *reason)
{
    for (int i = 0; i < 70; i++) {
        tick_after(fixture, NS_PER_S);
        if (sample_of(fixture, gpu) && strcmp(sample_of(fixture, gpu)->reason, reason) == 0)
            return;
    }
    fail_msg("gpu %d is never %s", gpu, reason);
}

/* A number is a position among those that the kernel lists, and one that is gone is not listed. */
static void a_number_stays_whose_it_was(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    from_now(fixture, 1);
    say(fixture, "idle 80\nuser 77 200 0.5");
    open_source(fixture);
    made_tree_remove(&fixture->tree, "bus/pci/devices/0000:41:00.0");
    say(fixture, "loaded %" PRIu64, now_ns + 1);
    tick_until(fixture, 2, "reopened");
    tick_after(fixture, NS_PER_S);
    assert_int_equal(fixture->report.n_energy, 2);
    expect_reason(fixture, 1, "vanished");
    expect_energy(fixture, 2, 180000000, NS_PER_S);
    add_gpu(fixture, "0000:41:00.0", "0x10de\n");
    add_gpu(fixture, "0000:21:00.0", "0x10de\n"); /* it would be 1 */
    add_gpu(fixture, "0000:e1:00.0", "0x10de\n");
    say(fixture, "gpu 00000000:21:00.0 0\ngpu 00000000:E1:00.0 0");
    from_now(fixture, 3);
    say(fixture, "idle 10");
    tick_until(fixture, 1, "reopened");
    tick_after(fixture, NS_PER_S);
    assert_int_equal(fixture->report.n_energy, 3);
    expect_energy(fixture, 1, 50000000, NS_PER_S);
    expect_energy(fixture, 2, 180000000, NS_PER_S);
    expect_energy(fixture, 4, 10000000, NS_PER_S);
}

static void no_gpu_draws_that_much_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    open_source(fixture);
    from_now(fixture, 0);
    say(fixture, "idle 2000"); /* its limit is 300 W */
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "implausible");
    from_now(fixture, 0);
    say(fixture, "idle 1e9"); /* garbage */
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "implausible");
    from_now(fixture, 0);
    say(fixture, "idle 0");
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "stuck");
    from_now(fixture, 0);
    say(fixture, "idle 60");
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 60000000, 2 * NS_PER_S);
}

/* Reading a GPU that sleeps would wake it. */
static void a_suspended_gpu_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    const char *status = "bus/pci/devices/0000:41:00.0/power/runtime_status";
    from_now(fixture, 0);
    say(fixture, "idle 10");
    from_now(fixture, 1);
    say(fixture, "idle 10");
    made_tree_write(&fixture->tree, status, "active\n");
    open_source(fixture);
    made_tree_write(&fixture->tree, status, "suspended\n");
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "asleep");
    expect_energy(fixture, 2, 10000000, NS_PER_S);
    from_now(fixture, 0);
    say(fixture, "idle 10\nfail energy 999"); /* what it would say if it were asked */
    tick_after(fixture, NS_PER_S);
    expect_reason(fixture, 1, "asleep");
    from_now(fixture, 0);
    say(fixture, "idle 10");
    made_tree_write(&fixture->tree, status, "active\n");
    tick_after(fixture, NS_PER_S);
    expect_energy(fixture, 1, 30000000, 3 * NS_PER_S);
    expect_energy(fixture, 2, 10000000, NS_PER_S);
}

/* ---- who used it ---- */

static void add_process(struct fixture *fixture, int pid, const char *comm, const char *cgroup)
{
    char name[64], text[256];
    (void)snprintf(name, sizeof(name), "proc/%d/stat", pid);
    (void)snprintf(text, sizeof(text),
                   "%d (%s) R 1 1 1 0 -1 4194304 0 0 0 0 1 1 0 0 20 0 1 0 4242 0 0\n", pid, comm);
    made_tree_write(&fixture->tree, name, text);
    (void)snprintf(name, sizeof(name), "proc/%d/cgroup", pid);
    (void)snprintf(text, sizeof(text), "0::%s\n", cgroup);
    made_tree_write(&fixture->tree, name, text);
}

static void open_targets(struct fixture *fixture, enum granularity granularity)
{
    assert_int_equal(target_rules_parse(&fixture->rules, NULL, 0, NULL), 0);
    assert_int_equal(targets_new(&fixture->targets, &fixture->host, granularity, fixture->rules),
                     0);
}

static void count_tick(struct fixture *fixture, uint64_t span_ns)
{
    struct error err = {0};
    if (targets_refresh(fixture->targets, &err) < 0)
        fail_msg("%s", err.text);
    tick_after(fixture, span_ns);
    struct count_row *row; /* an engine was here before */
    assert_int_equal(report_add_event(&fixture->report, EVENT_CPU_NS), 0);
    assert_int_equal(report_add_target(&fixture->report, &row), 0);
    row->target = "/engine";
    row->has_counts = true;
    report_counts(&fixture->report, row)[0] = 5;
    assert_int_equal(source_nvml.count(fixture->source, fixture->targets, &fixture->report), 0);
}

/* GPU time of a target (NULL: of all), VALUE_ABSENT if there is no row of it. */
static int64_t gpu_ns(struct fixture *fixture, const char *target, int32_t gpu)
{
    struct report *report = &fixture->report;
    const struct count_row *rows = target ? report->targets : report->total;
    int64_t found_ns = VALUE_ABSENT;
    for (size_t i = 0; i < (target ? report->n_targets : report->n_total); i++) {
        if ((target && strcmp(rows[i].target, target) != 0) || rows[i].package != gpu)
            continue;
        assert_int_equal(found_ns, VALUE_ABSENT); /* one row, not two */
        assert_int_equal(report->n_events, 2);
        assert_string_equal(report->events[1], EVENT_GPU_NS);
        assert_int_equal(report_counts(report, &rows[i])[0], VALUE_ABSENT);
        found_ns = report_counts(report, &rows[i])[1];
    }
    return found_ns;
}

static void processes_are_targets(void **state)
{
    struct fixture *fixture = *state;
    add_process(fixture, 100, "train", "/user");
    add_process(fixture, 200, "infer (x)", "/user");
    from_now(fixture, 0);
    say(fixture,
        "idle 50\nuser 100 200 0.5\nuser 200 100 0.25\nuser 300 100 0.125"); /* 300 is gone */
    from_now(fixture, 1);
    say(fixture, "idle 50\nuser 100 200 0.75");
    open_source(fixture);
    open_targets(fixture, GRANULARITY_PROCESS);
    count_tick(fixture, NS_PER_S);
    assert_int_equal(gpu_ns(fixture, "/user:100@4242", 1), 500000000);
    assert_int_equal(gpu_ns(fixture, "/user:200@4242", 1), 250000000);
    assert_int_equal(gpu_ns(fixture, "other", 1), 130000000); /* 12.5 % is 13 % to it */
    assert_int_equal(gpu_ns(fixture, NULL, 1), 880000000);
    assert_int_equal(gpu_ns(fixture, "/user:100@4242", 2), 750000000);
    assert_int_equal(gpu_ns(fixture, NULL, 2), 750000000);
    /* Nobody: the total says so. */
    from_now(fixture, 0);
    say(fixture, "idle 50");
    count_tick(fixture, NS_PER_S);
    assert_int_equal(gpu_ns(fixture, NULL, 1), 0);
    assert_int_equal(gpu_ns(fixture, "/user:100@4242", 1), VALUE_ABSENT);
    /* No sample, no rows; then the next one's span. */
    from_now(fixture, 0);
    say(fixture, "idle 50\nuser 100 200 0.5\nfail energy 999");
    count_tick(fixture, NS_PER_S);
    expect_reason(fixture, 1, "read_error");
    assert_int_equal(gpu_ns(fixture, NULL, 1), VALUE_ABSENT);
    from_now(fixture, 0);
    say(fixture, "idle 50\nuser 100 200 0.5");
    count_tick(fixture, NS_PER_S);
    expect_energy(fixture, 1, 300000000, 2 * NS_PER_S);
    assert_int_equal(gpu_ns(fixture, "/user:100@4242", 1), 1000000000);
}

/* An engine may know another path of it (cgroup name spaces): it is the same process. */
static void the_engines_target_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct target *target;
    struct error err = {0};
    add_process(fixture, 100, "train", "/../user");
    from_now(fixture, 0);
    say(fixture, "idle 50\nuser 100 200 0.5");
    open_source(fixture);
    open_targets(fixture, GRANULARITY_PROCESS);
    assert_int_equal(targets_refresh(fixture->targets, &err), 0);
    const struct seen_process seen = {
        .pid = 100, .start_ticks = 4242, .comm = "train", .cgroup = "/user"};
    assert_int_equal(targets_find_process(fixture->targets, &seen, &target), 0);
    tick_after(fixture, NS_PER_S);
    assert_int_equal(source_nvml.count(fixture->source, fixture->targets, &fixture->report), 0);
    assert_int_equal(fixture->report.n_targets, 1);
    assert_string_equal(fixture->report.targets[0].target, "/user:100@4242");
    count_tick(fixture, NS_PER_S); /* it was not seen in this tick */
    assert_int_equal(gpu_ns(fixture, "/../user:100@4242", 1), 500000000);
}

static void processes_of_a_cgroup_are_one_target(void **state)
{
    struct fixture *fixture = *state;
    made_tree_write(&fixture->tree, "job/cgroup.procs", "100\n200\n");
    add_process(fixture, 100, "train", "/job");
    add_process(fixture, 200, "train", "/job/inner");
    add_process(fixture, 300, "x", "/elsewhere");
    from_now(fixture, 0);
    say(fixture, "idle 50\nuser 100 200 0.5\nuser 200 100 0.25\nuser 300 9 0.1\nuser 400 9 0.1");
    open_source(fixture);
    open_targets(fixture, GRANULARITY_CGROUP);
    count_tick(fixture, NS_PER_S);
    assert_int_equal(gpu_ns(fixture, "/job", 1), 750000000);
    assert_int_equal(gpu_ns(fixture, "other", 1), 200000000);
    assert_int_equal(gpu_ns(fixture, NULL, 1), 950000000);
}

static void many_processes_fit(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    for (int pid = 1; pid <= 40; pid++)
        say(fixture, "user %d 1 0.02", pid);
    now_ns += NS_PER_S;
    from_now(fixture, 0);
    say(fixture, "idle 50");
    for (int pid = 41; pid <= 80; pid++)
        say(fixture, "user %d 1 0.02", pid);
    now_ns -= NS_PER_S;
    open_source(fixture);
    open_targets(fixture, GRANULARITY_PROCESS);
    count_tick(fixture, 2 * NS_PER_S);
    assert_int_equal(gpu_ns(fixture, NULL, 1), INT64_C(80) * 20000000); /* 1 % each */
}

/* MIG; and a driver that stops saying. */
static void use_that_is_not_known_has_no_rows(void **state)
{
    struct fixture *fixture = *state;
    from_now(fixture, 0);
    say(fixture, "idle 50\nuser 100 200 0.5\nfail users 3");
    from_now(fixture, 1);
    say(fixture, "idle 50\nuser 100 200 0.5");
    open_source(fixture);
    open_targets(fixture, GRANULARITY_PROCESS);
    count_tick(fixture, NS_PER_S);
    expect_energy(fixture, 1, 150000000, NS_PER_S);
    assert_int_equal(gpu_ns(fixture, NULL, 1), VALUE_ABSENT);
    assert_int_equal(gpu_ns(fixture, "other", 2), 500000000);
    from_now(fixture, 1);
    say(fixture, "idle 50\nfail users 999");
    count_tick(fixture, NS_PER_S);
    assert_int_equal(gpu_ns(fixture, NULL, 2), VALUE_ABSENT);
    assert_int_equal(fixture->report.n_events, 1);
}

/* ---- what is there ---- */

static void probe(struct fixture *fixture, enum source_availability availability,
                  const char *reason, const char *advice)
{
    struct source_probe found = {0};
    write_world(fixture);
    source_nvml.probe(&fixture->host, &fixture->topology, &fixture->settings, &found);
    if (found.availability != availability || !strstr(found.reason, reason) ||
        !strstr(found.advice, advice))
        fail_msg("%d: %s; %s", (int)found.availability, found.reason, found.advice);
    assert_int_equal(found.domains, availability == SOURCE_ABSENT ? 0 : DOMAIN_BIT(DOMAIN_GPU));
    assert_false(found.is_energy_counter); /* the CPUs' estimate does not stay away for a GPU */
    struct error err = {0};
    struct source *source = NULL;
    int r = source_nvml.open(&source, &fixture->host, &fixture->topology, &fixture->settings, &err);
    assert_int_equal(r < 0, availability != SOURCE_USABLE);
    if (r < 0)
        assert_non_null(strstr(err.text, reason));
    else
        source_nvml.close(source);
}

static void what_stands_in_the_way_is_named(void **state)
{
    struct fixture *fixture = *state;
    probe(fixture, SOURCE_USABLE, "2 by energy counter, 0 by power; use per process known of 2",
          "");
    from_now(fixture, 0);
    say(fixture, "fail energy 3\nfail users 3");
    probe(fixture, SOURCE_USABLE, "1 by energy counter, 1 by power; use per process known of 1",
          "");
    from_now(fixture, 0);
    say(fixture, "fail energy 3\nfail power 3");
    from_now(fixture, 1);
    say(fixture, "fail energy 3\nfail power 3");
    probe(fixture, SOURCE_ABSENT, "of 2 NVIDIA GPUs none", "");
    fixture->settings.library = (char *)NVML_STUB_OLD;
    fixture->script[0] = '\0';
    say(fixture, "gpu 00000000:41:00.0 300\ngpu 00000000:C2:00.0 300"); /* one is not in sysfs */
    probe(fixture, SOURCE_USABLE, "0 by energy counter, 1 by power; use per process known of 0",
          "");
    fixture->settings.library = (char *)NVML_STUB_BARE;
    probe(fixture, SOURCE_UNREADABLE, "no function nvmlDeviceGet", "newer driver");
    fixture->settings.library = (char *)"/nowhere/libnvidia-ml.so.1";
    probe(fixture, SOURCE_UNREADABLE, "/nowhere/libnvidia-ml.so.1", "--nvml-library");
    fixture->settings.library = fixture->world; /* no library at all */
    probe(fixture, SOURCE_UNREADABLE, "cannot be loaded", "--nvml-library");
    /* Where there is no GPU nothing is loaded, or this would name the library. */
    made_tree_remove(&fixture->tree, "bus/pci/devices/0000:41:00.0");
    made_tree_remove(&fixture->tree, "bus/pci/devices/0000:c1:00.0");
    probe(fixture, SOURCE_ABSENT, "no NVIDIA GPU", "");
}

static void a_library_that_does_not_start_is_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int code;
        const char *reason, *advice;
    } failures[] = {
        {4, "may not be opened", "DeviceAllow"}, {17, "blocked", "DeviceAllow"},
        {9, "not loaded", "modprobe nvidia"},    {18, "different versions", "restart"},
        {999, "NVML error 999", "nvidia-smi"},
    };
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        (void)snprintf(fixture->script, sizeof(fixture->script), "init %d\n", failures[i].code);
        probe(fixture, SOURCE_UNREADABLE, failures[i].reason, failures[i].advice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_counter_gives_every_joule, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fast_ticks_have_no_sample, set_up, tear_down),
        cmocka_unit_test_setup_teardown(power_is_integrated_where_there_is_no_counter, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_fails_has_a_reason_and_loses_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_driver_loaded_anew_is_a_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_library_that_lost_all_is_loaded_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_lost_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_not_lost_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_moment_without_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_number_stays_whose_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_gpu_draws_that_much_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_suspended_gpu_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_are_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_engines_target_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_of_a_cgroup_are_one_target, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_processes_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(use_that_is_not_known_has_no_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_stands_in_the_way_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_library_that_does_not_start_is_named, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
