/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole ticks in simulated time on a machine made of files: what is stored is what happened, in
 * order, and nothing that fails ends the sensor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/host_record.h"
#include "common/report.h"
#include "common/scope.h"
#include "sensor/sensor.h"
#include "tests/unit/made_clock.h"

#define START_MS INT64_C(1700000000000)

static const struct store_ops *const *const tables[] = {store_table_local, NULL};

struct fixture {
    char root[64], uri[96];
    struct made_times times;
    struct clock clock;
    struct host host;
    struct target_rules *rules;
    struct sensor_settings settings;
    struct store *store;
    struct sensor *sensor;
};

static void pass(struct fixture *fixture, uint64_t ns)
{
    made_times_pass(&fixture->times, ns);
}

static void put(const struct fixture *fixture, const char *file, const char *text)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, file);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void put_energy(const struct fixture *fixture, int64_t energy_uj)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", energy_uj);
    put(fixture, "sys/class/powercap/intel-rapl:0/energy_uj", text);
}

/* A package of a known power may go unread for minutes. */
static void put_limit(const struct fixture *fixture)
{
    put(fixture, "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw", "100000000\n");
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/test_sensor_XXXXXX");
    if (!mkdtemp(fixture->root))
        return -1;
    (void)snprintf(fixture->uri, sizeof(fixture->uri), "jsonl:%s/records.jsonl", fixture->root);
    fixture->times = (struct made_times){50 * NS_PER_S, 60 * NS_PER_S, START_MS * NS_PER_MS};
    fixture->clock = made_times_clock(&fixture->times);
    static char sysfs[96], procfs[96];
    (void)snprintf(sysfs, sizeof(sysfs), "%s/sys", fixture->root);
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", fixture->root);
    fixture->host = (struct host){
        .sysfs = sysfs, .procfs = procfs, .devfs = fixture->root, .clock = &fixture->clock};
    assert_int_equal(target_rules_parse(&fixture->rules, NULL, 0, NULL), 0);
    fixture->settings = (struct sensor_settings){.name = "node",
                                                 .interval_ns = NS_PER_S,
                                                 .energy = "auto",
                                                 .engine = "auto",
                                                 .granularity = GRANULARITY_PROCESS,
                                                 .rules = fixture->rules};
    put(fixture, "sys/class/powercap/intel-rapl:0/name", "package-0\n");
    put(fixture, "sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n");
    put_energy(fixture, 1000000);
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sensor_free(fixture->sensor);
    store_close(fixture->store);
    target_rules_free(fixture->rules);
    (void)nftw(fixture->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture, const char *uri, const char *last_run)
{
    struct error err = {0};
    if (store_open(&fixture->store, uri, STORE_WRITE, tables, NULL, NULL, &err) < 0 ||
        sensor_new(&fixture->sensor, &fixture->settings, &fixture->host, fixture->store, last_run,
                   &err) < 0)
        fail_msg("%s", err.text);
}

static void tick(struct fixture *fixture, uint64_t n_periods)
{
    struct error err = {0};
    if (sensor_tick(fixture->sensor, n_periods, &err) < 0)
        fail_msg("%s", err.text);
}

struct reading {
    struct store *store;
    struct cursor *cursor;
    struct report report;
    struct document document;
};

static void begin_reading(struct reading *reading, const struct fixture *fixture, unsigned kinds)
{
    struct store_query query = {.kinds = kinds, .from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    assert_int_equal(
        store_open(&reading->store, fixture->uri, STORE_READ, tables, NULL, NULL, NULL), 0);
    assert_int_equal(store_query(reading->store, &query, &reading->cursor, NULL), 0);
    report_init(&reading->report);
}

static void next_document(struct reading *reading, enum record_kind kind)
{
    assert_int_equal(cursor_next(reading->cursor, &reading->document, NULL), CURSOR_DOCUMENT);
    assert_int_equal(reading->document.kind, kind);
}

static const struct report *next_report(struct reading *reading)
{
    struct error err = {0};
    next_document(reading, RECORD_RAW);
    report_clear(&reading->report);
    if (report_decode(&reading->document, &reading->report, &err) < 0)
        fail_msg("%s", err.text);
    return &reading->report;
}

static void end_reading(struct reading *reading)
{
    assert_int_equal(cursor_next(reading->cursor, &reading->document, NULL), CURSOR_END);
    report_deinit(&reading->report);
    cursor_close(reading->cursor);
    store_close(reading->store);
}

/* Field bug 4.18: the first reading is a baseline and makes no tick. */
static void every_joule_arrives_in_order(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, fixture->uri, "");
    put_energy(fixture, 1000000 + 123);
    pass(fixture, NS_PER_S);
    tick(fixture, 1);
    put_energy(fixture, 1000000 + 123 + 4567);
    pass(fixture, 3 * NS_PER_S);
    tick(fixture, 3);
    put_energy(fixture, 1000000 + 123 + 4567 + 1);
    tick(fixture, 1); /* no time passed at all: the stamp grows none the less */

    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_HOST) | KIND_BIT(RECORD_RAW));
    next_document(&reading, RECORD_HOST);
    assert_int_equal(reading.document.key.seq, 0);
    assert_string_equal(reading.document.key.sensor, "node");
    struct host_record host;
    host_record_init(&host);
    assert_int_equal(host_record_decode(&reading.document, &host, NULL), 0);
    assert_int_equal(host.n_sources, 1);
    assert_string_equal(host.sources[0].source, "powercap");
    assert_int_equal(host.interval_ns, (int64_t)NS_PER_S);
    host_record_deinit(&host);

    static const int64_t energies_uj[] = {123, 4567, 1}, missed[] = {0, 2, 0};
    static const int64_t stamps_ms[] = {START_MS + 1000, START_MS + 4000, START_MS + 4001};
    for (size_t i = 0; i < 3; i++) {
        const struct report *report = next_report(&reading);
        assert_int_equal(report->key.seq, i);
        assert_int_equal(report->key.timestamp_ms, stamps_ms[i]);
        assert_int_equal(report->missed, missed[i]);
        assert_true(report->valid);
        assert_true(reasons_have(&report->reasons, "no_engine"));
        assert_int_equal(report->n_energy, 1);
        assert_true(report->energy[0].valid);
        assert_int_equal(report->energy[0].energy_uj, energies_uj[i]);
        assert_int_equal(report->energy[0].skew_ns, 0);
        assert_int_equal(report->energy[0].dt_ns, report->dt_ns);
    }
    end_reading(&reading);
}

