/* SPDX-License-Identifier: BSD-3-Clause */
/* Which cgroup target lies in which. The kernel counts a cgroup with all its descendants; targets must not overlap, so what belongs to a
 * target below is taken out of the one above. */
#pragma once

#include "sensor/targets.h"

#define TARGET_TREE_NONE SIZE_MAX

struct target_tree {
    size_t n_targets;
    size_t *parent; /* [n_targets] index of the nearest target above, TARGET_TREE_NONE */
    size_t *life;   /* [n_targets] two lives of one path share a row: the index of the one that has it, else its own */
    size_t *order;  /* [n_targets] indices, the nearest to the root first, then the older */
    size_t capacity;
};

/* For the targets as they stand; indices are those of targets_at. -ENOMEM. */
int target_tree_build(struct target_tree *tree, struct targets *targets);
void target_tree_deinit(struct target_tree *tree);
