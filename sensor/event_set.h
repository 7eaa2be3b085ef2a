/* SPDX-License-Identifier: BSD-3-Clause */
/* Which events are counted, as the kernel wants them. Names are resolved by libpfm4; whether the machine has an event is proved by opening
 * it, for libpfm4 believes the CPUID, and a virtual machine's CPUID promises counters that are not there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/perf_event.h>

struct error;
struct host;
struct cpu_type;

#define EVENT_SET_MAX 16

struct counted_event {
    char name[64];  /* canonical */
    char text[128]; /* as libpfm4 was asked; "" for none */
    char pmu[32];
    bool is_typed; /* counted by the PMU of a type of CPUs; false where all are alike */
    struct perf_event_attr attr;
};

struct event_set {
    struct counted_event events[EVENT_SET_MAX];
    size_t n_events;
};

/* The part of a list that is for a CPU: its lines from the first section "[NAME FAMILY MODELS]" that matches (models as in a list of CPUs, or *), else
 * from the start. */
const char *event_list_for(const char *text, int64_t family, int64_t model);
/* The next "name = event" of a list or a section of it, '#' begins a comment. 1, 0 at the end, -EBADMSG for a line that is neither (skipped). */
int event_list_next(const char **text, char name[static 64], char event[static 128]);

/* The list of a CPU, for event_list_next; what every kernel counts where nobody knows it. vendor: as in struct topology. */
const char *event_set_list(const char *vendor, const struct cpu_type *type);
/* Whether there is a list of hardware events for this vendor's CPUs. */
bool event_set_knows(const char *vendor);

/* Adds one event as libpfm4 spells it, host and guests, user and kernel. -EINVAL: libpfm4 does not know it; -E2BIG: the set is full. */
int event_set_add(struct event_set *set, const char *name, const char *text, struct error *err);
/* 0 if the event opens on this CPU, or the errno. */
int event_set_try(const struct counted_event *event, int cpu);

/* The PMU of a type of CPUs (cpu_types.h) in place of any: generic events name it in their upper half, raw ones are its own. Others stay. */
void event_set_retype(struct counted_event *event, const struct cpu_type *type);
/* Adds an event that was asked for ("instructions", "skl::INST_RETIRED:ANY_P", "name=event") if the type's CPUs count it. -EINVAL, -E2BIG: as above;
 * -EOPNOTSUPP: it counts, but not for tasks (uncore); else the errno of opening it there: -ENOENT, such CPUs have no such counter. */
int event_set_ask(struct event_set *set, const char *vendor, const struct cpu_type *type, const char *asked, struct error *err);
/* Adds the vendor's set, less what does not open; ret_missing: the names of that, each behind a space. Returns whether a hardware event opens. */
bool event_set_offer(struct event_set *set, const char *vendor, const struct cpu_type *type, char *ret_missing, size_t missing_size);
/* The same with what the kernel counts by itself. */
void event_set_offer_software(struct event_set *set, const struct cpu_type *type);

/* The check of an option: whether libpfm4, or a list of any CPU, knows the event; what this CPU counts is another question. -EINVAL. */
int event_check(const char *asked, struct error *err);

/* tsc, aperf, mperf of the msr PMU, those that SYSFS offers; possibly none. */
void event_set_clock(struct event_set *set, const struct host *host);
