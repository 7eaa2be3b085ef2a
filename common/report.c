/* SPDX-License-Identifier: BSD-3-Clause */
/* The report in memory; report_encode.c and report_decode.c are its ways into BSON and back. */
#include "common/report.h"

#include <stdlib.h>
#include <string.h>

#include "common/array.h"

void report_init(struct report *report)
{
    *report = (struct report){.valid = true, .dt_ns = VALUE_ABSENT};
}

void report_deinit(struct report *report)
{
    free(report->energy);
    free(report->clock);
    free(report->events);
    free(report->total);
    free(report->targets);
    free(report->counts);
    report_init(report);
}

void report_clear(struct report *report)
{
    report->key = (struct record_key){0};
    report->dt_ns = VALUE_ABSENT;
    report->valid = true;
    report->reasons.n_words = 0;
    report->missed = 0;
    report->part = report->parts = 0;
    report->n_energy = report->n_clock = report->n_events = 0;
    report->n_total = report->n_targets = report->n_counts = 0;
}

int report_add_energy(struct report *report, struct energy_sample **ret_sample)
{
    int r = array_reserve(&report->energy, &report->energy_capacity, report->n_energy + 1,
                          sizeof(*report->energy));
    if (r < 0)
        return r;
    *ret_sample = &report->energy[report->n_energy++];
    **ret_sample = (struct energy_sample){
        .package = PACKAGE_NONE,
        .dt_ns = VALUE_ABSENT,
        .skew_ns = VALUE_ABSENT,
        .energy_uj = VALUE_ABSENT,
        .low_uj = VALUE_ABSENT,
        .high_uj = VALUE_ABSENT,
    };
    return 0;
}

int report_add_clock(struct report *report, struct clock_sample **ret_sample)
{
    int r = array_reserve(&report->clock, &report->clock_capacity, report->n_clock + 1,
                          sizeof(*report->clock));
    if (r < 0)
        return r;
    *ret_sample = &report->clock[report->n_clock++];
    **ret_sample = (struct clock_sample){
        .package = PACKAGE_NONE,
        .tsc = VALUE_ABSENT,
        .aperf = VALUE_ABSENT,
        .mperf = VALUE_ABSENT,
    };
    return 0;
}

/* Gives every row one more count. Rows lie in counts in order of their making; without events all
 * of them begin at 0, and any order will do. */
static int widen_rows(struct report *report)
{
    size_t n_old = report->n_events, n_new = n_old + 1;
    size_t n_named = report->n_total + report->n_targets;
    size_t n_rows = n_old ? report->n_counts / n_old : n_named;
    int r = array_reserve(&report->counts, &report->counts_capacity, n_rows * n_new,
                          sizeof(*report->counts));
    if (r < 0)
        return r;
    for (size_t i = n_rows; i-- > 0;) {
        int64_t *to = report->counts + i * n_new;
        memmove(to, report->counts + i * n_old, n_old * sizeof(*to));
        to[n_old] = VALUE_ABSENT;
    }
    for (size_t i = 0; i < n_named; i++) {
        struct count_row *row =
            i < report->n_total ? &report->total[i] : &report->targets[i - report->n_total];
        row->first_count = (n_old ? row->first_count / n_old : i) * n_new;
    }
    report->n_counts = n_rows * n_new;
    return 0;
}

int report_add_event(struct report *report, const char *name)
{
    int r = array_reserve(&report->events, &report->events_capacity, report->n_events + 1,
                          sizeof(*report->events));
    if (r >= 0 && report->n_total + report->n_targets > 0)
        r = widen_rows(report);
    if (r < 0)
        return r;
    report->events[report->n_events++] = name;
    return 0;
}

static int add_row(struct report *report, struct count_row **rows, size_t *n_rows, size_t *capacity,
                   struct count_row **ret_row)
{
    int r = array_reserve(rows, capacity, *n_rows + 1, sizeof(**rows));
    if (r == 0)
        r = array_reserve(&report->counts, &report->counts_capacity,
                          report->n_counts + report->n_events, sizeof(*report->counts));
    if (r < 0)
        return r;
    struct count_row *row = &(*rows)[(*n_rows)++];
    row->target = "";
    row->package = PACKAGE_NONE;
    row->has_counts = false;
    row->first_count = report->n_counts;
    row->enabled_ns = VALUE_ABSENT;
    row->running_ns = VALUE_ABSENT;
    row->reason[0] = '\0';
    for (size_t i = 0; i < report->n_events; i++)
        report->counts[report->n_counts++] = VALUE_ABSENT;
    *ret_row = row;
    return 0;
}

int report_add_total(struct report *report, struct count_row **ret_row)
{
    return add_row(report, &report->total, &report->n_total, &report->total_capacity, ret_row);
}

int report_add_target(struct report *report, struct count_row **ret_row)
{
    return add_row(report, &report->targets, &report->n_targets, &report->targets_capacity,
                   ret_row);
}
