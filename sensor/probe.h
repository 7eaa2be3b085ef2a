/* SPDX-License-Identifier: BSD-3-Clause */
/* --probe: what this machine offers, as one JSON object on stdout (documented in docs/records.md, "Probe"): cpu, sources[] and engines[] with
 * usable, chosen, reason and advice, cgroup2 mount, perf_event_paranoid, clock. It reads the
 * sources in use for some hundred milliseconds (counter_look.h), to say what they show and whether they agree. */
#pragma once

#include <limits.h>
#include <stdio.h>

#include "sensor/sensor.h"

int probe_write(FILE *stream, const struct sensor_settings *settings, const struct host *host, struct error *err);

/* Whether the name is an engine's, auto or none: 0, or -EINVAL, err names them. */
int engine_check_name(const char *name, struct error *err);

#define ENGINE_NONE INT_MAX
/* Whether this engine can count here now. */
bool engine_is_usable(const struct engine_ops *ops, enum granularity granularity, const struct host *host, const struct topology *topology);
/* Index in engine_table, or ENGINE_NONE for "none": nothing is to be counted. -ENODEV if no engine does this granularity here, err says why
 * for each; -EINVAL as engine_check_name. Where auto passes some over, err says why too. */
int engine_choose(const char *engine, enum granularity granularity, const struct host *host, const struct topology *topology,
                  struct error *err);
