/* SPDX-License-Identifier: BSD-3-Clause */
/* kernfs lets a directory be opened by its id (open_by_handle_at): one call, no walk. */
#include "sensor/cgroup_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/scope.h"
#include "sensor/id_map.h"

#define FILEID_KERNFS 0xfe /* source: include/linux/exportfs.h */
#define PATHS_MAX 20000

struct cgroup_paths {
    int mount_fd;
    size_t mount_length;
    struct id_map by_id;
    char **paths; /* [n_paths], owned */
    size_t n_paths, capacity;
};

/* The mount as the kernel spells it, so that paths can be cut at its length. */
static int mount_length(int mount_fd, size_t *ret_length)
{
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", mount_fd);
    ssize_t length = readlink(link, path, sizeof(path));
    if (length < 0)
        return -errno;
    *ret_length = (size_t)length;
    return 0;
}

int cgroup_paths_new(struct cgroup_paths **ret_paths, const char *cgroupfs)
{
    struct cgroup_paths *paths = calloc(1, sizeof(*paths));
    if (!paths)
        return -ENOMEM;
    paths->mount_fd = cgroupfs ? open(cgroupfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (paths->mount_fd >= 0 && mount_length(paths->mount_fd, &paths->mount_length) < 0) {
        (void)close(paths->mount_fd);
        paths->mount_fd = -1;
    }
    *ret_paths = paths;
    return 0;
}

static void forget_all(struct cgroup_paths *paths)
{
    for (size_t i = 0; i < paths->n_paths; i++)
        free(paths->paths[i]);
    paths->n_paths = 0;
    id_map_deinit(&paths->by_id);
    paths->by_id = (struct id_map){0};
}

void cgroup_paths_free(struct cgroup_paths *paths)
{
    if (!paths)
        return;
    forget_all(paths);
    free(paths->paths);
    scope_close(&paths->mount_fd);
    free(paths);
}

static int open_by_id(int mount_fd, uint64_t id)
{
    union {
        struct file_handle head;
        char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
    } handle = {.head = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
    memcpy(handle.head.f_handle, &id, sizeof(id));
    return open_by_handle_at(mount_fd, &handle.head, O_PATH | O_CLOEXEC);
}

static char *look_up(const struct cgroup_paths *paths, uint64_t id)
{
    char link[64], path[PATH_MAX];
    SCOPED(scope_close) int fd = open_by_id(paths->mount_fd, id);
    if (fd < 0)
        return NULL;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length < (ssize_t)paths->mount_length)
        return NULL;
    path[length] = '\0';
    const char *below = path + paths->mount_length;
    return strdup(*below ? below : "/");
}

const char *cgroup_paths_find(struct cgroup_paths *paths, uint64_t cgroup_id)
{
    const char *known = id_map_get(&paths->by_id, cgroup_id);
    if (known)
        return known;
    if (paths->mount_fd < 0)
        return "/"; /* nobody can make cgroups where the tree is not mounted */
    if (array_reserve(&paths->paths, &paths->capacity, paths->n_paths + 1, sizeof(char *)) < 0)
        return NULL;
    char *path = look_up(paths, cgroup_id);
    if (!path || id_map_put(&paths->by_id, cgroup_id, path) < 0) {
        free(path);
        return NULL;
    }
    paths->paths[paths->n_paths++] = path;
    return path;
}

void cgroup_paths_trim(struct cgroup_paths *paths)
{
    if (paths->n_paths > PATHS_MAX)
        forget_all(paths);
}
