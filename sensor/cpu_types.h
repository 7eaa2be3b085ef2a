/* SPDX-License-Identifier: BSD-3-Clause */
/* Types of CPUs that count by PMUs of their own: performance and efficient cores of Intel's hybrids (cpu_core, cpu_atom, cpu_lowpower), big and
 * little ARM cores. Each such PMU has a list of its CPUs, SYSFS/bus/event_source/devices/PMU/cpus; PMUs outside of cores have none.
 * Source: tools/perf/Documentation/intel-hybrid.txt and util/pmus.c of the kernel. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct host;
struct topology;

#define CPU_TYPES_MAX 3
#define CPU_TYPE_NONE CPU_TYPES_MAX

struct cpu_type {
    char name[32];         /* "core" of cpu_core; "" where all CPUs are alike */
    char pmu[32];          /* "" where all are alike */
    uint32_t pmu_type;     /* of perf_event_attr */
    int64_t family, model; /* as in struct topology */
    int first_cpu;         /* one that is online, to try things on */
};

struct cpu_types {
    struct cpu_type types[CPU_TYPES_MAX]; /* that of the lowest CPU first */
    size_t n;                             /* at least 1 */
    uint8_t *of_cpu;                      /* [n_cpus], CPU_TYPE_NONE: not known */
    size_t n_cpus;
};

/* One type holds all CPUs unless two PMUs or more say otherwise; types beyond CPU_TYPES_MAX are not known. -ENOMEM. */
int cpu_types_read(struct cpu_types *ret_types, const struct host *host, const struct topology *topology);
/* The index of a CPU's type, CPU_TYPE_NONE. The lists hold only CPUs that are online: one that is not known is looked for again. */
size_t cpu_types_of(struct cpu_types *types, const struct host *host, size_t cpu);
void cpu_types_deinit(struct cpu_types *types);
