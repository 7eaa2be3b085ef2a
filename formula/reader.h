/* SPDX-License-Identifier: BSD-3-Clause */
/* The two ways documents reach a formula. Both walk the input store in its order; the stream goes on where the store ends and waits for more, the replay ends there. */
#pragma once

#include "common/store/store.h"
#include "formula/formula.h"

struct reader_settings {
    const char *sensor;     /* NULL: all */
    int64_t from_ms, to_ms; /* replay: VALUE_ABSENT open */
    const char *after;      /* stream: position to go on from, "" from the start */
};

/* reader_replay.c: feeds everything in the span, then returns 0 (formula_finish is the caller's). Damaged pieces are logged and counted in *ret_n_bad.
 * *stop is looked at between documents (a signal handler's flag). */
int reader_replay(struct formula *formula, struct store *input, const struct reader_settings *settings, const struct log *log,
                  const volatile bool *stop, uint64_t *ret_n_bad, struct error *err);

/* reader_stream.c: feeds what is there and what arrives until *stop; calls idle(context) whenever it has caught up (flush outputs, wait for more; nonzero ends). A store
 * that fails for a while is logged once and tried again. Returns 0 when stopped, 1 when the input will never give anything again (then
 * formula_finish is the caller's). */
int reader_stream(struct formula *formula, struct store *input, const struct reader_settings *settings, const struct log *log,
                  const volatile bool *stop, int (*idle)(void *context), void *context, struct error *err);
