/* SPDX-License-Identifier: BSD-3-Clause */
/* One batch at a time: filled from a cursor that follows the spool, sent until it is taken, then
 * the position is saved. What a crash can cost is therefore one batch sent twice, and the remote
 * store knows its ids already. The remote store, and the spool until the sensor has made it, are
 * opened when they can be; being away is a state here, said once when it begins and once when it
 * ends. */
#include "courier/courier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/store/position_file.h"

#define WAIT_FIRST_NS NS_PER_S
#define WAIT_LONGEST_NS (60 * NS_PER_S)

/* Copies of documents on their way, and where the spool's cursor stands behind them. */
struct load {
    struct document *documents; /* their bytes point into bytes once the load is closed */
    size_t n_documents, documents_capacity;
    uint8_t *bytes;
    size_t n_bytes, bytes_capacity;
    char position[POSITION_SIZE];
};

struct courier {
    struct courier_settings settings; /* texts borrowed: they outlive the courier in main() */
    const struct store_settings *store_settings;
    const struct log *log;
    struct store *spool, *remote;
    struct cursor *cursor;
    struct load load;
    char acknowledged[POSITION_SIZE];
    bool is_away;
    uint64_t wait_ns;
    uint64_t n_stored, n_duplicates, n_refused;
};

static int load_add(struct load *load, const struct document *document)
{
    int r = array_reserve(&load->documents, &load->documents_capacity, load->n_documents + 1,
                          sizeof(*load->documents));
    if (r == 0)
        r = array_reserve(&load->bytes, &load->bytes_capacity, load->n_bytes + document->size_bytes,
                          1);
    if (r < 0)
        return r;
    memcpy(load->bytes + load->n_bytes, document->bytes, document->size_bytes);
    load->documents[load->n_documents++] = *document;
    load->n_bytes += document->size_bytes;
    return 0;
}

/* The bytes lie still now. */
static void load_close(struct load *load)
{
    size_t offset = 0;
    for (size_t i = 0; i < load->n_documents; i++) {
        load->documents[i].bytes = load->bytes + offset;
        offset += load->documents[i].size_bytes;
    }
}

static int spool_open(struct courier *courier, struct error *err)
{
    if (!courier->spool) {
        int r = store_open(&courier->spool, courier->settings.spool, STORE_READ,
                           courier->settings.stores, courier->store_settings, courier->log, err);
        if (r < 0)
            return r;
    }
    if (courier->cursor)
        return 0;
    const struct store_query query = {
        .kinds = KINDS_SENSOR,
        .from_ms = VALUE_ABSENT,
        .to_ms = VALUE_ABSENT,
        .after = courier->acknowledged,
        .follow = true,
    };
    return store_query(courier->spool, &query, &courier->cursor, err);
}

static void spool_close(struct courier *courier)
{
    cursor_close(STEAL(courier->cursor));
    store_close(STEAL(courier->spool));
}

/* Fills an empty load. An unfinished one is given up when the spool fails: the next one begins at
 * the same place. */
static int load_fill(struct courier *courier, struct error *err)
{
    struct load *load = &courier->load;
    struct document document;
    int r = 0;
    while (r == 0 && load->n_documents < courier->settings.batch_documents &&
           load->n_bytes < courier->settings.batch_bytes) {
        int outcome = cursor_next(courier->cursor, &document, err);
        if (outcome == CURSOR_END || outcome == CURSOR_CLOSED)
            break;
        if (outcome == CURSOR_BAD)
            log_error(courier->log, "a damaged record stays in the spool: %s", err->text);
        else
            r = outcome < 0 ? outcome : load_add(load, &document);
    }
    if (r == 0 && load->n_documents > 0)
        r = cursor_position(courier->cursor, load->position, err);
    if (r < 0) {
        load->n_documents = 0;
        load->n_bytes = 0;
        return r;
    }
    load_close(load);
    return 0;
}

static int away(struct courier *courier, uint64_t *ret_wait_ns, const char *what, int code,
                struct error *err)
{
    if (!err->text[0])
        (void)error_set(err, code, "%s", strerror(-code));
    if (!courier->is_away)
        log_warning(courier->log, "%s: %s; trying again until it works", what, err->text);
    courier->is_away = true;
    *ret_wait_ns = courier->wait_ns;
    courier->wait_ns =
        courier->wait_ns * 2 < WAIT_LONGEST_NS ? courier->wait_ns * 2 : WAIT_LONGEST_NS;
    return COURIER_AWAY;
}

