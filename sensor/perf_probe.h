/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether perf events of cgroups can be opened here, and what to type if not. */
#pragma once

#include <stdbool.h>

#include "sensor/engine.h"

void perf_probe(const struct host *host, const struct topology *topology, enum granularity granularity,
                struct engine_probe *ret_probe);

/* Whether the perf_event controller is not where host_perf_tree says (PROCFS/cgroups). A cgroup v1 hierarchy that is mounted takes it from the cgroup2
 * tree also from those who count there: their counters stand still from then on. False where it cannot be read. */
bool perf_controller_has_left(const struct host *host);
