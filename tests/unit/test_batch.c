/* SPDX-License-Identifier: BSD-3-Clause */
/* A batch keeps order and bytes, gives up the oldest first, and loses nothing when the store
 * refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/store/batch.h"

/* A real store_ops whose append fails on demand: what a full disk looks like from above. */
struct refusing_store {
    struct store store;
    int code;
    uint64_t seqs[512];
    size_t n_seqs;
    size_t n_wrong_bytes;
};

static int refusing_append(struct store *base, const struct document *documents, size_t n_documents,
                           struct append_result *ret_result, struct error *err)
{
    struct refusing_store *store = (struct refusing_store *)base;
    if (store->code < 0)
        return error_set(err, store->code, "refused");
    for (size_t i = 0; i < n_documents; i++) {
        store->seqs[store->n_seqs++] = documents[i].key.seq;
        for (size_t j = 0; j < documents[i].size_bytes; j++)
            store->n_wrong_bytes += documents[i].bytes[j] != (uint8_t)documents[i].key.seq;
    }
    *ret_result = (struct append_result){.n_stored = n_documents};
    return 0;
}

static const struct store_ops refusing_ops = {.scheme = "refusing", .append = refusing_append};

static int add(struct batch *batch, uint64_t seq, size_t size_bytes)
{
    uint8_t bytes[1000];
    memset(bytes, (uint8_t)seq, sizeof(bytes));
    struct document document = {.key.seq = seq, .bytes = bytes, .size_bytes = size_bytes};
    int r = batch_add(batch, &document);
    memset(bytes, 0xee, sizeof(bytes)); /* the batch owns copies */
    return r;
}

static void keeps_order_and_bytes_over_failures(void **state)
{
    (void)state;
    struct refusing_store store = {.store.ops = &refusing_ops, .code = -EBUSY};
    struct batch *batch = NULL;
    struct append_result result = {.n_refused = 77};
    struct error err = {0};
    assert_int_equal(batch_new(&batch, 100, 100000), 0);
    for (uint64_t seq = 0; seq < 10; seq++)
        assert_int_equal(add(batch, seq, 100 + seq), 0);
    assert_int_equal(batch_flush(batch, &store.store, &result, &err), -EBUSY);
    assert_int_equal(result.n_refused, 77);
    assert_int_equal(batch_count(batch), 10);
    assert_int_equal(add(batch, 10, 1), 0);
    store.code = 0;
    assert_int_equal(batch_flush(batch, &store.store, &result, &err), 0);
    assert_int_equal(result.n_stored, 11);
    assert_int_equal(batch_count(batch), 0);
    for (uint64_t seq = 0; seq < 11; seq++)
        assert_int_equal(store.seqs[seq], seq);
    assert_int_equal(store.n_wrong_bytes, 0);
    assert_int_equal(batch_flush(batch, &store.store, &result, &err), 0);
    assert_int_equal(result.n_stored, 0);
    batch_free(batch);
}

static void oldest_give_way(void **state)
{
    (void)state;
    struct refusing_store store = {.store.ops = &refusing_ops};
    struct batch *batch = NULL;
    struct append_result result;
    assert_int_equal(batch_new(&batch, 5, 1000), 0);
    for (uint64_t seq = 0; seq < 5; seq++)
        assert_int_equal(add(batch, seq, 10), 0);
    assert_int_equal(add(batch, 5, 10), 1);
    assert_int_equal(add(batch, 6, 980), 3); /* 980 + 2 x 10 fit */
    assert_int_equal(batch_count(batch), 3);
    assert_int_equal(batch_dropped(batch), 4);
    assert_int_equal(batch_flush(batch, &store.store, &result, NULL), 0);
    assert_int_equal(store.seqs[0], 4);
    assert_int_equal(store.seqs[1], 5);
    assert_int_equal(store.seqs[2], 6);
    assert_int_equal(store.n_wrong_bytes, 0);
    batch_free(batch);
}

static void larger_than_allowed_stays_alone(void **state)
{
    (void)state;
    struct batch *batch = NULL;
    assert_int_equal(batch_new(&batch, 5, 100), 0);
    assert_int_equal(add(batch, 0, 50), 0);
    assert_int_equal(add(batch, 1, 900), 1);
    assert_int_equal(batch_count(batch), 1);
    assert_int_equal(add(batch, 2, 10), 1);
    assert_int_equal(batch_count(batch), 1);
    batch_free(batch);
    batch_free(NULL);
}

/* A long outage: the memory is used round and round, and what is left are the newest. */
static void long_outage_keeps_the_newest(void **state)
{
    (void)state;
    struct refusing_store store = {.store.ops = &refusing_ops};
    struct batch *batch = NULL;
    struct append_result result;
    assert_int_equal(batch_new(&batch, 64, 8000), 0);
    for (uint64_t seq = 0; seq < 20000; seq++)
        assert_true(add(batch, seq, 1 + seq * 37 % 500) >= 0);
    size_t n = batch_count(batch);
    assert_true(n > 10 && n <= 64);
    assert_int_equal(batch_dropped(batch), 20000 - n);
    assert_int_equal(batch_flush(batch, &store.store, &result, NULL), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(store.seqs[i], 20000 - n + i);
    assert_int_equal(store.n_wrong_bytes, 0);
    batch_free(batch);
}

static void moving_keeps_order_bytes_and_bounds(void **state)
{
    (void)state;
    struct refusing_store store = {.store.ops = &refusing_ops};
    struct batch *from = NULL, *to = NULL;
    struct append_result result;
    assert_int_equal(batch_new(&from, 8, 1000), 0);
    assert_int_equal(batch_new(&to, 5, 1000), 0);
    for (uint64_t seq = 0; seq < 2; seq++)
        assert_int_equal(add(to, seq, 30), 0);
    for (uint64_t seq = 2; seq < 5; seq++)
        assert_int_equal(add(from, seq, 1 + seq * 40), 0);
    assert_int_equal(batch_move(from, to), 0);
    assert_int_equal(batch_count(from), 0);
    assert_int_equal(batch_move(from, to), 0); /* nothing more */
    assert_int_equal(add(from, 5, 20), 0);
    assert_int_equal(batch_move(from, to), 1); /* the oldest gave way */
    assert_int_equal(batch_dropped(from), 0);
    assert_int_equal(batch_dropped(to), 1);
    assert_int_equal(batch_flush(to, &store.store, &result, NULL), 0);
    assert_int_equal(store.n_seqs, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(store.seqs[i], i + 1);
    assert_int_equal(store.n_wrong_bytes, 0);
    batch_free(from);
    batch_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_bytes_over_failures),
        cmocka_unit_test(oldest_give_way),
        cmocka_unit_test(larger_than_allowed_stays_alone),
        cmocka_unit_test(long_outage_keeps_the_newest),
        cmocka_unit_test(moving_keeps_order_bytes_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
