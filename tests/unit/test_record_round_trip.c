/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind of record comes back equal in every field, from BSON and from BSON that went through
 * JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/error.h"
#include "tests/unit/kept_documents.h"
#include "tests/unit/random_records.h"

#define N_SEEDS 1500

#define assert_ok(CALL, ERR)                                     \
    do {                                                         \
        if ((CALL) != 0)                                         \
            fail_msg("seed %u: %s", (unsigned)seed, (ERR).text); \
    } while (0)

enum { DIRECT, THROUGH_JSON, N_WAYS };

/* What a store gives back instead of what was kept. */
static int travel(struct kept_documents *kept, int way, struct error *err)
{
    return way == DIRECT ? kept_documents_describe(kept, err)
                         : kept_documents_through_json(kept, err);
}

static void assert_described(const struct document *document, enum record_kind kind,
                             const struct document *before)
{
    assert_int_equal(document->kind, kind);
    assert_string_equal(document->id, before->id);
    assert_string_equal(document->label, before->label);
    assert_int_equal(record_key_compare(&document->key, &before->key), 0);
    assert_string_equal(document->key.sensor, before->key.sensor);
}

/* The encoding under test, decoding and comparison, for one kind. */
#define ROUND_TRIP(KIND, ENCODE, DECODE, EQUAL)                  \
    for (int way = DIRECT; way < N_WAYS; way++) {                \
        struct kept_documents kept = {0};                        \
        ENCODE;                                                  \
        assert_int_equal(kept.n_documents, 1);                   \
        struct document before = kept.documents[0];              \
        assert_ok(travel(&kept, way, &err), err);                \
        assert_described(&kept.documents[0], KIND, &before);     \
        assert_ok(DECODE, err);                                  \
        if (!(EQUAL))                                            \
            fail_msg("seed %u: %s", (unsigned)seed, difference); \
        kept_documents_deinit(&kept);                            \
    }

static void reports(void **state)
{
    (void)state;
    struct report a, b;
    report_init(&a);
    report_init(&b);
    bson_t scratch = BSON_INITIALIZER;
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        random_report(&a, seed);
        report_clear(&b);
        ROUND_TRIP(RECORD_RAW,
                   assert_ok(report_encode(&a, &scratch, keep_document, &kept, &err), err),
                   (report_clear(&b), report_decode(&kept.documents[0], &b, &err)),
                   report_equal(&a, &b, difference));
    }
    report_deinit(&a);
    report_deinit(&b);
    bson_destroy(&scratch);
}

static void powers(void **state)
{
    (void)state;
    struct power_record a, b;
    power_record_init(&a);
    power_record_init(&b);
    bson_t scratch = BSON_INITIALIZER;
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        random_power(&a, seed);
        ROUND_TRIP(RECORD_POWER,
                   assert_ok(power_record_encode(&a, &scratch, keep_document, &kept, &err), err),
                   (power_record_clear(&b), power_record_decode(&kept.documents[0], &b, &err)),
                   power_equal(&a, &b, difference));
    }
    power_record_deinit(&a);
    power_record_deinit(&b);
    bson_destroy(&scratch);
}

static void hosts(void **state)
{
    (void)state;
    struct host_record a, b;
    host_record_init(&a);
    host_record_init(&b);
    bson_t scratch = BSON_INITIALIZER;
    struct document document;
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        random_host(&a, seed);
        assert_ok(host_record_encode(&a, &scratch, &document, &err), err);
        ROUND_TRIP(RECORD_HOST, assert_ok(keep_document(&document, &kept), err),
                   (host_record_clear(&b), host_record_decode(&kept.documents[0], &b, &err)),
                   host_equal(&a, &b, difference));
    }
    host_record_deinit(&a);
    host_record_deinit(&b);
    bson_destroy(&scratch);
}

static void targets(void **state)
{
    (void)state;
    struct target_record a, b;
    bson_t scratch = BSON_INITIALIZER;
    struct document document;
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        random_target(&a, seed);
        assert_ok(target_record_encode(&a, &scratch, &document, &err), err);
        ROUND_TRIP(RECORD_TARGET, assert_ok(keep_document(&document, &kept), err),
                   target_record_decode(&kept.documents[0], &b, &err),
                   target_equal(&a, &b, difference));
    }
    bson_destroy(&scratch);
}

static void hwpc_reports(void **state)
{
    (void)state;
    struct hwpc_report a, b;
    hwpc_report_init(&a);
    hwpc_report_init(&b);
    bson_t scratch = BSON_INITIALIZER;
    struct document document;
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        random_hwpc(&a, seed);
        assert_ok(hwpc_report_encode(&a, &scratch, &document, &err), err);
        ROUND_TRIP(RECORD_HWPC, assert_ok(keep_document(&document, &kept), err),
                   hwpc_report_decode(&kept.documents[0], &b, &err),
                   hwpc_equal(&a, &b, difference));
    }
    hwpc_report_deinit(&a);
    hwpc_report_deinit(&b);
    bson_destroy(&scratch);
}

