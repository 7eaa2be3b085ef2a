/* SPDX-License-Identifier: BSD-3-Clause */
/* A tick becomes scopes: rates by true time, rows merged per target and package, doubts said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "formula/scope.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static struct report report;
static struct scopes *scopes;
static struct reasons reasons;
static const struct scope *list;
static size_t n_scopes;

static int set_up(void **state)
{
    (void)state;
    report_init(&report);
    report_clear(&report);
    report.dt_ns = 2000000000;
    reasons = (struct reasons){0};
    return scopes_new(&scopes, 0);
}

static int tear_down(void **state)
{
    (void)state;
    scopes_free(scopes);
    report_deinit(&report);
    return 0;
}

static void add_energy(enum domain domain, int32_t package, int64_t energy_uj)
{
    struct energy_sample *sample;
    assert_int_equal(report_add_energy(&report, &sample), 0);
    sample->domain = domain;
    sample->package = package;
    sample->valid = true;
    sample->dt_ns = 2000000000;
    sample->energy_uj = energy_uj;
}

static struct count_row *add_row(const char *target, int32_t package, int64_t first, int64_t second)
{
    struct count_row *row;
    assert_int_equal(target ? report_add_target(&report, &row) : report_add_total(&report, &row),
                     0);
    row->target = target ? target : "";
    row->package = package;
    row->has_counts = true;
    int64_t *counts = report_counts(&report, row);
    counts[0] = first;
    counts[1] = second;
    return row;
}

static void add_events(void)
{
    assert_int_equal(report_add_event(&report, "instructions"), 0);
    assert_int_equal(report_add_event(&report, "cpu_ns"), 0);
}

static void build(void)
{
    assert_int_equal(scopes_build(scopes, &report, NULL, &reasons, &list, &n_scopes), 0);
}

static void counts_become_rates_by_true_time(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    struct count_row *row = add_row("/b", 0, 4000, 1000);
    row->enabled_ns = 1000;
    row->running_ns = 250;
    (void)add_row("/a", 0, 600, 200);
    build();
    assert_int_equal(n_scopes, 1);
    const struct scope_tick *tick = &list[0].tick;
    assert_near(tick->measured_w, 20, 1e-12);
    assert_true(tick->learn);
    assert_int_equal(tick->n_activities, 2);
    assert_string_equal(tick->events[0], "cpu_ns");
    assert_int_equal(tick->cpu_event, 0);
    assert_string_equal(tick->activities[0].name, "/a");
    assert_near(tick->activities[0].rates[1], 300, 1e-9);
    assert_near(tick->activities[1].rates[0], 2000, 1e-9);
    assert_near(tick->activities[1].rates[1], 8000, 1e-9);
    assert_true(isnan(tick->total_rates[0]));
}

static void put_counts(struct count_row *row, const int64_t *counts)
{
    memcpy(report_counts(&report, row), counts, report.n_events * sizeof(*counts));
}

/* "llc_misses" is counted by one type only, so that it stands for nobody's misses. */
static void types_of_cpus_are_added_up(void **state)
{
    (void)state;
    static const char *const names[] = {"instructions:core", "cpu_ns", "instructions:atom",
                                        "cycles:atom",       "cycles:core", "llc_misses:core"};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(report_add_event(&report, names[i]), 0);
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    put_counts(add_row("/a", 0, 0, 0), (const int64_t[]){100, 7, 20, 4, 1000, 3});
    put_counts(add_row("/b", 0, 0, 0), (const int64_t[]){0, 9, 50, VALUE_ABSENT, 0, 0});
    put_counts(add_row(NULL, 0, 0, 0), (const int64_t[]){300, 70, 80, 60, 2000, 5});
    build();
    const struct scope_tick *tick = &list[0].tick;
    assert_int_equal(tick->n_events, 4);
    assert_string_equal(tick->events[0], "cpu_ns");
    assert_string_equal(tick->events[1], "cycles");
    assert_string_equal(tick->events[2], "instructions");
    assert_string_equal(tick->events[3], "llc_misses:core");
    assert_near(tick->total_rates[1], 1030, 1e-9);
    assert_near(tick->total_rates[2], 190, 1e-9);
    assert_near(tick->activities[0].rates[1], 502, 1e-9);
    assert_near(tick->activities[0].rates[2], 60, 1e-9);
    assert_near(tick->activities[0].rates[3], 1.5, 1e-9);
    assert_true(isnan(tick->activities[1].rates[1])); /* a part is not known: so is the sum */
    assert_near(tick->activities[1].rates[2], 25, 1e-9);
    assert_string_equal(tick->activities[2].name, "other");
    assert_near(tick->activities[2].rates[2], 105, 1e-9);
}

