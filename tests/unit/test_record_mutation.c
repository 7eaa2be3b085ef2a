/* SPDX-License-Identifier: BSD-3-Clause */
/* Sound documents with bytes flipped, overwritten, cut off or repeated, thousands of times with a
 * fixed seed, under every decoder. Run with -fsanitize=address,undefined, where anything out of
 * bounds ends the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "tests/unit/decode_anything.h"
#include "tests/unit/kept_documents.h"
#include "tests/unit/random_records.h"

#define N_ROUNDS 300

static void keep_some_of_each(struct kept_documents *kept, uint64_t seed)
{
    bson_t scratch = BSON_INITIALIZER;
    struct document document;
    struct report report;
    struct power_record power;
    struct host_record host;
    struct target_record target;
    struct hwpc_report hwpc;
    struct power_report power_report;
    report_init(&report);
    power_record_init(&power);
    host_record_init(&host);
    hwpc_report_init(&hwpc);
    random_report(&report, seed);
    random_power(&power, seed);
    random_host(&host, seed);
    random_target(&target, seed);
    random_hwpc(&hwpc, seed);
    random_power_report(&power_report, seed);
    assert_int_equal(report_encode(&report, &scratch, keep_document, kept, NULL), 0);
    assert_int_equal(power_record_encode(&power, &scratch, keep_document, kept, NULL), 0);
    assert_int_equal(host_record_encode(&host, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    assert_int_equal(target_record_encode(&target, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    assert_int_equal(hwpc_report_encode(&hwpc, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    assert_int_equal(power_report_encode(&power_report, &scratch, &document, NULL), 0);
    assert_int_equal(keep_document(&document, kept), 0);
    report_deinit(&report);
    power_record_deinit(&power);
    host_record_deinit(&host);
    hwpc_report_deinit(&hwpc);
    bson_destroy(&scratch);
}

/* Damages size bytes in place and returns how many are left. */
static size_t damage(uint8_t *bytes, size_t size, uint64_t *state)
{
    static const uint8_t nasty[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0x12,
                                    '"',  '\\', '{',  '}',  '9',  '-'};
    for (uint64_t n = 1 + random_below(state, 4); n > 0 && size > 1; n--) {
        size_t at = random_below(state, size);
        switch (random_below(state, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << random_below(state, 8));
            break;
        case 1:
            bytes[at] = nasty[random_below(state, sizeof(nasty))];
            break;
        case 2:
            memmove(bytes + at, bytes + random_below(state, size), 1);
            break;
        case 3: {
            /* Lengths are what BSON is vulnerable in: one far too large or small. */
            uint32_t length = (uint32_t)random_next(state) >> random_below(state, 32);
            if (at + sizeof(length) <= size)
                memcpy(bytes + at, &length, sizeof(length));
            break;
        }
        default:
            if (random_below(state, 4) == 0)
                size = at;
        }
    }
    return size;
}

/* A copy of exactly that size, so that the sanitizer sees a read beyond it. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static void damaged_bson(void **state)
{
    (void)state;
    unsigned n_taken = 0, n_tried = 0;
    for (uint64_t round = 0; round < N_ROUNDS; round++) {
        struct kept_documents kept = {0};
        keep_some_of_each(&kept, round);
        for (size_t i = 0; i < kept.n_documents; i++) {
            const struct document *document = &kept.documents[i];
            assert_int_equal(decode_anything(document->bytes, document->size_bytes), 1);
            for (uint64_t seed = 0; seed < 6; seed++, n_tried++) {
                uint64_t random = round * 1000 + i * 10 + seed;
                uint8_t *bytes = exact_copy(document->bytes, document->size_bytes);
                size_t size = damage(bytes, document->size_bytes, &random);
                uint8_t *cut = exact_copy(bytes, size);
                /* A document cut off says so in its length; half of them claim to be whole. */
                uint32_t length = (uint32_t)size;
                if (size >= 5 && random_below(&random, 2) == 0) {
                    memcpy(cut, &length, sizeof(length));
                    cut[size - 1] = 0;
                }
                n_taken += (unsigned)decode_anything(cut, size);
                free(cut);
                free(bytes);
            }
        }
        kept_documents_deinit(&kept);
    }
    assert_in_range(n_taken, n_tried / 100,
                    n_tried - n_tried / 10); /* the damage is neither nothing nor all */
}

static char *as_text(const struct document *document, size_t *ret_size)
{
    char *text = NULL;
    bson_t bson;
    FILE *stream = open_memstream(&text, ret_size);
    assert_non_null(stream);
    assert_true(bson_init_static(&bson, document->bytes, document->size_bytes));
    assert_int_equal(json_write(stream, &bson, NULL), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void damaged_json(void **state)
{
    (void)state;
    unsigned n_taken = 0, n_tried = 0;
    for (uint64_t round = 0; round < N_ROUNDS; round++) {
        struct kept_documents kept = {0};
        keep_some_of_each(&kept, round);
        for (size_t i = 0; i < kept.n_documents; i++) {
            size_t text_size;
            char *text = as_text(&kept.documents[i], &text_size);
            assert_int_equal(decode_any_text(text, text_size), 1);
            for (uint64_t seed = 0; seed < 4; seed++, n_tried++) {
                uint64_t random = round * 1000 + i * 10 + seed;
                uint8_t *bytes = exact_copy((const uint8_t *)text, text_size);
                size_t size = damage(bytes, text_size, &random);
                uint8_t *cut = exact_copy(bytes, size);
                n_taken += (unsigned)decode_any_text((const char *)cut, size);
                free(cut);
                free(bytes);
            }
            free(text);
        }
        kept_documents_deinit(&kept);
    }
    assert_in_range(n_taken, n_tried / 100, n_tried - n_tried / 10);
}

static void every_length_of_a_document(void **state)
{
    (void)state;
    struct kept_documents kept = {0};
    keep_some_of_each(&kept, 5);
    for (size_t i = 0; i < kept.n_documents; i++) {
        for (size_t size = 0; size < kept.documents[i].size_bytes; size++) {
            uint8_t *cut = exact_copy(kept.documents[i].bytes, size);
            assert_int_equal(decode_anything(cut, size), 0);
            free(cut);
        }
    }
    kept_documents_deinit(&kept);
}

/* A document within a document within ...: the stack must not be the limit. */
static void deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 300000, STEP = 7 };
    size_t size = 5 + (size_t)DEPTH * (STEP + 1);
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    for (size_t depth = 0, at = 0; depth <= DEPTH; depth++, at += STEP) {
        uint32_t length = (uint32_t)(size - depth * (STEP + 1));
        memcpy(bytes + at, &length, sizeof(length));
        if (depth < DEPTH) {
            bytes[at + 4] = BSON_TYPE_DOCUMENT;
            bytes[at + 5] = 'a';
        }
    }
    struct document document;
    struct error err = {0};
    assert_int_equal(document_describe(bytes, size, &document, &err), -EBADMSG);
    (void)decode_anything(bytes, size);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_bson),
        cmocka_unit_test(damaged_json),
        cmocka_unit_test(every_length_of_a_document),
        cmocka_unit_test(deep_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
