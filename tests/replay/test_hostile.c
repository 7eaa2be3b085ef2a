/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports in which anything can stand anywhere: absurd, negative, overflowing, NaN, of another
 * type, missing, twice. Whatever comes, every model says possible watts or none, and why. The
 * damage is drawn from a fixed seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>

#include "common/report.h"
#include "tests/replay/fixture.h"

static const char *const models[] = {"auto", "share", "smartwatts"};
static size_t n_balanced, n_refused;

static void check_possible(const struct power_record *power)
{
    bool has_reason = power->reasons.n_words > 0;
    for (size_t i = 0; i < power->n_balance; i++) {
        const struct balance_row *row = &power->balance[i];
        has_reason |= row->reason[0] != '\0';
        assert_true(isnan(row->predicted_w) ||
                    (row->predicted_w >= 0 && isfinite(row->predicted_w)));
        assert_true(isnan(row->sigma_w) || (row->sigma_w >= 0 && isfinite(row->sigma_w)));
        if (isnan(row->measured_w)) {
            assert_true(row->reason[0] || has_reason);
            assert_true(isnan(row->idle_w) && isnan(row->dynamic_w) && isnan(row->unattributed_w));
            continue;
        }
        n_balanced++;
        assert_true(row->measured_w >= 0 && row->measured_w <= 40000);
        assert_true(row->idle_w >= 0 && row->dynamic_w >= 0 && row->unattributed_w >= 0);
        assert_true(fabs(row->idle_w + row->dynamic_w + row->unattributed_w - row->measured_w) <=
                    1e-6);
    }
    for (size_t i = 0; i < power->n_targets; i++) {
        const struct power_row *row = &power->targets[i];
        assert_true(row->dynamic_w >= 0 && row->dynamic_w <= 40000 && row->static_w >= 0);
        assert_true(row->share >= 0 && row->share <= 1 && row->dynamic_uj >= 0);
        assert_true(isnan(row->sigma_w) || (row->sigma_w >= 0 && isfinite(row->sigma_w)));
    }
    n_refused += !power->valid;
    assert_true(power->valid || has_reason);
}

/* ---- damage ---- */

static void append_anything(bson_t *to, const char *key, unsigned *seed)
{
    static const double doubles[] = {-1, 1e308, -1e308, 1e-320, 0.5, -0.0, 9.3e18, 4e15};
    static const int64_t words[] = {
        0, 1, -1, INT64_MAX, INT64_MIN, INT64_C(1) << 62, INT64_C(1) << 53, 4294967296};
    static const char *const texts[] = {
        "", "/", "all", "package", "\xff", "cpu_ns", "2026-01-01T00:00:00Z", "-9"};
    bson_t inner;
    switch (rand_r(seed) % 9) {
    case 0:
        (void)bson_append_double(to, key, -1, (double)NAN);
        break;
    case 1:
        (void)bson_append_double(to, key, -1,
                                 rand_r(seed) % 2 ? (double)INFINITY : (double)-INFINITY);
        break;
    case 2:
        (void)bson_append_double(to, key, -1, doubles[rand_r(seed) % 8]);
        break;
    case 3:
    case 4:
        (void)bson_append_int64(to, key, -1, words[rand_r(seed) % 8]);
        break;
    case 5:
        (void)bson_append_utf8(to, key, -1, texts[rand_r(seed) % 8], -1);
        break;
    case 6:
        (void)bson_append_null(to, key, -1);
        break;
    case 7:
        (void)bson_append_document_begin(to, key, -1, &inner);
        (void)bson_append_document_end(to, &inner);
        break;
    default:
        (void)bson_append_array_begin(to, key, -1, &inner);
        (void)bson_append_array_end(to, &inner);
        break;
    }
}

/* A copy in which one field in so many is another, is gone, or stands twice. */
static void copy_damaged(bson_iter_t *from, bson_t *to, unsigned rarity, unsigned *seed)
{
    while (bson_iter_next(from)) {
        const char *key = bson_iter_key(from);
        bson_iter_t child;
        bson_t inner;
        unsigned fate = (unsigned)rand_r(seed) % (3 * rarity);
        if (fate == 0)
            append_anything(to, key, seed);
        if (fate <= 1)
            continue;
        if (fate == 2)
            (void)bson_append_iter(to, key, -1, from);
        if (BSON_ITER_HOLDS_DOCUMENT(from) && bson_iter_recurse(from, &child)) {
            (void)bson_append_document_begin(to, key, -1, &inner);
            copy_damaged(&child, &inner, rarity, seed);
            (void)bson_append_document_end(to, &inner);
        } else if (BSON_ITER_HOLDS_ARRAY(from) && bson_iter_recurse(from, &child)) {
            (void)bson_append_array_begin(to, key, -1, &inner);
            copy_damaged(&child, &inner, rarity, seed);
            (void)bson_append_array_end(to, &inner);
        } else {
            (void)bson_append_iter(to, key, -1, from);
        }
    }
}

