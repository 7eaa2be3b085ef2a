/* SPDX-License-Identifier: BSD-3-Clause */
/* The estimate follows the busy share of /proc/stat exactly, says that it is one, and breaks loudly
 * on a bad table and quietly on a bad /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"

extern const struct source_ops source_curve;

#define HEADER \
    "vendor,family,models,idle_w_per_vcpu,full_w_per_vcpu,low_factor,high_factor,source\n"

static uint64_t now_ns;

static const struct clock clock_test = MADE_CLOCK(now_ns);

struct fixture {
    char root[64], table[96];
    struct host host;
    struct topology topology;
    bool is_online[2];
    struct source *source;
    struct report report;
    char *settings[1]; /* the one option of the source: curve-file */
};

static void put(const struct fixture *fixture, const char *file, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/test_curve_XXXXXX");
    if (!mkdtemp(fixture->root))
        return -1;
    now_ns = 1000 * NS_PER_S;
    fixture->is_online[0] = fixture->is_online[1] = true;
    fixture->host = (struct host){.procfs = fixture->root, .clock = &clock_test};
    fixture->topology = (struct topology){.n_cpus = 2,
                                          .is_online = fixture->is_online,
                                          .vendor = "TestVendor",
                                          .family = 1,
                                          .model = 2};
    (void)snprintf(fixture->table, sizeof(fixture->table), "%s/table.csv", fixture->root);
    fixture->settings[0] = fixture->table;
    assert_int_equal(source_curve.options[0].offset, 0);
    put(fixture, "table.csv", HEADER "TestVendor,1,2,2,10,0.5,3,a test\n*,*,*,1,1,0.5,2,any\n");
    put(fixture, "stat", "cpu  1000 0 0 1000 0 0 0 0 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n");
    report_init(&fixture->report);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"table.csv", "stat"};
    struct fixture *fixture = *state;
    char path[128];
    if (fixture->source)
        source_curve.close(fixture->source);
    report_deinit(&fixture->report);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(fixture->root);
    free(fixture);
    return 0;
}

static void open_source(struct fixture *fixture)
{
    struct error err = {0};
    if (source_curve.open(&fixture->source, &fixture->host, &fixture->topology, fixture->settings,
                          &err) < 0)
        fail_msg("%s", err.text);
}

static const struct energy_sample *tick(struct fixture *fixture, uint64_t dt_ns)
{
    now_ns += dt_ns;
    report_clear(&fixture->report);
    assert_int_equal(source_curve.read(fixture->source, &fixture->topology, &fixture->report), 0);
    assert_int_equal(fixture->report.n_energy, 1);
    const struct energy_sample *sample = &fixture->report.energy[0];
    assert_int_equal(sample->domain, DOMAIN_MACHINE);
    assert_int_equal(sample->package, PACKAGE_NONE);
    assert_true(sample->estimate);
    assert_string_equal(sample->source, "curve");
    return sample;
}

/* idle 2 W, full 10 W, two CPUs. */
static void energy_follows_the_busy_share(void **state)
{
    struct fixture *fixture = *state;
    open_source(fixture);
    /* 25 busy of 200: user 5, nice 4, system 6, irq 7, softirq 3; idle 100, iowait 55, steal 20 */
    put(fixture, "stat", "cpu  1005 4 6 1100 55 7 3 20 999 999\ncpu0 1\ncpu1 1\n");
    const struct energy_sample *sample = tick(fixture, NS_PER_S);
    assert_true(sample->valid);
    assert_int_equal(sample->energy_uj, 6000000); /* 2 x (2 + 8 x 25/200) W */
    assert_int_equal(sample->low_uj, 3000000);
    assert_int_equal(sample->high_uj, 18000000);
    assert_int_equal(sample->dt_ns, (int64_t)NS_PER_S);
    assert_string_equal(sample->reason, "");
    put(fixture, "stat", "cpu  1205 4 6 1100 55 7 3 20 999 999\ncpu0 1\ncpu1 1\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 20000000); /* full */
    fixture->is_online[1] = false;
    put(fixture, "stat", "cpu  1205 4 6 1200 55 7 3 20 999 999\ncpu0 1\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 2000000); /* one CPU, idle */
}

/* Field bug 4.24. The hypervisor's share is neither ours nor idle: half of the time taken is half
 * of full. */
static void stolen_time_is_used_by_others(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "stat", "cpu  1000 0 0 1000 0 0 0 0\n");
    open_source(fixture);
    put(fixture, "stat", "cpu  1100 0 0 1000 0 0 0 100\n");
    const struct energy_sample *sample = tick(fixture, NS_PER_S);
    assert_true(sample->valid);
    assert_int_equal(sample->energy_uj, 12000000); /* 2 x (2 + 8 / 2) W */
    assert_string_equal(sample->reason, "cpu_stolen");
    put(fixture, "stat", "cpu  1190 0 0 1000 0 0 0 110\n");
    assert_string_equal(tick(fixture, NS_PER_S)->reason, ""); /* a tenth is usual */
    put(fixture, "stat", "cpu  1200 0 0 1000 0 0 0 90\n");    /* it steps back */
    sample = tick(fixture, NS_PER_S);
    assert_true(sample->valid);
    assert_string_equal(sample->reason, "");
}

/* What is taken from a virtual machine and never shown is in no figure, but within the bounds. */
static void time_may_be_stolen_unseen(void **state)
{
    struct fixture *fixture = *state;
    fixture->topology.is_virtual = true;
    put(fixture, "stat", "cpu  1000 0 0 1000 0 0 0 0\n");
    open_source(fixture);
    put(fixture, "stat", "cpu  1100 0 0 1000 0 0 0 0\n");
    const struct energy_sample *sample = tick(fixture, NS_PER_S);
    assert_int_equal(sample->energy_uj, 20000000); /* 2 x 10 W */
    assert_int_equal(sample->low_uj, 2000000);     /* half of idle's */
    put(fixture, "stat", "cpu  1190 0 0 1000 0 0 0 10\n");
    (void)tick(fixture, NS_PER_S);
    put(fixture, "stat", "cpu  1290 0 0 1000 0 0 0 10\n"); /* it shows what it takes */
    sample = tick(fixture, NS_PER_S);
    assert_int_equal(sample->energy_uj, 20000000);
    assert_int_equal(sample->low_uj, 10000000);
}

static void fractions_are_carried(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "table.csv", HEADER "*,*,*,1,1,1,1,any\n");
    fixture->is_online[1] = false;
    put(fixture, "stat", "cpu  0 0 0 1000\n");
    open_source(fixture);
    int64_t sum_uj = 0;
    for (int i = 0; i < 300; i++) {
        const struct energy_sample *sample = tick(fixture, 3333333); /* 3333.333 uJ */
        assert_true(sample->valid);
        assert_true(sample->low_uj <= sample->energy_uj && sample->energy_uj <= sample->high_uj);
        assert_string_equal(sample->reason, "unknown_cpu");
        sum_uj += sample->energy_uj;
    }
    assert_in_range(sum_uj, 999999, 1000000);
}

