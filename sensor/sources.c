/* SPDX-License-Identifier: BSD-3-Clause */
/* The energy ladder: measured before estimated. */
#include "sensor/source.h"

#include <stddef.h>

extern const struct source_ops source_curve;
extern const struct source_ops source_hwmon;
extern const struct source_ops source_msr;
extern const struct source_ops source_nvml;
extern const struct source_ops source_perf;
extern const struct source_ops source_powercap;
extern const struct source_ops source_supply;

const struct source_ops *const source_table[] = {
    &source_perf, &source_powercap, &source_msr,   &source_hwmon,
    &source_nvml, &source_supply,   &source_curve, NULL,
};