/* Names that only look like it stay what they are. */
static void only_known_events_have_types(void **state)
{
    (void)state;
    static const char *const names[] = {"cycles",       "cycles:core",          "cpu_ns:a:b",
                                        "instructions:", "skl::INST_RETIRED:ANY", "x:core"};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(report_add_event(&report, names[i]), 0);
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    put_counts(add_row("/a", 0, 0, 0), (const int64_t[]){2, 4, 6, 8, 10, 12});
    build();
    const struct scope_tick *tick = &list[0].tick;
    assert_int_equal(tick->n_events, 6);
    for (size_t e = 0; e < 6; e++)
        for (size_t i = 0; i < 6; i++)
            if (!strcmp(tick->events[e], names[i]))
                assert_near(tick->activities[0].rates[e], (double)(i + 1), 1e-9);
}

static void what_is_named_twice_counts_once(void **state)
{
    (void)state;
    static const char *const names[] = {"cycles:core", "cpu_ns", "cycles:core", "cycles:atom",
                                        "cpu_ns",      "cycles:core"};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(report_add_event(&report, names[i]), 0);
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    put_counts(add_row("/a", 0, 0, 0), (const int64_t[]){2, 6, 200, 8, 600, 400});
    build();
    const struct scope_tick *tick = &list[0].tick;
    assert_int_equal(tick->n_events, 2);
    assert_near(tick->activities[0].rates[0], 3, 1e-9);
    assert_near(tick->activities[0].rates[1], 5, 1e-9);
}

static void an_original_gets_counts_as_they_came(void **state)
{
    (void)state;
    scopes_free(scopes);
    assert_int_equal(scopes_new(&scopes, 1), 0); /* it believes in 1 s */
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    struct count_row *row = add_row("/b", 0, 4000, INT64_C(1) << 61); /* no machine counts so far */
    row->enabled_ns = 1000;
    row->running_ns = 250;
    (void)add_row("/a", 0, 600, 200);
    (void)add_row(NULL, 0, 1000000, 1000000); /* what no target covers is left out */
    report.valid = false;
    build();
    const struct scope_tick *tick = &list[0].tick;
    assert_near(tick->measured_w, 40, 1e-12);
    assert_true(tick->learn);
    assert_int_equal(tick->n_activities, 2);
    assert_true(tick->activities[0].rates[1] == 600);
    assert_true(tick->activities[1].rates[0] == 0x1p61);
    assert_true(tick->activities[1].rates[1] == 4000);
    assert_int_equal(reasons.n_words, 0);
}

static void rows_go_to_their_package_and_all_to_the_machine(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_MACHINE, PACKAGE_NONE, 90000000);
    add_energy(DOMAIN_PACKAGE, 1, 10000000);
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    (void)add_row("/a", 0, 100, 2000);
    (void)add_row("/a", 1, 100, 4000);
    (void)add_row("/b", 1, 100, 6000);
    build();
    assert_int_equal(n_scopes, 3);
    assert_int_equal(list[0].package, 0);
    assert_int_equal(list[0].tick.n_activities, 1);
    assert_near(list[0].tick.activities[0].rates[0], 1000, 1e-9);
    assert_int_equal(list[1].package, 1);
    assert_int_equal(list[1].tick.n_activities, 2);
    assert_int_equal(list[2].domain, DOMAIN_MACHINE);
    assert_near(list[2].tick.activities[0].rates[0], 3000, 1e-9);
}