static void the_run_sorts_after_the_last_one(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *last, *run;
    } cases[] = {
        {"", "018bcfe56800"}, /* START_MS */
        {"018bcfe567ff", "018bcfe56800"},
        {"018bcfe56800", "018bcfe56801"},
        {"019000000000", "019000000001"}, /* the clock was set back */
        {"no hex here!", "018bcfe56800"},
        {"ffffffffffff", "018bcfe56800"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char path[96];
        (void)snprintf(path, sizeof(path), "%s/records.jsonl", fixture->root);
        (void)unlink(path);
        start(fixture, fixture->uri, cases[i].last);
        struct reading reading;
        begin_reading(&reading, fixture, KIND_BIT(RECORD_HOST));
        next_document(&reading, RECORD_HOST);
        assert_string_equal(reading.document.key.run, cases[i].run);
        end_reading(&reading);
        sensor_free(fixture->sensor);
        store_close(fixture->store);
        fixture->sensor = NULL;
        fixture->store = NULL;
    }
}

/* Hardware trap 4, field bug 4.6. */
static void a_suspend_voids_energy(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, fixture->uri, "");
    put_energy(fixture, 2000000);
    pass(fixture, NS_PER_S);
    fixture->times.boottime_ns += 60 * NS_PER_S;
    fixture->times.realtime_ns += 60 * NS_PER_S;
    tick(fixture, 1);
    put_energy(fixture, 2000005);
    pass(fixture, NS_PER_S);
    tick(fixture, 1);
    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_RAW));
    const struct report *report = next_report(&reading);
    assert_false(report->valid);
    assert_true(reasons_have(&report->reasons, "suspend"));
    assert_false(report->energy[0].valid);
    assert_string_equal(report->energy[0].reason, "suspend");
    report = next_report(&reading);
    assert_true(report->valid);
    assert_int_equal(report->energy[0].energy_uj, 5);
    end_reading(&reading);
}

