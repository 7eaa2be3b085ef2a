/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted by path, two lives of one path stand side by side, and the target above is found by
 * cutting components off. */
#include "sensor/target_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"

struct place {
    const char *path;
    size_t index;
};

static int compare_paths(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int compare_path_only(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static int compare_depths(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    size_t x_depth = depth_of(x->path), y_depth = depth_of(y->path);
    return x_depth != y_depth ? (x_depth > y_depth) - (x_depth < y_depth)
                              : (x->index > y->index) - (x->index < y->index);
}

static int reserve(struct target_tree *tree, size_t n_targets)
{
    if (n_targets <= tree->capacity)
        return 0;
    size_t capacity = n_targets * 2;
    size_t *block = calloc(capacity * 3, sizeof(size_t));
    if (!block)
        return -ENOMEM;
    free(tree->parent);
    tree->parent = block;
    tree->life = block + capacity;
    tree->order = block + 2 * capacity;
    tree->capacity = capacity;
    return 0;
}

/* The life that still goes on has the row; if none does, the newest. */
static void join_lives(struct target_tree *tree, struct targets *targets,
                       const struct place *places)
{
    for (size_t first = 0; first < tree->n_targets;) {
        size_t end = first + 1;
        while (end < tree->n_targets && !strcmp(places[end].path, places[first].path))
            end++;
        size_t row = places[end - 1].index;
        for (size_t i = first; i < end; i++)
            if (!target_has_vanished(targets, targets_at(targets, places[i].index)))
                row = places[i].index;
        for (size_t i = first; i < end; i++)
            tree->life[places[i].index] = row;
        first = end;
    }
}

static size_t find_parent(const struct target_tree *tree, const struct place *places,
                          const char *path)
{
    char above[PATH_MAX];
    (void)snprintf(above, sizeof(above), "%s", path);
    for (char *slash = strrchr(above, '/'); slash && slash != above; slash = strrchr(above, '/')) {
        *slash = '\0';
        const struct place key = {above, 0};
        const struct place *found =
            bsearch(&key, places, tree->n_targets, sizeof(key), compare_path_only);
        if (found)
            return tree->life[found->index];
    }
    return TARGET_TREE_NONE;
}

int target_tree_build(struct target_tree *tree, struct targets *targets)
{
    size_t n = targets_count(targets);
    SCOPED(scope_free) struct place *places = calloc(n ? n : 1, sizeof(*places));
    if (!places || reserve(tree, n) < 0)
        return -ENOMEM;
    tree->n_targets = n;
    for (size_t i = 0; i < n; i++) {
        const char *cgroup = targets_at(targets, i)->cgroup;
        places[i] = (struct place){cgroup ? cgroup : "", i};
    }
    qsort(places, n, sizeof(*places), compare_paths);
    join_lives(tree, targets, places);
    for (size_t i = 0; i < n; i++)
        tree->parent[places[i].index] = find_parent(tree, places, places[i].path);
    qsort(places, n, sizeof(*places), compare_depths);
    for (size_t i = 0; i < n; i++)
        tree->order[i] = places[i].index;
    return 0;
}

void target_tree_deinit(struct target_tree *tree)
{
    free(tree->parent);
    *tree = (struct target_tree){0};
}
