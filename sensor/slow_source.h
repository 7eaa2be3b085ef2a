/* SPDX-License-Identifier: BSD-3-Clause */
/* A source whose readings may block (a GPU's driver, an i2c bus, a battery's controller), read by a thread of its own, so that no tick waits for it.
 * To whoever holds it it is a source like any other. A tick asks for a reading and waits a moment for the answer, if the last one came in time; what
 * comes later is in a later tick, with its own span. A tick in between has no sample of it. What has not answered for SLOW_SOURCE_ANSWER_NS is
 * missing in every tick ("no_answer") until it does. */
#pragma once

#include "sensor/source.h"

#define SLOW_SOURCE_ANSWER_NS UINT64_C(2000000000)

/* Opens a source of the table; one that is_slow is made one of these. As source_ops.open. */
int slow_source_open(struct source **ret_source, const struct source_ops *ops, const struct host *host, const struct topology *topology,
                     const void *settings, struct error *err);

/* From now on it is read by a thread, which has the capabilities of the caller; until then, and if the thread cannot be started, by whoever reads it.
 * patience_ns: how long a tick waits for an answer. Does nothing to a source that is not slow. 0 or negative errno. */
int slow_source_start(struct source *source, uint64_t patience_ns);