static void power_reports(void **state)
{
    (void)state;
    struct power_report a, b;
    bson_t scratch = BSON_INITIALIZER;
    struct document document;
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        random_power_report(&a, seed);
        assert_ok(power_report_encode(&a, &scratch, &document, &err), err);
        ROUND_TRIP(RECORD_POWER_REPORT, assert_ok(keep_document(&document, &kept), err),
                   power_report_decode(&kept.documents[0], &b, &err),
                   power_report_equal(&a, &b, difference));
    }
    bson_destroy(&scratch);
}

/* Appends a part's rows to what the earlier parts gave. */
static void join(struct report *whole, const struct report *part)
{
    for (size_t i = 0; i < part->n_targets; i++) {
        struct count_row *row;
        assert_int_equal(report_add_target(whole, &row), 0);
        size_t first = row->first_count;
        *row = part->targets[i];
        row->first_count = first;
        for (size_t j = 0; j < part->n_events; j++)
            whole->counts[first + j] = part->counts[part->targets[i].first_count + j];
    }
}

static void parts_join_to_the_whole(void **state)
{
    (void)state;
    const uint64_t seed = 11;
    struct report a, b, whole;
    report_init(&a);
    report_init(&b);
    report_init(&whole);
    bson_t scratch = BSON_INITIALIZER;
    struct kept_documents kept = {0};
    struct error err = {0};
    char difference[DIFFERENCE_SIZE];
    random_large_report(&a, 30000, seed);
    assert_ok(report_encode(&a, &scratch, keep_document, &kept, &err), err);
    assert_true(kept.n_documents > 1);
    assert_ok(kept_documents_describe(&kept, &err), err);
    for (size_t i = 0; i < kept.n_documents; i++) {
        const struct document *document = &kept.documents[i];
        assert_true(document->size_bytes <= RECORD_PART_BYTES);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(document->id, kept.documents[j].id);
        struct report *part = i == 0 ? &whole : &b;
        report_clear(part);
        assert_ok(report_decode(document, part, &err), err);
        assert_int_equal(part->part, i + 1);
        assert_int_equal(part->parts, kept.n_documents);
        assert_int_equal(part->n_events, a.n_events);
        if (i > 0)
            join(&whole, &b);
        else
            assert_int_equal(part->n_energy, a.n_energy);
    }
    whole.part = whole.parts = 0;
    if (!report_equal(&a, &whole, difference))
        fail_msg("%s", difference);
    kept_documents_deinit(&kept);
    report_deinit(&a);
    report_deinit(&b);
    report_deinit(&whole);
    bson_destroy(&scratch);
}

static void power_splits_too(void **state)
{
    (void)state;
    const uint64_t seed = 0;
    struct power_record power, part;
    power_record_init(&power);
    power_record_init(&part);
    random_power(&power, 1);
    power.part = power.parts = 0;
    power.n_targets = 0;
    for (size_t i = 0; i < 30000; i++) {
        struct power_row *row;
        assert_int_equal(power_record_add_target(&power, &row), 0);
        row->target = "/system.slice/some-service-with-a-long-name.service";
        row->dynamic_w = (double)i;
    }
    bson_t scratch = BSON_INITIALIZER;
    struct kept_documents kept = {0};
    struct error err = {0};
    assert_ok(power_record_encode(&power, &scratch, keep_document, &kept, &err), err);
    assert_true(kept.n_documents > 1);
    assert_ok(kept_documents_describe(&kept, &err), err);
    size_t n_targets = 0;
    for (size_t i = 0; i < kept.n_documents; i++) {
        assert_true(kept.documents[i].size_bytes <= RECORD_PART_BYTES);
        assert_string_equal(kept.documents[i].label, power.label);
        power_record_clear(&part);
        assert_ok(power_record_decode(&kept.documents[i], &part, &err), err);
        assert_true(part.targets[0].dynamic_w == (double)n_targets);
        assert_int_equal(part.n_balance, i == 0 ? power.n_balance : 0);
        n_targets += part.n_targets;
    }
    assert_int_equal(n_targets, 30000);
    kept_documents_deinit(&kept);
    power_record_deinit(&power);
    power_record_deinit(&part);
    bson_destroy(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports),
        cmocka_unit_test(powers),
        cmocka_unit_test(hosts),
        cmocka_unit_test(targets),
        cmocka_unit_test(hwpc_reports),
        cmocka_unit_test(power_reports),
        cmocka_unit_test(parts_join_to_the_whole),
        cmocka_unit_test(power_splits_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
