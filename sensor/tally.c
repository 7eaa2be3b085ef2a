/* SPDX-License-Identifier: BSD-3-Clause */
/* The arithmetic between counters and report. It is exact in integers; only where the hardware
 * could not count all the time (multiplexing) is a target's count brought to the scale of the total
 * before it is taken out of it. */
#include "sensor/tally.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

static size_t width_of(const struct tally *tally)
{
    return tally->n_events + 2;
}

const int64_t *tally_cell_at(const struct tally *tally, size_t target, size_t package)
{
    assert(target <= tally->n_targets && package < tally->n_packages);
    return tally->cells + (target * tally->n_packages + package) * width_of(tally);
}

int tally_begin(struct tally *tally, size_t n_targets, size_t n_packages, size_t n_events,
                bool has_times)
{
    size_t n_cells = (n_targets + 1) * n_packages * (n_events + 2);
    size_t n_marks = n_targets + n_packages;
    if (array_reserve(&tally->cells, &tally->cells_capacity, n_cells, sizeof(int64_t)) < 0 ||
        array_reserve(&tally->marks, &tally->marks_capacity, n_marks, sizeof(struct tally_mark)) <
            0)
        return -ENOMEM;
    memset(tally->cells, 0, n_cells * sizeof(int64_t));
    memset(tally->marks, 0, n_marks * sizeof(struct tally_mark));
    tally->n_targets = n_targets;
    tally->n_packages = n_packages;
    tally->n_events = n_events;
    tally->has_times = has_times;
    return 0;
}

int64_t *tally_cell(struct tally *tally, size_t target, size_t package)
{
    return (int64_t *)tally_cell_at(tally, target, package);
}

int64_t *tally_total(struct tally *tally, size_t package)
{
    return tally_cell(tally, tally->n_targets, package);
}

void tally_mark(struct tally *tally, size_t target, const char *reason, bool is_unread)
{
    assert(target < tally->n_targets);
    tally->marks[target] = (struct tally_mark){reason, is_unread};
}

void tally_mark_total(struct tally *tally, size_t package, const char *reason, bool is_unread)
{
    assert(package < tally->n_packages);
    tally->marks[tally->n_targets + package] = (struct tally_mark){reason, is_unread};
}

static void join_life(struct tally *tally, size_t from, size_t into)
{
    size_t n = tally->n_packages * width_of(tally);
    int64_t *source = tally_cell(tally, from, 0), *destination = tally_cell(tally, into, 0);
    for (size_t i = 0; i < n; i++) {
        destination[i] += source[i];
        source[i] = 0;
    }
    tally->marks[from] = (struct tally_mark){0};
}

size_t tally_counted_above(const struct tally *tally, const struct target_tree *tree, size_t target)
{
    size_t parent = tree->parent[target];
    while (parent != TARGET_TREE_NONE && tally->marks[parent].is_unread)
        parent = tree->parent[parent];
    return parent;
}

void tally_settle(struct tally *tally, const struct target_tree *tree)
{
    assert(tree->n_targets == tally->n_targets);
    for (size_t i = 0; i < tally->n_targets; i++)
        if (tree->life[i] != i)
            join_life(tally, i, tree->life[i]);
    /* Those above come first: when a target is taken out of its parent, it still holds its own
     * descendants. */
    for (size_t i = 0; i < tally->n_targets; i++) {
        size_t target = tree->order[i], parent = tally_counted_above(tally, tree, target);
        if (parent == TARGET_TREE_NONE || tree->life[target] != target ||
            tally->marks[target].is_unread)
            continue;
        const int64_t *part = tally_cell(tally, target, 0);
        int64_t *whole = tally_cell(tally, parent, 0);
        for (size_t k = 0; k < tally->n_packages * width_of(tally); k++)
            whole[k] -= part[k];
    }
    for (size_t k = 0; k < tally->n_targets * tally->n_packages * width_of(tally); k++)
        if (tally->cells[k] < 0)
            tally->cells[k] = 0;
}

static bool is_uncounted(const struct tally *tally, const int64_t *cell)
{
    return tally->has_times && cell[tally->n_events] > 0 && cell[tally->n_events + 1] == 0;
}

static bool is_exact(const struct tally *tally, size_t event)
{
    return tally->is_exact && tally->is_exact[event];
}

static bool is_idle(const struct tally *tally, const int64_t *cell)
{
    for (size_t i = 0; i < tally->n_events; i++)
        if (cell[i])
            return false;
    return true;
}

/* A target's count as it would be had the target been counted for the same share of its time as the
 * total. Rounded down: many together are not more than the total for that. */
