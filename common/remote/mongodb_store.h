/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the mongodb store, each in a file of its own: store_mongodb.c (open, close), mongodb_append.c, mongodb_cursor.c. */
#pragma once

#include "common/remote/mongodb_connection.h"
#include "common/store/store.h"

struct mongodb_store {
    struct store store;
    struct mongodb_connection connection;
    bool is_indexed[RECORD_KIND_COUNT]; /* the collection's index was asked for by this process */
    bool said_powerapi;                 /* that PowerAPI's records are refused was logged */
    unsigned n_doubtful;                /* failures of unknown cause in a row */
};

/* The collection of a kind, NULL for kinds that are not kept here. */
const char *mongodb_collection_name(enum record_kind kind);

/* store_mongodb.c */
extern const struct store_ops store_mongodb;

int mongodb_append(struct store *store, const struct document *documents, size_t n_documents,
                   struct append_result *ret_result, struct error *err);
int mongodb_query(struct store *store, const struct store_query *query, struct cursor **ret_cursor, struct error *err);