static void counts_without_package_see_the_sum_of_packages(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    add_energy(DOMAIN_PACKAGE, 1, 10000000);
    add_energy(DOMAIN_DRAM, 0, 3000000);
    (void)add_row("/a", PACKAGE_NONE, 100, 2000);
    build();
    assert_int_equal(n_scopes, 2);
    assert_int_equal(list[0].package, PACKAGE_NONE);
    assert_int_equal(list[0].measured_uj, 30000000);
    assert_int_equal(list[1].domain, DOMAIN_DRAM);
    assert_int_equal(list[1].package, 0);
    assert_int_equal(list[1].tick.n_activities, 1);
    report.energy[1].valid = false;
    memcpy(report.energy[1].reason, "counter_reset", sizeof("counter_reset"));
    build();
    assert_true(isnan(list[0].tick.measured_w));
    assert_string_equal(list[0].reason, "counter_reset");
}

static void what_totals_have_beyond_targets_is_other(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    (void)add_row("powerapi", 0, 100, 2000);
    (void)add_row("influxdb", 0, 100, 2000);
    (void)add_row(NULL, 0, 300, 10000);
    build();
    assert_int_equal(list[0].tick.n_activities, 3);
    assert_string_equal(list[0].tick.activities[1].name, "other");
    assert_near(list[0].tick.activities[1].rates[0], 3000, 1e-9);
    assert_near(list[0].tick.total_rates[0], 5000, 1e-9);
    report.counts[report.total[0].first_count + 1] = 3000; /* read skew: less than the targets */
    report.counts[report.total[0].first_count] = 150;
    build();
    assert_int_equal(list[0].tick.n_activities, 2);
}

/* Counts whose rates do not add up to the last bit leave nothing for anybody else. */
static void rounding_is_nobodys(void **state)
{
    (void)state;
    add_events();
    report.dt_ns = 1000000007;
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    int64_t total = 0;
    for (int i = 0; i < 40; i++) {
        static char names[40][8];
        int64_t count = INT64_C(1234567891) / (3 + i) + i;
        (void)snprintf(names[i], sizeof(names[i]), "/t%d", i);
        (void)add_row(names[i], 0, count, count);
        total += count;
    }
    (void)add_row(NULL, 0, total, total);
    build();
    assert_int_equal(list[0].tick.n_activities, 40);
    report.counts[report.total[0].first_count]++;
    build();
    assert_int_equal(list[0].tick.n_activities, 41);
}

static void doubtful_ticks_are_not_learned_from(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    struct count_row *row = add_row("/a", 0, 100, 2000);
    report.valid = false;
    build();
    assert_false(list[0].tick.learn);
    assert_false(list[0].tick.learn_idle);
    report.valid = true;
    row->enabled_ns = 100000000;
    row->running_ns = 1;
    build();
    assert_false(list[0].tick.learn);
    assert_true(list[0].tick.learn_idle); /* the watts are right all the same */
    assert_true(reasons_have(&reasons, "multiplexed"));
    assert_true(isnan(list[0].tick.activities[0].rates[1])); /* instructions */
    row->running_ns = 100000000;
    report.counts[row->first_count] = INT64_C(1) << 62;
    build();
    assert_false(list[0].tick.learn);
    assert_true(reasons_have(&reasons, "absurd_counts"));
}

/* The kernel shows a cgroup that ran for microseconds as enabled and not yet running: of a tick of two
 * seconds that hides nothing. */
static void what_hardly_ran_makes_no_tick_doubtful(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    (void)add_row("/a", 0, 100, 2000);
    struct count_row *row = add_row("/b", 0, 1, 20);
    row->enabled_ns = 20000000;
    row->running_ns = 0;
    build();
    assert_true(list[0].tick.learn);
    assert_false(reasons_have(&reasons, "multiplexed"));
    assert_true(isnan(list[0].tick.activities[1].rates[1])); /* instructions */
    row->enabled_ns = 20000001;
    build();
    assert_false(list[0].tick.learn);
}

