/* SPDX-License-Identifier: BSD-3-Clause */
/* Forgetting is lazy and never early: a document goes once the courier has written down, and
 * synced, that the remote store acknowledged it. */
#include "sensor/spool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/store/position_file.h"

#define STEPS_PER_FORGETTING 5
#define DRAIN_LOOK_NS (50 * NS_PER_MS)
#define COURIER_PATIENCE_NS (2 * NS_PER_S)

int spool_init(struct spool *spool, const char *directory, const char *remote_uri,
               const struct clock *clock, const struct log *log)
{
    *spool = (struct spool){.log = log};
    if (asprintf(&spool->uri, "sqlite:%s", directory) < 0)
        return -ENOMEM;
    if (asprintf(&spool->position_file, "%s/courier.position", directory) < 0) {
        free(spool->uri);
        spool->uri = NULL;
        return -ENOMEM;
    }
    spool->courier = (struct courier_process){.clock = clock,
                                              .log = log,
                                              .remote_uri = remote_uri,
                                              .spool_uri = spool->uri,
                                              .position_file = spool->position_file};
    return 0;
}

void spool_deinit(struct spool *spool)
{
    free(spool->uri);
    free(spool->position_file);
    spool->uri = spool->position_file = NULL;
}

static int forget_acknowledged(struct spool *spool, struct store *store, struct error *err)
{
    char position[POSITION_SIZE];
    int r = position_file_load(spool->position_file, position, err);
    if (r < 0 || position[0] == '\0' || strcmp(position, spool->forgotten) == 0)
        return r;
    r = store_forget(store, position, err);
    if (r >= 0)
        (void)snprintf(spool->forgotten, sizeof(spool->forgotten), "%s", position);
    return r;
}

static void forget(struct spool *spool, struct store *store)
{
    struct error err = {0};
    int r = forget_acknowledged(spool, store, &err);
    if (r < 0 && !spool->position_fails)
        log_warning(spool->log, "forgetting what has arrived: %s", err.text);
    spool->position_fails = r < 0;
}

void spool_watch(struct spool *spool)
{
    courier_process_watch(&spool->courier);
}

void spool_forget(struct spool *spool, struct store *store)
{
    if (spool->n_steps++ % STEPS_PER_FORGETTING == 0)
        forget(spool, store);
}

/* True if nothing lies behind the acknowledged position. Documents that cannot be decoded count as
 * left: better one pause too long. */
static bool is_drained(const struct spool *spool, struct store *store)
{
    char position[POSITION_SIZE];
    struct cursor *cursor;
    struct document document;
    if (position_file_load(spool->position_file, position, NULL) < 0)
        return false;
    struct store_query query = {
        .after = position, .from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT, .limit = 1};
    if (store_query(store, &query, &cursor, NULL) < 0)
        return false;
    bool drained = cursor_next(cursor, &document, NULL) == CURSOR_END;
    cursor_close(cursor);
    return drained;
}

void spool_drain(struct spool *spool, struct store *store, uint64_t patience_ns, int interrupt_fd)
{
    const struct clock *clock = spool->courier.clock;
    uint64_t end_ns = clock_monotonic_ns(clock) + patience_ns;
    bool drained = is_drained(spool, store);
    while (!drained && spool->courier.pid > 0 && clock_monotonic_ns(clock) < end_ns) {
        struct pollfd interrupt = {.fd = interrupt_fd, .events = POLLIN};
        struct timespec pause = {.tv_nsec = (long)DRAIN_LOOK_NS};
        if (ppoll(&interrupt, 1, &pause, NULL) > 0)
            break;
        drained = is_drained(spool, store);
    }
    courier_process_stop(&spool->courier, COURIER_PATIENCE_NS);
    forget(spool, store);
    if (!is_drained(spool, store))
        log_warning(spool->log,
                    "not everything has arrived: the rest waits in %s for the next start",
                    spool->uri);
}
