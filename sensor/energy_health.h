/* SPDX-License-Identifier: BSD-3-Clause */
/* What was wrong with energy since the start: invalid samples, counted by source, domain, package and reason. A reason is logged when it
 * comes for the first time, and what came since at most once a minute; the sums are published in the host record as rarely. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/host_record.h"
#include "common/report.h"

struct log;

struct energy_health {
    struct host_invalid *rows; /* in order of arrival */
    uint64_t *logged;          /* [n_rows]: of each count, what was logged of it */
    size_t n_rows, rows_capacity, logged_capacity;
    uint64_t logged_at_ns, published_at_ns; /* monotonic clock, 0: never */
    bool has_news;             /* counts that were not published yet */
};

void energy_health_deinit(struct energy_health *health);
/* Counts a report's invalid samples and logs what is due. now_ns: the monotonic clock. -ENOMEM. */
int energy_health_note(struct energy_health *health, const struct report *report, uint64_t now_ns, const struct log *log);
/* Whether the sums should be published now. */
bool energy_health_is_due(const struct energy_health *health, uint64_t now_ns);
/* Adds the sums; they are published then. -ENOMEM. */
int energy_health_describe(struct energy_health *health, uint64_t now_ns, struct host_record *host_record);
