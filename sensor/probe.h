/* SPDX-License-Identifier: BSD-3-Clause */
/* --probe: what this machine offers, as one JSON object on stdout (documented in docs/records.md, "Probe"): cpu, sources[] and engines[] with
 * usable, chosen, reason and advice, cgroup2 mount, perf_event_paranoid, clock. Opens nothing for longer than it looks. */
#pragma once

#include <stdio.h>

#include "sensor/sensor.h"

int probe_write(FILE *stream, const struct sensor_settings *settings, const struct host *host, struct error *err);

/* What "auto" means here. Index in source_table of the ladder's choice, or -1 with why (no energy at all). */
struct source_choice {
    int index[8];     /* sources to open, best first */
    size_t n_sources; /* 0: no energy; why says so */
    char why[256];
};
int source_choose(const char *energy, const struct host *host, const struct topology *topology,
                  const void *const *source_settings, struct source_choice *ret_choice, struct error *err);
/* Index in engine_table; -ENODEV if none does this granularity here, err says why for each. */
int engine_choose(const char *engine, enum granularity granularity, const struct host *host, const struct topology *topology,
                  struct error *err);