static void a_full_store_never_ends_sampling(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    start(fixture, "jsonl:/dev/full", "");
    for (int i = 0; i < 100; i++) {
        put_energy(fixture, 2000000 + i);
        pass(fixture, NS_PER_S);
        tick(fixture, 1);
    }
    assert_true(sensor_flush(fixture->sensor, &err) < 0);
    assert_non_null(strstr(err.text, "102 records")); /* host and other, too */
    assert_int_equal(sensor_lost(fixture->sensor), 0);
}

static void expect_health(struct reading *reading, int64_t count)
{
    struct host_record host;
    host_record_init(&host);
    next_document(reading, RECORD_HOST);
    assert_int_equal(host_record_decode(&reading->document, &host, NULL), 0);
    assert_int_equal(host.n_invalid, count > 0);
    if (count > 0) {
        assert_string_equal(host.invalid[0].source, "powercap");
        assert_string_equal(host.invalid[0].reason, "stuck");
        assert_int_equal(host.invalid[0].count, count);
    }
    host_record_deinit(&host);
}

/* Once a minute, and at the end. */
static void invalid_samples_are_counted_in_the_host_record(void **state)
{
    struct fixture *fixture = *state;
    put_limit(fixture);
    start(fixture, fixture->uri, "");
    for (int i = 0; i < 100; i++) {
        pass(fixture, NS_PER_S);
        tick(fixture, 1);
    }
    assert_int_equal(sensor_flush(fixture->sensor, NULL), 0);
    assert_int_equal(sensor_flush(fixture->sensor, NULL), 0); /* nothing is new */
    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_HOST));
    expect_health(&reading, 0);
    expect_health(&reading, 60);
    expect_health(&reading, 100);
    end_reading(&reading);
}

/* Field bug 4.5: no span is assumed. Stopped for 90 s: one tick of 90 s, whose joules are those of
 * 90 s. */
static void a_stopped_sensor_makes_one_long_tick(void **state)
{
    struct fixture *fixture = *state;
    put_limit(fixture);
    start(fixture, fixture->uri, "");
    put_energy(fixture, 1000000 + 20000000);
    pass(fixture, NS_PER_S);
    tick(fixture, 1);
    put_energy(fixture, 1000000 + 91 * 20000000LL);
    pass(fixture, 90 * NS_PER_S);
    tick(fixture, 90);
    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_RAW));
    assert_false(reasons_have(&next_report(&reading)->reasons, "merged"));
    const struct report *report = next_report(&reading);
    assert_true(report->valid && report->energy[0].valid);
    assert_true(reasons_have(&report->reasons, "merged"));
    assert_int_equal(report->missed, 89);
    assert_int_equal(report->energy[0].energy_uj, 90 * 20000000LL);
    assert_int_equal(report->energy[0].dt_ns, 90 * (int64_t)NS_PER_S);
    end_reading(&reading);
}

/* A CPU goes, and comes back: said once each time, in the tick that found it and a host record. */
static void cpus_that_come_and_go_are_seen(void **state)
{
    static const char *const lists[] = {"0-1\n", "0\n", "0\n", "0-1\n", "0-1\n"};
    static const bool changes[] = {false, true, false, true, false};
    struct fixture *fixture = *state;
    put(fixture, "sys/devices/system/cpu/possible", "0-1\n");
    put(fixture, "sys/devices/system/cpu/online", "0-1\n");
    start(fixture, fixture->uri, "");
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        put(fixture, "sys/devices/system/cpu/online", lists[i]);
        pass(fixture, NS_PER_S);
        tick(fixture, 1);
    }
    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_RAW) | KIND_BIT(RECORD_HOST));
    next_document(&reading, RECORD_HOST);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (changes[i])
            next_document(&reading, RECORD_HOST);
        assert_int_equal(reasons_have(&next_report(&reading)->reasons, "topology"), changes[i]);
    }
    end_reading(&reading);
}

/* The zone cannot be read when the machine wakes up: what is read later reaches back before that.
 */
static void a_sleep_is_in_no_later_sample(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, fixture->uri, "");
    put(fixture, "sys/class/powercap/intel-rapl:0/energy_uj", "?\n");
    pass(fixture, NS_PER_S);
    fixture->times.boottime_ns += 60 * NS_PER_S;
    fixture->times.realtime_ns += 60 * NS_PER_S;
    tick(fixture, 1);
    put_energy(fixture, 2000000 + 600000000); /* of two seconds and the sleep */
    pass(fixture, NS_PER_S);
    tick(fixture, 1);
    put_energy(fixture, 2000000 + 610000000);
    pass(fixture, NS_PER_S);
    tick(fixture, 1);
    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_RAW));
    assert_false(next_report(&reading)->valid);
    const struct report *report = next_report(&reading);
    assert_true(report->valid);
    assert_false(report->energy[0].valid);
    assert_string_equal(report->energy[0].reason, "suspend");
    assert_int_equal(next_report(&reading)->energy[0].energy_uj, 10000000);
    end_reading(&reading);
}

