/* SPDX-License-Identifier: BSD-3-Clause */
/* One table of spellings for all PMUs: the vendors' names do not clash for the events we give a
 * meaning, so the PMU in front of "::" is not needed to understand one. Event modifiers (":u",
 * ":c=1") change what is counted; a name that carries one is another event and passes through.
 *
 * Sources: libpfm4 4.13's event tables; a bare event stands for the unit mask libpfm4 gives it by
 * default. ref_cycles gathers clocks of different speed (REF_P of Intel's core models is the
 * crystal's, REF_TSC the time-stamp counter's): each is constant on one machine, which is all that
 * the models rely on. */
#include "common/events.h"

#include <stdlib.h>
#include <string.h>

#include "common/scope.h"

struct spelling {
    const char *name; /* upper case, ':' before unit masks */
    const char *canonical;
};

/* In strcmp() order: readers look up every event of every CPU of every report. */
static const struct spelling spellings[] = {
    {"CACHE-MISSES", EVENT_LLC_MISSES},
    {"CONTEXT-SWITCHES", EVENT_CONTEXT_SWITCHES},
    {"CONTEXT_SWITCHES", EVENT_CONTEXT_SWITCHES},
    {"CPU-CLOCK", EVENT_CPU_NS},
    {"CPU-CYCLES", EVENT_CYCLES},
    {"CPU-MIGRATIONS", EVENT_MIGRATIONS},
    {"CPU_CLK_THREAD_UNHALTED", EVENT_CYCLES},
    {"CPU_CLK_THREAD_UNHALTED:REF_P", EVENT_REF_CYCLES},
    {"CPU_CLK_THREAD_UNHALTED:REF_XCLK", EVENT_REF_CYCLES},
    {"CPU_CLK_THREAD_UNHALTED:THREAD_P", EVENT_CYCLES},
    {"CPU_CLK_UNHALTED", EVENT_CYCLES},
    {"CPU_CLK_UNHALTED:CORE", EVENT_CYCLES},
    {"CPU_CLK_UNHALTED:CORE_P", EVENT_CYCLES},
    {"CPU_CLK_UNHALTED:REF", EVENT_REF_CYCLES},
    {"CPU_CLK_UNHALTED:REF_P", EVENT_REF_CYCLES},
    {"CPU_CLK_UNHALTED:REF_TSC", EVENT_REF_CYCLES},
    {"CPU_CLK_UNHALTED:REF_TSC_P", EVENT_REF_CYCLES},
    {"CPU_CLK_UNHALTED:REF_XCLK", EVENT_REF_CYCLES},
    {"CPU_CLK_UNHALTED:THREAD", EVENT_CYCLES},
    {"CPU_CLK_UNHALTED:THREAD_P", EVENT_CYCLES},
    {"CPU_CLOCK", EVENT_CPU_NS},
    {"CPU_CYCLES", EVENT_CYCLES},
    {"CPU_NS", EVENT_CPU_NS},
    {"CS", EVENT_CONTEXT_SWITCHES},
    {"CYCLES", EVENT_CYCLES},
    {"CYCLES_NOT_IN_HALT", EVENT_CYCLES},
    {"FAULTS", EVENT_PAGE_FAULTS},
    {"INSTRUCTIONS", EVENT_INSTRUCTIONS},
    {"INSTRUCTIONS_RETIRED", EVENT_INSTRUCTIONS},
    {"INSTRUCTION_RETIRED", EVENT_INSTRUCTIONS},
    {"INST_RETIRED", EVENT_INSTRUCTIONS},
    {"INST_RETIRED:ANY", EVENT_INSTRUCTIONS},
    {"INST_RETIRED:ANY_P", EVENT_INSTRUCTIONS},
    {"L3_LAT_CACHE:MISS", EVENT_LLC_MISSES},
    {"LAST_LEVEL_CACHE_MISSES", EVENT_LLC_MISSES},
    {"LLC-MISSES", EVENT_LLC_MISSES},
    {"LLC_MISSES", EVENT_LLC_MISSES},
    {"LONGEST_LAT_CACHE:MISS", EVENT_LLC_MISSES},
    {"MIGRATIONS", EVENT_MIGRATIONS},
    {"P0_FREQ_CYCLES_NOT_IN_HALT", EVENT_REF_CYCLES},
    {"P0_FREQ_CYCLES_NOT_IN_HALT:P0_FREQ_CYCLES", EVENT_REF_CYCLES},
    {"PAGE-FAULTS", EVENT_PAGE_FAULTS},
    {"PAGE_FAULTS", EVENT_PAGE_FAULTS},
    {"PERF_COUNT_HW_CACHE_MISSES", EVENT_LLC_MISSES},
    {"PERF_COUNT_HW_CPU_CYCLES", EVENT_CYCLES},
    {"PERF_COUNT_HW_INSTRUCTIONS", EVENT_INSTRUCTIONS},
    {"PERF_COUNT_HW_REF_CPU_CYCLES", EVENT_REF_CYCLES},
    {"PERF_COUNT_SW_CONTEXT_SWITCHES", EVENT_CONTEXT_SWITCHES},
    {"PERF_COUNT_SW_CPU_CLOCK", EVENT_CPU_NS},
    {"PERF_COUNT_SW_CPU_MIGRATIONS", EVENT_MIGRATIONS},
    {"PERF_COUNT_SW_PAGE_FAULTS", EVENT_PAGE_FAULTS},
    {"PERF_COUNT_SW_TASK_CLOCK", EVENT_CPU_NS},
    {"REF-CYCLES", EVENT_REF_CYCLES},
    {"REF_CYCLES", EVENT_REF_CYCLES},
    {"RETIRED_INSTRUCTIONS", EVENT_INSTRUCTIONS},
    {"TASK-CLOCK", EVENT_CPU_NS},
    {"TASK_CLOCK", EVENT_CPU_NS},
    {"UNHALTED_CORE_CYCLES", EVENT_CYCLES},
    {"UNHALTED_REFERENCE_CYCLES", EVENT_REF_CYCLES},
};

