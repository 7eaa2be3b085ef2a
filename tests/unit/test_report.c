/* SPDX-License-Identifier: BSD-3-Clause */
/* What a report, power, host or target record must hold to be taken, and how a refusal names the
 * field. Round trips are in test_record_round_trip.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/host_record.h"
#include "common/json_text.h"
#include "common/power_record.h"
#include "common/report.h"
#include "common/scope.h"
#include "common/target_record.h"
#include "tests/unit/random_records.h"

#define KEY(KIND)                                                                              \
    "{\"kind\":\"" KIND "\",\"v\":1,\"_id\":\"s:0199d2f4c1a0:000000000007\",\"sensor\":\"s\"," \
    "\"run\":\"0199d2f4c1a0\",\"seq\":7,\"timestamp\":5,\"label\":\"auto\","
#define VALID "\"valid\":true,"
#define EVENTS "\"events\":[\"a\",\"b\"],"

static int decode_raw(const struct document *document, struct error *err)
{
    struct report report;
    report_init(&report);
    int r = report_decode(document, &report, err);
    if (r < 0)
        assert_int_equal(report.n_targets + report.n_energy + report.n_events, 0);
    report_deinit(&report);
    return r;
}

static int decode_power(const struct document *document, struct error *err)
{
    struct power_record power;
    power_record_init(&power);
    int r = power_record_decode(document, &power, err);
    power_record_deinit(&power);
    return r;
}

static int decode_host(const struct document *document, struct error *err)
{
    struct host_record host;
    host_record_init(&host);
    int r = host_record_decode(document, &host, err);
    host_record_deinit(&host);
    return r;
}

static int decode_target(const struct document *document, struct error *err)
{
    struct target_record target;
    return target_record_decode(document, &target, err);
}

struct refused {
    const char *text, *named;
};

static void assert_refused(int (*decode)(const struct document *, struct error *),
                           const struct refused *refused, size_t n_refused)
{
    for (size_t i = 0; i < n_refused; i++) {
        bson_t bson;
        struct document document;
        struct error err = {0};
        if (json_parse(refused[i].text, strlen(refused[i].text), &bson, &err) < 0 ||
            document_describe(bson_get_data(&bson), bson.len, &document, &err) < 0)
            fail_msg("%s: %s", refused[i].text, err.text);
        if (decode(&document, &err) != -EBADMSG)
            fail_msg("accepted: %s", refused[i].text);
        if (!strstr(err.text, refused[i].named) || !strstr(err.text, "s:0199d2f4c1a0:"))
            fail_msg("%s: %s", refused[i].text, err.text);
        bson_destroy(&bson);
    }
}

static void damaged_reports(void **state)
{
    (void)state;
    static const struct refused refused[] = {
        {KEY("raw") "\"x\":1}", "valid: missing"},
        {KEY("raw") "\"valid\":1}", "valid: true or false is needed"},
        {KEY("raw") VALID "\"dt_ns\":-1}", "dt_ns: negative"},
        {KEY("raw") VALID "\"part\":2,\"parts\":1}", "part: not one of the parts"},
        {KEY("raw") VALID "\"part\":1}", "part"},
        {KEY("raw") VALID "\"parts\":100000}", "parts: not in"},
        {KEY("raw") VALID "\"reasons\":\"skew\"}", "reasons: an array is needed"},
        {KEY("raw") VALID "\"events\":[7]}", "events: 0: text is needed"},
        {KEY("raw") VALID "\"events\":[null]}", "events: 0"},
        {KEY("raw") VALID "\"energy\":{}}", "energy: an array"},
        {KEY("raw") VALID "\"energy\":[7]}", "0: an object"},
        {KEY("raw") VALID "\"energy\":[{\"domain\":\"moon\",\"valid\":false}]}",
         "energy.0: domain"},
        {KEY("raw") VALID "\"energy\":[{\"valid\":false}]}", "energy.0: domain: missing"},
        {KEY("raw") VALID "\"energy\":[{\"domain\":\"dram\"}]}", "energy.0: valid: missing"},
        {KEY("raw") VALID "\"energy\":[{\"domain\":\"dram\",\"valid\":true,\"dt_ns\":5}]}",
         "energy.0: valid, but without"},
        {KEY("raw") VALID "\"energy\":[{\"domain\":\"dram\",\"valid\":true,\"dt_ns\":5,"
                          "\"energy_uj\":-3}]}",
         "energy.0: energy_uj: negative"},
        {KEY("raw") VALID "\"energy\":[{\"domain\":\"dram\",\"valid\":false,\"source\":\"A b\"}]}",
         "energy.0: source"},
        {KEY("raw") VALID EVENTS "\"targets\":[{\"counts\":[1,2]}]}", "targets.0: target: missing"},
        {KEY("raw") VALID EVENTS "\"targets\":[{\"target\":\"/a\",\"counts\":[1]}]}",
         "targets.0: counts: 1 of them for 2 events"},
        {KEY("raw") VALID EVENTS "\"targets\":[{\"target\":\"/a\",\"counts\":[1,2,3]}]}",
         "3 of them"},
        {KEY("raw") VALID EVENTS "\"targets\":[{\"target\":\"/a\"},{\"target\":\"/b\","
                                 "\"counts\":[1,-2]}]}",
         "targets.1: counts: 1: negative"},
        {KEY("raw") VALID EVENTS "\"total\":[{\"counts\":[1,1e19]}]}", "total.0: counts: 1"},
        {KEY("raw") VALID EVENTS "\"total\":[{\"package\":-4}]}", "total.0: package"},
    };
    assert_refused(decode_raw, refused, ARRAY_SIZE(refused));
}

static void damaged_powers(void **state)
{
    (void)state;
    static const struct refused refused[] = {
        {KEY("power") "\"x\":1}", "valid: missing"},
        {KEY("power") VALID "\"model\":\"No Word\"}", "model"},
        {KEY("power") VALID "\"balance\":[{\"measured_w\":1}]}", "balance.0: domain: missing"},
        {KEY("power") VALID "\"balance\":[{\"domain\":\"dram\",\"idle_w\":\"3\"}]}", "idle_w"},
        {KEY("power") VALID "\"targets\":[{\"domain\":\"dram\"}]}", "targets.0: target: missing"},
        {KEY("power") VALID "\"targets\":[{\"target\":\"/a\"}]}", "targets.0: domain: missing"},
        {KEY("power") VALID
         "\"targets\":[{\"target\":\"/a\",\"domain\":\"gpu\",\"dynamic_uj\":-1}]}",
         "dynamic_uj: negative"},
        {KEY("power") VALID "\"part\":3,\"parts\":2}", "part"},
    };
    assert_refused(decode_power, refused, ARRAY_SIZE(refused));
}

static void damaged_hosts_and_targets(void **state)
{
    (void)state;
    static const struct refused hosts[] = {
        {KEY("host") "\"cpu\":[]}", "cpu: an object"},
        {KEY("host") "\"cpu\":{\"family\":\"6\"}}", "cpu: family"},
        {KEY("host") "\"interval_ns\":-1}", "interval_ns: negative"},
        {KEY("host") "\"sources\":[{\"source\":\"powercap\"}]}", "sources.0: domain: missing"},
        {KEY("host") "\"packages\":[{\"max_w\":[]}]}", "packages.0: max_w"},
        {KEY("host") "\"boot_id\":\"0123456789012345678901234567890123456789\"}", "too long"},
    };
    static const struct refused targets[] = {
        {KEY("target") "\"x\":1}", "target: missing"},
        {KEY("target") "\"target\":7}", "target: text"},
        {KEY("target") "\"target\":\"/a\",\"pid\":-1}", "pid: negative"},
        {KEY("target") "\"target\":\"/a\",\"ordinal\":4294967296}", "ordinal"},
    };
    assert_refused(decode_host, hosts, ARRAY_SIZE(hosts));
    assert_refused(decode_target, targets, ARRAY_SIZE(targets));
}

/* A person may write fields in any order. */
static void order_of_fields_does_not_matter(void **state)
{
    (void)state;
    const char *text = KEY("raw") "\"targets\":[{\"counts\":[1,null],\"target\":\"/a\"}]," EVENTS
                                  "\"valid\":false,\"unknown\":{\"x\":[1]}}";
    bson_t bson;
    struct document document;
    struct report report;
    report_init(&report);
    assert_int_equal(json_parse(text, strlen(text), &bson, NULL), 0);
    assert_int_equal(document_describe(bson_get_data(&bson), bson.len, &document, NULL), 0);
    assert_int_equal(report_decode(&document, &report, NULL), 0);
    assert_false(report.valid);
    assert_int_equal(report.n_events, 2);
    assert_int_equal(report_counts(&report, &report.targets[0])[0], 1);
    assert_int_equal(report_counts(&report, &report.targets[0])[1], VALUE_ABSENT);
    assert_int_equal(report.dt_ns, VALUE_ABSENT);
    assert_int_equal(report.targets[0].package, PACKAGE_NONE);
    report_deinit(&report);
    bson_destroy(&bson);
}