static size_t count_stored(const struct fixture *fixture)
{
    struct reading reading;
    size_t n = 0;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_RAW));
    while (cursor_next(reading.cursor, &reading.document, NULL) == CURSOR_DOCUMENT)
        n++;
    end_reading(&reading);
    return n;
}

/* A thousand ticks a second: no targets, samples from update to update, records handed over
 * together. */
static void energy_alone_is_recorded_from_update_to_update(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    fixture->settings.engine = "none";
    fixture->settings.interval_ns = NS_PER_MS;
    start(fixture, fixture->uri, "");
    for (int i = 0; i < 300; i++) {
        if (i % 3 != 1)
            put_energy(fixture, 1000000 + 50000 * (i + 1));
        pass(fixture, NS_PER_MS);
        tick(fixture, i == 200 ? 4 : 1);
        if (i == 98)
            assert_int_equal(count_stored(fixture), 0);
        if (i == 100)
            assert_in_range(count_stored(fixture), 99, 101);
    }
    assert_int_equal(sensor_missed(fixture->sensor), 3);
    assert_int_equal(sensor_flush(fixture->sensor, &err), 0);

    struct reading reading;
    begin_reading(&reading, fixture,
                  KIND_BIT(RECORD_HOST) | KIND_BIT(RECORD_TARGET) | KIND_BIT(RECORD_RAW));
    next_document(&reading, RECORD_HOST);
    int64_t sum_uj = 0, sum_ns = 0;
    for (int i = 0; i < 300; i++) {
        const struct report *report = next_report(&reading);
        assert_true(report->valid);
        assert_false(reasons_have(&report->reasons, "no_engine"));
        assert_int_equal(report->missed, i == 200 ? 3 : 0);
        assert_int_equal(report->n_targets, 0);
        assert_int_equal(report->n_energy, 1);
        /* The first movement is the baseline of the others. */
        assert_int_equal(report->energy[0].valid, i > 0 && i % 3 != 1);
        if (!report->energy[0].valid) {
            assert_string_equal(report->energy[0].reason, "no_update");
            continue;
        }
        sum_uj += report->energy[0].energy_uj;
        sum_ns += report->energy[0].dt_ns;
    }
    assert_int_equal(sum_uj, 299 * 50000);
    assert_int_equal(sum_ns, 299 * NS_PER_MS);
    next_document(&reading, RECORD_HOST); /* how often nothing was updated */
    end_reading(&reading);
}

/* The same through a thread that stores; nothing is lost when it is told to end. */
static void a_thread_stores_everything(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    fixture->settings.engine = "none";
    fixture->settings.interval_ns = 20 * NS_PER_MS;
    start(fixture, fixture->uri, "");
    assert_int_equal(sensor_start_store_thread(fixture->sensor, NULL, NULL), 0);
    for (int i = 0; i < 500; i++) {
        put_energy(fixture, 1000000 + i + 1);
        pass(fixture, 20 * NS_PER_MS);
        tick(fixture, 1);
    }
    assert_int_equal(sensor_flush(fixture->sensor, &err), 0);
    assert_int_equal(sensor_lost(fixture->sensor), 0);
    assert_int_equal(count_stored(fixture), 500);
}

/* A tick of 100 ms in which the cgroup uses a millisecond. */
static void tick_with_use(struct fixture *fixture, const char *cgroup)
{
    static int64_t usage_us;
    char file[64], text[32];
    (void)snprintf(file, sizeof(file), "cgroup/%s/cpu.stat", cgroup);
    (void)snprintf(text, sizeof(text), "usage_usec %" PRId64 "\n", usage_us += 1000);
    put(fixture, file, text);
    pass(fixture, 100 * NS_PER_MS);
    tick(fixture, 1);
}