static const struct {
    const char *canonical;
    const char *powerapi;
} powerapi_names[] = {
    {EVENT_INSTRUCTIONS, "INSTRUCTIONS_RETIRED"},
    {EVENT_CYCLES, "CPU_CLK_THREAD_UNHALTED:THREAD_P"},
    {EVENT_REF_CYCLES, "CPU_CLK_THREAD_UNHALTED:REF_P"},
    {EVENT_LLC_MISSES, "LLC_MISSES"},
    {EVENT_CPU_NS, "TASK-CLOCK"},
    {EVENT_CONTEXT_SWITCHES, "CONTEXT-SWITCHES"},
    {EVENT_PAGE_FAULTS, "PAGE-FAULTS"},
    {EVENT_MIGRATIONS, "CPU-MIGRATIONS"},
};

/* libpfm4 ignores case and takes '.' for ':'. */
static int fold(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c == '.' ? ':' : (unsigned char)c;
}

static int compare(const void *key, const void *element)
{
    const char *name = key;
    const char *spelling = ((const struct spelling *)element)->name;
    while (*name && fold(*name) == (unsigned char)*spelling) {
        name++;
        spelling++;
    }
    return fold(*name) - (unsigned char)*spelling;
}

const char *event_canonical(const char *name)
{
    const char *prefix_end = strstr(name, "::");
    const char *event = prefix_end ? prefix_end + 2 : name;
    const struct spelling *found =
        bsearch(event, spellings, ARRAY_SIZE(spellings), sizeof(spellings[0]), compare);
    return found ? found->canonical : name;
}

const char *event_without_type(const char *name)
{
    const char *colon = strchr(name, ':');
    if (!colon || !colon[1] || strchr(colon + 1, ':'))
        return NULL;
    size_t length = (size_t)(colon - name);
    for (size_t i = 0; i < ARRAY_SIZE(powerapi_names); i++) {
        const char *canonical = powerapi_names[i].canonical;
        if (strlen(canonical) == length && strncmp(canonical, name, length) == 0)
            return canonical;
    }
    return NULL;
}

const char *event_powerapi(const char *canonical)
{
    for (size_t i = 0; i < ARRAY_SIZE(powerapi_names); i++)
        if (strcmp(powerapi_names[i].canonical, canonical) == 0)
            return powerapi_names[i].powerapi;
    return canonical;
}
