/* SPDX-License-Identifier: BSD-3-Clause */
/* What was last published of one domain and package: by which source, until when, and whether it fails for good. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/report.h"

#define LADDER_SLOT_PATIENCE_NS INT64_C(10000000000) /* so long nothing but failures: for good */

struct ladder_slot {
    enum domain domain;
    int32_t package;
    char source[WORD_SIZE]; /* "": nothing yet */
    int64_t until_ns;
    char settled[WORD_SIZE]; /* the source that the host record names; "": the first in order */
    int64_t other_since_ns;  /* another source is published since then; 0: none is */
    int64_t failing_since_ns, retry_ns, pause_ns; /* 0: it does not fail; the next try to open another source, and the pause after it */
};

/* A valid sample that covers more than half of the time since another source was published: what it holds was published. */
bool ladder_slot_refuses(const struct ladder_slot *slot, const struct energy_sample *sample);

/* Notes what is published; skew_ns is the moment of the reading. True if another source than the settled one was published for
 * LADDER_SLOT_PATIENCE_NS: it is the settled one from now on. */
bool ladder_slot_note(struct ladder_slot *slot, const struct energy_sample *sample);

/* True if another source should be looked for now: it has failed for LADDER_SLOT_PATIENCE_NS. Samples that are missing for a good reason (a device that sleeps, a counter that was not
 * updated yet) are no failure. */
bool ladder_slot_wants_another(const struct ladder_slot *slot, int64_t now_ns);
/* It was looked for: the next time is twice as long after, and so on, up to ten minutes. */
void ladder_slot_note_try(struct ladder_slot *slot, int64_t now_ns);
