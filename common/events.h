/* SPDX-License-Identifier: BSD-3-Clause */
/* Canonical event names (what reports carry and models know) and the names other tools and libpfm4 use for them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Events with a meaning to us; any other name passes through untouched. */
#define EVENT_CPU_NS "cpu_ns" /* nanoseconds on a CPU */
#define EVENT_INSTRUCTIONS "instructions"
#define EVENT_CYCLES "cycles"         /* unhalted, at the CPU's clock */
#define EVENT_REF_CYCLES "ref_cycles" /* unhalted, at the reference clock */
#define EVENT_LLC_MISSES "llc_misses"
#define EVENT_CONTEXT_SWITCHES "context_switches"
#define EVENT_PAGE_FAULTS "page_faults"
#define EVENT_MIGRATIONS "migrations"
#define EVENT_GPU_NS "gpu_ns" /* nanoseconds of a GPU's time; rows of this event alone have the GPU's number for package */

/* The canonical name of an event as libpfm4, hwpc-sensor's documentation or a PMU prefix spells it ("INSTRUCTIONS_RETIRED",
 * "skl::INST_RETIRED:ANY_P", "CPU_CLK_THREAD_UNHALTED:THREAD_P", "LLC_MISSES", "perf::TASK-CLOCK"), case-insensitive; the name itself
 * if unknown. The result is static or the argument. */
const char *event_canonical(const char *name);

/* The canonical name of an event that CPUs of one type have counted, "instructions" of "instructions:core"; NULL for any other name. The result is
 * static. */
const char *event_without_type(const char *name);

/* PowerAPI's usual spelling of a canonical name, for reports written in its schema; the name itself if there is none. */
const char *event_powerapi(const char *canonical);
