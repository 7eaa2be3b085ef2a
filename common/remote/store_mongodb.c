/* SPDX-License-Identifier: BSD-3-Clause */
/* The store "mongodb:": one collection per kind of record, one document per record, the record's
 * own id as _id. That id makes everything else simple: sending again is harmless, and the built-in
 * index serves every query. */
#include <errno.h>
#include <stdlib.h>
#include <mongoc/mongoc.h>

#include "common/error.h"
#include "common/remote/mongodb_store.h"
#include "common/scope.h"

struct mongodb_settings {
    char *credentials_file;
};

static const struct option_spec mongodb_options[] = {
    {.key = "credentials-file",
     .type = OPTION_STRING,
     .offset = offsetof(struct mongodb_settings, credentials_file),
     .argument = "FILE",
     .help = "file with one line, user:password or a whole mongodb:// URI, that only its owner and "
             "group may read"},
};

const char *mongodb_collection_name(enum record_kind kind)
{
    static const char *const names[RECORD_KIND_COUNT] = {
        [RECORD_HOST] = "hosts",
        [RECORD_TARGET] = "targets",
        [RECORD_RAW] = "raw",
        [RECORD_POWER] = "power",
    };
    return kind < RECORD_KIND_COUNT ? names[kind] : NULL;
}

static void mongodb_close(struct store *store)
{
    struct mongodb_store *mongodb = (struct mongodb_store *)store;
    mongodb_connection_deinit(&mongodb->connection);
    free(mongodb);
}

static int greet(const struct mongodb_connection *connection, struct error *err)
{
    mongoc_client_t *client = mongoc_client_pool_pop(connection->pool);
    if (!client)
        return error_set(err, -EIO, "no MongoDB client is free");
    int r = mongodb_ping(connection, client, err);
    mongoc_client_pool_push(connection->pool, client);
    return r;
}

/* Asks the server whether it is there and lets us in, so that a wrong URI is said at the start and
 * not in the first tick. */
static int mongodb_open(struct store **ret_store, const struct uri *uri, enum store_mode mode,
                        const void *settings, const struct log *log, struct error *err)
{
    (void)mode; /* collections are made by the first insert */
    const struct mongodb_settings *given = settings;
    struct mongodb_store *mongodb = calloc(1, sizeof(*mongodb));
    if (!mongodb)
        return -ENOMEM;
    mongodb->store = (struct store){.ops = &store_mongodb, .log = log};
    int r = mongodb_connection_init(&mongodb->connection, uri,
                                    given ? given->credentials_file : NULL, err);
    if (r == 0)
        r = greet(&mongodb->connection, err);
    if (r < 0) {
        mongodb_close(&mongodb->store);
        return r;
    }
    *ret_store = &mongodb->store;
    return 0;
}

const struct store_ops store_mongodb = {
    .scheme = "mongodb",
    .about = "a MongoDB database, or a server that speaks its protocol: mongodb://HOST/DATABASE",
    .is_remote = true,
    .can_read = true,
    .has_ids = true,
    .can_follow = true,
    .section = "mongodb",
    .options = mongodb_options,
    .n_options = ARRAY_SIZE(mongodb_options),
    .settings_size = sizeof(struct mongodb_settings),
    .check = mongodb_check_uri,
    .open = mongodb_open,
    .append = mongodb_append,
    .query = mongodb_query,
    .close = mongodb_close,
};
