/* SPDX-License-Identifier: BSD-3-Clause */
/* A bounded queue of encoded documents in memory: what waits for the next append while a store is busy or full. Owns copies. When it is
 * full the oldest document gives way and is counted: sampling never waits. */
#pragma once

#include "common/store/store.h"

struct batch;

int batch_new(struct batch **ret_batch, size_t max_documents, size_t max_bytes);
void batch_free(struct batch *batch);

/* Copies the document in. Returns how many old documents gave way (0 is usual), or -ENOMEM. A single document above max_bytes is kept
 * as the only one. */
int batch_add(struct batch *batch, const struct document *document);
/* Moves everything in from to the end of to, in order; outcome and errors as batch_add. After -ENOMEM what did not fit is still in from. */
int batch_move(struct batch *from, struct batch *to);
size_t batch_count(const struct batch *batch);
uint64_t batch_dropped(const struct batch *batch); /* documents that gave way since the start */

/* Appends everything in order and empties the batch on success; on failure keeps it for the next time and forwards the code. */
int batch_flush(struct batch *batch, struct store *store, struct append_result *ret_result, struct error *err);