static int write_it(const struct document *document, void *context)
{
    bson_t bson;
    assert_true(bson_init_static(&bson, document->bytes, document->size_bytes));
    return json_write(context, &bson, NULL);
}

/* The document as docs/records.md shows it. */
static void the_shape_of_a_report(void **state)
{
    (void)state;
    struct report report;
    report_init(&report);
    random_report(&report, 0);
    report_clear(&report);
    (void)snprintf(report.key.sensor, sizeof(report.key.sensor), "nodeA");
    (void)snprintf(report.key.run, sizeof(report.key.run), "0199d2f4c1a0");
    report.key.seq = 123;
    report.key.timestamp_ms = INT64_C(1767225600000);
    report.dt_ns = 1000012345;
    struct energy_sample *energy;
    assert_int_equal(report_add_energy(&report, &energy), 0);
    energy->domain = DOMAIN_DRAM;
    energy->package = 0;
    (void)snprintf(energy->source, sizeof(energy->source), "powercap");
    (void)snprintf(energy->reason, sizeof(energy->reason), "counter_reset");
    assert_int_equal(report_add_event(&report, "cpu_ns"), 0);
    struct count_row *row;
    assert_int_equal(report_add_target(&report, &row), 0);
    row->target = "/a";
    row->has_counts = true;
    bson_t scratch = BSON_INITIALIZER;
    char text[2000];
    FILE *stream = fmemopen(text, sizeof(text), "w");
    assert_non_null(stream);
    assert_int_equal(report_encode(&report, &scratch, write_it, stream, NULL), 0);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(
        text, "{\"kind\":\"raw\",\"v\":1,\"_id\":\"nodeA:0199d2f4c1a0:00000000007b\","
              "\"sensor\":\"nodeA\",\"run\":\"0199d2f4c1a0\",\"seq\":123,"
              "\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"dt_ns\":1000012345,\"valid\":true,"
              "\"reasons\":[],\"missed\":0,\"energy\":[{\"domain\":\"dram\",\"package\":0,"
              "\"source\":\"powercap\",\"valid\":false,\"reason\":\"counter_reset\"}],"
              "\"clock\":[],\"events\":[\"cpu_ns\"],\"total\":[],"
              "\"targets\":[{\"target\":\"/a\",\"counts\":[null]}]}");
    report_deinit(&report);
    bson_destroy(&scratch);
}

