/* SPDX-License-Identifier: BSD-3-Clause */
/* A cgroup of its own for what is to be measured, on the cgroup2 mount: made, entered and removed through libcgroup, or a transient scope
 * where systemd rules the tree. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

struct workload_cgroup;

/* Makes it. name: one path component; below the root of the tree for root, else below our own cgroup. -EPERM, -EACCES say what would help.
 * A process that does nothing lives in it, so that it is a target as long as we need it. */
int workload_cgroup_new(struct workload_cgroup **ret_cgroup, const char *name, struct error *err);
/* Moves a process in, with all its threads. */
int workload_cgroup_add(struct workload_cgroup *cgroup, pid_t pid, struct error *err);
/* Path from the mount: "/watt-run-17". */
const char *workload_cgroup_path(const struct workload_cgroup *cgroup);
/* Removes it; processes that are still in it go back to where they came from, those born in it to where the first came from. NULL is fine. 0, or why it is left behind. */
int workload_cgroup_free(struct workload_cgroup *cgroup, struct error *err);
