/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue that is empty nearly always: ticks wait only behind a gap or for their parts. */
#include "formula/notices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

void notices_deinit(struct notices *notices)
{
    for (size_t i = 0; i < notices->n; i++)
        bson_destroy(notices->documents[i]);
    free(notices->documents);
    *notices = (struct notices){0};
}

int notices_add(struct notices *notices, const struct document *document)
{
    int r =
        array_reserve(&notices->documents, &notices->capacity, notices->n + 1, sizeof(bson_t *));
    bson_t *copy = r < 0 ? NULL : bson_new_from_data(document->bytes, document->size_bytes);
    if (!copy)
        return -ENOMEM;
    notices->documents[notices->n++] = copy;
    return 0;
}

bool notice_holds(const struct record_key *notice, const struct record_key *tick)
{
    if (notice->run[0] == '\0' || tick->run[0] == '\0')
        return notice->timestamp_ms <= tick->timestamp_ms;
    return record_key_compare(notice, tick) <= 0;
}

int notices_take(struct notices *notices, const struct record_key *tick,
                 int (*use)(const struct document *document, void *context), void *context)
{
    int r = 0;
    size_t n_left = 0;
    for (size_t i = 0; i < notices->n; i++) {
        bson_t *kept = notices->documents[i];
        struct document document;
        bool is_used = r >= 0 &&
                       document_describe(bson_get_data(kept), kept->len, &document, NULL) >= 0 &&
                       notice_holds(&document.key, tick);
        if (!is_used) {
            notices->documents[n_left++] = kept;
            continue;
        }
        r = use(&document, context);
        bson_destroy(kept);
    }
    notices->n = n_left;
    return r;
}
