/* SPDX-License-Identifier: BSD-3-Clause */
/* PowerAPI's records: recorded ones give the right sums, damaged ones a named error, and ours come
 * back through its schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/events.h"
#include "common/json_text.h"
#include "common/powerapi.h"
#include "common/scope.h"
#include "tests/unit/kept_documents.h"
#include "tests/unit/random_records.h"

/* A line decoded and converted; the caller deinits the report and destroys the document. */
static bool as_counted; /* how reports are converted */

static int convert_bson(const bson_t *bson, struct report *report, struct error *err)
{
    struct document document;
    struct hwpc_report hwpc;
    hwpc_report_init(&hwpc);
    report_clear(report);
    int r = document_describe(bson_get_data(bson), bson->len, &document, err);
    if (r == 0 && document.kind != RECORD_HWPC)
        r = error_set(err, -EPROTO, "kind %d", (int)document.kind);
    if (r == 0)
        r = hwpc_report_decode(&document, &hwpc, err);
    if (r == 0)
        r = hwpc_to_report(&hwpc, as_counted, report, err);
    hwpc_report_deinit(&hwpc);
    return r;
}

static int convert_text(const char *text, bson_t *bson, struct report *report, struct error *err)
{
    int r = json_parse(text, strlen(text), bson, err);
    return r < 0 ? r : convert_bson(bson, report, err);
}

static int64_t count_of(struct report *report, const struct count_row *row, const char *event)
{
    for (size_t i = 0; i < report->n_events; i++) {
        if (strcmp(report->events[i], event) == 0)
            return report_counts(report, row)[i];
    }
    return VALUE_ABSENT;
}

static const struct energy_sample *energy_of(const struct report *report, enum domain domain,
                                             int32_t package)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        if (report->energy[i].domain == domain && report->energy[i].package == package)
            return &report->energy[i];
    }
    return NULL;
}

/* The line'th line (from 1) of a trace, converted. */
static void convert_line(const char *path, unsigned line, bson_t *bson, struct report *report)
{
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    SCOPED(scope_free) char *text = NULL;
    size_t capacity = 0;
    assert_non_null(file);
    for (unsigned i = 0; i < line; i++)
        assert_true(getline(&text, &capacity, file) > 0);
    struct error err = {0};
    if (convert_text(text, bson, report, &err) < 0)
        fail_msg("%s:%u: %s", path, line, err.text);
}

static void smartwatts_timeline(void **state)
{
    (void)state;
    struct report report;
    report_init(&report);
    bson_t bson;
    const char *path = "tests/fixtures/smartwatts-timeline/smartwatts_timeline.jsonl";
    convert_line(path, 1, &bson, &report);
    assert_string_equal(report.key.sensor, "sensor_test");
    assert_int_equal(report.key.timestamp_ms, INT64_C(1610531482630));
    assert_int_equal(report.n_targets, 1);
    assert_int_equal(report.n_total, 0);
    assert_string_equal(report.targets[0].target, "influxdb");
    assert_int_equal(report.targets[0].package, 0);
    assert_int_equal(count_of(&report, &report.targets[0], EVENT_INSTRUCTIONS), 186218);
    assert_int_equal(count_of(&report, &report.targets[0], EVENT_LLC_MISSES), 16903);
    assert_int_equal(report.targets[0].enabled_ns, 926434);
    assert_int_equal(report.targets[0].running_ns, 926434);
    bson_destroy(&bson);

    convert_line(path, 2, &bson, &report);
    const struct energy_sample *energy = energy_of(&report, DOMAIN_PACKAGE, 0);
    assert_non_null(energy);
    assert_true(energy->valid);
    assert_int_equal(energy->energy_uj, 1329346); /* 5709496320 / 2^32 J */
    assert_int_equal(energy->dt_ns, 1006717449);
    assert_int_equal(report.dt_ns, 1006717449);
    assert_int_equal(report.n_clock, 1);
    assert_int_equal(report.clock[0].package, 0);
    assert_true(report.clock[0].tsc > INT64_C(8) * 2121000000);
    assert_int_equal(report.n_targets, 0);
    bson_destroy(&bson);
    report_deinit(&report);
}

