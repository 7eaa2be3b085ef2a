/* SPDX-License-Identifier: BSD-3-Clause */
/* One hwmon channel that measures a part of the machine: its open file, its readings, and the energy between two of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/record.h"
#include "sensor/hwmon_channels.h"

/* Where a driver names no cap: beyond any processor, module or card, and beyond any one machine. */
#define HWMON_PART_BOUND_W 3e3
#define HWMON_MACHINE_BOUND_W 30e3

struct hwmon_rail {
    struct hwmon_channel what;
    enum domain domain;
    int32_t package;
    double bound_w;     /* twice what the driver says can be set as cap, else the bound of the domain */
    int fd, voltage_fd, asleep_fd; /* -1: closed */
    bool has_last, has_now;
    int64_t last, now;  /* microwatts or microjoules */
    const char *reason; /* of the reading under way; static, NULL: has_now */
};

double hwmon_bound_w(enum domain domain);

void hwmon_rail_init(struct hwmon_rail *rail, const struct hwmon_channel *channel, enum domain domain, int32_t package);
void hwmon_rail_close(struct hwmon_rail *rail);

/* Reads into now, opening the file if it is closed. NULL, or why there is no reading: "asleep", "implausible" (negative, more power than the
 * bound, or a package that draws none), "vanished", "permission", "read_error". The last three close the file; with all but "implausible" and
 * "read_error" the baseline is lost: the device may not be what it was. */
const char *hwmon_rail_look(struct hwmon_rail *rail);

/* What the rail used between its last reading and this one, span_ns apart: a counter's increase, or the mean of two powers over the span.
 * NULL, or why that is not known: the reading's reason, "reopened", "counter_reset", "gap" (powers further apart than gap_ns). */
const char *hwmon_rail_increase(const struct hwmon_rail *rail, uint64_t span_ns, uint64_t gap_ns, double *ret_increase_uj);