static void a_tick_shorter_than_the_clock_keeps_the_share(void **state)
{
    struct fixture *fixture = *state;
    open_source(fixture);
    put(fixture, "stat", "cpu  1100 0 0 1000\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 20000000);
    assert_int_equal(tick(fixture, NS_PER_MS)->energy_uj, 20000); /* stat did not move */
    put(fixture, "stat", "cpu  1100 0 0 999\n");                  /* idle steps back */
    assert_int_equal(tick(fixture, NS_PER_MS)->energy_uj, 20000);
    put(fixture, "stat", "cpu  1100 0 0 1100\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 4000000);
}

static void bad_stat_is_missing(void **state)
{
    static const char *const texts[] = {
        "", "cpu\n", "cpu  1 2 3\n", "intr 1 2 3 4 5\n", "\xff\xfe\x01", "cpu  x y z w\n"};
    struct fixture *fixture = *state;
    open_source(fixture);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(fixture, "stat", texts[i]);
        const struct energy_sample *sample = tick(fixture, NS_PER_S);
        assert_false(sample->valid);
        assert_string_equal(sample->reason, "read_error");
        assert_int_equal(sample->energy_uj, VALUE_ABSENT);
        put(fixture, "stat", "cpu  2000 0 0 2000\n");
        assert_string_equal(tick(fixture, NS_PER_S)->reason, "reopened");
        put(fixture, "stat", "cpu  2000 0 0 2100\n");
        assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 4000000);
    }
}

static void a_bad_table_is_a_clear_failure(void **state)
{
    struct fixture *fixture = *state;
    struct source_probe probe;
    struct error err = {0};
    put(fixture, "table.csv", HEADER "TestVendor,1,2,nan,10,0.5,3,a test\n");
    assert_int_equal(source_curve.open(&fixture->source, &fixture->host, &fixture->topology,
                                       fixture->settings, &err),
                     -EDOM);
    assert_non_null(strstr(err.text, "table.csv:2: idle_w_per_vcpu \"nan\""));
    source_curve.probe(&fixture->host, &fixture->topology, fixture->settings, &probe);
    assert_int_equal(probe.availability, SOURCE_MISCONFIGURED);
    put(fixture, "table.csv", HEADER "Another,1,2,1,10,0.5,3,a test\n");
    assert_int_equal(source_curve.open(&fixture->source, &fixture->host, &fixture->topology,
                                       fixture->settings, &err),
                     -EDOM);
    assert_non_null(strstr(err.text, "no row for this CPU"));
    (void)unlink(fixture->table);
    assert_int_equal(source_curve.open(&fixture->source, &fixture->host, &fixture->topology,
                                       fixture->settings, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, fixture->table));
}

static void without_stat_it_is_absent(void **state)
{
    struct fixture *fixture = *state;
    struct source_probe probe;
    char path[128];
    source_curve.probe(&fixture->host, &fixture->topology, fixture->settings, &probe);
    assert_int_equal(probe.availability, SOURCE_USABLE);
    assert_false(probe.is_energy_counter);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_MACHINE));
    (void)snprintf(path, sizeof(path), "%s/stat", fixture->root);
    (void)unlink(path);
    source_curve.probe(&fixture->host, &fixture->topology, fixture->settings, &probe);
    assert_int_equal(probe.availability, SOURCE_ABSENT);
    fixture->settings[0] = NULL; /* the built-in table */
    put(fixture, "stat", "cpu  1 2 3 4\n");
    source_curve.probe(&fixture->host, &fixture->topology, NULL, &probe);
    assert_int_equal(probe.availability, SOURCE_USABLE);
    assert_non_null(strstr(probe.reason, "unknown"));
    assert_non_null(strstr(probe.advice, "--curve-file"));
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(energy_follows_the_busy_share),
        WITH_FILES(stolen_time_is_used_by_others),
        WITH_FILES(time_may_be_stolen_unseen),
        WITH_FILES(fractions_are_carried),
        WITH_FILES(a_tick_shorter_than_the_clock_keeps_the_share),
        WITH_FILES(bad_stat_is_missing),
        WITH_FILES(a_bad_table_is_a_clear_failure),
        WITH_FILES(without_stat_it_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
