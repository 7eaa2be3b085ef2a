/* SPDX-License-Identifier: BSD-3-Clause */
/* What the sensor has to say and the store has not taken yet. Sampling never waits for the store and never ends because of it: a bounded
 * queue stands between, what falls out of it is counted, and trouble is logged when it begins and when it ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/store/batch.h"

struct log;

struct outbox {
    struct batch *batch;
    struct store *store;     /* borrowed */
    const struct log *log;   /* borrowed */
    bool is_failing;
    uint64_t lost_before;    /* when it began to fail */
};

int outbox_init(struct outbox *outbox, struct store *store, const struct log *log);
void outbox_deinit(struct outbox *outbox);

/* Queues a copy; an emit function of the encoders, context is the outbox. 0 or -ENOMEM. */
int outbox_add(const struct document *document, void *context);

enum { OUTBOX_SENT = 0, OUTBOX_HELD = 1, OUTBOX_LOST = 2 };

/* Hands the queue to the store. OUTBOX_SENT: it took everything. OUTBOX_HELD: it did not; err says why, the queue waits. OUTBOX_LOST: it
 * took what was left after a time of trouble in which documents were lost: say again who is who. */
int outbox_send(struct outbox *outbox, struct error *err);
