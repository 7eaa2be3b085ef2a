/* SPDX-License-Identifier: BSD-3-Clause */
/* Whoever samples never waits for the thread, and everything arrives in order, whatever the store
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "common/error.h"
#include "sensor/store_thread.h"

/* A store_ops whose append waits until it may go on, and fails on demand: what a slow or full disk
 * looks like from above. */
struct gated_store {
    struct store store;
    sem_t has_begun, may_end;
    int code;
    uint64_t seqs[64];
    size_t n_seqs;
};

static int gated_append(struct store *base, const struct document *documents, size_t n_documents,
                        struct append_result *ret_result, struct error *err)
{
    struct gated_store *store = (struct gated_store *)base;
    (void)sem_post(&store->has_begun);
    while (sem_wait(&store->may_end) < 0 && errno == EINTR)
        ;
    if (store->code < 0)
        return error_set(err, store->code, "refused");
    for (size_t i = 0; i < n_documents; i++)
        store->seqs[store->n_seqs++] = documents[i].key.seq;
    *ret_result = (struct append_result){.n_stored = n_documents};
    return 0;
}

static const struct store_ops gated_ops = {.scheme = "gated", .append = gated_append};

struct fixture {
    struct gated_store store;
    struct batch *batch;
    struct store_thread *thread;
    sem_t appended;
    uint64_t next_seq;
};

static void note_appended(void *context)
{
    (void)sem_post(&((struct fixture *)context)->appended);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.store = {.store = {.ops = &gated_ops}}};
    (void)sem_init(&fixture.store.has_begun, 0, 0);
    (void)sem_init(&fixture.store.may_end, 0, 0);
    (void)sem_init(&fixture.appended, 0, 0);
    assert_int_equal(batch_new(&fixture.batch, 8, 1 << 16), 0);
    assert_int_equal(
        store_thread_start(&fixture.thread, &fixture.store.store, NULL, note_appended, &fixture),
        0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    batch_free(fixture->batch);
    return 0;
}

static void add(struct fixture *fixture, int n)
{
    static const uint8_t bytes[16];
    for (int i = 0; i < n; i++) {
        struct document document = {
            .bytes = bytes, .size_bytes = sizeof(bytes), .key.seq = fixture->next_seq++};
        assert_true(batch_add(fixture->batch, &document) >= 0);
    }
}

static void let_go(struct fixture *fixture)
{
    (void)sem_post(&fixture->store.may_end);
}

static void wait_for(sem_t *what)
{
    while (sem_wait(what) < 0 && errno == EINTR)
        ;
}

/* The thread is between appends, or about to be. */
static int take(struct fixture *fixture)
{
    int r;
    do
        r = store_thread_take(fixture->thread, fixture->batch);
    while (r == OUTBOX_HELD);
    return r;
}

static void assert_in_order(const struct fixture *fixture, size_t n)
{
    assert_int_equal(fixture->store.n_seqs, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fixture->store.seqs[i], i);
}

static void a_slow_store_holds_nobody_up(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 3);
    assert_int_equal(take(fixture), OUTBOX_SENT);
    assert_int_equal(batch_count(fixture->batch), 0);
    wait_for(&fixture->store.has_begun);
    add(fixture, 2);
    assert_int_equal(store_thread_take(fixture->thread, fixture->batch),
                     OUTBOX_HELD); /* and at once */
    assert_int_equal(batch_count(fixture->batch), 2);
    let_go(fixture);
    wait_for(&fixture->appended);
    assert_int_equal(take(fixture), OUTBOX_SENT);
    let_go(fixture);
    wait_for(&fixture->appended);
    assert_int_equal(store_thread_end(fixture->thread, fixture->batch), 0);
    assert_in_order(fixture, 5);
}

static void what_was_not_taken_comes_back_in_order(void **state)
{
    struct fixture *fixture = *state;
    fixture->store.code = -ENOSPC;
    add(fixture, 2);
    assert_int_equal(take(fixture), OUTBOX_SENT);
    wait_for(&fixture->store.has_begun);
    let_go(fixture);
    add(fixture, 3);
    (void)store_thread_end(fixture->thread, fixture->batch);
    assert_int_equal(batch_count(fixture->batch), 5);
    fixture->store.code = 0;
    let_go(fixture);
    struct append_result result;
    assert_int_equal(batch_flush(fixture->batch, &fixture->store.store, &result, NULL), 0);
    assert_in_order(fixture, 5);
}

static void losses_are_told(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 1);
    assert_int_equal(take(fixture), OUTBOX_SENT);
    wait_for(&fixture->store.has_begun);
    add(fixture, 10); /* the batch holds 8 */
    assert_int_equal(store_thread_take(fixture->thread, fixture->batch), OUTBOX_HELD);
    let_go(fixture);
    wait_for(&fixture->appended);
    assert_int_equal(take(fixture), OUTBOX_LOST);
    let_go(fixture);
    wait_for(&fixture->appended);
    add(fixture, 1);
    assert_int_equal(take(fixture), OUTBOX_SENT); /* told once */
    let_go(fixture);
    wait_for(&fixture->appended);
    assert_int_equal(store_thread_end(fixture->thread, fixture->batch), 0);
    assert_int_equal(batch_dropped(fixture->batch), 2);
    assert_int_equal(fixture->store.n_seqs, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slow_store_holds_nobody_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_taken_comes_back_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(losses_are_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
