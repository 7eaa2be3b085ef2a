/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/array.h"

#define DEPTH_MAX 64 /* a user who may make cgroups may nest them without end */

/* One walk of the tree. */
struct walk {
    struct cgroup_tree *tree;
    uint64_t generation;
    const struct cgroup_visitor *visitor;
};

static void node_free(struct cgroup_node *node)
{
    if (!node)
        return;
    free(node->path);
    free(node);
}

void cgroup_tree_deinit(struct cgroup_tree *tree)
{
    for (size_t i = 0; i < tree->n_nodes; i++)
        node_free(tree->nodes[i]);
    free(tree->nodes);
    id_map_deinit(&tree->by_inode);
    cgroup_watch_free(tree->watch);
    *tree = (struct cgroup_tree){0};
}

static int add_node(struct cgroup_tree *tree, uint64_t inode, struct cgroup_node **ret_node)
{
    int r = array_reserve(&tree->nodes, &tree->capacity, tree->n_nodes + 1, sizeof(*tree->nodes));
    if (r < 0)
        return r;
    struct cgroup_node *node = calloc(1, sizeof(*node));
    char *path = strdup(tree->path);
    if (node && path)
        r = id_map_put(&tree->by_inode, inode, node);
    if (!node || !path || r < 0) {
        free(node);
        free(path);
        return -ENOMEM;
    }
    node->inode = inode;
    node->path = path;
    tree->nodes[tree->n_nodes++] = node;
    *ret_node = node;
    return 0;
}

/* tree->path names the directory. */
static int visit(const struct walk *walk, int parent_fd, const char *name, uint64_t inode,
                 struct target **charged)
{
    const struct cgroup_visitor *visitor = walk->visitor;
    struct cgroup_node *node = id_map_get(&walk->tree->by_inode, inode);
    /* Outside cgroup2 inodes are used again: the path decides whether it is the same life. */
    if (!node || strcmp(node->path, walk->tree->path) != 0) {
        int r = add_node(walk->tree, inode, &node);
        if (r < 0)
            return r;
        visitor->meet(node, visitor->context);
    }
    node->last_seen = walk->generation;
    int r = visitor->visit(node, parent_fd, name, charged, visitor->context);
    if (r >= 0 && walk->tree->watch)
        cgroup_watch_put(walk->tree->watch, node->path, node->may_fill, &node->watched);
    return r;
}

static int open_directory(int parent_fd, const char *name, DIR **ret_directory)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_directory = fdopendir(fd);
    if (*ret_directory)
        return 0;
    int r = -errno;
    (void)close(fd);
    return r;
}

static int walk_directory(const struct walk *walk, DIR *directory, size_t path_size, int depth,
                          struct target *charged);

/* Visits one entry and what lies below it. path_size: of the parent's path, without the slash. */
static int walk_entry(const struct walk *walk, int parent_fd, const char *name, size_t path_size,
                      int depth, struct target *charged)
{
    struct cgroup_tree *tree = walk->tree;
    struct stat status;
    size_t name_size = strlen(name);
    if (path_size + 1 + name_size >= sizeof(tree->path) ||
        fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(status.st_mode))
        return 0;
    tree->path[path_size] = '/';
    memcpy(tree->path + path_size + 1, name, name_size + 1);
    int r = visit(walk, parent_fd, name, status.st_ino, &charged);
    /* File systems that do not count links of directories say 1. */
    if (r < 0 || status.st_nlink == 2 || depth >= DEPTH_MAX)
        return r;
    DIR *directory;
    r = open_directory(parent_fd, name, &directory);
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
        return r;
    if (r < 0)
        return 0; /* gone, or not ours to see */
    r = walk_directory(walk, directory, path_size + 1 + name_size, depth + 1, charged);
    (void)closedir(directory);
    return r;
}

static int walk_directory(const struct walk *walk, DIR *directory, size_t path_size, int depth,
                          struct target *charged)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno == ENOMEM ? -ENOMEM : 0;
        if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
            continue;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int r = walk_entry(walk, dirfd(directory), entry->d_name, path_size, depth, charged);
        if (r < 0)
            return r;
    }
}

int cgroup_tree_walk(struct cgroup_tree *tree, const char *root, uint64_t generation,
                     const struct cgroup_visitor *visitor)
{
    const struct walk walk = {tree, generation, visitor};
    DIR *directory;
    int r = root ? open_directory(AT_FDCWD, root, &directory) : -ENOENT;
    if (r < 0)
        return r;
    if (tree->watch)
        cgroup_watch_put(tree->watch, "", false, &tree->watched_root);
    r = walk_directory(&walk, directory, 0, 0, NULL);
    (void)closedir(directory);
    return r;
}

void cgroup_tree_forget(struct cgroup_tree *tree, uint64_t generation)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < tree->n_nodes; i++) {
        struct cgroup_node *node = tree->nodes[i];
        if (node->last_seen + 1 >= generation) {
            tree->nodes[n_kept++] = node;
            continue;
        }
        /* A directory that was renamed has the same watch under its new path. */
        if (id_map_get(&tree->by_inode, node->inode) == node) {
            id_map_remove(&tree->by_inode, node->inode);
            cgroup_watch_remove(tree->watch, &node->watched);
        }
        node_free(node);
    }
    tree->n_nodes = n_kept;
}

struct cgroup_node *cgroup_tree_find(const struct cgroup_tree *tree, uint64_t inode)
{
    return id_map_get(&tree->by_inode, inode);
}
