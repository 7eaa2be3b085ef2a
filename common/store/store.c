/* SPDX-License-Identifier: BSD-3-Clause */
/* From a URI to a store, and the few checks that all stores share. Tables come in lists so that
 * each program says which stores it was linked with: the sensor has the local table only. */
#include "common/store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "common/store/settings.h"

/* "mongodb+srv" is a way to reach a "mongodb" store. */
static bool scheme_matches(const struct store_ops *ops, const char *scheme)
{
    size_t length = strcspn(scheme, "+");
    return strcmp(ops->scheme, scheme) == 0 ||
           (strlen(ops->scheme) == length && strncmp(ops->scheme, scheme, length) == 0);
}

static void list_schemes(const struct store_ops *const *const *tables, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; tables[i]; i++)
        for (size_t j = 0; tables[i][j] && length < size; j++)
            length += (size_t)snprintf(text + length, size - length, "%s%s:", length ? ", " : "",
                                       tables[i][j]->scheme);
}

static const struct store_ops *find(const struct uri *uri,
                                    const struct store_ops *const *const *tables, struct error *err)
{
    for (size_t i = 0; tables[i]; i++)
        for (size_t j = 0; tables[i][j]; j++)
            if (scheme_matches(tables[i][j], uri->scheme))
                return tables[i][j];
    char known[256];
    list_schemes(tables, known, sizeof(known));
    (void)error_set(err, -EINVAL, "no store is called \"%s:\" here; there are %s", uri->scheme,
                    known);
    return NULL;
}

const struct store_ops *store_find(const char *uri_text,
                                   const struct store_ops *const *const *tables, struct error *err)
{
    SCOPED(uri_deinit) struct uri uri = {0};
    if (uri_parse(uri_text, &uri, err) < 0)
        return NULL;
    return find(&uri, tables, err);
}

int store_check_uri(const char *uri_text, const struct store_ops *const *const *tables,
                    struct error *err)
{
    SCOPED(uri_deinit) struct uri uri = {0};
    int r = uri_parse(uri_text, &uri, err);
    if (r < 0)
        return r;
    const struct store_ops *ops = find(&uri, tables, err);
    if (!ops)
        return -EINVAL;
    return ops->check ? ops->check(&uri, err) : 0;
}

static int use_default_directory(struct uri *uri, const struct store_ops *ops)
{
    if (uri->rest[0] != '\0' || !ops->default_directory)
        return 0;
    char *rest = strdup(ops->default_directory);
    if (!rest)
        return -ENOMEM;
    free(uri->rest);
    uri->rest = rest;
    return 0;
}

static const void *settings_of(const struct store_settings *settings, const struct store_ops *ops)
{
    for (size_t i = 0; settings && i < settings->n_entries; i++)
        if (settings->entries[i].ops == ops)
            return settings->entries[i].values;
    return NULL;
}

static int open_parsed(struct store **ret_store, struct uri *uri, enum store_mode mode,
                       const struct store_ops *const *const *tables,
                       const struct store_settings *settings, const struct log *log,
                       struct error *err)
{
    const struct store_ops *ops = find(uri, tables, err);
    if (!ops)
        return -EINVAL;
    SCOPED(scope_free) void *zeroed = calloc(1, ops->settings_size ? ops->settings_size : 1);
    if (!zeroed || use_default_directory(uri, ops) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    const void *values = settings_of(settings, ops);
    return ops->open(ret_store, uri, mode, values ? values : zeroed, log, err);
}

int store_open(struct store **ret_store, const char *uri_text, enum store_mode mode,
               const struct store_ops *const *const *tables, const struct store_settings *settings,
               const struct log *log, struct error *err)
{
    SCOPED(uri_deinit) struct uri uri = {0};
    int r = uri_parse(uri_text, &uri, err);
    if (r == 0)
        r = open_parsed(ret_store, &uri, mode, tables, settings, log, err);
    if (r < 0) {
        char redacted[256];
        size_t length = strlen(uri_redact(uri_text, redacted, sizeof(redacted)));
        bool is_default = length > 0 && redacted[length - 1] == ':' && uri.rest;
        return error_wrap(err, r, "%s%s", redacted, is_default ? uri.rest : "");
    }
    return 0;
}

int store_append(struct store *store, const struct document *documents, size_t n_documents,
                 struct append_result *ret_result, struct error *err)
{
    if (n_documents == 0) {
        *ret_result = (struct append_result){0};
        return 0;
    }
    return store->ops->append(store, documents, n_documents, ret_result, err);
}

int store_query(struct store *store, const struct store_query *query, struct cursor **ret_cursor,
                struct error *err)
{
    assert(!(query->newest_first && query->follow));
    if (query->follow && !store->ops->can_follow)
        return error_set(err, -EOPNOTSUPP, "a %s: store cannot be followed", store->ops->scheme);
    return store->ops->query(store, query, ret_cursor, err);
}

int store_forget(struct store *store, const char *position, struct error *err)
{
    if (!store->ops->forget)
        return error_set(err, -EOPNOTSUPP, "a %s: store cannot forget", store->ops->scheme);
    return store->ops->forget(store, position, err);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

bool store_query_matches(const struct store_query *query, const struct document *document)
{
    bool is_identity = document->kind == RECORD_HOST || document->kind == RECORD_TARGET;
    int64_t timestamp_ms = document->key.timestamp_ms;
    if (query->kinds != 0 && !(query->kinds & KIND_BIT(document->kind)))
        return false;
    if (query->sensor && strcmp(query->sensor, document->key.sensor) != 0)
        return false;
    if (query->label && document->kind == RECORD_POWER &&
        strcmp(query->label, document->label) != 0)
        return false;
    if (is_identity)
        return true;
    return (query->from_ms == VALUE_ABSENT || timestamp_ms >= query->from_ms) &&
           (query->to_ms == VALUE_ABSENT || timestamp_ms < query->to_ms);
}

int cursor_next(struct cursor *cursor, struct document *ret_document, struct error *err)
{
    return cursor->ops->next(cursor, ret_document, err);
}

int cursor_position(const struct cursor *cursor, char position[static POSITION_SIZE],
                    struct error *err)
{
    return cursor->ops->position(cursor, position, err);
}

void cursor_close(struct cursor *cursor)
{
    if (cursor)
        cursor->ops->close(cursor);
}
