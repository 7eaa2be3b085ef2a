/* SPDX-License-Identifier: BSD-3-Clause */
/* The local store in front of a remote one, and the courier that empties it. The sensor alone writes the spool and forgets from it, up to
 * the position that the courier says is acknowledged. */
#pragma once

#include "common/store/store.h"
#include "sensor/courier_process.h"

struct spool {
    char *uri;            /* "sqlite:DIR" */
    char *position_file;  /* "DIR/courier.position" */
    char forgotten[POSITION_SIZE];
    unsigned n_steps;
    bool position_fails;
    struct courier_process courier;
    const struct log *log;
};

/* Names the files; touches nothing. remote_uri and directory are borrowed until spool_deinit. */
int spool_init(struct spool *spool, const char *directory, const char *remote_uri, const struct clock *clock,
               const struct log *log);
void spool_deinit(struct spool *spool); /* the courier must have been stopped */

/* After each tick: keeps the courier alive. */
void spool_watch(struct spool *spool);
/* After each append, in the thread that appends: every few times, forgets what has arrived. store: the open spool. */
void spool_forget(struct spool *spool, struct store *store);

/* Waits until everything has arrived or patience_ns is over or interrupt_fd becomes readable (-1: none); then stops the courier. What is
 * left stays in the spool for the next run; how much of it, if any, is logged. */
void spool_drain(struct spool *spool, struct store *store, uint64_t patience_ns, int interrupt_fd);
