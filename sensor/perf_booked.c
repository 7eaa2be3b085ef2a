/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/perf_booked.h"

#include "sensor/perf_watch.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What is counted for a part of its time is scaled by readers; where no counter was free there is
 * nothing to scale. */
static double share_of(const int64_t *cell, size_t n_events)
{
    int64_t enabled_ns = cell[n_events], running_ns = cell[n_events + 1];
    return running_ns > 0 && running_ns < enabled_ns ? (double)running_ns / (double)enabled_ns : 1;
}

/* A group is enabled while its cgroup is on the CPU: that is its clock where nothing ran. */
static int64_t clock_of(const struct tally *tally, size_t target, size_t cpu_ns)
{
    double clock_ns = 0;
    for (size_t package = 0; package < tally->n_packages; package++) {
        const int64_t *cell = tally_cell_at(tally, target, package);
        bool is_counted = cell[tally->n_events + 1] > 0;
        clock_ns += is_counted ? (double)cell[cpu_ns] / share_of(cell, tally->n_events)
                               : (double)cell[tally->n_events];
    }
    return (int64_t)(clock_ns + 0.5);
}

void perf_booked_note(const struct tally *tally, struct targets *targets, size_t cpu_ns)
{
    for (size_t i = 0; i < tally->n_targets; i++) {
        struct perf_watch *watch = targets_at(targets, i)->engine_data;
        if (!watch)
            continue;
        watch->whole_ns = watch->booked_us == VALUE_ABSENT ? clock_of(tally, i, cpu_ns)
                                                           : watch->booked_us * 1000;
        watch->own_ns = watch->whole_ns;
    }
}

static void put(struct tally *tally, size_t target, size_t cpu_ns, struct perf_watch *watch,
                int64_t own_ns)
{
    size_t n_events = tally->n_events;
    int64_t enabled_ns = 0, given_ns = 0;
    for (size_t package = 0; package < tally->n_packages; package++) {
        int64_t own_enabled_ns = tally_cell(tally, target, package)[n_events];
        enabled_ns += own_enabled_ns;
        if (own_enabled_ns > 0)
            watch->last_package = package;
    }
    if (watch->last_package >= tally->n_packages)
        watch->last_package = 0; /* that one went offline */
    for (size_t i = 1; i <= tally->n_packages; i++) { /* the last gets what is left */
        size_t package = (watch->last_package + i) % tally->n_packages;
        int64_t *cell = tally_cell(tally, target, package), part_ns = own_ns - given_ns;
        if (i < tally->n_packages)
            part_ns = enabled_ns > 0 ? (int64_t)((double)own_ns * (double)cell[n_events] /
                                                 (double)enabled_ns)
                                     : 0;
        given_ns += part_ns;
        cell[cpu_ns] = (int64_t)((double)part_ns * share_of(cell, n_events) + 0.5);
    }
}

/* The books move a tick at a time: between, the clock goes ahead of them. What they have of before
 * the span waits for its room, and the clock has that of a reading before which it was taken for
 * still. */
static int64_t take(struct perf_watch *watch, int64_t clock_ns, struct perf_span span)
{
    int64_t due_ns = watch->own_ns + watch->owed_ns, n_ran = most((int64_t)watch->n_ran, 1);
    int64_t least_ns = least(clock_ns, due_ns + span.late_ns * least(n_ran, span.n_late));
    int64_t own_ns = most(least(most(due_ns, least_ns), span.wall_ns * n_ran), 0);
    int64_t late_ns = span.late_ns * span.n_late;
    watch->owed_ns = least(most(due_ns - own_ns, -late_ns), late_ns);
    return own_ns;
}

/* What each has without those below it; a life that ended has its row with the next one's. */
static void find_own(const struct tally *tally, const struct target_tree *tree,
                     struct targets *targets)
{
    for (size_t i = 0; i < tally->n_targets; i++) {
        struct perf_watch *watch = targets_at(targets, i)->engine_data;
        size_t parent = tally_counted_above(tally, tree, i);
        struct perf_watch *above =
            parent == TARGET_TREE_NONE ? NULL : targets_at(targets, parent)->engine_data;
        if (watch && above && !tally->marks[i].is_unread)
            above->own_ns -= watch->whole_ns;
    }
    for (size_t i = 0; i < tally->n_targets; i++) {
        struct perf_watch *watch = targets_at(targets, i)->engine_data;
        struct perf_watch *next = targets_at(targets, tree->life[i])->engine_data;
        if (!watch || !next || next == watch)
            continue;
        next->own_ns += watch->own_ns;
        next->n_ran += watch->n_ran;
    }
}

void perf_booked_put(struct tally *tally, const struct target_tree *tree, struct targets *targets,
                     size_t cpu_ns, struct perf_span span)
{
    find_own(tally, tree, targets);
    for (size_t i = 0; i < tally->n_targets; i++) {
        struct perf_watch *watch = targets_at(targets, i)->engine_data;
        if (!watch || tree->life[i] != i || tally->marks[i].is_unread)
            continue;
        int64_t clock_ns = clock_of(tally, i, cpu_ns);
        put(tally, i, cpu_ns, watch,
            watch->booked_us == VALUE_ABSENT ? clock_ns : take(watch, clock_ns, span));
    }
}
