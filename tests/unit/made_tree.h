/* SPDX-License-Identifier: BSD-3-Clause */
/* A made-up root for tests: a temporary directory, files written into it, everything removed at the end. */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct made_tree {
    char root[64];
};

static inline void made_tree_new(struct made_tree *tree)
{
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/watt-tree-XXXXXX");
    if (!mkdtemp(tree->root))
        abort();
}

static inline void made_tree_path(const struct made_tree *tree, const char *name, char *path)
{
    if (snprintf(path, PATH_MAX, "%s/%s", tree->root, name) >= PATH_MAX)
        abort();
}

/* Makes every directory on the way to the last slash. */
static inline void made_tree_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            abort();
        *slash = '/';
    }
}

static inline void made_tree_mkdir(const struct made_tree *tree, const char *name)
{
    char path[PATH_MAX];
    made_tree_path(tree, name, path);
    made_tree_parents(path);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        abort();
}

static inline void made_tree_write_bytes(const struct made_tree *tree, const char *name,
                                         const char *bytes, size_t size)
{
    char path[PATH_MAX];
    made_tree_path(tree, name, path);
    made_tree_parents(path);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static inline void made_tree_write(const struct made_tree *tree, const char *name, const char *text)
{
    made_tree_write_bytes(tree, name, text, strlen(text));
}

static inline int made_tree_remove_one(const char *path, const struct stat *status, int type,
                                       struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

/* Removes one name and what lies below it; "" removes all. */
static inline void made_tree_remove(const struct made_tree *tree, const char *name)
{
    char path[PATH_MAX];
    made_tree_path(tree, name, path);
    if (nftw(path, made_tree_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        abort();
}