static void expect_target(struct reading *reading, const char *name)
{
    const struct report *report = next_report(reading);
    if (report->n_targets != (name ? 1 : 0) ||
        (name && strcmp(report->targets[0].target, name) != 0))
        fail_msg("tick %" PRIu64 ": %zu targets, the first %s instead of %s", report->key.seq,
                 report->n_targets, report->n_targets ? report->targets[0].target : "-",
                 name ? name : "none");
}

/* A new cgroup is told by an event. Another tree in place of the one that is watched is told by
 * none: who walks on each tick would see it at once, who never walks would not see it at all. */
static void the_tree_is_walked_when_it_changed_and_now_and_then(void **state)
{
    struct fixture *fixture = *state;
    char cgroupfs[96], aside[96];
    (void)snprintf(cgroupfs, sizeof(cgroupfs), "%s/cgroup", fixture->root);
    (void)snprintf(aside, sizeof(aside), "%s/aside", fixture->root);
    fixture->host.cgroupfs = cgroupfs;
    fixture->settings.granularity = GRANULARITY_CGROUP;
    fixture->settings.engine = "proc";
    fixture->settings.interval_ns = 100 * NS_PER_MS;
    put(fixture, "proc/stat", "cpu 1 0 0 9\ncpu0 1 0 0 9\n");
    put(fixture, "cgroup/a/cgroup.procs", "1\n");
    put(fixture, "cgroup/a/cpu.stat", "usage_usec 0\n");
    start(fixture, fixture->uri, "");
    for (int i = 0; i < 3; i++)
        tick_with_use(fixture, "a");
    put(fixture, "cgroup/b/cgroup.procs", "2\n");
    for (int i = 0; i < 4; i++)
        tick_with_use(fixture, "b");
    assert_int_equal(rename(cgroupfs, aside), 0);
    put(fixture, "cgroup/c/cgroup.procs", "3\n");
    enum { N_TICKS = 120 };
    for (int i = 0; i < N_TICKS; i++)
        tick_with_use(fixture, "c");

    struct reading reading;
    begin_reading(&reading, fixture, KIND_BIT(RECORD_RAW));
    for (int i = 0; i < 3; i++)
        expect_target(&reading, "/a");
    expect_target(&reading, NULL); /* b's first reading is its baseline */
    for (int i = 0; i < 3; i++)
        expect_target(&reading, "/b");
    int n_unseen = 0;
    const struct report *report = next_report(&reading);
    for (; report->n_targets == 0; report = next_report(&reading))
        n_unseen++;
    assert_string_equal(report->targets[0].target, "/c");
    assert_in_range(n_unseen, 4, 105);
    for (int i = n_unseen + 1; i < N_TICKS; i++)
        expect_target(&reading, "/c");
    end_reading(&reading);
}

static void what_is_asked_for_must_open(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *energy, *engine;
        int code;
    } cases[] = {
        {"nonsense", "auto", -EINVAL},
        {"auto", "nonsense", -EINVAL},
        {"curve", "auto", -ENOENT}, /* there is no PROCFS/stat */
        {"auto", "proc", -ENODEV},
    };
    assert_int_equal(store_open(&fixture->store, "null:", STORE_WRITE, tables, NULL, NULL, NULL),
                     0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error err = {0};
        fixture->settings.energy = cases[i].energy;
        fixture->settings.engine = cases[i].engine;
        int r = sensor_new(&fixture->sensor, &fixture->settings, &fixture->host, fixture->store, "",
                           &err);
        if (r != cases[i].code || !err.text[0])
            fail_msg("case %zu: %d %s", i, r, err.text);
        assert_null(fixture->sensor);
    }
}

#define WITH_MACHINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MACHINE(every_joule_arrives_in_order),
        WITH_MACHINE(the_run_sorts_after_the_last_one),
        WITH_MACHINE(a_suspend_voids_energy),
        WITH_MACHINE(a_full_store_never_ends_sampling),
        WITH_MACHINE(invalid_samples_are_counted_in_the_host_record),
        WITH_MACHINE(a_stopped_sensor_makes_one_long_tick),
        WITH_MACHINE(cpus_that_come_and_go_are_seen),
        WITH_MACHINE(a_sleep_is_in_no_later_sample),
        WITH_MACHINE(what_is_asked_for_must_open),
        WITH_MACHINE(energy_alone_is_recorded_from_update_to_update),
        WITH_MACHINE(a_thread_stores_everything),
        WITH_MACHINE(the_tree_is_walked_when_it_changed_and_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
