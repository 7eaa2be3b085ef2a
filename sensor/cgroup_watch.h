/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells by events that cgroups came, went or got processes, so that a tree in which nothing happens is not walked. One inotify watch per directory:
 * they do not reach below it. What the kernel cannot tell shows at the next walk, which is for the caller to make now and then.
 * Source: inotify(7). */
#pragma once

#include <stdbool.h>

struct log;
struct cgroup_watch;

/* What is watched of one directory; the zero value is nothing. */
struct watched_directory {
    int id; /* the kernel's, 0: none */
    bool has_members;
};

/* Never fails but for -ENOMEM: without inotify it says once why, and that everything has always changed. root is copied. */
int cgroup_watch_new(struct cgroup_watch **ret_watch, const char *root, const struct log *log);
void cgroup_watch_free(struct cgroup_watch *watch);

/* Watches the directory at a path below root ("" is root itself, "/a/b") for cgroups in it and, has_members, for processes that enter it; again
 * with other wishes changes them. What is gone, not ours to see, or longer than a path may be is not watched. Once the kernel has no watches left
 * all are given back: that is said once, and everything has always changed from then on. */
void cgroup_watch_put(struct cgroup_watch *watch, const char *path, bool has_members, struct watched_directory *directory);
/* The directory is gone: kernfs does not end its watches by itself. NULL watch is fine. */
void cgroup_watch_remove(struct cgroup_watch *watch, struct watched_directory *directory);

/* Whether anything has happened since the previous call. True at first, and when directories were newly watched since: what happened between
 * the look at them and that was not told. Members are told of when they are moved in (cgroup.procs, cgroup.threads, tasks) and, on cgroup2, when
 * the first one is born there (clone3; cgroup.events). */
bool cgroup_watch_has_changed(struct cgroup_watch *watch);
