/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of every kind and both schemas, from seeds: appended, closed, opened, read. SQLite gives
 * back the same bytes, JSON lines the same fields; a second sending changes nothing where documents
 * have ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/kept_documents.h"
#include "tests/unit/random_records.h"
#include "tests/unit/store_fixture.h"

#define N_SEEDS 150

static char path[600];

static const char *path_in(void **state, const char *scheme)
{
    bool is_file = strcmp(scheme, "jsonl") == 0;
    (void)snprintf(path, sizeof(path), "%s%s", (const char *)*state, is_file ? "/all.jsonl" : "");
    return path;
}

static void keep_native(struct kept_documents *kept, uint64_t seed)
{
    struct report report;
    struct power_record power;
    struct host_record host;
    struct target_record target = {0};
    struct document document;
    bson_t scratch = BSON_INITIALIZER;
    report_init(&report);
    power_record_init(&power);
    host_record_init(&host);
    random_host(&host, seed);
    assert_int_equal(host_record_encode(&host, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    random_target(&target, seed);
    assert_int_equal(target_record_encode(&target, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    random_report(&report, seed);
    assert_int_equal(report_encode(&report, &scratch, keep_document, kept, NULL), 0);
    random_power(&power, seed);
    assert_int_equal(power_record_encode(&power, &scratch, keep_document, kept, NULL), 0);
    report_deinit(&report);
    power_record_deinit(&power);
    host_record_deinit(&host);
    bson_destroy(&scratch);
}

static void keep_powerapi(struct kept_documents *kept, uint64_t seed)
{
    struct hwpc_report hwpc;
    struct power_report power = {0};
    struct document document;
    bson_t scratch = BSON_INITIALIZER;
    hwpc_report_init(&hwpc);
    random_hwpc(&hwpc, seed);
    assert_int_equal(hwpc_report_encode(&hwpc, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    random_power_report(&power, seed);
    assert_int_equal(power_report_encode(&power, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    hwpc_report_deinit(&hwpc);
    bson_destroy(&scratch);
}

#define DECODED_EQUAL(TYPE, INIT, DEINIT, DECODE, EQUAL)                                         \
    do {                                                                                         \
        struct TYPE before, after;                                                               \
        INIT(&before);                                                                           \
        INIT(&after);                                                                            \
        assert_int_equal(DECODE(a, &before, NULL), 0);                                           \
        if (DECODE(b, &after, &err) < 0 || !EQUAL(&before, &after, difference))                  \
            fail_msg("%s \"%s\": %s%s", record_kind_name(a->kind), a->id, err.text, difference); \
        DEINIT(&before);                                                                         \
        DEINIT(&after);                                                                          \
    } while (0)

#define CLEAR(RECORD) memset((RECORD), 0, sizeof(*(RECORD)))
#define KEEP(RECORD) ((void)(RECORD))

/* Equal in every field that a reader of the record sees. */
static void assert_same_fields(const struct document *a, const struct document *b)
{
    char difference[DIFFERENCE_SIZE] = "";
    struct error err = {0};
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->label, b->label);
    assert_string_equal(a->key.sensor, b->key.sensor);
    assert_string_equal(a->key.run, b->key.run);
    assert_int_equal(a->key.seq, b->key.seq);
    assert_int_equal(a->key.timestamp_ms, b->key.timestamp_ms);
    if (a->kind == RECORD_RAW)
        DECODED_EQUAL(report, report_init, report_deinit, report_decode, report_equal);
    else if (a->kind == RECORD_POWER)
        DECODED_EQUAL(power_record, power_record_init, power_record_deinit, power_record_decode,
                      power_equal);
    else if (a->kind == RECORD_HOST)
        DECODED_EQUAL(host_record, host_record_init, host_record_deinit, host_record_decode,
                      host_equal);
    else if (a->kind == RECORD_TARGET)
        DECODED_EQUAL(target_record, CLEAR, KEEP, target_record_decode, target_equal);
    else if (a->kind == RECORD_HWPC)
        DECODED_EQUAL(hwpc_report, hwpc_report_init, hwpc_report_deinit, hwpc_report_decode,
                      hwpc_equal);
    else if (a->kind == RECORD_POWER_REPORT)
        DECODED_EQUAL(power_report, CLEAR, KEEP, power_report_decode, power_report_equal);
    else
        fail_msg("unexpected kind %d", (int)a->kind);
}

static void assert_same_bytes(const struct document *a, const struct document *b)
{
    assert_int_equal(a->size_bytes, b->size_bytes);
    assert_memory_equal(a->bytes, b->bytes, a->size_bytes);
    assert_same_fields(a, b);
}

static bool is_power(enum record_kind kind)
{
    return (KINDS_POWER & KIND_BIT(kind)) != 0;
}

/* Reads the kinds and compares with those of kept, in order. */
static void assert_read_back(struct store *store, const struct kept_documents *kept, bool power,
                             void (*assert_same)(const struct document *, const struct document *))
{
    struct store_query query = fixture_all;
    query.kinds = power ? KINDS_POWER : KINDS_SENSOR;
    struct cursor *cursor = fixture_query(store, &query);
    struct document document;
    struct error err = {0};
    for (size_t i = 0; i < kept->n_documents; i++) {
        if (is_power(kept->documents[i].kind) != power)
            continue;
        if (cursor_next(cursor, &document, &err) != CURSOR_DOCUMENT)
            fail_msg("document %zu: %s", i, err.text);
        assert_same(&kept->documents[i], &document);
    }
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_END);
    cursor_close(cursor);
}

static void round_trip(const char *scheme, const char *where, struct kept_documents *kept,
                       void (*assert_same)(const struct document *, const struct document *))
{
    struct append_result result;
    struct error err = {0};
    struct store *store = fixture_open(scheme, where, STORE_WRITE);
    if (store_append(store, kept->documents, kept->n_documents, &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(result.n_stored, kept->n_documents);
    store_close(store);
    store = fixture_open(scheme, where, STORE_READ);
    for (int power = 0; power < 2; power++)
        assert_read_back(store, kept, power, assert_same);
    store_close(store);
}

static void keep_all(struct kept_documents *kept)
{
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        keep_native(kept, seed);
        keep_powerapi(kept, seed);
    }
}

static void sqlite_gives_back_the_bytes(void **state)
{
    struct kept_documents kept = {0};
    keep_all(&kept);
    round_trip("sqlite", path_in(state, "sqlite"), &kept, assert_same_bytes);
    kept_documents_deinit(&kept);
}

static void jsonl_gives_back_the_fields(void **state)
{
    struct kept_documents kept = {0};
    keep_all(&kept);
    round_trip("jsonl", path_in(state, "jsonl"), &kept, assert_same_fields);
    kept_documents_deinit(&kept);
}

static void a_second_sending_changes_nothing(void **state)
{
    struct kept_documents kept = {0};
    struct append_result result;
    for (uint64_t seed = 0; seed < N_SEEDS; seed++)
        keep_native(&kept, seed);
    round_trip("sqlite", path_in(state, "sqlite"), &kept, assert_same_bytes);
    struct store *store = fixture_open("sqlite", path_in(state, "sqlite"), STORE_WRITE);
    assert_int_equal(store_append(store, kept.documents, kept.n_documents, &result, NULL), 0);
    assert_int_equal(result.n_duplicates, kept.n_documents);
    assert_int_equal(result.n_stored, 0);
    for (int power = 0; power < 2; power++)
        assert_read_back(store, &kept, power, assert_same_bytes);
    store_close(store);
    kept_documents_deinit(&kept);
}

static void a_report_in_parts_comes_back_in_parts(void **state)
{
    struct kept_documents kept = {0};
    struct report report;
    bson_t scratch = BSON_INITIALIZER;
    report_init(&report);
    random_large_report(&report, 60000, 7);
    assert_int_equal(report_encode(&report, &scratch, keep_document, &kept, NULL), 0);
    assert_true(kept.n_documents > 1);
    round_trip("sqlite", path_in(state, "sqlite"), &kept, assert_same_bytes);
    round_trip("jsonl", path_in(state, "jsonl"), &kept, assert_same_fields);
    report_deinit(&report);
    bson_destroy(&scratch);
    kept_documents_deinit(&kept);
}

static double now_us(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Printed, not asserted. */
static void cost_of_a_tick_of_100_targets(void **state)
{
    enum { N_TICKS = 300 };
    static const char *const schemes[] = {"sqlite", "jsonl"};
    struct report report;
    bson_t scratch = BSON_INITIALIZER;
    report_init(&report);
    random_large_report(&report, 100, 7);
    for (size_t i = 0; i < 2; i++) {
        struct store *store = fixture_open(schemes[i], path_in(state, schemes[i]), STORE_WRITE);
        struct append_result result;
        struct document document;
        double spent_us = 0;
        size_t size_bytes = 0;
        for (uint64_t seq = 0; seq < N_TICKS; seq++) {
            struct kept_documents kept = {0};
            report.key.seq = seq;
            assert_int_equal(report_encode(&report, &scratch, keep_document, &kept, NULL), 0);
            size_bytes = kept.documents[0].size_bytes;
            double start_us = now_us();
            assert_int_equal(store_append(store, kept.documents, kept.n_documents, &result, NULL),
                             0);
            spent_us += now_us() - start_us;
            kept_documents_deinit(&kept);
        }
        double start_us = now_us();
        struct cursor *cursor = fixture_query(store, &fixture_all);
        while (cursor_next(cursor, &document, NULL) == CURSOR_DOCUMENT)
            ;
        double read_us = now_us() - start_us;
        cursor_close(cursor);
        store_close(store);
        print_message("%s, a tick of 100 targets (%zu bytes): append %.0f us, read %.0f us\n",
                      schemes[i], size_bytes, spent_us / N_TICKS, read_us / N_TICKS);
    }
    report_deinit(&report);
    bson_destroy(&scratch);
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(sqlite_gives_back_the_bytes),
        IN_FOLDER(jsonl_gives_back_the_fields),
        IN_FOLDER(a_second_sending_changes_nothing),
        IN_FOLDER(a_report_in_parts_comes_back_in_parts),
        IN_FOLDER(cost_of_a_tick_of_100_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
