/* SPDX-License-Identifier: BSD-3-Clause */
/* From a cgroup's id, as the kernel numbers it for its whole life, to its path from the cgroup2 mount. An id is never used again and a cgroup2
 * directory is never renamed, so what was found once holds, also after the cgroup is gone. */
#pragma once

#include <stdint.h>

struct cgroup_paths;

/* cgroupfs: the cgroup2 mount, NULL: none, everything is in "/". */
int cgroup_paths_new(struct cgroup_paths **ret_paths, const char *cgroupfs);
void cgroup_paths_free(struct cgroup_paths *paths);
/* The path ("/a/b", "/" for the root), borrowed until cgroup_paths_trim; NULL: gone before it was first asked for, or not ours to see
 * (CAP_DAC_READ_SEARCH). */
const char *cgroup_paths_find(struct cgroup_paths *paths, uint64_t cgroup_id);
/* Between ticks: forgets everything once it is much. */
void cgroup_paths_trim(struct cgroup_paths *paths);
