/* SPDX-License-Identifier: BSD-3-Clause */
/* One tick's counts on their way into a report: a cell per target and package, and the system-wide totals. Every engine fills a tally; what is
 * the same for all of them stands here once: targets below are taken out of those above, two lives of a name become one row, what
 * nobody has is "other", and a target that did nothing has no row. */
#pragma once

#include "common/report.h"
#include "sensor/target_tree.h"

/* Where a target's counts are not what they should be. The words are static. */
struct tally_mark {
    const char *reason; /* NULL: all is well */
    bool is_unread;     /* there are no counts at all */
};

struct tally {
    size_t n_targets, n_packages, n_events;
    bool has_times; /* enabled and running are counted */
    const bool *is_exact; /* [n_events], the engine's: counted also where others had no counter; NULL: none is */
    int64_t *cells;
    size_t cells_capacity;
    struct tally_mark *marks; /* [n_targets], then one per package for its total */
    size_t marks_capacity;
};

/* Everything zero and unmarked. -ENOMEM. */
int tally_begin(struct tally *tally, size_t n_targets, size_t n_packages, size_t n_events, bool has_times);
/* Increases: [n_events] counts, then enabled_ns and running_ns. target n_targets is the total. */
int64_t *tally_cell(struct tally *tally, size_t target, size_t package);
const int64_t *tally_cell_at(const struct tally *tally, size_t target, size_t package);
int64_t *tally_total(struct tally *tally, size_t package);
void tally_mark(struct tally *tally, size_t target, const char *reason, bool is_unread);
void tally_mark_total(struct tally *tally, size_t package, const char *reason, bool is_unread);
/* The nearest target above that has counts, TARGET_TREE_NONE. */
size_t tally_counted_above(const struct tally *tally, const struct target_tree *tree, size_t target);
/* Joins lives and takes targets below out of the nearest counted one above, never below 0: what a target without counts used stays there. */
void tally_settle(struct tally *tally, const struct target_tree *tree);
/* What all targets together have of one event, on the scale of the package's total. Who had no counter, but whose time is known exactly, is taken
 * to have its time's part. */
int64_t tally_sum(const struct tally *tally, size_t package, size_t event);
/* Adds the rows to the report, whose events are already there. packages: [n_packages] ids, NULL: the engine cannot tell. -ENOMEM. */
int tally_publish(const struct tally *tally, struct targets *targets, const int32_t *packages, struct report *report);
void tally_deinit(struct tally *tally);
