/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of a report's events a scope is split by. GPUs are split by an event of their own, whose rows have the GPU's number for package; every other
 * domain by all other events, which CPUs count. What types of CPUs have counted of one event, each by itself, is added up (typed_names.h). */
#pragma once

#include "common/report.h"
#include "common/typed_names.h"

#define SCOPE_EVENTS_MAX 64 /* more are left out, last names first */

/* Where an event stands in the report's rows: once, or once per type of CPUs. */
struct event_places {
    size_t at[TYPED_NAMES_MAX], n;
};

/* A report's events, those of CPUs first, sorted by name within. */
struct scope_events {
    const char *names[SCOPE_EVENTS_MAX];
    struct event_places places[SCOPE_EVENTS_MAX];
    size_t n, n_cpu;
};

/* A scope's own: [first, first + n) of them. */
struct columns {
    size_t first, n;
    bool is_cpu; /* what CPUs count */
};

void scope_events_sort(struct scope_events *events, const struct report *report);
/* Event e's count in a row with counts, negative if any of its types was not counted. */
int64_t scope_events_count(const struct scope_events *events, size_t e, const int64_t *counts);
/* None where the domain's own event is not in the report. */
struct columns scope_events_of(const struct scope_events *events, enum domain domain);
/* Which of the columns stands for a target's work: CPU time, else the best there is; columns.n: none. */
size_t scope_events_work(const struct scope_events *events, struct columns columns);
/* True for a domain that is split by an event of its own. */
bool domain_has_own_event(enum domain domain);
/* False for a row that counts events of other scopes only. */
bool scope_events_are_of(const struct scope_events *events, struct columns columns, const struct report *report,
                         const struct count_row *row);
