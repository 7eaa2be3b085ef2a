/* SPDX-License-Identifier: BSD-3-Clause */
/* Carries documents from the spool to a remote store: in order, in bounded batches, forgetting only what was acknowledged. The spool is read only; the position up to
 * which everything is acknowledged lies in a file of the courier's own, which the sensor reads before it forgets. */
#pragma once

#include "common/store/store.h"

struct courier;

struct courier_settings {
    const char *spool;          /* URI of the local store */
    const char *remote;         /* URI of the remote store */
    const struct store_ops *const *const *stores; /* where both are looked up (store_open) */
    const char *position_file;  /* "DIR/courier.position" */
    size_t batch_documents, batch_bytes;
};

/* The remote may be away: that is not a failure here, but a URI or configuration that can never work is (-EINVAL, -EDOM). The spool must be
 * there or appear. Keeps the settings' texts and store_settings until courier_free. */
int courier_new(struct courier **ret_courier, const struct courier_settings *settings, const struct store_settings *store_settings,
                const struct log *log, struct error *err);
void courier_free(struct courier *courier);

enum courier_outcome {
    COURIER_IDLE = 0,  /* nothing to carry now */
    COURIER_MOVED = 1, /* a batch was acknowledged and the position saved */
    COURIER_AWAY = 2,  /* the remote did not take it, or the spool cannot be read (yet): same batch again after *ret_wait_ns (1 s,
                        * doubling to 60 s); err says why, and it was logged if it is new */
};

/* One step; never sleeps. Negative errno: the position file cannot be written, or no memory. */
int courier_step(struct courier *courier, uint64_t *ret_wait_ns, struct error *err);
