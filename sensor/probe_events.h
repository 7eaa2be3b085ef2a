/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of --probe that says what the chosen engine counts (docs/records.md, "Probe": events[]). */
#pragma once

#include <bson/bson.h>

#include "sensor/engine.h"

/* Appends the events that an opened engine describes, and, unless events were asked for, those of this CPU's set that it lacks, why, and what would change
 * it. -ENOMEM. */
int probe_append_events(bson_t *object, const struct engine *engine, bool are_asked, const struct host *host, const struct topology *topology);