static int64_t on_scale_of(const struct tally *tally, size_t event, const int64_t *cell,
                           const int64_t *total)
{
    int64_t enabled = cell[tally->n_events], running = cell[tally->n_events + 1];
    int64_t total_enabled = total[tally->n_events], total_running = total[tally->n_events + 1];
    if (is_uncounted(tally, cell)) {
        if (!tally->is_exact || total_running <= 0)
            return is_exact(tally, event) ? cell[event] : 0;
        double part = is_exact(tally, event) ? (double)cell[event] * (double)total_running
                                             : (double)total[event] * (double)enabled;
        return (int64_t)(part / (double)total_enabled);
    }
    if (!tally->has_times || running <= 0 || total_enabled <= 0 ||
        (enabled == running && total_enabled == total_running))
        return cell[event];
    double scale =
        (double)enabled / (double)running * (double)total_running / (double)total_enabled;
    return (int64_t)((double)cell[event] * scale);
}

static void fill_row(const struct tally *tally, const int64_t *cell, struct tally_mark mark,
                     struct report *report, struct count_row *row)
{
    row->has_counts = !mark.is_unread;
    if (mark.reason)
        (void)snprintf(row->reason, sizeof(row->reason), "%s", mark.reason);
    if (mark.is_unread)
        return;
    if (tally->has_times) {
        row->enabled_ns = cell[tally->n_events];
        row->running_ns = cell[tally->n_events + 1];
    }
    for (size_t event = 0; event < tally->n_events; event++)
        if (is_exact(tally, event) || !is_uncounted(tally, cell))
            report_counts(report, row)[event] = cell[event];
}

/* Who was idle is not looked at: many are. */
static int publish_target(const struct tally *tally, struct targets *targets, size_t index,
                          const int32_t *packages, struct report *report)
{
    struct tally_mark mark = tally->marks[index];
    for (size_t package = 0; package < tally->n_packages; package++) {
        const int64_t *cell = tally_cell_at(tally, index, package);
        if (!mark.is_unread && is_idle(tally, cell) && !is_uncounted(tally, cell))
            continue;
        const struct target *target = targets_at(targets, index);
        struct count_row *row;
        int r = target->cgroup ? report_add_target(report, &row) : 0;
        if (r < 0 || !target->cgroup)
            return r;
        row->target = target->name;
        row->package = packages ? packages[package] : PACKAGE_NONE;
        fill_row(tally, cell, mark, report, row);
    }
    return 0;
}

int64_t tally_sum(const struct tally *tally, size_t package, size_t event)
{
    const int64_t *total = tally_cell_at(tally, tally->n_targets, package);
    int64_t sum = 0;
    for (size_t target = 0; target < tally->n_targets; target++) {
        const int64_t *cell = tally_cell_at(tally, target, package);
        if (!tally->marks[target].is_unread)
            sum += on_scale_of(tally, event, cell, total);
    }
    return sum;
}

static int publish_other(const struct tally *tally, size_t package, int32_t package_id,
                         struct report *report)
{
    const int64_t *total = tally_cell_at(tally, tally->n_targets, package);
    struct tally_mark mark = tally->marks[tally->n_targets + package];
    struct count_row *row;
    int r = report_add_target(report, &row);
    if (r < 0)
        return r;
    row->target = OTHER_TARGET;
    row->package = package_id;
    fill_row(tally, total, mark, report, row);
    if (mark.is_unread)
        return 0;
    bool is_nothing = !is_uncounted(tally, total);
    int64_t *counts = report_counts(report, row);
    for (size_t event = 0; event < tally->n_events; event++) {
        if (counts[event] == VALUE_ABSENT)
            continue;
        counts[event] = total[event] - tally_sum(tally, package, event);
        if (counts[event] < 0) {
            counts[event] = 0;
            reasons_add(&report->reasons, "skew");
        }
        is_nothing &= counts[event] == 0;
    }
    if (is_nothing && !mark.reason)
        report->n_targets--; /* the row just added; its counts stay unused until the report is
                                cleared */
    return 0;
}

int tally_publish(const struct tally *tally, struct targets *targets, const int32_t *packages,
                  struct report *report)
{
    assert(targets_count(targets) == tally->n_targets);
    for (size_t package = 0; package < tally->n_packages; package++) {
        struct count_row *row;
        int r = report_add_total(report, &row);
        if (r < 0)
            return r;
        row->target = "";
        row->package = packages ? packages[package] : PACKAGE_NONE;
        fill_row(tally, tally_cell_at(tally, tally->n_targets, package),
                 tally->marks[tally->n_targets + package], report, row);
    }
    for (size_t i = 0; i < tally->n_targets; i++) {
        int r = publish_target(tally, targets, i, packages, report);
        if (r < 0)
            return r;
    }
    for (size_t package = 0; package < tally->n_packages; package++) {
        int r = publish_other(tally, package, packages ? packages[package] : PACKAGE_NONE, report);
        if (r < 0)
            return r;
    }
    return 0;
}

void tally_deinit(struct tally *tally)
{
    free(tally->cells);
    free(tally->marks);
    *tally = (struct tally){0};
}
