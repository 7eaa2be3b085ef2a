/* SPDX-License-Identifier: BSD-3-Clause */
/* A recorded machine's tree, all of whose files can be broken and put back. It is built once; counters are plain files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/hwsim/recorded.h"

struct breakable_file {
    char path[200]; /* below the root */
    char *bytes;    /* a link's target */
    size_t size;
    bool is_link, is_zone, is_msr;
    bool is_broken;
};

struct breakable_tree {
    struct recorded recorded;
    struct breakable_file *files;
    size_t n_files, capacity;
    size_t n_few; /* those that are not one per CPU: they come first */
};

/* What is decided, byte by byte; zeros once the bytes are used up. */
struct decisions {
    const uint8_t *bytes;
    size_t size, used;
};

static inline uint8_t decisions_next(struct decisions *decisions)
{
    return decisions->used < decisions->size ? decisions->bytes[decisions->used++] : 0;
}

void breakable_tree_init(struct breakable_tree *tree, const char *path);
void breakable_tree_deinit(struct breakable_tree *tree);

/* Breaks one file, in a way that is decided. */
void breakable_tree_break(struct breakable_tree *tree, struct breakable_file *file, struct decisions *decisions);
/* Puts everything back. */
void breakable_tree_mend(struct breakable_tree *tree);
void breakable_tree_write(const struct breakable_tree *tree, const struct breakable_file *file, const char *bytes, size_t size);
