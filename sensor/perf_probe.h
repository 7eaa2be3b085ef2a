/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether perf events of cgroups can be opened here, and what to type if not. */
#pragma once

#include "sensor/engine.h"

void perf_probe(const struct host *host, const struct topology *topology, enum granularity granularity,
                struct engine_probe *ret_probe);
