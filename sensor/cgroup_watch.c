/* SPDX-License-Identifier: BSD-3-Clause */
/* A write to a cgroup's file is told to whoever watches its directory, with the file's name; so is
 * a change of cgroup.events, which the kernel makes itself, if that file's inode is in memory. */
#include "sensor/cgroup_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/scope.h"

#define TREE_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define WATCH_FLAGS (IN_ONLYDIR | IN_DONT_FOLLOW)

struct cgroup_watch {
    int fd;       /* -1: the kernel tells nothing */
    bool has_new; /* directories are watched that were not at the last question */
    const struct log *log;
    char *root;
};

static void give_up(struct cgroup_watch *watch, int code)
{
    scope_close(&watch->fd);
    watch->fd = -1;
    log_warning(watch->log, "the tree of cgroups is walked on each tick: inotify: %s%s",
                strerror(code),
                code == ENOSPC   ? "; sysctl fs.inotify.max_user_watches raises the limit"
                : code == EMFILE ? "; sysctl fs.inotify.max_user_instances raises the limit"
                                 : "");
}

int cgroup_watch_new(struct cgroup_watch **ret_watch, const char *root, const struct log *log)
{
    struct cgroup_watch *watch = calloc(1, sizeof(*watch));
    char *copy = strdup(root);
    if (!watch || !copy) {
        free(watch);
        free(copy);
        return -ENOMEM;
    }
    watch->root = copy;
    watch->has_new = true;
    watch->log = log;
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        give_up(watch, errno);
    *ret_watch = watch;
    return 0;
}

void cgroup_watch_free(struct cgroup_watch *watch)
{
    if (!watch)
        return;
    scope_close(&watch->fd);
    free(watch->root);
    free(watch);
}

/* Brings the inode of cgroup.events into memory; cgroup v1 has no such file. */
static void look_at_events(const char *directory)
{
    char path[PATH_MAX];
    struct stat status;
    if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.events", directory) < sizeof(path))
        (void)lstat(path, &status);
}

void cgroup_watch_put(struct cgroup_watch *watch, const char *path, bool has_members,
                      struct watched_directory *directory)
{
    char name[PATH_MAX];
    if (watch->fd < 0 || (directory->id > 0 && directory->has_members == has_members && *path))
        return;
    int length = snprintf(name, sizeof(name), "%s%s", watch->root, path);
    if (length < 0 || (size_t)length >= sizeof(name))
        return;
    uint32_t mask = TREE_EVENTS | WATCH_FLAGS | (has_members ? IN_MODIFY : 0);
    int id = inotify_add_watch(watch->fd, name, mask);
    if (id < 0 && (errno == ENOSPC || errno == ENOMEM)) {
        give_up(watch, errno);
        return;
    }
    if (id < 0)
        return;
    watch->has_new |= id != directory->id || (has_members && !directory->has_members);
    *directory = (struct watched_directory){id, has_members};
    if (has_members)
        look_at_events(name);
}

void cgroup_watch_remove(struct cgroup_watch *watch, struct watched_directory *directory)
{
    if (watch && watch->fd >= 0 && directory->id > 0)
        (void)inotify_rm_watch(watch->fd, directory->id);
    *directory = (struct watched_directory){0};
}

static bool is_membership(const char *name)
{
    static const char *const files[] = {"cgroup.procs", "cgroup.threads", "tasks", "cgroup.events"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (!strcmp(name, files[i]))
            return true;
    return false;
}

static bool is_change(const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    if (event->mask & IN_MODIFY)
        return event->len > 0 && is_membership(event->name);
    return (event->mask & TREE_EVENTS) && (event->mask & IN_ISDIR);
}

bool cgroup_watch_has_changed(struct cgroup_watch *watch)
{
    _Alignas(struct inotify_event) char buffer[16384];
    bool has_changed = watch->has_new || watch->fd < 0;
    ssize_t size;
    watch->has_new = false;
    while (watch->fd >= 0 && (size = read(watch->fd, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
            has_changed |= is_change(event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    return has_changed;
}
