/* SPDX-License-Identifier: BSD-3-Clause */
/* Readings at intervals near the counters' own update period: taken just after an update, and each sample from update to update. */
#pragma once

#include "sensor/held_spans.h"
#include "sensor/ladder.h"
#include "sensor/update_phase.h"

struct aligned_reading {
    struct update_phase phase; /* its offset_ns: when to take the next one */
    struct held_spans held;
    uint64_t last_ns;          /* when the last one began */
};

void aligned_reading_init(struct aligned_reading *aligned, uint64_t interval_ns);
void aligned_reading_deinit(struct aligned_reading *aligned);

/* As ladder_read, but zeros are left out until something was used. While no counter at all was updated it reads again, for a quarter of the
 * interval at most. skew_ns is the moment of the update, where that is known. */
int aligned_reading_take(struct aligned_reading *aligned, struct ladder *ladder, const struct topology *topology, struct report *report);
/* What comes next does not continue what was. */
void aligned_reading_forget(struct aligned_reading *aligned);
