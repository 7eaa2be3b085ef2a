/* SPDX-License-Identifier: BSD-3-Clause */
/* Which engine counts: the one that was asked for, with "auto" the first of engine_table that can count here what is asked of it. */
#pragma once

#include <limits.h>

#include "sensor/sensor.h"

const char *granularity_name(enum granularity granularity);

/* Whether the name is an engine's, auto or none: 0, or -EINVAL, err names them. */
int engine_check_name(const char *name, struct error *err);

/* What an engine says of this machine, also where it does not do the granularity. */
void engine_probe(const struct engine_ops *ops, enum granularity granularity, const struct host *host, const struct topology *topology,
                  struct engine_probe *ret_probe);

#define ENGINE_NONE INT_MAX
/* Opens settings->engine as the settings want it; with auto, the first from index first on that is usable and opens. Returns its index in engine_table, ENGINE_NONE (and *ret_engine NULL) for
 * "none": nothing is to be counted. -ENODEV if no engine can here, err says why for each; -EINVAL as engine_check_name; what opening the only one that may be taken
 * returned, or the best one where certain events were asked for; -ENOMEM. Where auto passes some over, err says why. Settings and host are borrowed until the engine is closed. */
int engine_open(struct engine **ret_engine, const struct sensor_settings *settings, int first, const struct host *host, const struct topology *topology,
                struct error *err);
