/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of a report's events a scope is split by. GPUs are split by an event of their own, whose rows have the GPU's number for package; every other
 * domain by all other events, which CPUs count. */
#pragma once

#include "common/report.h"

#define SCOPE_EVENTS_MAX 64 /* more are left out, last names first */

/* A report's events, those of CPUs first, sorted by name within. */
struct scope_events {
    const char *names[SCOPE_EVENTS_MAX];
    size_t place[SCOPE_EVENTS_MAX]; /* of each in the report's rows */
    size_t n, n_cpu;
};

/* A scope's own: [first, first + n) of them. */
struct columns {
    size_t first, n;
    bool is_cpu; /* what CPUs count */
};

void scope_events_sort(struct scope_events *events, const struct report *report);
/* None where the domain's own event is not in the report. */
struct columns scope_events_of(const struct scope_events *events, enum domain domain);
/* Which of the columns stands for a target's work: CPU time, else the best there is; columns.n: none. */
size_t scope_events_work(const struct scope_events *events, struct columns columns);
/* True for a domain that is split by an event of its own. */
bool domain_has_own_event(enum domain domain);
/* False for a row that counts events of other scopes only. */
bool scope_events_are_of(const struct scope_events *events, struct columns columns, const struct report *report,
                         const struct count_row *row);
