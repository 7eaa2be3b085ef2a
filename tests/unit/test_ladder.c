/* SPDX-License-Identifier: BSD-3-Clause */
/* The ladder's rules, on sources that the test scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/ladder.h"
#include "tests/unit/scripted_sources.h"

/* As make_script(), with nothing open. */
static struct script *make(size_t number, unsigned domains, int n_packages)
{
    ladder_close(&ladder);
    return make_script(number, domains, n_packages);
}

static int set_up(void **state)
{
    (void)set_up_sources(state);
    make(3, DOMAIN_BIT(DOMAIN_MACHINE), 1);
    return 0;
}

static void climb(void)
{
    const struct ladder_settings settings = {.energy = "auto"};
    struct error err = {0};
    ladder_close(&ladder);
    if (ladder_open(&ladder, &settings, &host, &topology, &err) < 0)
        fail_msg("%s", err.text);
}

static void each_domain_and_package_has_a_source(void **state)
{
    (void)state;
    make(0, PKG, 2);
    make(1, PKG | RAM, 2);
    make(2, PKG | RAM, 2);
    climb();
    expect_sources(&ladder, "first second");
    assert_string_equal(ladder.why, "");
    make(1, PKG | RAM, 1); /* memory of package 1 is missing */
    climb();
    expect_sources(&ladder, "first second third");
    make(0, PKG | RAM, 1);
    make(1, PKG | RAM, 1);
    climb();
    expect_sources(&ladder, "first third"); /* the second was asked, and adds nothing */
    make(0, PKG | RAM, 2);
    climb();
    expect_sources(&ladder, "first");
}

static void what_does_not_open_leaves_its_domains(void **state)
{
    (void)state;
    make(0, PKG | RAM, 2)->open_error = -ENODEV;
    make(1, PKG, 2);
    make(2, PKG | RAM, 2);
    climb();
    expect_sources(&ladder, "second third");
    scripts[1].open_error = scripts[2].open_error = -EIO;
    climb();
    expect_sources(&ladder, ""); /* a counter is there: nothing is guessed */
    assert_string_equal(ladder.why, "first: it does not open");
}

static void measurements_stand_beside_and_replace_nothing(void **state)
{
    (void)state;
    make(0, WALL, 1);
    make(1, PKG | CORE | PSYS, 2);
    make(2, WALL, 1);
    climb();
    expect_sources(&ladder, "first second");
    make(1, WALL | PSYS, 1);
    climb();
    expect_sources(&ladder, "first second guess"); /* psys is new; nothing is attributed */
    assert_non_null(strstr(ladder.why, "no energy counter"));
    make(0, PKG, 2);
    make(1, PKG | CORE | PSYS, 2);
    climb();
    expect_sources(&ladder,
                   "first third"); /* cores and psys alone do not open a source of packages */
}

static void gpus_of_vendors_stand_side_by_side(void **state)
{
    (void)state;
    make(0, GPU, 1);
    make(1, GPU, 1)->rows[0].package = 7;
    make(2, GPU, 1);
    climb();
    expect_sources(
        &ladder,
        "first second guess"); /* the third has the first one's; of the CPUs there is none */
    struct script *locked = make(2, PKG, 2);
    locked->availability = SOURCE_UNREADABLE;
    climb();
    expect_sources(&ladder, "first second");
    assert_string_equal(ladder.why, "third: as scripted; unlock it");
}

static void a_locked_counter_keeps_estimates_away(void **state)
{
    (void)state;
    climb();
    expect_sources(&ladder, "guess");
    make(1, PKG, 2)->availability = SOURCE_UNREADABLE;
    climb();
    expect_sources(&ladder, "");
    assert_string_equal(ladder.why, "second: as scripted; unlock it");
    make(1, WALL, 1)->availability = SOURCE_UNREADABLE; /* no energy to attribute */
    climb();
    expect_sources(&ladder, "guess");
    make(1, WALL, 1)->availability = SOURCE_MISCONFIGURED;
    const struct ladder_settings settings = {.energy = "auto"};
    ladder_close(&ladder);
    assert_int_equal(ladder_open(&ladder, &settings, &host, &topology, NULL), -EDOM);
}

