/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing: unordered bulks of the bytes as they are. A reader that follows must find identities
 * before their use, so host and target documents of a batch go first. What an error means is
 * mongodb_outcome.c's; here is what is done about it: duplicates are success, poison is logged by
 * id and left out, everything else fails the whole append, to be sent again. A document that makes
 * a server drop the connection would be sent for ever that way: after DOUBTFUL_MAX failures in a
 * row every document goes alone, and one that fails alone while the server still answers is poison.
 */
#include <errno.h>
#include <string.h>
#include <mongoc/mongoc.h>

#include "common/error.h"
#include "common/log.h"
#include "common/remote/mongodb_outcome.h"
#include "common/remote/mongodb_store.h"
#include "common/scope.h"

#define BULK_DOCUMENTS 500
#define BULK_BYTES (8u << 20)
#define DOCUMENT_BYTES_MAX (16u << 20) /* MongoDB's limit, on every version */
#define DOUBTFUL_MAX 5

/* Sent in one bulk; a bulk that the driver would cut in two is never made. */
struct group {
    const struct document *documents[BULK_DOCUMENTS];
    size_t n_documents;
    size_t n_bytes;
};

/* One append on its way. */
struct sending {
    struct mongodb_store *mongodb;
    mongoc_client_t *client;
    mongoc_collection_t *collection;
    bool is_last_chance; /* documents refused for a doubtful reason are poison now */
    struct append_result result;
    bson_error_t cause; /* of the outcome that stopped it */
};

enum { SENT = -1 }; /* beside enum mongodb_outcome: nothing stands in the way */

static void refuse(struct sending *sending, const struct document *document, const char *reason)
{
    log_error(sending->mongodb->store.log,
              "mongodb: document \"%s\" is left out for good, the database does not take it: %s",
              document->id, reason);
    sending->result.n_refused++;
}

/* One entry of writeErrors. Returns SENT when the document is done with, else why it is not. */
static int write_error(struct sending *sending, const bson_iter_t *entry, const struct group *sent)
{
    bson_iter_t field;
    if (!BSON_ITER_HOLDS_DOCUMENT(entry) || !bson_iter_recurse(entry, &field))
        return MONGODB_DOUBTFUL;
    int64_t index = -1;
    uint32_t code = 0;
    const char *message = "no reason given";
    while (bson_iter_next(&field)) {
        if (!strcmp(bson_iter_key(&field), "index"))
            index = bson_iter_as_int64(&field);
        else if (!strcmp(bson_iter_key(&field), "code"))
            code = (uint32_t)bson_iter_as_int64(&field);
        else if (!strcmp(bson_iter_key(&field), "errmsg") && BSON_ITER_HOLDS_UTF8(&field))
            message = bson_iter_utf8(&field, NULL);
    }
    if (index < 0 || (size_t)index >= sent->n_documents)
        return MONGODB_DOUBTFUL;
    enum mongodb_outcome outcome = mongodb_server_outcome(code);
    if (outcome == MONGODB_DUPLICATE) {
        sending->result.n_duplicates++;
        return SENT;
    }
    if (outcome == MONGODB_POISON || (outcome == MONGODB_DOUBTFUL && sending->is_last_chance)) {
        refuse(sending, sent->documents[index], message);
        return SENT;
    }
    bson_set_error(&sending->cause, MONGOC_ERROR_SERVER, code, "%s", message);
    return (int)outcome;
}

static size_t array_length(const bson_iter_t *array)
{
    bson_iter_t entry;
    size_t n = 0;
    if (BSON_ITER_HOLDS_ARRAY(array) && bson_iter_recurse(array, &entry))
        while (bson_iter_next(&entry))
            n++;
    return n;
}