static int emit_fails(const struct document *document, void *context)
{
    (void)document;
    (*(int *)context)++;
    return -EAGAIN;
}

static void what_cannot_be_read_is_not_written(void **state)
{
    (void)state;
    bson_t scratch = BSON_INITIALIZER;
    struct error err = {0};
    int n_emitted = 0;
    struct report report;
    report_init(&report);
    random_large_report(&report, 5, 3);
    assert_int_equal(report_encode(&report, &scratch, emit_fails, &n_emitted, &err), -EAGAIN);
    assert_int_equal(n_emitted, 1);
    report.targets[4].target = "\xff";
    assert_int_equal(report_encode(&report, &scratch, emit_fails, &n_emitted, &err), -EINVAL);
    assert_non_null(strstr(err.text, "targets.4"));
    report_clear(&report);
    struct energy_sample *energy;
    assert_int_equal(report_add_energy(&report, &energy), 0);
    energy->valid = true;
    assert_int_equal(report_encode(&report, &scratch, emit_fails, &n_emitted, &err), -EINVAL);
    report_deinit(&report);
    report_deinit(&report);

    struct power_record power;
    power_record_init(&power);
    random_power(&power, 3);
    struct power_row *row;
    assert_int_equal(power_record_add_target(&power, &row), 0);
    row->target = "/a";
    row->dynamic_w = (double)INFINITY;
    assert_int_equal(power_record_encode(&power, &scratch, emit_fails, &n_emitted, &err), -ERANGE);
    power.label[0] = '\0';
    assert_int_equal(power_record_encode(&power, &scratch, emit_fails, &n_emitted, &err), -EINVAL);
    power_record_deinit(&power);

    struct host_record host;
    struct document document;
    host_record_init(&host);
    random_host(&host, 3);
    (void)snprintf(host.cpu_name, sizeof(host.cpu_name), "\xff");
    assert_int_equal(host_record_encode(&host, &scratch, &document, &err), -EINVAL);
    host_record_deinit(&host);
    struct target_record target;
    random_target(&target, 3);
    target.comm = "\xc3";
    assert_int_equal(target_record_encode(&target, &scratch, &document, &err), -EINVAL);
    assert_non_null(strstr(err.text, "comm"));
    assert_int_equal(n_emitted, 1);
    bson_destroy(&scratch);
}