static void kepler_reports(void **state)
{
    (void)state;
    struct report report;
    report_init(&report);
    bson_t bson;
    const char *path = "tests/fixtures/kepler-nx12-head/reports.jsonl";
    convert_line(path, 1, &bson, &report);
    assert_int_equal(energy_of(&report, DOMAIN_PACKAGE, 0)->energy_uj, 137041000);
    assert_int_equal(energy_of(&report, DOMAIN_DRAM, 0)->energy_uj, 145862000);
    assert_int_equal(report.dt_ns, INT64_C(3000000000));
    assert_int_equal(report.clock[0].tsc, INT64_C(6300000000));
    assert_int_equal(report.clock[0].aperf, INT64_C(3150000000));
    bson_destroy(&bson);
    convert_line(path, 2, &bson, &report);
    assert_string_equal(report.targets[0].target, "/node");
    assert_int_equal(count_of(&report, &report.targets[0], EVENT_INSTRUCTIONS),
                     INT64_C(5654370204));
    assert_int_equal(count_of(&report, &report.targets[0], EVENT_CYCLES), INT64_C(11413101095));
    bson_destroy(&bson);
    report_deinit(&report);
}

/* Files that hold {"reports": [...]}: each element is one document. */
static unsigned convert_file(const char *path, struct report *report,
                             void (*look)(struct report *report, unsigned index))
{
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    assert_non_null(file);
    SCOPED(scope_free) char *text = calloc(1, 65536);
    assert_non_null(text);
    size_t size = fread(text, 1, 65535, file);
    bson_t whole;
    bson_iter_t reports, element;
    struct error err = {0};
    assert_int_equal(json_parse(text, size, &whole, &err), 0);
    assert_true(bson_iter_init_find(&reports, &whole, "reports"));
    assert_true(bson_iter_recurse(&reports, &element));
    unsigned n = 0;
    for (; bson_iter_next(&element); n++) {
        const uint8_t *bytes;
        uint32_t length;
        bson_t bson;
        bson_iter_document(&element, &length, &bytes);
        assert_true(bson_init_static(&bson, bytes, length));
        if (convert_bson(&bson, report, &err) < 0)
            fail_msg("%s: report %u: %s", path, n, err.text);
        look(report, n);
    }
    bson_destroy(&whole);
    return n;
}

static void look_at_two_sockets(struct report *report, unsigned index)
{
    assert_int_equal(report->n_energy, 2);
    if (index > 0)
        return;
    assert_int_equal(energy_of(report, DOMAIN_PACKAGE, 0)->energy_uj, 20395874);
    assert_int_equal(energy_of(report, DOMAIN_PACKAGE, 1)->energy_uj, 18797424);
    assert_int_equal(energy_of(report, DOMAIN_PACKAGE, 1)->dt_ns, 1000169705);
    assert_int_equal(report->dt_ns, 1000120188);
}

static void look_at_hwpc(struct report *report, unsigned index)
{
    (void)index;
    for (size_t i = 0; i < report->n_targets; i++)
        assert_true(report->targets[i].has_counts);
    assert_true(report->n_targets + report->n_energy + report->n_clock > 0);
}

static void reports_of_powerapi(void **state)
{
    (void)state;
    struct report report;
    report_init(&report);
    assert_true(convert_file("tests/fixtures/powerapi-hwpc/hwpc_rapl_2_socket.json", &report,
                             look_at_two_sockets) > 5);
    assert_true(convert_file("tests/fixtures/powerapi-hwpc/hwpc.json", &report, look_at_hwpc) > 5);
    report_deinit(&report);
}

#define HEAD "{\"timestamp\":1690000000000,\"sensor\":\"s\",\"target\":"

