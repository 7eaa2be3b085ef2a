/* SPDX-License-Identifier: BSD-3-Clause */
/* The directories of the tree of cgroups, by inode. A walk is of the whole tree: it cannot miss an event or overflow a queue. It stays cheap
 * because a directory without subdirectories (two links) is never opened. With a watch, each directory met is watched, so that the owner knows
 * when to walk. The zero value is an empty tree. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor/cgroup_watch.h"
#include "sensor/id_map.h"

struct target;

/* A directory, target or not: what was decided once about a path is not decided again. */
struct cgroup_node {
    uint64_t inode;
    char *path;             /* from the mount, raw bytes */
    bool is_allowed;        /* by the rules */
    bool is_taken;          /* targets_each_new_cgroup gave it and it was taken */
    struct target *target;
    struct target *charged; /* itself or the nearest target above, NULL: other */
    uint64_t last_seen;     /* generation of the walk that met it last */
    bool may_fill;          /* set by visit: it becomes a target when a process enters */
    struct watched_directory watched;
};

struct cgroup_tree {
    struct cgroup_node **nodes;
    size_t n_nodes, capacity;
    struct id_map by_inode;
    char path[PATH_MAX]; /* of the directory being walked */
    struct cgroup_watch *watch; /* NULL: nobody asked for one; freed with the tree */
    struct watched_directory watched_root;
};

/* What is done with the directories of a walk. */
struct cgroup_visitor {
    /* Another directory is there for the first time. */
    void (*meet)(struct cgroup_node *node, void *context);
    /* Each, parents first: name is its name below parent_fd; charged is the nearest target above, and becomes the nearest for what lies
     * below. Negative errors end the walk. */
    int (*visit)(struct cgroup_node *node, int parent_fd, const char *name, struct target **charged, void *context);
    void *context;
};

void cgroup_tree_deinit(struct cgroup_tree *tree);
/* Visits all directories below root (NULL: -ENOENT), not root itself and not what lies deeper than 64 levels; one that vanishes on the way, or is not ours
 * to see, is none. Errors of opening root, of the visitor, -EMFILE, -ENFILE, -ENOMEM. */
int cgroup_tree_walk(struct cgroup_tree *tree, const char *root, uint64_t generation, const struct cgroup_visitor *visitor);
/* Forgets what no walk has met since the generation before this one: what was removed since the last look still has counts to be charged. */
void cgroup_tree_forget(struct cgroup_tree *tree, uint64_t generation);
/* NULL: not there. */
struct cgroup_node *cgroup_tree_find(const struct cgroup_tree *tree, uint64_t inode);
