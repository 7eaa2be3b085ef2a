/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows are kept as they come, with the events in order of arrival; closing sorts both, so that the
 * order of arrival leaves no trace in the tick. */
#include "formula/held_tick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

#define EVENTS_MAX 64
#define PARTS_MAX 4096

void held_tick_init(struct held_tick *held)
{
    *held = (struct held_tick){0};
    report_init(&held->report);
}

void held_tick_deinit(struct held_tick *held)
{
    report_deinit(&held->report);
    name_arena_deinit(&held->names);
    free(held->has_part);
    free(held->targets);
    free(held->total);
    free(held->counts);
    *held = (struct held_tick){0};
}

void held_tick_clear(struct held_tick *held)
{
    report_clear(&held->report);
    name_arena_clear(&held->names);
    held->is_powerapi = held->has_all = false;
    held->n_targets = held->n_total = held->n_counts = 0;
    held->n_doubles = 0;
}

/* ---- adding ---- */

/* ret_column[n_events]: where each of the report's events stands here, EVENTS_MAX: left out. */
static int map_events(struct held_tick *held, const struct report *report, size_t *ret_column)
{
    struct report *own = &held->report;
    for (size_t e = 0; e < report->n_events; e++) {
        size_t column = e < own->n_events && strcmp(own->events[e], report->events[e]) == 0 ? e : 0;
        while (column < own->n_events && strcmp(own->events[column], report->events[e]) != 0)
            column++;
        if (column == own->n_events && column < EVENTS_MAX) {
            const char *name = name_arena_copy(&held->names, report->events[e]);
            int r = name ? report_add_event(own, name) : -ENOMEM;
            if (r < 0)
                return r;
        }
        ret_column[e] = column;
    }
    return 0;
}

static int add_row(struct held_tick *held, const struct report *report, const size_t *column,
                   const struct count_row *row, struct held_row *ret_row)
{
    size_t n = held->report.n_events;
    int r = array_reserve(&held->counts, &held->counts_capacity, held->n_counts + n + 1,
                          sizeof(*held->counts));
    if (r < 0)
        return r;
    int64_t *counts = held->counts + held->n_counts;
    for (size_t e = 0; e < n; e++)
        counts[e] = VALUE_ABSENT;
    for (size_t e = 0; e < report->n_events && row->has_counts; e++)
        if (column[e] < EVENTS_MAX)
            counts[column[e]] = report->counts[row->first_count + e];
    ret_row->row = *row;
    ret_row->row.target =
        row->target && row->target[0] ? name_arena_copy(&held->names, row->target) : "";
    ret_row->row.first_count = held->n_counts;
    ret_row->n_counts = n;
    held->n_counts += n;
    return ret_row->row.target ? 0 : -ENOMEM;
}

static int add_rows(struct held_tick *held, const struct report *report)
{
    size_t *column = calloc(report->n_events + 1, sizeof(*column));
    if (!column)
        return -ENOMEM;
    int r = map_events(held, report, column);
    if (r >= 0)
        r = array_reserve(&held->targets, &held->targets_capacity,
                          held->n_targets + report->n_targets + 1, sizeof(*held->targets));
    if (r >= 0)
        r = array_reserve(&held->total, &held->total_capacity, held->n_total + report->n_total + 1,
                          sizeof(*held->total));
    for (size_t i = 0; i < report->n_targets && r >= 0; i++)
        r = add_row(held, report, column, &report->targets[i], &held->targets[held->n_targets++]);
    for (size_t i = 0; i < report->n_total && r >= 0; i++)
        r = add_row(held, report, column, &report->total[i], &held->total[held->n_total++]);
    free(column);
    return r;
}

static int add_energy(struct held_tick *held, const struct report *report)
{
    int r = 0;
    for (size_t i = 0; i < report->n_energy && r >= 0; i++) {
        struct energy_sample *sample;
        r = report_add_energy(&held->report, &sample);
        if (r >= 0)
            *sample = report->energy[i];
    }
    for (size_t i = 0; i < report->n_clock && r >= 0; i++) {
        struct clock_sample *sample;
        r = report_add_clock(&held->report, &sample);
        if (r >= 0)
            *sample = report->clock[i];
    }
    return r;
}

static void add_head(struct held_tick *held, const struct report *report)
{
    struct report *own = &held->report;
    own->key = report->key;
    if (report->dt_ns != VALUE_ABSENT)
        own->dt_ns = report->dt_ns;
    own->valid = own->valid && report->valid;
    own->missed = report->missed > own->missed ? report->missed : own->missed;
    for (size_t i = 0; i < report->reasons.n_words; i++)
        reasons_add(&own->reasons, report->reasons.words[i]);
}