static void what_is_asked_for_stands_alone(void **state)
{
    (void)state;
    make(0, PKG, 2);
    make(1, PKG | RAM, 2)->availability = SOURCE_UNREADABLE;
    struct ladder_settings settings = {.energy = "second"};
    struct error err = {0};
    assert_int_equal(ladder_open(&ladder, &settings, &host, &topology, &err), 0);
    expect_sources(&ladder, "second");
    assert_int_equal(ladder_capabilities(&ladder, false), 2);
    assert_true(ladder_uses(&ladder, 1) && !ladder_uses(&ladder, 0));
    ladder_close(&ladder);
    scripts[1].open_error = -EACCES;
    assert_int_equal(ladder_open(&ladder, &settings, &host, &topology, &err), -EACCES);
    assert_string_equal(err.text, "energy source second: it does not open");
    settings.energy = "nonsense";
    assert_int_equal(ladder_open(&ladder, &settings, &host, &topology, &err), -EINVAL);
    assert_non_null(strstr(err.text, "auto, first, second"));
}

static void expect_row(const struct host_record *record, size_t i, enum domain domain,
                       int32_t package, const char *source)
{
    assert_true(i < record->n_sources);
    assert_int_equal(record->sources[i].domain, domain);
    assert_int_equal(record->sources[i].package, package);
    assert_string_equal(record->sources[i].source, source);
}

static void a_domain_is_described_once(void **state)
{
    (void)state;
    struct host_record record;
    host_record_init(&record);
    make(0, PKG, 2);
    make(1, PKG | RAM, 1);
    climb();
    assert_int_equal(ladder_describe(&ladder, &record), 0);
    assert_int_equal(record.n_sources, 3);
    expect_row(&record, 0, DOMAIN_PACKAGE, 0, "first");
    expect_row(&record, 1, DOMAIN_PACKAGE, 1, "first");
    expect_row(&record, 2, DOMAIN_DRAM, 0, "second");
    host_record_deinit(&record);
}

/* Reads after a second; the only sample of a domain and package, or NULL. */
static struct energy_sample read_one(enum domain domain, int32_t package)
{
    SCOPED(report_deinit) struct report report;
    struct energy_sample found = {.package = -7};
    report_init(&report);
    now_ns += NS_PER_S;
    assert_int_equal(ladder_read(&ladder, &topology, &report), 0);
    for (size_t i = 0; i < report.n_energy; i++) {
        if (report.energy[i].domain != domain || report.energy[i].package != package)
            continue;
        assert_int_equal(found.package, -7);
        found = report.energy[i];
    }
    return found;
}

static void expect_sample(const char *source, int64_t energy_uj)
{
    struct energy_sample sample = read_one(DOMAIN_PACKAGE, 1);
    assert_string_equal(sample.source, source);
    assert_int_equal(sample.energy_uj, energy_uj);
    assert_true(sample.valid == (energy_uj != VALUE_ABSENT));
    assert_int_equal(sample.skew_ns, (int64_t)now_ns);
}

/* The second source is open for its memory, and can stand in for the first. */
static void a_valid_sample_stands_in_and_nothing_counts_twice(void **state)
{
    (void)state;
    struct row *first = &make(0, PKG, 2)->rows[1], *second = &make(1, PKG | RAM, 2)->rows[1];
    first->energy_uj = 1;
    second->energy_uj = 2;
    climb();
    expect_sample("first", 1);
    first->reason = "read_error";
    expect_sample("second", 2);
    expect_sample("second", 2);
    first->reason = NULL; /* it kept its baseline: the energy of three seconds */
    first->energy_uj = 3;
    first->dt_ns = 3 * (int64_t)NS_PER_S;
    expect_sample("second", 2);
    first->energy_uj = 1;
    first->dt_ns = (int64_t)NS_PER_S;
    expect_sample("first", 1);
    first->reason = "read_error";
    second->reason = "vanished";
    struct energy_sample sample = read_one(DOMAIN_PACKAGE, 1);
    assert_false(sample.valid);
    assert_string_equal(sample.reason, "read_error"); /* the first one's */
    second->reason = NULL;
    expect_sample("second", 2);
    first->reason = NULL; /* back, but over what was published, and nobody stands in */
    first->dt_ns = 3 * (int64_t)NS_PER_S;
    second->reason = "vanished";
    sample = read_one(DOMAIN_PACKAGE, 1);
    assert_string_equal(sample.source, "first");
    assert_string_equal(sample.reason, "reopened");
    assert_int_equal(sample.energy_uj, VALUE_ABSENT);
    assert_int_equal(sample.dt_ns, VALUE_ABSENT);
    first->dt_ns = (int64_t)NS_PER_S;
    expect_sample("first", 1);
    assert_int_equal(read_one(DOMAIN_DRAM, 1).energy_uj, 100);
}