static int deliver(struct courier *courier, struct append_result *ret_result, struct error *err)
{
    if (!courier->remote) {
        int r = store_open(&courier->remote, courier->settings.remote, STORE_WRITE,
                           courier->settings.stores, courier->store_settings, courier->log, err);
        if (r < 0)
            return r;
    }
    return store_append(courier->remote, courier->load.documents, courier->load.n_documents,
                        ret_result, err);
}

static int acknowledge(struct courier *courier, const struct append_result *result,
                       struct error *err)
{
    int r = position_file_save(courier->settings.position_file, courier->load.position, err);
    if (r < 0)
        return r;
    memcpy(courier->acknowledged, courier->load.position, POSITION_SIZE);
    if (courier->is_away)
        log_info(courier->log, "the records reach their store again");
    log_debug(courier->log, "carried %zu documents (%zu were there already, %zu refused)",
              courier->load.n_documents, result->n_duplicates, result->n_refused);
    courier->is_away = false;
    courier->wait_ns = WAIT_FIRST_NS;
    courier->n_stored += result->n_stored;
    courier->n_duplicates += result->n_duplicates;
    courier->n_refused += result->n_refused;
    courier->load.n_documents = 0;
    courier->load.n_bytes = 0;
    return COURIER_MOVED;
}

int courier_step(struct courier *courier, uint64_t *ret_wait_ns, struct error *err)
{
    struct error own = {0};
    struct error *said = err ? err : &own;
    said->text[0] = '\0';
    *ret_wait_ns = 0;
    if (courier->load.n_documents == 0) {
        int r = spool_open(courier, said);
        if (r == 0)
            r = load_fill(courier, said);
        if (r < 0) {
            spool_close(courier);
            return r == -ENOMEM ? r
                                : away(courier, ret_wait_ns, "the spool cannot be read", r, said);
        }
        if (courier->load.n_documents == 0)
            return COURIER_IDLE;
    }
    struct append_result result = {0};
    int r = deliver(courier, &result, said);
    if (r < 0)
        return away(courier, ret_wait_ns, "records wait in the spool", r, said);
    return acknowledge(courier, &result, said);
}

/* Refuses at the start what waiting cannot mend: an unknown store, a malformed URI, a wrong
 * configuration. */
static int check_remote(struct courier *courier, struct error *err)
{
    struct error own = {0};
    int r = store_open(&courier->remote, courier->settings.remote, STORE_WRITE,
                       courier->settings.stores, courier->store_settings, courier->log, &own);
    int status = error_exit_status(r);
    if (status == error_exit_status(-EINVAL) || status == error_exit_status(-EDOM) || r == -ENOMEM)
        return error_set(err, r, "%s", own.text);
    return 0; /* away or refusing: said when there is something to carry */
}

int courier_new(struct courier **ret_courier, const struct courier_settings *settings,
                const struct store_settings *store_settings, const struct log *log,
                struct error *err)
{
    struct courier *courier = calloc(1, sizeof(*courier));
    if (!courier)
        return -ENOMEM;
    courier->settings = *settings;
    courier->store_settings = store_settings;
    courier->log = log;
    courier->wait_ns = WAIT_FIRST_NS;
    int r = store_find(settings->spool, settings->stores, err) ? 0 : -EINVAL;
    if (r == 0)
        r = position_file_load(settings->position_file, courier->acknowledged, err);
    if (r == 0)
        r = check_remote(courier, err);
    if (r < 0) {
        courier_free(courier);
        return r;
    }
    *ret_courier = courier;
    return 0;
}

void courier_free(struct courier *courier)
{
    if (!courier)
        return;
    if (courier->n_stored || courier->n_duplicates || courier->n_refused)
        log_info(courier->log,
                 "carried %llu new documents, %llu that were there already, %llu refused",
                 (unsigned long long)courier->n_stored, (unsigned long long)courier->n_duplicates,
                 (unsigned long long)courier->n_refused);
    spool_close(courier);
    store_close(courier->remote);
    free(courier->load.documents);
    free(courier->load.bytes);
    free(courier);
}
