/* SPDX-License-Identifier: BSD-3-Clause */
/* Appends in a thread of its own, so that short intervals are kept while a store waits for the disk. Whoever samples only hands over what waits,
 * and never waits for the thread: while it appends, what is new stays in the queue. */
#pragma once

#include "sensor/outbox.h"

struct store_thread;

/* The thread inherits the capabilities and signals of the caller. appended(context) is called in it after every append that was taken; may be
 * NULL. store belongs to the thread until store_thread_end. */
int store_thread_start(struct store_thread **ret_thread, struct store *store, const struct log *log, void (*appended)(void *context),
                       void *context);

/* Takes everything out of batch and lets the thread append it. OUTBOX_SENT: taken; OUTBOX_HELD: the thread is busy, batch is as it was;
 * OUTBOX_LOST: taken, but documents were lost since it last said so, in batch or here. -ENOMEM. */
int store_thread_take(struct store_thread *thread, struct batch *batch);

/* Ends the thread when it is done with the append under way, and puts what it has left in front of what batch holds. Returns how many documents
 * it lost; thread is freed, NULL is fine. */
uint64_t store_thread_end(struct store_thread *thread, struct batch *batch);
