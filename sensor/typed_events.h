/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted on every CPU of a machine, and under which names it stands in reports. CPUs of one type count one set, as a group; sets of several
 * types (hybrids) meet in columns: what only CPUs of a type count has a column of its own, named by it ("instructions:core", "instructions:atom"),
 * what all count alike (CPU time, switches) has one. */
#pragma once

#include "sensor/cpu_types.h"
#include "sensor/event_set.h"

struct host_record;
struct perf_group;

#define TYPED_COLUMNS_MAX (CPU_TYPES_MAX * EVENT_SET_MAX)

struct event_column {
    char name[64];
    uint8_t type, index; /* of one event that it holds: sets[type].events[index] */
};

struct typed_events {
    struct cpu_types types;
    struct event_set sets[CPU_TYPES_MAX];
    struct event_column columns[TYPED_COLUMNS_MAX];
    size_t n_columns;
    uint8_t column[CPU_TYPES_MAX][EVENT_SET_MAX]; /* of each event of each set */
};

/* The events asked for, each of which must be counted by one type of CPUs at least, and each type must count one; none asked for: the set of the CPUs' vendor where they have a PMU,
 * less what does not open (with a warning), else what the kernel counts itself. Of a set of our own choice all types count the same, in the same order. */
int typed_events_choose(struct typed_events *ret_events, const struct host *host, const struct topology *topology,
                        const char *const *asked, size_t n_asked, struct error *err);
/* perf_group_fit for each type; of a set of our own choice what does not fit on one type is given up on all. */
int typed_events_fit(struct typed_events *events, const struct host *host, bool is_asked, struct error *err);
/* Names the columns anew. Call when a set was changed. */
void typed_events_name(struct typed_events *events);
/* What a CPU counts, NULL: nothing, its type is not known (yet). ret_type may be NULL. */
const struct event_set *typed_events_of(struct typed_events *events, const struct host *host, size_t cpu, size_t *ret_type);
/* The most events that a type counts. */
size_t typed_events_most(const struct typed_events *events);
/* Leaves so many events of each type, the first ones. */
void typed_events_cut(struct typed_events *events, size_t n_events);
/* Adds what the group, of a CPU whose type is known, gained to cell[n_columns + 2]. Errors as perf_group_read. */
int typed_events_read(const struct typed_events *events, struct perf_group *group, size_t cpu, int64_t *cell);
/* The event that a column is described by. */
const struct counted_event *typed_events_at(const struct typed_events *events, size_t column);
/* Adds one host_event per column. -ENOMEM. */
int typed_events_describe(const struct typed_events *events, struct host_record *host_record);
void typed_events_deinit(struct typed_events *events);