/* Reads the reply of a bulk that did not go through smoothly. */
static int read_reply(struct sending *sending, const struct group *sent, const bson_t *reply,
                      const bson_error_t *cause)
{
    bson_iter_t field, entry;
    bool is_from_server =
        cause->domain == MONGOC_ERROR_SERVER || cause->domain == MONGOC_ERROR_WRITE_CONCERN;
    size_t n_errors = 0;
    if (bson_iter_init_find(&field, reply, "writeErrors"))
        n_errors = array_length(&field);
    sending->cause = *cause;
    if (!is_from_server)
        return (int)mongodb_outcome(cause->domain, cause->code);
    if (n_errors == 0) {
        /* Stored on the primary, but not yet where the write concern wanted it: the server goes on
         * with that by itself. */
        if (bson_iter_init_find(&field, reply, "writeConcernErrors") && array_length(&field) > 0)
            sending->result.n_stored += sent->n_documents;
        else
            return (int)mongodb_outcome(cause->domain, cause->code);
        return SENT;
    }
    int worst = SENT;
    (void)bson_iter_recurse(&field, &entry);
    while (bson_iter_next(&entry)) {
        int outcome = write_error(sending, &entry, sent);
        if (outcome > worst)
            worst = outcome;
    }
    if (worst == SENT)
        sending->result.n_stored += sent->n_documents - n_errors;
    return worst;
}

/* Sends the group in one bulk. Returns SENT or the outcome that stands in the way. */
static int send_bulk(struct sending *sending, const struct group *group)
{
    bson_t options = BSON_INITIALIZER;
    (void)BSON_APPEND_BOOL(&options, "ordered", false);
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(sending->collection, &options);
    bson_destroy(&options);
    struct group sent = {.n_documents = 0};
    for (size_t i = 0; i < group->n_documents; i++) {
        const struct document *document = group->documents[i];
        bson_t view;
        bson_error_t cause = {.message = "damaged BSON"};
        if (bson_init_static(&view, document->bytes, document->size_bytes) &&
            mongoc_bulk_operation_insert_with_opts(bulk, &view, NULL, &cause))
            sent.documents[sent.n_documents++] = document;
        else
            refuse(sending, document, cause.message);
    }
    int outcome = SENT;
    if (sent.n_documents > 0) {
        bson_t reply;
        bson_error_t cause = {0};
        if (mongoc_bulk_operation_execute(bulk, &reply, &cause))
            sending->result.n_stored += sent.n_documents;
        else
            outcome = read_reply(sending, &sent, &reply, &cause);
        bson_destroy(&reply);
    }
    mongoc_bulk_operation_destroy(bulk);
    return outcome;
}

/* Sends each document alone to find the one that the server cannot digest. */
static int send_alone(struct sending *sending, const struct group *group)
{
    for (size_t i = 0; i < group->n_documents; i++) {
        const struct group one = {.documents = {group->documents[i]}, .n_documents = 1};
        int outcome = send_bulk(sending, &one);
        if (outcome == MONGODB_POISON ||
            (outcome == MONGODB_DOUBTFUL &&
             mongodb_ping(&sending->mongodb->connection, sending->client, NULL) == 0))
            refuse(sending, group->documents[i], sending->cause.message);
        else if (outcome != SENT)
            return outcome;
    }
    return SENT;
}

static int send_group(struct sending *sending, struct group *group)
{
    if (group->n_documents == 0)
        return SENT;
    const struct append_result before = sending->result;
    int outcome = send_bulk(sending, group);
    if (outcome == MONGODB_POISON || (outcome == MONGODB_DOUBTFUL && sending->is_last_chance)) {
        sending->result = before;
        outcome = send_alone(sending, group);
    }
    group->n_documents = 0;
    group->n_bytes = 0;
    return outcome;
}

/* Sends the documents of one kind in groups that the driver never has to cut. */
static int send_kind(struct sending *sending, enum record_kind kind,
                     const struct document *documents, size_t n_documents)
{
    struct group group = {.n_documents = 0};
    for (size_t i = 0; i < n_documents; i++) {
        const struct document *document = documents + i;
        if (document->kind != kind)
            continue;
        if (!document->id[0] || document->size_bytes > DOCUMENT_BYTES_MAX) {
            refuse(sending, document, document->id[0] ? "larger than 16 MiB" : "it has no _id");
            continue;
        }
        if (group.n_documents == BULK_DOCUMENTS ||
            group.n_bytes + document->size_bytes > BULK_BYTES) {
            int outcome = send_group(sending, &group);
            if (outcome != SENT)
                return outcome;
        }
        group.documents[group.n_documents++] = document;
        group.n_bytes += document->size_bytes;
    }
    return send_group(sending, &group);
}