/* Hardware events that found no counter are missing, CPU time is not: neither what the target used of
 * that nor what nobody counted is anybody else's. */
static void time_is_known_where_hardware_events_are_not(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    (void)add_row("/a", 0, 1000, 500000000);
    struct count_row *row = add_row("/b", 0, VALUE_ABSENT, 300000000);
    row->enabled_ns = 300000000;
    row->running_ns = 0;
    struct count_row *brief = add_row("/c", 0, 10, 100);
    brief->enabled_ns = 200000000;
    brief->running_ns = 100;
    struct count_row *total = add_row(NULL, 0, 1000, 500000100);
    total->enabled_ns = 1000000000;
    total->running_ns = 500000100;
    build();
    assert_int_equal(list[0].tick.n_activities, 3); /* nothing is left for other */
    assert_near(list[0].tick.activities[0].rates[0], 250000000, 1e-3);
    assert_near(list[0].tick.activities[1].rates[0], 150000000, 1e-3);
    assert_near(list[0].tick.activities[2].rates[0], 100000000, 1e-3);
    assert_near(list[0].tick.activities[0].rates[1], 500, 1e-9);
    assert_true(isnan(list[0].tick.activities[1].rates[1]));
    assert_true(isnan(list[0].tick.activities[2].rates[1]));
    assert_true(reasons_have(&reasons, "multiplexed"));
    report.counts[report.total[0].first_count + 1] += 50000000;
    build();
    assert_int_equal(list[0].tick.n_activities, 4);
    assert_string_equal(list[0].tick.activities[3].name, "other");
    assert_true(list[0].tick.activities[3].rates[0] > 4e7);
    assert_true(isnan(list[0].tick.activities[3].rates[1]));
}

static void impossible_energy_is_not_measured(void **state)
{
    (void)state;
    add_events();
    (void)add_row("/a", 0, 100, 2000);
    add_energy(DOMAIN_PACKAGE, 0, INT64_C(1) << 61);
    build();
    assert_true(isnan(list[0].tick.measured_w));
    assert_int_equal(list[0].measured_uj, VALUE_ABSENT);
    assert_string_equal(list[0].reason, "absurd_energy");
    report.energy[0].energy_uj = -5;
    build();
    assert_string_equal(list[0].reason, "negative_energy");
    report.energy[0].energy_uj = 5;
    report.energy[0].dt_ns = report.dt_ns = VALUE_ABSENT;
    build();
    assert_string_equal(list[0].reason, "no_interval");
    report.energy[0].domain = DOMAIN_PSYS;
    build();
    assert_int_equal(n_scopes, 0);
}

/* Three packages in one scope, each possible by its span, together beyond 64 bits. */
static void a_sum_beyond_all_bounds_is_not_measured(void **state)
{
    (void)state;
    add_events();
    (void)add_row("/a", PACKAGE_NONE, 100, 2000);
    for (int32_t package = 0; package < 3; package++) {
        add_energy(DOMAIN_PACKAGE, package, INT64_C(1) << 62);
        report.energy[package].dt_ns = INT64_C(1) << 62;
    }
    build();
    assert_int_equal(n_scopes, 1);
    assert_int_equal(list[0].measured_uj, VALUE_ABSENT);
    assert_string_equal(list[0].reason, "absurd_energy");
}

/* A battery is read every ten seconds: its sample covers many ticks, and stands in few of them. */
static void measurements_of_other_spans_change_nothing(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_WALL, PACKAGE_NONE, 450000000);
    report.energy[0].dt_ns = INT64_C(10000000000);
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    (void)add_row("/a", 0, 1000, 500000000);
    build();
    assert_int_equal(n_scopes, 1);
    assert_int_equal(list[0].domain, DOMAIN_PACKAGE);
    assert_true(list[0].tick.learn);
    double measured_w = list[0].tick.measured_w;
    report.n_energy = 0;
    add_energy(DOMAIN_PACKAGE, 0, 20000000);
    build();
    assert_true(list[0].tick.measured_w == measured_w && list[0].tick.learn);
}

