/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread holds the lock while it appends; the other side only tries it. */
#include "sensor/store_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"

struct store_thread {
    pthread_t thread;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t wake;
    struct outbox outbox;
    bool has_work, ends, has_lost;
    void (*appended)(void *context);
    void *context;
    uint64_t n_dropped_before; /* by the batches taken from, as the taker last saw: not locked */
};

static void append(struct store_thread *thread)
{
    struct error err = {0};
    int outcome = outbox_send(&thread->outbox, &err);
    thread->has_work = false;
    thread->has_lost |= outcome == OUTBOX_LOST;
    if (outcome != OUTBOX_HELD && thread->appended)
        thread->appended(thread->context);
}

static void *run(void *context)
{
    struct store_thread *thread = context;
    (void)pthread_mutex_lock(&thread->lock);
    while (!thread->ends) {
        if (thread->has_work)
            append(thread);
        else
            (void)pthread_cond_wait(&thread->wake, &thread->lock);
    }
    (void)pthread_mutex_unlock(&thread->lock);
    return NULL;
}

static void destroy(struct store_thread *thread)
{
    outbox_deinit(&thread->outbox);
    (void)pthread_cond_destroy(&thread->wake);
    (void)pthread_mutex_destroy(&thread->lock);
    free(thread);
}

int store_thread_start(struct store_thread **ret_thread, struct store *store, const struct log *log,
                       void (*appended)(void *context), void *context)
{
    struct store_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return -ENOMEM;
    thread->appended = appended;
    thread->context = context;
    (void)pthread_mutex_init(&thread->lock, NULL);
    (void)pthread_cond_init(&thread->wake, NULL);
    int r = outbox_init(&thread->outbox, store, log);
    if (r >= 0)
        r = -pthread_create(&thread->thread, NULL, run, thread);
    if (r < 0) {
        destroy(thread);
        return r;
    }
    *ret_thread = thread;
    return 0;
}

int store_thread_take(struct store_thread *thread, struct batch *batch)
{
    if (pthread_mutex_trylock(&thread->lock) != 0)
        return OUTBOX_HELD;
    int r = batch_move(batch, thread->outbox.batch);
    bool has_lost = thread->has_lost || r > 0 || batch_dropped(batch) != thread->n_dropped_before;
    if (r >= 0)
        r = has_lost ? OUTBOX_LOST : OUTBOX_SENT;
    thread->has_lost = false;
    thread->n_dropped_before = batch_dropped(batch);
    thread->has_work = true;
    (void)pthread_cond_signal(&thread->wake);
    (void)pthread_mutex_unlock(&thread->lock);
    return r;
}

uint64_t store_thread_end(struct store_thread *thread, struct batch *batch)
{
    if (!thread)
        return 0;
    (void)pthread_mutex_lock(&thread->lock);
    thread->ends = true;
    (void)pthread_cond_signal(&thread->wake);
    (void)pthread_mutex_unlock(&thread->lock);
    (void)pthread_join(thread->thread, NULL);
    (void)batch_move(batch, thread->outbox.batch); /* behind what waits there */
    (void)batch_move(thread->outbox.batch, batch);
    uint64_t n_lost = batch_dropped(thread->outbox.batch);
    destroy(thread);
    return n_lost;
}
