/* SPDX-License-Identifier: BSD-3-Clause */
/* The mongodb store against a real server (WATT_TEST_MONGODB_URI, see server.sh): what is written
 * comes back field for field, in order, once, also while it is being written; sending again is
 * harmless; poison does not block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "common/remote/remote.h"
#include "common/scope.h"
#include "tests/unit/kept_documents.h"
#include "tests/unit/random_records.h"
#include "tests/unit/store_fixture.h"

#define SEEDS 6
#define FOLLOWED 120

static const struct store_ops *const *const tables[] = {store_table_remote, NULL};

/* A database of its own for each test. */
static struct store *open_database(const char *name)
{
    char uri[512];
    struct store *store = NULL;
    struct error err = {0};
    (void)snprintf(uri, sizeof(uri), "%s/watt_%d_%s", getenv("WATT_TEST_MONGODB_URI"),
                   (int)getpid(), name);
    if (store_open(&store, uri, STORE_WRITE, tables, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return store;
}

static struct append_result append(struct store *store, const struct document *documents, size_t n)
{
    struct append_result result = {0};
    struct error err = {0};
    if (store_append(store, documents, n, &result, &err) < 0)
        fail_msg("%s", err.text);
    return result;
}

static void keep_identities(struct kept_documents *kept, uint64_t seed)
{
    struct error err = {0};
    struct document document;
    bson_t scratch;
    struct host_record host;
    struct target_record target;
    bson_init(&scratch);
    host_record_init(&host);
    random_host(&host, seed);
    assert_int_equal(host_record_encode(&host, &scratch, &document, &err), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    random_target(&target, seed);
    assert_int_equal(target_record_encode(&target, &scratch, &document, &err), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    host_record_deinit(&host);
    bson_destroy(&scratch);
}

static void keep_ticks(struct kept_documents *kept, uint64_t seed)
{
    struct error err = {0};
    bson_t scratch;
    struct report report;
    struct power_record power;
    bson_init(&scratch);
    report_init(&report);
    random_report(&report, seed);
    assert_int_equal(report_encode(&report, &scratch, keep_document, kept, &err), 0);
    power_record_init(&power);
    random_power(&power, seed);
    assert_int_equal(power_record_encode(&power, &scratch, keep_document, kept, &err), 0);
    report_deinit(&report);
    power_record_deinit(&power);
    bson_destroy(&scratch);
}

/* Every native kind, a few of each. */
static void keep_records(struct kept_documents *kept)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        keep_identities(kept, seed);
        keep_ticks(kept, seed);
    }
}

static const struct document *find_document(const struct kept_documents *kept, const char *id)
{
    for (size_t i = 0; i < kept->n_documents; i++)
        if (!strcmp(kept->documents[i].id, id))
            return &kept->documents[i];
    return NULL;
}

static bool tick_equal(const struct document *a, const struct document *b, char *difference)
{
    struct report left, right;
    report_init(&left);
    report_init(&right);
    assert_int_equal(report_decode(a, &left, NULL), 0);
    assert_int_equal(report_decode(b, &right, NULL), 0);
    bool is_equal = report_equal(&left, &right, difference);
    report_deinit(&left);
    report_deinit(&right);
    return is_equal;
}

static bool watts_equal(const struct document *a, const struct document *b, char *difference)
{
    struct power_record left, right;
    power_record_init(&left);
    power_record_init(&right);
    assert_int_equal(power_record_decode(a, &left, NULL), 0);
    assert_int_equal(power_record_decode(b, &right, NULL), 0);
    bool is_equal = power_equal(&left, &right, difference);
    power_record_deinit(&left);
    power_record_deinit(&right);
    return is_equal;
}

static bool identity_equal(const struct document *a, const struct document *b, char *difference)
{
    if (a->kind == RECORD_TARGET) {
        struct target_record left, right;
        assert_int_equal(target_record_decode(a, &left, NULL), 0);
        assert_int_equal(target_record_decode(b, &right, NULL), 0);
        return target_equal(&left, &right, difference);
    }
    struct host_record left, right;
    host_record_init(&left);
    host_record_init(&right);
    assert_int_equal(host_record_decode(a, &left, NULL), 0);
    assert_int_equal(host_record_decode(b, &right, NULL), 0);
    bool is_equal = host_equal(&left, &right, difference);
    host_record_deinit(&left);
    host_record_deinit(&right);
    return is_equal;
}

static void assert_same(const struct document *written, const struct document *read)
{
    char difference[DIFFERENCE_SIZE] = "";
    assert_int_equal(read->kind, written->kind);
    bool is_equal = read->kind == RECORD_RAW     ? tick_equal(written, read, difference)
                    : read->kind == RECORD_POWER ? watts_equal(written, read, difference)
                                                 : identity_equal(written, read, difference);
    if (!is_equal)
        fail_msg("%s: %s", written->id, difference);
}

static void every_kind_comes_back(void **state)
{
    (void)state;
    struct kept_documents kept = {0};
    keep_records(&kept);
    struct store *store = open_database("round_trip");
    struct append_result result = append(store, kept.documents, kept.n_documents);
    assert_int_equal(result.n_stored, kept.n_documents);
    assert_int_equal(result.n_duplicates + result.n_refused, 0);

    struct cursor *cursor = fixture_query(store, &fixture_all);
    struct document read;
    struct error err = {0};
    size_t n_read = 0;
    int outcome;
    while ((outcome = cursor_next(cursor, &read, &err)) == CURSOR_DOCUMENT) {
        const struct document *written = find_document(&kept, read.id);
        assert_non_null(written);
        assert_same(written, &read);
        /* Servers put _id first, so the bytes are the same but for their order. */
        assert_int_equal(read.size_bytes, written->size_bytes);
        n_read++;
    }
    assert_int_equal(outcome, CURSOR_END);
    assert_int_equal(cursor_next(cursor, &read, &err), CURSOR_END);
    assert_int_equal(n_read, kept.n_documents);
    cursor_close(cursor);
    store_close(store);
    kept_documents_deinit(&kept);
}

static void sending_again_is_harmless(void **state)
{
    (void)state;
    struct kept_documents kept = {0};
    keep_records(&kept);
    struct store *store = open_database("duplicates");
    size_t half = kept.n_documents / 2;
    assert_int_equal(append(store, kept.documents, half).n_stored, half);
    struct append_result result = append(store, kept.documents, kept.n_documents);
    assert_int_equal(result.n_duplicates, half);
    assert_int_equal(result.n_stored, kept.n_documents - half);
    result = append(store, kept.documents, kept.n_documents);
    assert_int_equal(result.n_duplicates, kept.n_documents);
    assert_int_equal(result.n_stored + result.n_refused, 0);
    assert_int_equal(append(store, NULL, 0).n_stored, 0);
    store_close(store);
    kept_documents_deinit(&kept);
}

static void fill(struct store *store)
{
    static const struct {
        enum record_kind kind;
        uint64_t seq;
        const char *label;
    } samples[] = {
        {RECORD_RAW, 2, ""},        {RECORD_RAW, 1, ""},        {RECORD_HOST, 0, ""},
        {RECORD_TARGET, 0, ""},     {RECORD_RAW, 0, ""},        {RECORD_TARGET, 2, ""},
        {RECORD_POWER, 0, "share"}, {RECORD_POWER, 1, "share"}, {RECORD_POWER, 1, "auto"},
        {RECORD_RAW, 300, ""},      {RECORD_HOST, 300, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        fixture_append(store, samples[i].kind, samples[i].seq, samples[i].label);
}

static void check(struct store *store, struct store_query query, const char *expected)
{
    char text[2000];
    assert_string_equal(fixture_query_list(store, &query, text, sizeof(text)), expected);
}

static void queries_choose_and_order(void **state)
{
    (void)state;
    struct store *store = open_database("queries");
    struct store_query query = fixture_all;
    check(store, query, "");
    fill(store);
    query.kinds = KINDS_SENSOR;
    check(store, query, "host0 target0 raw0 raw1 target2 raw2 host300 raw300");
    query.newest_first = true;
    check(store, query, "raw300 host300 raw2 target2 raw1 raw0 target0 host0");
    query.limit = 3;
    check(store, query, "raw300 host300 raw2");
    query = fixture_all;
    check(store, query,
          "host0 target0 raw0 power0/share raw1 power1/auto power1/share target2 raw2 host300 "
          "raw300");
    query.limit = 4;
    check(store, query, "host0 target0 raw0 power0/share");
    query = fixture_all;
    query.kinds = KINDS_POWER;
    query.label = "share";
    check(store, query, "power0/share power1/share");
    query.label = "nobody";
    check(store, query, "");
    query = fixture_all;
    query.kinds = KINDS_SENSOR;
    query.from_ms = 1000;
    query.to_ms = 300000;
    check(store, query, "host0 target0 raw1 target2 raw2 host300");
    query.sensor = "nodeA";
    query.kinds = KIND_BIT(RECORD_RAW);
    check(store, query, "raw1 raw2");
    query.sensor = "node";
    check(store, query, "");
    store_close(store);
}

/* Wherever one stops, the rest comes after, nothing twice. */
static void positions_go_on(void **state)
{
    (void)state;
    struct store *store = open_database("positions");
    fill(store);
    for (int reversed = 0; reversed < 2; reversed++) {
        struct store_query query = fixture_all;
        query.kinds = KINDS_SENSOR;
        query.newest_first = reversed;
        char whole[2000], first[2000], rest[2000], joined[4100];
        (void)fixture_query_list(store, &query, whole, sizeof(whole));
        for (size_t stop = 0; stop <= 8; stop++) {
            char position[POSITION_SIZE];
            struct store_query head = query, tail = query;
            head.limit = stop;
            struct cursor *cursor = fixture_query(store, &head);
            first[0] = '\0';
            if (stop > 0)
                (void)fixture_list(cursor, first, sizeof(first));
            assert_int_equal(cursor_position(cursor, position, NULL), 0);
            cursor_close(cursor);
            tail.after = position;
            (void)fixture_query_list(store, &tail, rest, sizeof(rest));
            (void)snprintf(joined, sizeof(joined), "%s%s%s", first, *first && *rest ? " " : "",
                           rest);
            assert_string_equal(joined, whole);
        }
    }
    store_close(store);
}

static void foreign_positions_are_refused(void **state)
{
    (void)state;
    struct store *store = open_database("foreign");
    struct store_query query = fixture_all;
    struct cursor *cursor = NULL;
    struct error err = {0};
    query.after = "raw.db 17";
    assert_int_equal(store_query(store, &query, &cursor, &err), -EINVAL);
    assert_non_null(strstr(err.text, "position"));
    assert_null(cursor);
    store_close(store);
}

static void *write_ticks(void *context)
{
    struct store *store = context;
    for (uint64_t seq = 0; seq < FOLLOWED; seq += 3) {
        struct sample samples[6];
        struct document documents[6];
        for (uint64_t i = 0; i < 3; i++) {
            sample_make(&samples[2 * i], RECORD_RAW, seq + i, "", 100);
            sample_make(&samples[2 * i + 1], RECORD_TARGET, seq + i, "", 100);
        }
        for (size_t i = 0; i < 6; i++)
            documents[i] = samples[i].document;
        struct append_result result;
        if (store_append(store, documents, 6, &result, NULL) < 0 || result.n_stored != 6)
            return "append failed";
        for (size_t i = 0; i < 6; i++)
            sample_free(&samples[i]);
    }
    return NULL;
}

/* Each tick's identity, then the tick, none missing, none twice, although the writer is at work. */
static void following_sees_all_in_order(void **state)
{
    (void)state;
    struct store *writer = open_database("follow"), *reader = open_database("follow");
    struct store_query query = fixture_all;
    query.kinds = KINDS_SENSOR;
    query.follow = true;
    struct cursor *cursor = fixture_query(reader, &query);
    struct document document;
    struct error err = {0};
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_END);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_ticks, writer), 0);
    for (uint64_t expected = 0; expected < 2 * FOLLOWED;) {
        int outcome = cursor_next(cursor, &document, &err);
        if (outcome < 0)
            fail_msg("%s", err.text);
        if (outcome == CURSOR_END) {
            (void)poll(NULL, 0, 2);
            continue;
        }
        assert_int_equal(outcome, CURSOR_DOCUMENT);
        assert_int_equal(document.key.seq, expected / 2);
        assert_int_equal(document.kind, expected % 2 ? RECORD_RAW : RECORD_TARGET);
        expected++;
    }
    void *failure = NULL;
    assert_int_equal(pthread_join(thread, &failure), 0);
    assert_null(failure);
    assert_int_equal(cursor_next(cursor, &document, &err), CURSOR_END);
    cursor_close(cursor);
    store_close(reader);
    store_close(writer);
}

/* FerretDB ends the connection over a NaN, which looks like an outage; a MongoDB just stores it.
 * Either way the good documents arrive after a bounded number of attempts. */
static void poison_does_not_block(void **state)
{
    (void)state;
    struct store *store = open_database("poison");
    struct sample samples[3];
    struct document documents[3];
    for (uint64_t i = 0; i < 3; i++)
        sample_make(&samples[i], RECORD_RAW, i, "", 0);
    assert_true(BSON_APPEND_DOUBLE(&samples[1].bson, "poison", NAN));
    samples[1].document.bytes = bson_get_data(&samples[1].bson);
    samples[1].document.size_bytes = samples[1].bson.len;
    for (size_t i = 0; i < 3; i++)
        documents[i] = samples[i].document;
    struct append_result result = {0};
    struct error err = {0};
    int r = -1, attempts = 0;
    for (; attempts < 8 && r < 0; attempts++)
        r = store_append(store, documents, 3, &result, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    assert_int_equal(result.n_stored + result.n_duplicates + result.n_refused, 3);
    print_message("refused %zu after %d attempts\n", result.n_refused, attempts);
    struct store_query query = fixture_all;
    check(store, query, result.n_refused ? "raw0 raw2" : "raw0 raw1 raw2");
    for (size_t i = 0; i < 3; i++)
        sample_free(&samples[i]);
    store_close(store);
}

static void records_without_a_place_are_refused(void **state)
{
    (void)state;
    struct hwpc_report hwpc;
    struct document documents[2];
    struct sample sample;
    bson_t scratch;
    struct error err = {0};
    bson_init(&scratch);
    hwpc_report_init(&hwpc);
    random_hwpc(&hwpc, 7);
    assert_int_equal(hwpc_report_encode(&hwpc, &scratch, &documents[0], &err), 0);
    sample_make(&sample, RECORD_RAW, 0, "", 0);
    documents[1] = sample.document;
    struct store *store = open_database("foreign_records");
    struct append_result result = append(store, documents, 2);
    assert_int_equal(result.n_refused, 1);
    assert_int_equal(result.n_stored, 1);
    store_close(store);
    sample_free(&sample);
    hwpc_report_deinit(&hwpc);
    bson_destroy(&scratch);
}

static void damage_is_passed_over(void **state)
{
    (void)state;
    struct store *store = open_database("damage");
    struct sample samples[3];
    struct document documents[3];
    for (uint64_t i = 0; i < 3; i++)
        sample_make(&samples[i], RECORD_RAW, i, "", 0);
    bson_reinit(&samples[1].bson);
    assert_true(BSON_APPEND_UTF8(&samples[1].bson, "_id", samples[1].document.id));
    assert_true(BSON_APPEND_UTF8(&samples[1].bson, "kind", "raw"));
    assert_true(BSON_APPEND_UTF8(&samples[1].bson, "sensor", "nodeA"));
    assert_true(BSON_APPEND_UTF8(&samples[1].bson, "seq", "many"));
    samples[1].document.bytes = bson_get_data(&samples[1].bson);
    samples[1].document.size_bytes = samples[1].bson.len;
    for (size_t i = 0; i < 3; i++)
        documents[i] = samples[i].document;
    assert_int_equal(append(store, documents, 3).n_stored, 3);
    check(store, fixture_all, "raw0 BAD raw2");
    for (size_t i = 0; i < 3; i++)
        sample_free(&samples[i]);
    store_close(store);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct error err = {0};
    int r =
        store_open(&store, "mongodb://anna:s3cret@127.0.0.1:1/power?serverSelectionTimeoutMS=300",
                   STORE_READ, tables, NULL, NULL, &err);
    assert_int_equal(error_exit_status(r), 69);
    assert_null(store);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_non_null(strstr(err.text, "check"));
    assert_null(strstr(err.text, "s3cret"));
}

static int set_up(void **state)
{
    (void)state;
    if (!getenv("WATT_TEST_MONGODB_URI")) {
        print_error("WATT_TEST_MONGODB_URI is not set; run: tests/store/server.sh run %s\n",
                    program_invocation_name);
        return -1;
    }
    remote_init(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remote_cleanup();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(sending_again_is_harmless),
        cmocka_unit_test(queries_choose_and_order),
        cmocka_unit_test(positions_go_on),
        cmocka_unit_test(foreign_positions_are_refused),
        cmocka_unit_test(following_sees_all_in_order),
        cmocka_unit_test(poison_does_not_block),
        cmocka_unit_test(records_without_a_place_are_refused),
        cmocka_unit_test(damage_is_passed_over),
        cmocka_unit_test(nobody_there_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
