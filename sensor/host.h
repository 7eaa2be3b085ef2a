/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine as the sensor sees it: the roots of /sys, /proc, /dev and the cgroup tree, each replaceable and allowed to be partial, and
 * small files read from them. What a root lacks is an absent source, never a failed start. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"

struct error;
struct log;

struct host {
    const char *sysfs, *procfs, *devfs; /* directories, borrowed: "/sys", "/proc", "/dev" */
    const char *cgroupfs;               /* the cgroup2 mount, NULL: none found */
    const char *perf_cgroupfs;          /* cgroup v1: where the hierarchy with perf_event is, NULL: none, cgroup2 has it */
    const char *cpuacct_cgroupfs;       /* cgroup v1: where the one with cpuacct is, NULL: none */
    const struct clock *clock;
    const struct log *log;
};

/* Finds the first cgroup2 mount (controller NULL) or cgroup v1 mount that has a controller in PROCFS/self/mounts text; at: only if it is there (NULL:
 * anywhere). Writes its path, or returns -ENOENT. */
int host_find_cgroupfs(const char *mounts_text, const char *controller, const char *at, char *path, size_t path_size);

/* Where found mounts are kept. */
struct host_mounts {
    char cgroup2[PATH_MAX], perf_event[PATH_MAX], cpuacct[PATH_MAX];
};
/* Fills the host's trees of cgroups as PROCFS/self/mounts has them. asked: a tree to be used alone, borrowed (NULL: what there is); it is cgroup2
 * unless it is mounted as cgroup v1's perf_event. */
void host_find_trees(struct host *host, const char *asked, struct host_mounts *mounts);
/* The tree whose cgroups perf events count, NULL: none. A controller is in one hierarchy only: what cgroup v1 has, cgroup2 has not. */
const char *host_perf_tree(const struct host *host);

/* Reads a small file, path given by format, into text (NUL-terminated, trailing white space cut). Returns its length, -EFBIG if it does not
 * fit, or the errno of open or read. */
ssize_t host_read_text(char *text, size_t text_size, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same without cutting anything, for names that may end in white space; path as in openat. */
ssize_t host_read_as_it_is(char *text, size_t text_size, int directory_fd, const char *path);
/* The same as a decimal number; -EINVAL if it is none, -ERANGE outside int64. */
int host_read_int64(int64_t *ret_value, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Why a reading failed, in the words of records: "vanished", "permission", "read_error". r: a negative errno. */
const char *host_reason(int r);
/* Reads an open file again from its start (sysfs and procfs make it anew). */
ssize_t host_reread(int fd, char *text, size_t text_size);