/* Readers ask for spans of time, and so does whoever deletes old records. A server or a role that
 * does not allow the index works without it. */
static void ask_for_index(const struct sending *sending, const char *name)
{
    bson_t command = BSON_INITIALIZER, indexes, index, key;
    (void)BSON_APPEND_UTF8(&command, "createIndexes", name);
    (void)BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &indexes);
    (void)BSON_APPEND_DOCUMENT_BEGIN(&indexes, "0", &index);
    (void)BSON_APPEND_DOCUMENT_BEGIN(&index, "key", &key);
    (void)BSON_APPEND_INT32(&key, "timestamp", 1);
    (void)bson_append_document_end(&index, &key);
    (void)BSON_APPEND_UTF8(&index, "name", "timestamp_1");
    (void)bson_append_document_end(&indexes, &index);
    (void)bson_append_array_end(&command, &indexes);
    bson_error_t cause;
    if (!mongoc_client_command_simple(sending->client, sending->mongodb->connection.database,
                                      &command, NULL, NULL, &cause))
        log_debug(sending->mongodb->store.log, "mongodb: no index on %s.timestamp: %s", name,
                  cause.message);
    bson_destroy(&command);
}

static size_t count_kind(const struct document *documents, size_t n_documents,
                         enum record_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < n_documents; i++)
        n += documents[i].kind == kind;
    return n;
}

/* Identities first: enum record_kind is in that order. */
static int send_kinds(struct sending *sending, const struct document *documents, size_t n_documents)
{
    struct mongodb_store *mongodb = sending->mongodb;
    for (enum record_kind kind = RECORD_UNKNOWN; kind < RECORD_KIND_COUNT; kind++) {
        const char *name = mongodb_collection_name(kind);
        size_t n_kind = count_kind(documents, n_documents, kind);
        if (!name || n_kind == 0)
            continue;
        if (!mongodb->is_indexed[kind] && (kind == RECORD_RAW || kind == RECORD_POWER))
            ask_for_index(sending, name);
        mongodb->is_indexed[kind] = true;
        sending->collection =
            mongoc_client_get_collection(sending->client, mongodb->connection.database, name);
        int outcome = send_kind(sending, kind, documents, n_documents);
        mongoc_collection_destroy(sending->collection);
        if (outcome != SENT)
            return outcome;
    }
    return SENT;
}

/* Kinds without a collection. PowerAPI's records carry no id, so sending them again would store
 * them twice. */
static void refuse_foreign(struct sending *sending, const struct document *documents,
                           size_t n_documents)
{
    size_t n_foreign = 0;
    for (size_t i = 0; i < n_documents; i++)
        n_foreign += !mongodb_collection_name(documents[i].kind);
    sending->result.n_refused += n_foreign;
    if (n_foreign == 0 || sending->mongodb->said_powerapi)
        return;
    sending->mongodb->said_powerapi = true;
    log_error(
        sending->mongodb->store.log,
        "mongodb: only Wattribute's own records are kept here; PowerAPI's and unknown ones are "
        "left out: use --schema native, or a jsonl: store for PowerAPI's");
}

int mongodb_append(struct store *store, const struct document *documents, size_t n_documents,
                   struct append_result *ret_result, struct error *err)
{
    struct mongodb_store *mongodb = (struct mongodb_store *)store;
    struct sending sending = {
        .mongodb = mongodb,
        .is_last_chance = mongodb->n_doubtful >= DOUBTFUL_MAX,
    };
    sending.client = mongoc_client_pool_pop(mongodb->connection.pool);
    if (!sending.client)
        return error_set(err, -EIO, "no MongoDB client is free");
    int outcome = send_kinds(&sending, documents, n_documents);
    mongoc_client_pool_push(mongodb->connection.pool, sending.client);
    if (outcome != SENT) {
        if (outcome == MONGODB_DOUBTFUL)
            mongodb->n_doubtful++;
        return mongodb_failure(&mongodb->connection, &sending.cause, err);
    }
    mongodb->n_doubtful = 0;
    refuse_foreign(&sending, documents, n_documents);
    *ret_result = sending.result;
    return 0;
}
