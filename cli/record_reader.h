/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the records of a store to their end, past what is damaged. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct document;
struct error;
struct log;
struct store;
struct store_query;

struct record_reader {
    /* Takes one record; -EBADMSG: it is damaged; another error ends the reading. The document is borrowed for the call. */
    int (*take)(const struct document *document, void *context, struct error *err);
    void *context;
    const struct log *log;
    uint64_t n_damaged; /* left out so far; the first one is logged */
    bool come_again;    /* what cannot be read at all has no kind and comes again in a query for others: it is not counted here */
};

/* Gives take every record of the query, in the store's order. May be called for one query after the other. A store that cannot be read on
 * (a damaged page of a database, with all that lies behind it) ends it with the store's error. */
int record_reader_read(struct record_reader *reader, struct store *store, const struct store_query *query, struct error *err);