static void the_floor_of_a_curve_is_known(void **state)
{
    (void)state;
    add_events();
    (void)add_row("/a", PACKAGE_NONE, 100, 2000);
    add_energy(DOMAIN_MACHINE, PACKAGE_NONE, 20000000);
    report.energy[0].estimate = true;
    struct host_source source = {.domain = DOMAIN_MACHINE, .package = PACKAGE_NONE, .floor_w = 3};
    struct host_record host = {.sources = &source, .n_sources = 1};
    assert_int_equal(scopes_build(scopes, &report, &host, &reasons, &list, &n_scopes), 0);
    assert_true(list[0].tick.floor_w == 3);
    assert_true(list[0].tick.is_estimate);
    build();
    assert_true(isnan(list[0].tick.floor_w));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* Energy of 31 s that was held over beside the counts of 2 s, and energy read at another time than
 * the counts: the watts are right, but not what the targets did for them. */
static void spans_that_differ_are_not_learned_from(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 310000000);
    (void)add_row("/a", 0, 1000, 500000000);
    report.energy[0].dt_ns = INT64_C(31000000000);
    build();
    assert_float_equal(list[0].tick.measured_w, 10, 1e-9);
    assert_false(list[0].tick.learn);
    assert_true(list[0].tick.learn_idle);
    report.energy[0].dt_ns = 2000000000;
    build();
    assert_true(list[0].tick.learn);
    report.energy[0].skew_ns = 200000001;
    build();
    assert_false(list[0].tick.learn);
}

static void add_gpu_row(const char *target, int32_t gpu, int64_t gpu_ns)
{
    struct count_row *row = add_row(target, gpu, VALUE_ABSENT, VALUE_ABSENT);
    report_counts(&report, row)[2] = gpu_ns;
}

/* GPU 0 has the number of package 0, and its rows are those of the same targets: neither sees the
 * other's. */
static void a_gpu_is_split_by_its_own_time(void **state)
{
    (void)state;
    add_events();
    assert_int_equal(report_add_event(&report, "gpu_ns"), 0);
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    add_energy(DOMAIN_GPU, 0, 400000000);
    add_energy(DOMAIN_GPU, 1, 100000000);
    add_energy(DOMAIN_GPU, 2, 60000000);
    (void)add_row("/a", 0, 600, 200);
    (void)add_row("/b", 0, 60, 20);
    (void)add_row("other", 0, 0, 10);
    (void)add_row(NULL, 0, 660, 230);
    add_gpu_row("/a", 0, 500000000);
    add_gpu_row("/c", 0, 1000000000);
    add_gpu_row("other", 0, 250000000);
    add_gpu_row(NULL, 0, 1750000000);
    add_gpu_row(NULL, 1, 0); /* nobody used it */
    struct clock_sample *clock;
    assert_int_equal(report_add_clock(&report, &clock), 0);
    *clock = (struct clock_sample){.package = 0, .aperf = 3, .mperf = 2};
    build();
    assert_int_equal(n_scopes, 4);
    const struct scope_tick *cpu = &list[0].tick, *gpu = &list[1].tick;
    assert_int_equal(list[0].domain, DOMAIN_PACKAGE);
    assert_int_equal(cpu->n_events, 2);
    assert_int_equal(cpu->n_activities, 3);
    assert_string_equal(cpu->activities[1].name, "/b");
    assert_near(cpu->activities[0].rates[0], 100, 1e-9);
    assert_near(cpu->total_rates[0], 115, 1e-9);
    assert_near(cpu->clock_ratio, 1.5, 1e-12);
    assert_int_equal(gpu->n_events, 1);
    assert_string_equal(gpu->events[0], "gpu_ns");
    assert_int_equal(gpu->cpu_event, 0);
    assert_int_equal(gpu->n_activities, 3);
    assert_string_equal(gpu->activities[1].name, "/c");
    assert_near(gpu->activities[0].rates[0], 0.25e9, 1e-3);
    assert_near(gpu->activities[2].rates[0], 0.125e9, 1e-3);
    assert_near(gpu->total_rates[0], 0.875e9, 1e-3);
    assert_true(isnan(gpu->clock_ratio));
    assert_string_equal(list[1].reason, "");
    assert_int_equal(list[2].tick.n_activities, 0);
    assert_near(list[2].tick.total_rates[0], 0, 0);
    assert_string_equal(list[2].reason, "");
    assert_near(list[3].tick.measured_w, 30, 1e-9);
    assert_int_equal(list[3].tick.n_activities, 0);
    assert_true(isnan(list[3].tick.total_rates[0]));
    assert_string_equal(list[3].reason, "no_gpu_time");
    assert_int_equal(reasons.n_words, 0);
}