static const char raw_format[] =
    "{\"kind\":\"raw\",\"v\":1,\"_id\":\"s:0199d2f4c1a0:%012x\",\"sensor\":\"s\",\"run\":"
    "\"0199d2f4c1a0\",\"seq\":%d,"
    "\"timestamp\":%" PRId64 ",\"dt_ns\":1000000000,\"valid\":true,\"missed\":0,\"energy\":["
    "{\"domain\":\"package\",\"package\":0,\"source\":\"x\",\"valid\":true,\"dt_ns\":1000000000,"
    "\"energy_uj\":%d},"
    "{\"domain\":\"package\",\"package\":1,\"source\":\"x\",\"valid\":true,\"dt_ns\":1000000000,"
    "\"energy_uj\":40000000},"
    "{\"domain\":\"dram\",\"package\":0,\"source\":\"x\",\"valid\":true,\"dt_ns\":1000000000,"
    "\"energy_uj\":5000000},"
    "{\"domain\":\"gpu\",\"package\":0,\"source\":\"x\",\"valid\":true,\"dt_ns\":1000000000,"
    "\"energy_uj\":9000000}],"
    "\"clock\":[{\"package\":0,\"tsc\":2000000000,\"aperf\":1500000000,\"mperf\":1000000000}],"
    "\"events\":[\"cpu_ns\",\"cycles\",\"instructions\",\"llc_misses\"],"
    "\"total\":[{\"package\":0,\"counts\":[900000000,2000000000,3000000000,40000],\"enabled_ns\":"
    "1000,\"running_ns\":900}],"
    "\"targets\":[{\"target\":\"/a\",\"package\":0,\"counts\":[%d,900000000,1500000000,20000]},"
    "{\"target\":\"/"
    "b:7@9\",\"package\":0,\"counts\":[300000000,600000000,%d,9000],\"enabled_ns\":1000,\"running_"
    "ns\":500},"
    "{\"target\":\"/c\",\"package\":1,\"counts\":[100000000,200000000,100000000,1]}]}";
static const char host_text[] = "{\"kind\":\"host\",\"v\":1,\"_id\":\"s:0199d2f4c1a0:000000000000:"
                                "host\",\"sensor\":\"s\",\"run\":\"0199d2f4c1a0\",\"seq\":0,"
                                "\"timestamp\":1690000000000,\"cpu\":{\"vendor\":\"V\",\"family\":"
                                "6,\"model\":85,\"name\":\"N\"},"
                                "\"packages\":[{\"package\":0,\"cpus\":4,\"base_hz\":2000000000,"
                                "\"max_hz\":3000000000,\"max_w\":300.0},"
                                "{\"package\":1,\"cpus\":4}],\"sources\":[{\"domain\":\"package\","
                                "\"package\":0,\"source\":\"x\",\"floor_w\":1.0}],"
                                "\"events\":[{\"name\":\"cpu_ns\"},{\"name\":\"cycles\"}]}";
static const char hwpc_format[] =
    "{\"timestamp\":%" PRId64 ",\"sensor\":\"p\",\"target\":\"%s\",\"groups\":{%s\"core\":{\"0\":{"
    "\"0\":{\"CYCLES\":%d.0,\"INSTRUCTIONS\":5e8,\"time_enabled\":1000000000,\"time_running\":"
    "900000000},"
    "\"1\":{\"CYCLES\":1e8,\"INSTRUCTIONS\":2e8,\"time_enabled\":1000000000,\"time_running\":"
    "1000000000}}}}}";
static const char rapl_text[] =
    "\"rapl\":{\"0\":{\"0\":{\"RAPL_ENERGY_PKG\":85899345920,\"RAPL_ENERGY_DRAM\":8589934592,"
    "\"time_enabled\":1000000000,\"time_running\":1000000000}}},"
    "\"msr\":{\"0\":{\"0\":{\"TSC\":2e9,\"APERF\":1e9,\"MPERF\":1e9}}},";

