/* SPDX-License-Identifier: BSD-3-Clause */
/* The host record: what this machine is and how it is measured, put together from topology, sources and engine. */
#pragma once

#include <stdint.h>

#include "common/host_record.h"
#include "sensor/engine.h"
#include "sensor/ladder.h"
#include "sensor/topology.h"

struct measuring {
    const struct ladder *ladder;
    const struct engine *engine; /* NULL: no counts */
    bool has_targets;
    enum granularity granularity; /* of targets */
    uint64_t interval_ns;
};

/* Fills everything but the key of a cleared record. */
int host_description_fill(struct host_record *record, const struct host *host, const struct topology *topology,
                          const struct measuring *measuring);
