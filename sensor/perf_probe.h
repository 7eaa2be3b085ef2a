/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether perf events of cgroups can be opened here, and what to type if not. */
#pragma once

#include <stdbool.h>

#include "sensor/engine.h"

void perf_probe(const struct host *host, const struct topology *topology, enum granularity granularity,
                struct engine_probe *ret_probe);

/* Whether CAP_PERFMON does not suffice to open perf events: Debian's and Ubuntu's kernels know a kernel.perf_event_paranoid of 3 and more,
 * Debian's default, and want CAP_SYS_ADMIN then (Debian's patch "security,perf: Allow further restriction of perf_event_open"). Other kernels treat it as 2. */
bool perf_wants_admin(const struct host *host);

/* Whether the perf_event controller is not where host_perf_tree says (PROCFS/cgroups). A cgroup v1 hierarchy that is mounted takes it from the cgroup2
 * tree also from those who count there: their counters stand still from then on. False where it cannot be read. */
bool perf_controller_has_left(const struct host *host);
