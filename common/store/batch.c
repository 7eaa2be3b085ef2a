/* SPDX-License-Identifier: BSD-3-Clause */
/* One growing piece of memory holds the bytes of all waiting documents in order; the oldest leave
 * at its front. It is at most a few times max_bytes large, so that moving the rest down happens
 * seldom, and kept between flushes, so that a tick usually allocates nothing. */
#include "common/store/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

#define KEPT_BYTES ((size_t)4 << 20) /* after an outage larger memory goes back */

struct batch {
    size_t max_documents, max_bytes;
    struct document *documents; /* [first .. end - 1]; their bytes pointers are set when flushed */
    size_t first, end, documents_capacity;
    size_t *offsets; /* of each document's bytes in bytes[] */
    size_t offsets_capacity;
    uint8_t *bytes;
    size_t bytes_first, bytes_end, bytes_capacity;
    uint64_t n_dropped;
};

int batch_new(struct batch **ret_batch, size_t max_documents, size_t max_bytes)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return -ENOMEM;
    batch->max_documents = max_documents ? max_documents : 1;
    batch->max_bytes = max_bytes;
    *ret_batch = batch;
    return 0;
}

static void release_memory(struct batch *batch)
{
    free(batch->documents);
    free(batch->offsets);
    free(batch->bytes);
    batch->documents = NULL;
    batch->offsets = NULL;
    batch->bytes = NULL;
    batch->documents_capacity = batch->offsets_capacity = batch->bytes_capacity = 0;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    release_memory(batch);
    free(batch);
}

static void clear(struct batch *batch)
{
    batch->first = batch->end = 0;
    batch->bytes_first = batch->bytes_end = 0;
    if (batch->bytes_capacity > KEPT_BYTES)
        release_memory(batch);
}

static void move_documents_down(struct batch *batch)
{
    size_t n = batch->end - batch->first;
    memmove(batch->documents, batch->documents + batch->first, n * sizeof(*batch->documents));
    memmove(batch->offsets, batch->offsets + batch->first, n * sizeof(*batch->offsets));
    batch->first = 0;
    batch->end = n;
}

static void move_bytes_down(struct batch *batch)
{
    memmove(batch->bytes, batch->bytes + batch->bytes_first, batch->bytes_end - batch->bytes_first);
    for (size_t i = batch->first; i < batch->end; i++)
        batch->offsets[i] -= batch->bytes_first;
    batch->bytes_end -= batch->bytes_first;
    batch->bytes_first = 0;
}

/* What is free in front is used again once it is as large as what is in use: cheap on average, and
 * nothing grows without end. */
static int make_room(struct batch *batch, size_t size_bytes)
{
    if (batch->first >= batch->end - batch->first && batch->first > 0)
        move_documents_down(batch);
    if (batch->bytes_first >= batch->bytes_end - batch->bytes_first && batch->bytes_first > 0)
        move_bytes_down(batch);
    int r = array_reserve(&batch->documents, &batch->documents_capacity, batch->end + 1,
                          sizeof(*batch->documents));
    if (r == 0)
        r = array_reserve(&batch->offsets, &batch->offsets_capacity, batch->end + 1,
                          sizeof(*batch->offsets));
    if (r == 0 && size_bytes > SIZE_MAX - batch->bytes_end)
        r = -ENOMEM;
    if (r == 0)
        r = array_reserve(&batch->bytes, &batch->bytes_capacity, batch->bytes_end + size_bytes, 1);
    return r;
}

static void drop_oldest(struct batch *batch)
{
    batch->bytes_first += batch->documents[batch->first].size_bytes;
    batch->first++;
    batch->n_dropped++;
}

static bool is_full_for(const struct batch *batch, size_t size_bytes)
{
    size_t in_use = batch->bytes_end - batch->bytes_first;
    return batch->end - batch->first >= batch->max_documents || size_bytes > batch->max_bytes ||
           in_use > batch->max_bytes - size_bytes;
}

int batch_add(struct batch *batch, const struct document *document)
{
    int r = make_room(batch, document->size_bytes);
    if (r < 0)
        return r;
    int n_dropped = 0;
    while (batch->first < batch->end && is_full_for(batch, document->size_bytes)) {
        drop_oldest(batch);
        n_dropped++;
    }
    memcpy(batch->bytes + batch->bytes_end, document->bytes, document->size_bytes);
    batch->documents[batch->end] = *document;
    batch->offsets[batch->end] = batch->bytes_end;
    batch->end++;
    batch->bytes_end += document->size_bytes;
    return n_dropped;
}

int batch_move(struct batch *from, struct batch *to)
{
    int n_dropped = 0;
    for (; from->first < from->end; from->first++) {
        struct document document = from->documents[from->first];
        document.bytes = from->bytes + from->offsets[from->first];
        int n = batch_add(to, &document);
        if (n < 0)
            return n;
        n_dropped += n;
        from->bytes_first += document.size_bytes;
    }
    clear(from);
    return n_dropped;
}

size_t batch_count(const struct batch *batch)
{
    return batch->end - batch->first;
}

uint64_t batch_dropped(const struct batch *batch)
{
    return batch->n_dropped;
}

int batch_flush(struct batch *batch, struct store *store, struct append_result *ret_result,
                struct error *err)
{
    for (size_t i = batch->first; i < batch->end; i++)
        batch->documents[i].bytes = batch->bytes + batch->offsets[i];
    int r =
        store_append(store, batch->documents + batch->first, batch_count(batch), ret_result, err);
    if (r < 0)
        return r;
    clear(batch);
    return 0;
}
