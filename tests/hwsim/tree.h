/* SPDX-License-Identifier: BSD-3-Clause */
/* Which files there are: sys/class/powercap and the zones behind it, sys/devices/system/cpu, sys/bus/event_source/devices (links to the
 * machine's own PMUs, but for `power`), dev/cpu/N/msr, proc (links to the machine's own, but for cpuinfo), clock and truth,
 * and the made files below sys. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "tests/hwsim/energy.h"

enum node_kind {
    NODE_FOLDER,
    NODE_MIRROR, /* a folder of links to what the folder `text` holds, besides its own nodes */
    NODE_LINK,   /* to `text` */
    NODE_TEXT,   /* `text` */
    NODE_ONLINE, /* the CPUs that have not vanished */
    NODE_CPUMASK, /* of the power PMU: the first of them in each package */
    NODE_ZONE,   /* energy_uj of counter `number` */
    NODE_MSR,    /* of CPU `number` */
    NODE_FILE,   /* what `file` says */
    NODE_CLOCK,
    NODE_TRUTH,
};

struct node {
    char path[200]; /* "/sys/..." within the tree; "" the root */
    char text[128];
    enum node_kind kind;
    mode_t mode;
    int package;    /* it vanishes with that package; -1: stays */
    int cpu;        /* and with that CPU; -1: with none */
    int number;
    const struct sys_file *file; /* it, or its folder, comes and goes; NULL: stays */
};

struct file;

struct tree {
    struct energy *energy;
    struct node *nodes;
    size_t n_nodes, capacity;
    struct file *open_files; /* serve.c's */
};

int tree_init(struct tree *ret_tree, struct energy *energy);
void tree_deinit(struct tree *tree);
bool tree_is_gone(const struct tree *tree, const struct node *node);
/* NULL: no such node, or it has vanished. */
const struct node *tree_find(const struct tree *tree, const char *path);
/* Whether the node has vanished, itself or with its package or a folder above it. */
bool tree_is_gone(const struct tree *tree, const struct node *node);
/* The name within folder if path stands directly in it, else NULL. */
const char *tree_child(const char *folder, const char *path);
/* Where a path that a mirror covers points to; -ENOENT if nowhere. */
int tree_mirror(const struct tree *tree, const char *path, char *target, size_t size);
