/* SPDX-License-Identifier: BSD-3-Clause */
/* A failing store is tried again at every tick and not in between: the next tick comes soon, and
 * whoever waits in a loop does not sample. */
#include "sensor/outbox.h"

#include <inttypes.h>

#include "common/error.h"
#include "common/log.h"

/* About a minute of a large machine: 64 ticks of 256 KB. Bytes are the bound that counts; the
 * number of documents only keeps a flood of tiny ones (a PowerAPI report per target) in check. */
#define BYTES_MAX (16u << 20)
#define DOCUMENTS_MAX 65536u

int outbox_init(struct outbox *outbox, struct store *store, const struct log *log)
{
    *outbox = (struct outbox){.store = store, .log = log};
    return batch_new(&outbox->batch, DOCUMENTS_MAX, BYTES_MAX);
}

void outbox_deinit(struct outbox *outbox)
{
    batch_free(outbox->batch);
    outbox->batch = NULL;
}

int outbox_add(const struct document *document, void *context)
{
    struct outbox *outbox = context;
    int n_dropped = batch_add(outbox->batch, document);
    return n_dropped < 0 ? n_dropped : 0;
}

int outbox_send(struct outbox *outbox, struct error *err)
{
    struct append_result result = {0};
    if (batch_count(outbox->batch) == 0)
        return OUTBOX_SENT;
    if (batch_flush(outbox->batch, outbox->store, &result, err) < 0) {
        if (!outbox->is_failing) {
            outbox->lost_before = batch_dropped(outbox->batch);
            log_warning(outbox->log, "the store takes nothing: %s; ticks are kept in memory",
                        err && err->text[0] ? err->text : "no reason given");
        }
        outbox->is_failing = true;
        return OUTBOX_HELD;
    }
    if (!outbox->is_failing)
        return OUTBOX_SENT;
    uint64_t n_lost = batch_dropped(outbox->batch) - outbox->lost_before;
    log_warning(outbox->log, "the store takes records again; %" PRIu64 " were lost meanwhile",
                n_lost);
    outbox->is_failing = false;
    return n_lost ? OUTBOX_LOST : OUTBOX_SENT;
}