static void expect_described(const char *source)
{
    SCOPED(host_record_deinit) struct host_record record;
    host_record_init(&record);
    assert_int_equal(ladder_describe(&ladder, &record), 0);
    for (size_t i = 0; i < record.n_sources; i++) {
        if (record.sources[i].domain == DOMAIN_PACKAGE && record.sources[i].package == 1)
            assert_string_equal(record.sources[i].source, source);
    }
}

static void what_fails_for_good_is_replaced(void **state)
{
    (void)state;
    struct row *first = &make(0, PKG, 2)->rows[1];
    struct script *second = make(1, PKG, 2), *third = make(2, PKG, 2); /* the third may block */
    first->energy_uj = 1;
    second->rows[1].energy_uj = 2;
    second->open_error = -EIO;
    third->open_error = -EIO;
    climb();
    expect_sources(&ladder, "first");
    ladder.has_changed = false;
    expect_sample("first", 1);
    first->reason = "asleep"; /* no failure */
    for (int i = 0; i < 60; i++)
        expect_sample("first", VALUE_ABSENT);
    expect_sources(&ladder, "first");
    first->reason = "vanished";
    third->open_error = second->open_error = 0;
    second->n_rows = 1; /* it opens, and has not what is looked for */
    for (int i = 0; i < 15; i++)
        expect_sample("first", VALUE_ABSENT);
    expect_sources(&ladder, "first");
    assert_int_equal(second->n_open + third->n_open, 0);
    second->n_rows = 2;
    for (int i = 0; ladder.n_sources == 1 && i < 20; i++)
        expect_sample("first", VALUE_ABSENT);
    expect_sources(&ladder, "first second");
    assert_true(ladder.has_changed);
    assert_int_equal(ladder_capabilities(&ladder, false), 1 | 2);
    for (int i = 0; i < 12; i++)
        expect_sample("second", 2);
    expect_described("second");
    first->reason = NULL; /* it comes back */
    for (int i = 0; i < 5; i++)
        expect_sample("first", 1);
    expect_described("second");
    ladder.has_changed = false;
    for (int i = 0; i < 12; i++)
        expect_sample("first", 1);
    expect_described("first");
    assert_true(ladder.has_changed);
}

/* While the clock stands at moments that are past, nothing is opened: its first reading would lie in
 * the future of all others. */
static void nothing_is_opened_beside_what_is_recorded(void **state)
{
    (void)state;
    struct row *first = &make(0, PKG, 2)->rows[1];
    make(1, PKG, 2);
    climb();
    ladder.is_recorded = true;
    first->reason = "vanished";
    for (int i = 0; !ladder.wants_another && i < 60; i++)
        expect_sample("first", VALUE_ABSENT);
    assert_true(ladder.wants_another);
    expect_sources(&ladder, "first");
    ladder.is_recorded = false;
    expect_sample("first", VALUE_ABSENT);
    expect_sources(&ladder, "first second");
}

/* A minute of failures in every second tick is bad, and not for good. */
static void what_fails_at_times_is_not_replaced(void **state)
{
    (void)state;
    struct row *first = &make(0, PKG, 2)->rows[1];
    make(1, PKG, 2);
    climb();
    for (int i = 0; i < 60; i++) {
        first->reason = i % 2 ? "read_error" : NULL;
        expect_sample("first", i % 2 ? VALUE_ABSENT : 100);
    }
    expect_sources(&ladder, "first");
}

static void what_was_asked_for_is_not_replaced(void **state)
{
    (void)state;
    struct row *first = &make(0, PKG, 2)->rows[1];
    make(1, PKG, 2);
    const struct ladder_settings settings = {.energy = "first"};
    ladder_close(&ladder);
    assert_int_equal(ladder_open(&ladder, &settings, &host, &topology, NULL), 0);
    first->reason = "vanished";
    for (int i = 0; i < 60; i++)
        expect_sample("first", VALUE_ABSENT);
    expect_sources(&ladder, "first");
}

