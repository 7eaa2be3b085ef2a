/* SPDX-License-Identifier: BSD-3-Clause */
/* no_update is counted but never logged: whoever reads a slow counter often knows. */
#include "sensor/energy_health.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/log.h"

#define SUMMARY_INTERVAL_NS (60 * NS_PER_S)
#define QUIET_REASON "no_update"

void energy_health_deinit(struct energy_health *health)
{
    free(health->rows);
    free(health->logged);
    *health = (struct energy_health){0};
}

static bool is_counted_in(const struct host_invalid *row, const struct energy_sample *sample)
{
    return row->domain == sample->domain && row->package == sample->package &&
           strcmp(row->source, sample->source) == 0 && strcmp(row->reason, sample->reason) == 0;
}

static int add_row(struct energy_health *health, const struct energy_sample *sample, size_t *ret_at)
{
    int r = array_reserve(&health->rows, &health->rows_capacity, health->n_rows + 1,
                          sizeof(*health->rows));
    if (r >= 0)
        r = array_reserve(&health->logged, &health->logged_capacity, health->n_rows + 1,
                          sizeof(*health->logged));
    if (r < 0)
        return r;
    struct host_invalid *row = &health->rows[health->n_rows];
    *row = (struct host_invalid){.domain = sample->domain, .package = sample->package};
    (void)snprintf(row->source, sizeof(row->source), "%s", sample->source);
    (void)snprintf(row->reason, sizeof(row->reason), "%s", sample->reason);
    health->logged[health->n_rows] = 0;
    *ret_at = health->n_rows++;
    return 0;
}

static void say(const struct log *log, const struct host_invalid *row, uint64_t n, const char *when)
{
    char package[16] = "";
    if (row->package != PACKAGE_NONE)
        (void)snprintf(package, sizeof(package), "-%d", (int)row->package);
    log_warning(log, "energy of %s%s (%s) is missing: %s, %" PRIu64 " times%s",
                domain_name(row->domain), package, row->source, row->reason, n, when);
}

static int count(struct energy_health *health, const struct energy_sample *sample,
                 const struct log *log)
{
    size_t at = 0;
    while (at < health->n_rows && !is_counted_in(&health->rows[at], sample))
        at++;
    int r = at < health->n_rows ? 0 : add_row(health, sample, &at);
    if (r < 0)
        return r;
    struct host_invalid *row = &health->rows[at];
    row->count++;
    health->has_news = true;
    if (row->count > 1 || strcmp(row->reason, QUIET_REASON) == 0)
        return 0;
    say(log, row, 1, ", the first since the start");
    health->logged[at] = 1;
    return 0;
}

static void summarize(struct energy_health *health, const struct log *log)
{
    for (size_t i = 0; i < health->n_rows; i++) {
        const struct host_invalid *row = &health->rows[i];
        uint64_t n = (uint64_t)row->count - health->logged[i];
        health->logged[i] = (uint64_t)row->count;
        if (n > 0 && strcmp(row->reason, QUIET_REASON) != 0)
            say(log, row, n, " since the last word on it");
    }
}

int energy_health_note(struct energy_health *health, const struct report *report, uint64_t now_ns,
                       const struct log *log)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        int r = report->energy[i].valid ? 0 : count(health, &report->energy[i], log);
        if (r < 0)
            return r;
    }
    if (now_ns - health->logged_at_ns < SUMMARY_INTERVAL_NS)
        return 0;
    summarize(health, log);
    health->logged_at_ns = now_ns;
    return 0;
}

bool energy_health_is_due(const struct energy_health *health, uint64_t now_ns)
{
    return health->has_news && now_ns - health->published_at_ns >= SUMMARY_INTERVAL_NS;
}

int energy_health_describe(struct energy_health *health, uint64_t now_ns,
                           struct host_record *host_record)
{
    for (size_t i = 0; i < health->n_rows; i++) {
        struct host_invalid *row;
        int r = host_record_add_invalid(host_record, &row);
        if (r < 0)
            return r;
        *row = health->rows[i];
    }
    health->published_at_ns = now_ns;
    health->has_news = false;
    return 0;
}
