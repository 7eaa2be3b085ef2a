/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's energy PMUs as SYSFS/bus/event_source/devices/NAME tells them: type, the CPUs to read it on, energy events with their
 * scales. `power` counts packages (or dies); `power_core`, on AMD since Linux 6.14, every physical core. Nothing is assumed: an event whose code, scale or unit cannot be read is left out.
 * Source: kernel documentation, ABI/testing/sysfs-bus-event_source-devices-events; arch/x86/events/rapl.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

struct error;
struct host;

#define POWER_PMU_EVENTS_MAX 5
#define POWER_PMU_CPUS_MAX 512

struct power_event {
    enum domain domain;
    char name[20];   /* "energy-pkg" */
    uint64_t config;
    double scale_j;  /* joules per count */
};

#define POWER_PMU "power"
#define POWER_CORE_PMU "power_core"

struct power_pmu {
    const char *name; /* one of the two */
    uint32_t type;
    int cpus[POWER_PMU_CPUS_MAX]; /* one per package, die or core; ascending */
    size_t n_cpus;
    struct power_event events[POWER_PMU_EVENTS_MAX];
    size_t n_events; /* possibly none */
};

/* -ENOENT: there is no such PMU (err untouched); -EBADMSG: one of its files holds nonsense, err names it; or the errno of reading. */
int power_pmu_read(struct power_pmu *ret_pmu, const char *name, const struct host *host, struct error *err);

/* The list in cpumask, as power_pmu->cpus. -EBADMSG for no list or none in it, -E2BIG for too many. */
int power_pmu_parse_cpumask(const char *text, int *cpus, size_t *ret_n_cpus);

/* Increase between two readings, in microjoule. A reading below the last one is a wrap that the kernel did not fold (drivers that have no wrap
 * handling; 2^31 units and more between two looks, which it takes as negative): 2^32 hardware units are added where exactly one of the units in use makes
 * that at most bound_uj. NULL, or why there is none: "counter_reset". */
const char *power_pmu_increase(uint64_t last, uint64_t now, double scale_j, double bound_uj, double *ret_increase_uj);