static void an_event_may_come_after_the_rows(void **state)
{
    (void)state;
    struct report report;
    struct count_row *row;
    report_init(&report);
    assert_int_equal(report_add_target(&report, &row), 0); /* no event yet */
    assert_int_equal(report_add_event(&report, "a"), 0);
    assert_int_equal(report_add_total(&report, &row), 0);
    report_counts(&report, row)[0] = 10;
    assert_int_equal(report_add_target(&report, &row), 0);
    report_counts(&report, row)[0] = 20;
    report.n_targets--; /* dropped: its counts stay where they are */
    assert_int_equal(report_add_target(&report, &row), 0);
    report_counts(&report, row)[0] = 30;
    assert_int_equal(report_add_event(&report, "b"), 0);
    report_counts(&report, &report.targets[1])[1] = 31;
    assert_int_equal(report_add_event(&report, "c"), 0);
    assert_int_equal(report_add_target(&report, &row), 0);
    for (size_t i = 0; i < 3; i++)
        report_counts(&report, row)[i] = 40 + (int64_t)i;
    static const int64_t want[4][3] = {
        {VALUE_ABSENT, VALUE_ABSENT, VALUE_ABSENT},
        {10, VALUE_ABSENT, VALUE_ABSENT},
        {30, 31, VALUE_ABSENT},
        {40, 41, 42},
    };
    const struct count_row *rows[] = {&report.targets[0], &report.total[0], &report.targets[1],
                                      &report.targets[2]};
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(report_counts(&report, rows[i]), want[i], sizeof(want[i]));
    report_deinit(&report);
}