static void feed(struct formula *formula, const char *text, unsigned rarity, unsigned *seed)
{
    bson_t whole, damaged = BSON_INITIALIZER;
    bson_iter_t fields;
    struct error err = {0};
    if (json_parse(text, strlen(text), &whole, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(bson_iter_init(&fields, &whole));
    copy_damaged(&fields, &damaged, rarity, seed);
    formula_feed(formula, &damaged);
    bson_destroy(&damaged);
    bson_destroy(&whole);
}

static void feed_tick(struct formula *formula, int tick, unsigned *seed)
{
    char text[4096];
    unsigned rarity =
        tick % 5 == 0 ? 12 : 120; /* most ticks are nearly whole, else nothing would be learned */
    int64_t stamp = INT64_C(1690000000000) + tick * INT64_C(1000);
    if (tick % 50 == 0)
        feed(formula, host_text, 40, seed);
    (void)snprintf(text, sizeof(text), raw_format, (unsigned)tick, tick, stamp,
                   50000000 + rand_r(seed) % 9000000, rand_r(seed) % 900000000, rand_r(seed));
    feed(formula, text, rarity, seed);
    static const char *const targets[] = {"all", "/x", "/y"};
    for (int i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof(text), hwpc_format, stamp, targets[i], i == 0 ? rapl_text : "",
                       rand_r(seed) % 900000000);
        feed(formula, text, rarity, seed);
    }
}

static void anything_makes_no_impossible_watt(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof(models) / sizeof(*models); m++) {
        unsigned seed = 20261121;
        struct outcome outcome;
        struct formula_health health;
        outcome_init(&outcome, check_possible);
        n_balanced = n_refused = 0;
        struct formula *formula = formula_of(models[m], 2, &outcome);
        for (int tick = 0; tick < 1500; tick++)
            feed_tick(formula, tick, &seed);
        assert_int_equal(formula_finish(formula, NULL), 0);
        formula_health(formula, &health);
        assert_true(health.n_bad > 100 && n_balanced > 1500 && n_refused > 100);
        formula_free(formula);
        outcome_free(&outcome);
    }
}

/* ---- a million targets ---- */

#define MILLION 1000000

struct feeding {
    struct formula *formula;
    size_t n_parts;
};

static int feed_part(const struct document *document, void *context)
{
    struct feeding *feeding = context;
    struct error err = {0};
    feeding->n_parts++;
    if (formula_add(feeding->formula, document, &err) != 0)
        fail_msg("%s", err.text);
    return 0;
}

static void fill_million(struct report *report, char (*names)[16], int64_t energy_uj)
{
    report->key = (struct record_key){
        .sensor = "s", .run = "0199d2f4c1a0", .seq = 1, .timestamp_ms = INT64_C(1790000000000)};
    report->dt_ns = 1000000000;
    struct energy_sample *sample;
    assert_int_equal(report_add_energy(report, &sample), 0);
    *sample = (struct energy_sample){.domain = DOMAIN_PACKAGE,
                                     .source = "x",
                                     .valid = true,
                                     .dt_ns = report->dt_ns,
                                     .energy_uj = energy_uj,
                                     .skew_ns = VALUE_ABSENT,
                                     .low_uj = VALUE_ABSENT,
                                     .high_uj = VALUE_ABSENT};
    assert_int_equal(report_add_event(report, "cpu_ns"), 0);
    for (int i = 0; i < MILLION; i++) {
        struct count_row *row;
        (void)snprintf(names[i], sizeof(names[i]), "/%06x", (unsigned)i * 7919U % 1048576U);
        assert_int_equal(report_add_target(report, &row), 0);
        row->target = names[i];
        row->package = 0;
        row->has_counts = true;
        report_counts(report, row)[0] = 1000 + i % 1000;
    }
}

static size_t n_rows_seen;
static double row_sum_w;

static int count_rows(const struct power_record *power, void *context)
{
    (void)context;
    check_possible(power);
    n_rows_seen += power->n_targets;
    for (size_t i = 0; i < power->n_targets; i++)
        row_sum_w += power->targets[i].dynamic_w;
    return 0;
}

static void a_million_targets_in_a_tick_fit(void **state)
{
    (void)state;
    struct report report;
    bson_t scratch = BSON_INITIALIZER;
    char(*names)[16] = calloc(MILLION, sizeof(*names));
    assert_non_null(names);
    report_init(&report);
    report_clear(&report);
    fill_million(&report, names, 60000000);
    for (size_t m = 0; m < sizeof(models) / sizeof(*models); m++) {
        struct formula_settings settings = {.model = model_find(models[m]), .wait_ticks = 2};
        struct feeding feeding = {0};
        struct error err = {0};
        n_rows_seen = 0;
        row_sum_w = 0;
        assert_int_equal(formula_new(&feeding.formula, &settings, NULL, count_rows, NULL, &err), 0);
        if (report_encode(&report, &scratch, feed_part, &feeding, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(formula_finish(feeding.formula, &err), 0);
        assert_true(feeding.n_parts > 10);
        assert_true(row_sum_w <= 60.0 + 1e-6);
        assert_int_equal(n_rows_seen, strcmp(models[m], "smartwatts") == 0 ? 0 : MILLION);
        formula_free(feeding.formula);
    }
    bson_destroy(&scratch);
    report_deinit(&report);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_makes_no_impossible_watt),
        cmocka_unit_test(a_million_targets_in_a_tick_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