/* A GPU is read less often than the CPUs: its time is that of its energy, and is learned from. */
static void a_gpus_time_has_the_span_of_its_energy(void **state)
{
    (void)state;
    add_events();
    assert_int_equal(report_add_event(&report, "gpu_ns"), 0);
    add_energy(DOMAIN_GPU, 0, 400000000); /* over 2 s */
    report.dt_ns = 10000000;
    report.energy[0].skew_ns = 8000000;
    add_gpu_row("/a", 0, 1000000000);
    build();
    assert_int_equal(n_scopes, 1);
    assert_near(list[0].tick.measured_w, 200, 1e-9);
    assert_near(list[0].tick.activities[0].rates[0], 0.5e9, 1e-3);
    assert_true(list[0].tick.learn);
    assert_int_equal(reasons.n_words, 0);
}

/* Without packages in the counts, packages are summed, GPUs are not; no count of a CPU splits them.
 */
static void gpus_stand_alone(void **state)
{
    (void)state;
    add_events();
    add_energy(DOMAIN_PACKAGE, 0, 40000000);
    add_energy(DOMAIN_PACKAGE, 1, 20000000);
    add_energy(DOMAIN_GPU, 0, 400000000);
    add_energy(DOMAIN_GPU, 1, 100000000);
    (void)add_row("/a", PACKAGE_NONE, 600, 200);
    build();
    assert_int_equal(n_scopes, 3);
    assert_int_equal(list[0].package, PACKAGE_NONE);
    assert_near(list[0].tick.measured_w, 30, 1e-9);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(list[i].package, (int32_t)i - 1);
        assert_int_equal(list[i].tick.n_events, 0);
        assert_int_equal(list[i].tick.cpu_event, 0);
        assert_int_equal(list[i].tick.n_activities, 0);
        assert_string_equal(list[i].reason, "no_gpu_time");
    }
    assert_int_equal(report_add_event(&report, "gpu_ns"), 0);
    add_gpu_row("/a", 1, 100); /* its package is no package of the CPUs */
    build();
    assert_int_equal(n_scopes, 3);
    assert_int_equal(list[0].package, PACKAGE_NONE);
    assert_int_equal(list[2].tick.n_activities, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_become_rates_by_true_time),
        TEST(types_of_cpus_are_added_up),
        TEST(only_known_events_have_types),
        TEST(what_is_named_twice_counts_once),
        TEST(an_original_gets_counts_as_they_came),
        TEST(rows_go_to_their_package_and_all_to_the_machine),
        TEST(counts_without_package_see_the_sum_of_packages),
        TEST(what_totals_have_beyond_targets_is_other),
        TEST(rounding_is_nobodys),
        TEST(doubtful_ticks_are_not_learned_from),
        TEST(what_hardly_ran_makes_no_tick_doubtful),
        TEST(time_is_known_where_hardware_events_are_not),
        TEST(spans_that_differ_are_not_learned_from),
        TEST(impossible_energy_is_not_measured),
        TEST(a_sum_beyond_all_bounds_is_not_measured),
        TEST(measurements_of_other_spans_change_nothing),
        TEST(the_floor_of_a_curve_is_known),
        cmocka_unit_test_setup_teardown(a_gpu_is_split_by_its_own_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gpus_time_has_the_span_of_its_energy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gpus_stand_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
