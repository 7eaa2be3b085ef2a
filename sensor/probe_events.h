/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of --probe that says what the chosen engine counts (docs/records.md, "Probe": events[]). */
#pragma once

#include <bson/bson.h>

#include "sensor/engine.h"

/* Opens the engine as the sensor would, own its settings, and appends the events that it then describes, those of this CPU's set that it lacks, why, and
 * what would change it. An engine that does not open has no events and a reason. -ENOMEM. */
int probe_append_events(bson_t *object, const struct engine_ops *ops, enum granularity granularity, const char *const *asked,
                        size_t n_asked, const void *own, const struct host *host, const struct topology *topology);