/* A source with a rate of its own is not hurried. */
static void silence_is_no_failure(void **state)
{
    (void)state;
    struct row *wall = &make(0, WALL, 1)->rows[0];
    make(1, PKG, 2);
    climb();
    wall->is_silent = true;
    for (int i = 0; i < 30; i++)
        assert_int_equal(read_one(DOMAIN_WALL, PACKAGE_NONE).package, -7);
    wall->is_silent = false;
    wall->dt_ns = 31 * (int64_t)NS_PER_S;
    assert_int_equal(read_one(DOMAIN_WALL, PACKAGE_NONE).energy_uj, 100);
}

/* The third source is a slow one: nothing precise may be read before it. */
static void slow_sources_are_read_first(void **state)
{
    (void)state;
    struct report report = {0};
    make(0, PKG, 2);
    make(2, WALL, 1);
    climb();
    expect_sources(&ladder, "first third");
    assert_int_equal(ladder_read(&ladder, &topology, &report), 0);
    assert_int_equal(report.n_energy, 3);
    assert_int_equal(report.energy[0].domain, DOMAIN_WALL);
    assert_int_equal(report.energy[1].domain, DOMAIN_PACKAGE);
    report_deinit(&report);
}

/* That it was read first does not make it the one in use. */
static void slow_sources_keep_their_place(void **state)
{
    (void)state;
    make(0, PKG, 2)->rows[1].energy_uj = 1;
    make(2, PKG | WALL, 2)->rows[1].energy_uj = 3;
    scripts[2].rows[2].domain = DOMAIN_CORE;
    scripts[2].domains = CORE;
    climb();
    expect_sources(&ladder, "first third");
    expect_sample("first", 1);
    scripts[0].rows[1].reason = "read_error";
    expect_sample("third", 3);
    scripts[2].rows[1].reason = "vanished";
    assert_string_equal(read_one(DOMAIN_PACKAGE, 1).reason, "read_error");
}

static void an_interval_that_hides_a_wrap_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct script *first = make(0, PKG, 2), *second = make(1, PKG | RAM, 2);
    first->rows[0].range_j = 262144;
    first->rows[0].peak_w = 1000;
    first->rows[1].peak_w = 1000;   /* does not wrap */
    second->rows[1].range_j = 1000; /* the first one's is in use */
    second->rows[1].peak_w = 1000;
    second->rows[3].range_j = 65536; /* memory of package 1: 109 s, less a twentieth */
    second->rows[3].peak_w = 600;
    second->rows[2].range_j = 1e-6; /* nonsense: no interval would do */
    second->rows[2].peak_w = 600;
    climb();
    assert_int_equal(ladder_check_interval(&ladder, 103 * NS_PER_S, &err), 0);
    assert_int_equal(ladder_check_interval(&ladder, 104 * NS_PER_S, &err), -EDOM);
    const char *words[] = {"104.000 s", "second", "dram 1", "65536 J", "600 W", "103.7", "109.2 s"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strstr(err.text, words[i]))
            fail_msg("\"%s\" is not in: %s", words[i], err.text);
    }
    second->rows[3].range_j = 0;
    assert_int_equal(ladder_check_interval(&ladder, 249 * NS_PER_S, &err), 0);
    assert_int_equal(ladder_check_interval(&ladder, 250 * NS_PER_S, &err), -EDOM);
    first->rows[0].range_j = 0;
    assert_int_equal(ladder_check_interval(&ladder, UINT64_MAX, &err), 0);
}

#define WITH_GUESS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down_sources)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GUESS(each_domain_and_package_has_a_source),
        WITH_GUESS(what_does_not_open_leaves_its_domains),
        WITH_GUESS(measurements_stand_beside_and_replace_nothing),
        WITH_GUESS(gpus_of_vendors_stand_side_by_side),
        WITH_GUESS(a_locked_counter_keeps_estimates_away),
        WITH_GUESS(what_is_asked_for_stands_alone),
        WITH_GUESS(a_domain_is_described_once),
        WITH_GUESS(a_valid_sample_stands_in_and_nothing_counts_twice),
        WITH_GUESS(what_fails_for_good_is_replaced),
        WITH_GUESS(nothing_is_opened_beside_what_is_recorded),
        WITH_GUESS(what_fails_at_times_is_not_replaced),
        WITH_GUESS(what_was_asked_for_is_not_replaced),
        WITH_GUESS(silence_is_no_failure),
        WITH_GUESS(slow_sources_are_read_first),
        WITH_GUESS(slow_sources_keep_their_place),
        WITH_GUESS(an_interval_that_hides_a_wrap_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
