/* SPDX-License-Identifier: BSD-3-Clause */
/* The host record: what this machine is and how it is measured, put together from topology, sources and engine. */
#pragma once

#include <stdint.h>

#include "common/host_record.h"
#include "sensor/engine.h"
#include "sensor/source.h"
#include "sensor/topology.h"

struct measuring {
    struct source *const *sources;
    size_t n_sources;
    const struct engine *engine; /* NULL: no counts */
    enum granularity granularity;
    uint64_t interval_ns;
};

/* Fills everything but the key of a cleared record. A domain that two sources give is described as the first gives it. */
int host_description_fill(struct host_record *record, const struct host *host, const struct topology *topology,
                          const struct measuring *measuring);
