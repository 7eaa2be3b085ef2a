/* SPDX-License-Identifier: BSD-3-Clause */
/* A cgroup of its own for what is to be measured, on the cgroup2 mount or, where there is none, in cgroup v1's perf_event hierarchy: made, entered and
 * removed through libcgroup, or a transient scope where systemd rules the tree. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct error;

struct workload_cgroup;

/* Where it is made. A sensor that is to see it counts there (--cgroupfs). */
struct workload_tree {
    char mount[PATH_MAX];
    char controller[64]; /* of a cgroup v1 hierarchy; "": cgroup2 */
};

/* The cgroup2 mount, else that of cgroup v1's perf_event. -ENODEV says what to mount. */
int workload_tree_find(struct workload_tree *ret_tree, struct error *err);

/* What happens to the processes in it when we are killed. */
enum workload_orphan {
    WORKLOAD_STAYS,   /* they stay to their end, and then the cgroup is removed; in a cgroup v1 hierarchy, which does not tell of it, as below */
    WORKLOAD_RETURNS, /* they go back at once to where they came from, and the cgroup is removed */
};

/* Makes it for a process and moves that in: below the cgroup where the process is, so that the limits set there go on to hold and whoever counts
 * there goes on to count it. name: one path component. -EACCES says what would help.
 * A process that does nothing lives in it too, so that it is a target as long as we need it, and tidies up when we are killed. */
int workload_cgroup_new(struct workload_cgroup **ret_cgroup, const struct workload_tree *tree, const char *name, pid_t pid,
                        enum workload_orphan orphan, struct error *err);
/* Moves another process in, with all its threads, unless it is there. Not into a scope that systemd made. */
int workload_cgroup_add(struct workload_cgroup *cgroup, pid_t pid, struct error *err);
/* Path from the mount: "/watt-run-17-1". */
const char *workload_cgroup_path(const struct workload_cgroup *cgroup);
/* Whether somebody but the keeper is in it or below it; who has ended and waits for its parent is not. */
bool workload_cgroup_is_used(const struct workload_cgroup *cgroup);
/* Removes it and what was made below it; processes that are still there go back to where they came from, those born there to the cgroup above. NULL is
 * fine. 0, or why it is left behind. */
int workload_cgroup_free(struct workload_cgroup *cgroup, struct error *err);