static void each_cpu_is_scaled_by_itself(void **state)
{
    (void)state;
    struct report report;
    struct error err = {0};
    report_init(&report);
    bson_t bson;
    assert_int_equal(
        convert_text(HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{"
                          "\"0\":{\"LLC_MISSES\":100,\"time_enabled\":1000,\"time_running\":500},"
                          "\"1\":{\"time_running\":1000,\"time_enabled\":1000,\"LLC_MISSES\":7},"
                          "\"2\":{\"LLC_MISSES\":0,\"time_enabled\":0,\"time_running\":0}},"
                          "\"1\":{\"4\":{\"LLC_MISSES\":5,\"time_enabled\":10,\"time_running\":0},"
                          "\"5\":{\"LLC_MISSES\":5,\"time_enabled\":10,\"time_running\":10}}}}}",
                     &bson, &report, &err),
        0);
    assert_int_equal(report.n_targets, 2);
    assert_int_equal(report.counts[0], 207);
    assert_int_equal(report.targets[0].enabled_ns, 2000);
    assert_int_equal(report.targets[0].running_ns, 2000);
    assert_string_equal(report.targets[0].reason, "");
    assert_int_equal(report.targets[1].package, 1);
    assert_int_equal(report.counts[1], VALUE_ABSENT);
    assert_string_equal(report.targets[1].reason, "not_counted");
    bson_destroy(&bson);
    report_deinit(&report);
}

static void counts_can_be_had_as_they_came(void **state)
{
    (void)state;
    struct report report;
    struct error err = {0};
    report_init(&report);
    bson_t bson;
    as_counted = true;
    int r = convert_text(HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{"
                              "\"0\":{\"INSTRUCTIONS_RETIRED\":100,\"time_enabled\":1000,"
                              "\"time_running\":500},"
                              "\"1\":{\"INSTRUCTIONS_RETIRED\":7,\"time_enabled\":1000,"
                              "\"time_running\":0}}}}}",
                         &bson, &report, &err);
    as_counted = false;
    assert_int_equal(r, 0);
    assert_string_equal(report.events[0], "INSTRUCTIONS_RETIRED");
    assert_int_equal(report.counts[0], 107);
    bson_destroy(&bson);
    report_deinit(&report);
}

static void events_tell_what_they_are(void **state)
{
    (void)state;
    struct report report;
    struct error err = {0};
    report_init(&report);
    bson_t bson;
    assert_int_equal(
        convert_text(HEAD "\"all\",\"groups\":{\"mine\":{\"0\":{\"0\":{\"rapl::RAPL_ENERGY_PKG\":"
                          "4294967296,\"TSC\":5,\"x::ODD\":9,\"SMI\":1},"
                          "\"1\":{\"rapl::RAPL_ENERGY_PKG\":4294967296,\"TSC\":6,\"x::ODD\":1}}},"
                          "\"rapl\":{\"0\":{\"0\":{\"SOMETHING\":1}}}}}",
                     &bson, &report, &err),
        0);
    assert_int_equal(report.n_energy, 1); /* the first CPU speaks */
    assert_int_equal(report.energy[0].energy_uj, 1000000);
    assert_int_equal(report.energy[0].dt_ns, VALUE_ABSENT);
    assert_int_equal(report.clock[0].tsc, 11);
    assert_int_equal(report.clock[0].aperf, VALUE_ABSENT);
    assert_int_equal(count_of(&report, &report.total[0], "x::ODD"), 10);
    assert_int_equal(report.total[0].enabled_ns, VALUE_ABSENT);
    bson_destroy(&bson);
    report_deinit(&report);
}

static void damaged_reports_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } bad[] = {
        {HEAD "\"/a\"}", "groups: missing"},
        {HEAD "\"/a\",\"groups\":{}}", "no group with counters"},
        {HEAD "\"/a\",\"groups\":{\"rapl\":{\"0\":{\"0\":{\"RAPL_ENERGY_PKG\":1}}}}}",
         "no group with counters"},
        {HEAD "\"all\",\"groups\":{}}", "no group with"},
        {HEAD "\"/a\",\"groups\":[]}", "groups"},
        {HEAD "\"/a\",\"groups\":{\"core\":3}}", "core"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{\"0\":{\"LLC_MISSES\":-1}}}}}",
         "groups: core: 0: 0: LLC_MISSES: negative"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{\"0\":{\"LLC_MISSES\":1e30}}}}}", "absurd"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{\"0\":{\"LLC_MISSES\":\"9\"}}}}}", "LLC_MISSES"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{\"0\":{\"LLC_MISSES\":null}}}}}", "null"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"x\":{\"0\":{\"LLC_MISSES\":1}}}}}", "package x"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"99999999999\":{\"0\":{\"LLC_MISSES\":1}}}}}",
         "package"},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{\"0\":{\"X\":4e18},\"1\":{\"X\":4e18}}}}}",
         "X: "},
        {HEAD "\"/a\",\"groups\":{\"core\":{\"0\":{\"0\":{\"X\":4e18,\"time_enabled\":4e18,"
              "\"time_running\":1}}}}}",
         "X: "},
        {HEAD "7,\"groups\":{\"core\":{\"0\":{\"0\":{\"LLC_MISSES\":1}}}}}", "target"},
        {"{\"timestamp\":\"yesterday\",\"sensor\":\"s\",\"target\":\"/a\",\"groups\":{}}",
         "timestamp"},
        {"{\"timestamp\":-5,\"sensor\":\"s\",\"target\":\"/a\",\"groups\":{}}", "timestamp"},
        {"{\"timestamp\":5,\"target\":\"/a\",\"groups\":{}}", "sensor: missing"},
        {"{\"sensor\":\"s\",\"target\":\"/a\",\"groups\":{}}", "timestamp: missing"},
        {"{\"timestamp\":5,\"sensor\":\"a b\",\"target\":\"/a\",\"groups\":{}}", "sensor"},
    };
    struct report report;
    report_init(&report);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {0};
        bson_t bson;
        if (convert_text(bad[i].text, &bson, &report, &err) != -EBADMSG)
            fail_msg("accepted: %s (%s)", bad[i].text, err.text);
        if (!strstr(err.text, bad[i].named))
            fail_msg("%s: %s", bad[i].text, err.text);
        assert_int_equal(report.n_targets, 0);
        bson_destroy(&bson);
    }
    report_deinit(&report);
}

/* One of each: two packages, a row that was not counted, an estimate for the machine. */
static void fill_report(struct report *report)
{
    report_clear(report);
    (void)snprintf(report->key.sensor, sizeof(report->key.sensor), "nodeA");
    report->key.timestamp_ms = INT64_C(1767225600000);
    report->dt_ns = INT64_C(1000012345);
    for (int32_t package = 0; package < 2; package++) {
        struct energy_sample *energy;
        assert_int_equal(report_add_energy(report, &energy), 0);
        energy->domain = DOMAIN_PACKAGE;
        energy->package = package;
        energy->valid = true;
        energy->energy_uj = 23122111 + package;
        energy->dt_ns = INT64_C(1000011800);
        struct clock_sample *clock;
        assert_int_equal(report_add_clock(report, &clock), 0);
        *clock = (struct clock_sample){package, 2100000000, 500, VALUE_ABSENT};
    }
    struct energy_sample *machine;
    assert_int_equal(report_add_energy(report, &machine), 0);
    machine->domain = DOMAIN_MACHINE;
    machine->valid = machine->estimate = true;
    machine->energy_uj = 7;
    machine->dt_ns = INT64_C(1000011800);
    assert_int_equal(report_add_event(report, EVENT_INSTRUCTIONS), 0);
    assert_int_equal(report_add_event(report, EVENT_CPU_NS), 0);
    const char *const targets[] = {"/b", "/a", "/b", "/uncounted"};
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        struct count_row *row;
        assert_int_equal(report_add_target(report, &row), 0);
        row->target = targets[i];
        row->package = i == 2 ? 1 : 0;
        row->has_counts = i != 3;
        row->enabled_ns = row->running_ns = 77;
        report_counts(report, row)[0] = 1000 + (int64_t)i;
        report_counts(report, row)[1] = i == 0 ? VALUE_ABSENT : 5;
    }
}

static void our_reports_come_back(void **state)
{
    (void)state;
    struct report report, back;
    report_init(&report);
    report_init(&back);
    fill_report(&report);
    bson_t scratch = BSON_INITIALIZER;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(kept_documents_through_json(&kept, &err), 0);
    assert_int_equal(kept.n_documents, 3); /* all, /a, /b */
    for (size_t i = 0; i < kept.n_documents; i++) {
        bson_t bson;
        assert_true(bson_init_static(&bson, kept.documents[i].bytes, kept.documents[i].size_bytes));
        if (convert_bson(&bson, &back, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(back.key.sensor, "nodeA");
        assert_int_equal(back.key.timestamp_ms, report.key.timestamp_ms);
        if (i == 0) {
            assert_int_equal(energy_of(&back, DOMAIN_PACKAGE, 0)->energy_uj, 23122111);
            assert_int_equal(energy_of(&back, DOMAIN_PACKAGE, 1)->energy_uj, 23122112);
            assert_int_equal(energy_of(&back, DOMAIN_MACHINE, PACKAGE_NONE)->energy_uj, 7);
            assert_true(energy_of(&back, DOMAIN_MACHINE, PACKAGE_NONE)->estimate);
            assert_int_equal(back.dt_ns, INT64_C(1000011800));
            assert_int_equal(back.n_clock, 2);
            assert_int_equal(back.clock[1].tsc, 2100000000);
            assert_int_equal(back.clock[1].mperf, VALUE_ABSENT);
        } else if (i == 1) {
            assert_string_equal(back.targets[0].target, "/a");
            assert_int_equal(count_of(&back, &back.targets[0], EVENT_INSTRUCTIONS), 1001);
            assert_int_equal(count_of(&back, &back.targets[0], EVENT_CPU_NS), 5);
            assert_int_equal(back.targets[0].enabled_ns, 77);
        } else {
            assert_string_equal(back.targets[1].target, "/b");
            assert_int_equal(back.n_targets, 2);
            assert_int_equal(count_of(&back, &back.targets[0], EVENT_CPU_NS), VALUE_ABSENT);
            assert_int_equal(count_of(&back, &back.targets[1], EVENT_INSTRUCTIONS), 1002);
        }
    }
    kept_documents_deinit(&kept);
    report_deinit(&report);
    report_deinit(&back);
    bson_destroy(&scratch);
}

/* GPU 0 has the number of package 0: the group tells them apart. */
static void gpu_time_has_a_group_of_its_own(void **state)
{
    (void)state;
    struct report report, back;
    report_init(&report);
    report_init(&back);
    fill_report(&report);
    assert_int_equal(report_add_event(&report, EVENT_GPU_NS), 0);
    for (int32_t gpu = 0; gpu < 3; gpu += 2) {
        struct count_row *row;
        assert_int_equal(report_add_target(&report, &row), 0);
        row->target = "/a";
        row->package = gpu;
        row->has_counts = true;
        report_counts(&report, row)[2] = 250 + gpu;
    }
    bson_t scratch = BSON_INITIALIZER, bson;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(kept_documents_through_json(&kept, &err), 0);
    assert_int_equal(kept.n_documents, 3);
    const struct document *document = &kept.documents[1];
    assert_true(bson_init_static(&bson, document->bytes, document->size_bytes));
    bson_iter_t top, at;
    assert_true(bson_iter_init(&top, &bson) &&
                bson_iter_find_descendant(&top, "groups.core.0.0.INSTRUCTIONS_RETIRED", &at));
    assert_true(bson_iter_init(&top, &bson) &&
                bson_iter_find_descendant(&top, "groups.gpu.2.0.gpu_ns", &at));
    if (convert_bson(&bson, &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(back.n_targets, 2);
    assert_int_equal(count_of(&back, &back.targets[0], EVENT_INSTRUCTIONS), 1001);
    assert_int_equal(count_of(&back, &back.targets[0], EVENT_GPU_NS), 250);
    assert_int_equal(back.targets[1].package, 2);
    assert_int_equal(count_of(&back, &back.targets[1], EVENT_INSTRUCTIONS), VALUE_ABSENT);
    assert_int_equal(count_of(&back, &back.targets[1], EVENT_GPU_NS), 252);
    kept_documents_deinit(&kept);
    report_deinit(&report);
    report_deinit(&back);
    bson_destroy(&scratch);
}

/* What two types of CPUs have counted is one count for PowerAPI, in the place of the first. */
static void types_of_cpus_are_one_count(void **state)
{
    (void)state;
    static const char *const names[] = {"cycles:core", "mine:core", "cycles:atom",
                                        "instructions:core"};
    const int64_t counts[] = {70, 3, 7, 9};
    struct report report, back;
    report_init(&report);
    report_init(&back);
    report.dt_ns = 1000000000;
    (void)snprintf(report.key.sensor, sizeof(report.key.sensor), "node");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(report_add_event(&report, names[i]), 0);
    struct count_row *row;
    assert_int_equal(report_add_target(&report, &row), 0);
    row->target = "/a";
    row->package = 0;
    row->has_counts = true;
    memcpy(report_counts(&report, row), counts, sizeof(counts));
    bson_t scratch = BSON_INITIALIZER, bson;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(kept_documents_through_json(&kept, &err), 0);
    assert_int_equal(kept.n_documents, 1);
    const struct document *document = &kept.documents[0];
    assert_true(bson_init_static(&bson, document->bytes, document->size_bytes));
    if (convert_bson(&bson, &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(back.n_events, 3);
    assert_int_equal(count_of(&back, &back.targets[0], EVENT_CYCLES), 77);
    assert_int_equal(count_of(&back, &back.targets[0], "mine:core"), 3);
    /* Only one of the types has it. */
    assert_int_equal(count_of(&back, &back.targets[0], "instructions:core"), 9);
    kept_documents_deinit(&kept);
    report_deinit(&report);
    report_deinit(&back);
    bson_destroy(&scratch);
}

/* A row that has its CPU time and no hardware events would be a report of another shape. */
static void what_had_no_counter_is_left_out(void **state)
{
    (void)state;
    static const char *const targets[] = {"/a", "/b"};
    struct report report;
    report_init(&report);
    report.dt_ns = 1000000000;
    (void)snprintf(report.key.sensor, sizeof(report.key.sensor), "node");
    assert_int_equal(report_add_event(&report, EVENT_CPU_NS), 0);
    assert_int_equal(report_add_event(&report, EVENT_CYCLES), 0);
    for (int i = 0; i < 2; i++) {
        struct count_row *row;
        assert_int_equal(report_add_target(&report, &row), 0);
        row->target = targets[i];
        row->package = 0;
        row->has_counts = true;
        row->enabled_ns = 500;
        row->running_ns = i == 0 ? 500 : 0;
        report_counts(&report, row)[0] = 500;
        report_counts(&report, row)[1] = i == 0 ? 700 : VALUE_ABSENT;
    }
    bson_t scratch = BSON_INITIALIZER;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(kept.n_documents, 1);
    kept_documents_deinit(&kept);
    report_deinit(&report);
    bson_destroy(&scratch);
}

static void any_energy_survives_rapl_units(void **state)
{
    (void)state;
    struct report report, back;
    report_init(&report);
    report_init(&back);
    bson_t scratch = BSON_INITIALIZER;
    struct error err = {0};
    uint64_t random = 3;
    for (int i = 0; i < 3000; i++) {
        struct kept_documents kept = {0};
        fill_report(&report);
        /* Up to 2^49 uJ, half a gigajoule in one tick. */
        int64_t energy_uj = (int64_t)(random_next(&random) >> (15 + random_below(&random, 49)));
        report.energy[0].energy_uj = energy_uj;
        assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
        bson_t bson;
        assert_true(bson_init_static(&bson, kept.documents[0].bytes, kept.documents[0].size_bytes));
        assert_int_equal(convert_bson(&bson, &back, &err), 0);
        assert_int_equal(energy_of(&back, DOMAIN_PACKAGE, 0)->energy_uj, energy_uj);
        kept_documents_deinit(&kept);
    }
    report_deinit(&report);
    report_deinit(&back);
    bson_destroy(&scratch);
}

static void ids_name_the_document(void **state)
{
    (void)state;
    struct report report;
    report_init(&report);
    fill_report(&report);
    bson_t scratch = BSON_INITIALIZER;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    report.key.timestamp_ms++;
    assert_int_equal(report_encode_powerapi(&report, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(kept.n_documents, 9);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(strlen(kept.documents[i].id), 24);
        assert_string_equal(kept.documents[i].id, kept.documents[i + 3].id);
        assert_string_not_equal(kept.documents[i].id, kept.documents[i + 6].id);
        assert_string_not_equal(kept.documents[i].id, kept.documents[(i + 1) % 3].id);
    }
    kept_documents_deinit(&kept);
    report_deinit(&report);
    bson_destroy(&scratch);
}

static void fill_power(struct power_record *power, double dynamic_w)
{
    power_record_clear(power);
    (void)snprintf(power->key.sensor, sizeof(power->key.sensor), "nodeA");
    power->key.timestamp_ms = INT64_C(1767225600000);
    (void)snprintf(power->label, sizeof(power->label), "auto");
    (void)snprintf(power->model, sizeof(power->model), "auto");
    struct balance_row *balance;
    assert_int_equal(power_record_add_balance(power, &balance), 0);
    balance->domain = DOMAIN_PACKAGE;
    balance->package = 1;
    balance->measured_w = 23;
    balance->predicted_w = 22;
    balance->idle_w = 9;
    balance->dynamic_w = dynamic_w;
    balance->unattributed_w = 14 - dynamic_w;
    for (int i = 0; i < 2; i++) {
        struct power_row *row;
        assert_int_equal(power_record_add_target(power, &row), 0);
        row->target = i == 0 ? "/a" : "other";
        row->domain = DOMAIN_PACKAGE;
        row->package = 1;
        row->share = dynamic_w > 0 ? (i == 0 ? 0.75 : 0.25) : 0;
        row->dynamic_w = dynamic_w * row->share;
        row->static_w = 9 * row->share;
    }
}

/* Sums of what the PowerReports say. */
struct power_sums {
    double rapl_w, global_w, unattributed_w, idle_w, targets_w;
};

static struct power_sums sum_power(const struct power_record *power, bool static_share)
{
    bson_t scratch = BSON_INITIALIZER;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_int_equal(
        power_record_encode_powerapi(power, static_share, &scratch, keep_document, &kept, &err), 0);
    assert_int_equal(kept_documents_through_json(&kept, &err), 0);
    struct power_sums sums = {0};
    for (size_t i = 0; i < kept.n_documents; i++) {
        struct power_report report;
        assert_int_equal(kept.documents[i].kind, RECORD_POWER_REPORT);
        assert_int_equal(power_report_decode(&kept.documents[i], &report, &err), 0);
        assert_string_equal(report.scope, "cpu");
        assert_string_equal(report.socket, "1");
        if (strcmp(report.target, "rapl") == 0) {
            assert_string_equal(report.formula, "RAPL_ENERGY_PKG");
            assert_true(report.ratio == 1);
            sums.rapl_w += report.power_w;
        } else if (strcmp(report.target, "global") == 0) {
            assert_string_equal(report.formula, "auto");
            sums.global_w += report.power_w;
        } else if (strcmp(report.target, "unattributed") == 0) {
            sums.unattributed_w += report.power_w;
        } else if (strcmp(report.target, "idle") == 0) {
            sums.idle_w += report.power_w;
        } else {
            sums.targets_w += report.power_w;
        }
    }
    kept_documents_deinit(&kept);
    bson_destroy(&scratch);
    return sums;
}

static void powers_add_up(void **state)
{
    (void)state;
    struct power_record power;
    power_record_init(&power);
    fill_power(&power, 12);
    struct power_sums sums = sum_power(&power, true);
    assert_true(sums.rapl_w == 23 && sums.global_w == 22 && sums.idle_w == 0);
    assert_true(fabs(sums.targets_w - 21) < 1e-9 && fabs(sums.unattributed_w - 2) < 1e-9);
    sums = sum_power(&power, false);
    assert_true(fabs(sums.targets_w - 12) < 1e-9 && sums.idle_w == 9 && sums.unattributed_w == 2);
    fill_power(&power, 0); /* nobody did anything: idle is borne by nobody */
    sums = sum_power(&power, true);
    assert_true(sums.targets_w == 0 && fabs(sums.unattributed_w - 23) < 1e-9);
    power_record_deinit(&power);
}

static void bad_power_reports(void **state)
{
    (void)state;
    static const char bad_ratio[] = "{\"timestamp\":5,\"sensor\":\"s\",\"target\":\"/a\","
                                    "\"power\":1,\"metadata\":{\"ratio\":\"x\"}}";
    static const char *const bad[] = {
        "{\"timestamp\":5,\"sensor\":\"s\",\"target\":\"/a\",\"power\":null}",
        "{\"timestamp\":5,\"sensor\":\"s\",\"target\":\"/a\",\"power\":\"9\"}",
        "{\"timestamp\":5,\"sensor\":\"s\",\"target\":null,\"power\":1}",
        "{\"timestamp\":5,\"sensor\":\"s\",\"target\":\"/a\",\"power\":1,\"metadata\":7}",
        bad_ratio,
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        bson_t bson;
        struct document document;
        struct power_report report;
        struct error err = {0};
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), &bson, &err), 0);
        assert_int_equal(document_describe(bson_get_data(&bson), bson.len, &document, &err), 0);
        assert_int_equal(document.kind, RECORD_POWER_REPORT);
        assert_int_equal(power_report_decode(&document, &report, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "PowerReport of s"));
        bson_destroy(&bson);
    }
    struct power_report report = {.sensor = "s", .target = "/a", .power_w = (double)INFINITY};
    bson_t scratch = BSON_INITIALIZER;
    struct document document;
    assert_int_equal(power_report_encode(&report, &scratch, &document, NULL), -ERANGE);
    bson_destroy(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smartwatts_timeline),
        cmocka_unit_test(kepler_reports),
        cmocka_unit_test(reports_of_powerapi),
        cmocka_unit_test(each_cpu_is_scaled_by_itself),
        cmocka_unit_test(counts_can_be_had_as_they_came),
        cmocka_unit_test(events_tell_what_they_are),
        cmocka_unit_test(damaged_reports_are_named),
        cmocka_unit_test(our_reports_come_back),
        cmocka_unit_test(gpu_time_has_a_group_of_its_own),
        cmocka_unit_test(types_of_cpus_are_one_count),
        cmocka_unit_test(what_had_no_counter_is_left_out),
        cmocka_unit_test(any_energy_survives_rapl_units),
        cmocka_unit_test(ids_name_the_document),
        cmocka_unit_test(powers_add_up),
        cmocka_unit_test(bad_power_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
