/* SPDX-License-Identifier: BSD-3-Clause */
/* --probe: what this machine offers, as one JSON object on stdout (documented in docs/records.md, "Probe"): cpu, sources[] and engines[] with
 * usable, chosen, reason and advice, cgroup2 mount, perf_event_paranoid, clock. It reads the
 * sources in use for some hundred milliseconds (counter_look.h), to say what they show and whether they agree. */
#pragma once

#include <stdio.h>

#include "sensor/sensor.h"

int probe_write(FILE *stream, const struct sensor_settings *settings, const struct host *host, struct error *err);