static int see_that_it_is_read(const struct document *document, void *context)
{
    struct error err = {0};
    struct document described;
    (*(int *)context)++;
    if (document_describe(document->bytes, document->size_bytes, &described, &err) < 0 ||
        decode_raw(&described, &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static void fill(char *text, size_t size)
{
    (void)memset(text, 'w', size - 1);
    text[size - 1] = '\0';
}

/* The room for a record is bounded before it is written. */
static void the_widest_has_room(void **state)
{
    (void)state;
    enum { N = 600 };
    struct report report;
    struct error err = {0};
    char long_name[200];
    int n_documents = 0;
    bson_t scratch;
    bson_init(&scratch);
    report_init(&report);
    fill(long_name, sizeof(long_name));
    fill(report.key.sensor, sizeof(report.key.sensor));
    (void)snprintf(report.key.run, sizeof(report.key.run), "ffffffffffff");
    report.key.seq = (UINT64_C(1) << 48) - 1;
    report.key.timestamp_ms = TIMESTAMP_MAX_MS;
    report.dt_ns = report.missed = AMOUNT_MAX;
    report.part = report.parts = RECORD_PARTS_MAX;
    for (char word[WORD_SIZE] = "wwwwwwwwwwwwwwwwwwwwwwa"; word[22] < 'a' + REASONS_MAX; word[22]++)
        reasons_add(&report.reasons, word);
    for (int i = 0; i < REPORT_EVENTS_MAX; i++)
        assert_int_equal(report_add_event(&report, long_name), 0);
    for (int i = 0; i < N; i++) {
        struct count_row *row;
        assert_int_equal(report_add_target(&report, &row), 0);
        row->target = long_name;
        row->package = INT32_MAX;
        row->has_counts = true;
        row->enabled_ns = row->running_ns = AMOUNT_MAX;
        fill(row->reason, sizeof(row->reason));
        for (size_t j = 0; j < report.n_events; j++)
            report_counts(&report, row)[j] = AMOUNT_MAX;
    }
    assert_int_equal(report_encode(&report, &scratch, see_that_it_is_read, &n_documents, &err), 0);
    report.part = report.parts = 1;
    report.n_targets = report.n_counts = report.n_events = 0;
    for (int i = 0; i < N; i++) {
        struct energy_sample *sample;
        assert_int_equal(report_add_energy(&report, &sample), 0);
        *sample = (struct energy_sample){.domain = DOMAIN_MACHINE,
                                         .package = INT32_MAX,
                                         .estimate = true,
                                         .dt_ns = AMOUNT_MAX,
                                         .skew_ns = AMOUNT_MAX,
                                         .energy_uj = AMOUNT_MAX,
                                         .low_uj = AMOUNT_MAX,
                                         .high_uj = AMOUNT_MAX};
        fill(sample->source, sizeof(sample->source));
        fill(sample->reason, sizeof(sample->reason));
    }
    assert_int_equal(report_encode(&report, &scratch, see_that_it_is_read, &n_documents, &err), 0);
    report.n_energy = 0;
    for (int i = 0; i < N; i++) {
        struct clock_sample *clock;
        assert_int_equal(report_add_clock(&report, &clock), 0);
        *clock = (struct clock_sample){INT32_MAX, AMOUNT_MAX, AMOUNT_MAX, AMOUNT_MAX};
    }
    assert_int_equal(report_encode(&report, &scratch, see_that_it_is_read, &n_documents, &err), 0);
    assert_int_equal(n_documents, 3);
    report_deinit(&report);
    bson_destroy(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_reports),
        cmocka_unit_test(damaged_powers),
        cmocka_unit_test(damaged_hosts_and_targets),
        cmocka_unit_test(order_of_fields_does_not_matter),
        cmocka_unit_test(the_shape_of_a_report),
        cmocka_unit_test(what_cannot_be_read_is_not_written),
        cmocka_unit_test(the_widest_has_room),
        cmocka_unit_test(an_event_may_come_after_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