/* 1: the part is new, 0: it came before or makes no sense. */
static int take_part(struct held_tick *held, const struct report *report)
{
    int32_t parts = report->parts > 0 ? report->parts : 1;
    int32_t part = report->parts > 0 ? report->part : 1;
    if (parts > PARTS_MAX || part < 1 || part > parts ||
        (held->report.parts > 0 && held->report.parts != parts))
        return 0;
    if (held->report.parts == 0) {
        int r = array_reserve(&held->has_part, &held->has_part_capacity, (size_t)parts,
                              sizeof(*held->has_part));
        if (r < 0)
            return r;
        memset(held->has_part, 0, (size_t)parts * sizeof(*held->has_part));
        held->report.parts = parts;
    }
    if (held->has_part[part - 1])
        return 0;
    held->has_part[part - 1] = true;
    return 1;
}

int held_tick_add(struct held_tick *held, const struct report *report, bool is_powerapi)
{
    bool has_energy = report->n_energy > 0 || report->n_clock > 0 || report->n_total > 0;
    held->is_powerapi = is_powerapi;
    if (is_powerapi && has_energy && held->has_all) {
        held->n_doubles++;
        return 0;
    }
    int r = is_powerapi ? 1 : take_part(held, report);
    if (r <= 0) {
        held->n_doubles += r == 0;
        return r;
    }
    held->has_all |= is_powerapi && has_energy;
    add_head(held, report);
    r = add_energy(held, report);
    return r < 0 ? r : add_rows(held, report);
}

bool held_tick_is_complete(const struct held_tick *held)
{
    if (held->is_powerapi)
        return false;
    for (int32_t i = 0; i < held->report.parts; i++)
        if (!held->has_part[i])
            return false;
    return true;
}

/* ---- closing ---- */

struct event_order {
    const char *names[EVENTS_MAX];
    size_t column[EVENTS_MAX];
    size_t n;
};

static void order_events(const struct report *report, struct event_order *order)
{
    order->n = 0;
    for (size_t e = 0; e < report->n_events; e++) {
        size_t place = order->n++;
        for (; place > 0 && strcmp(order->names[place - 1], report->events[e]) > 0; place--) {
            order->names[place] = order->names[place - 1];
            order->column[place] = order->column[place - 1];
        }
        order->names[place] = report->events[e];
        order->column[place] = e;
    }
}

struct row_context {
    const struct held_tick *held;
    const struct event_order *order;
};

static int64_t count_at(const struct row_context *context, const struct held_row *row, size_t e)
{
    size_t column = context->order->column[e];
    return column < row->n_counts ? context->held->counts[row->row.first_count + column]
                                  : VALUE_ABSENT;
}

/* By target and package; rows that came twice also by what they say, so that always the same one
 * stays. */
static int compare_rows(const void *a, const void *b, void *opaque)
{
    const struct held_row *x = a, *y = b;
    const struct row_context *context = opaque;
    int order = strcmp(x->row.target, y->row.target);
    if (order != 0)
        return order;
    if (x->row.package != y->row.package)
        return x->row.package < y->row.package ? -1 : 1;
    for (size_t e = 0; e < context->order->n; e++) {
        int64_t p = count_at(context, x, e), q = count_at(context, y, e);
        if (p != q)
            return p < q ? -1 : 1;
    }
    if (x->row.running_ns != y->row.running_ns)
        return x->row.running_ns < y->row.running_ns ? -1 : 1;
    return 0;
}

static int emit_rows(struct held_tick *held, const struct event_order *order, struct held_row *rows,
                     size_t n_rows, int (*add)(struct report *, struct count_row **))
{
    struct row_context context = {held, order};
    if (n_rows > 1)
        qsort_r(rows, n_rows, sizeof(*rows), compare_rows, &context);
    for (size_t i = 0; i < n_rows; i++) {
        if (i > 0 && strcmp(rows[i].row.target, rows[i - 1].row.target) == 0 &&
            rows[i].row.package == rows[i - 1].row.package) {
            held->n_doubles++;
            continue;
        }
        struct count_row *row;
        int r = add(&held->report, &row);
        if (r < 0)
            return r;
        size_t first_count = row->first_count;
        *row = rows[i].row;
        row->first_count = first_count;
        for (size_t e = 0; e < order->n; e++)
            held->report.counts[first_count + e] = count_at(&context, &rows[i], e);
    }
    return 0;
}

int held_tick_close(struct held_tick *held)
{
    struct report *report = &held->report;
    if (held->is_powerapi ? !held->has_all : !held_tick_is_complete(held)) {
        report->valid = false;
        reasons_add(&report->reasons, held->is_powerapi ? "missing_all" : "missing_part");
    }
    report->part = report->parts = 0;
    struct event_order order;
    order_events(report, &order);
    for (size_t e = 0; e < order.n; e++)
        report->events[e] = order.names[e];
    int r = emit_rows(held, &order, held->total, held->n_total, report_add_total);
    return r < 0 ? r : emit_rows(held, &order, held->targets, held->n_targets, report_add_target);
}
