/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine as the sensor sees it: the roots of /sys, /proc, /dev and the cgroup tree, each replaceable and allowed to be partial, and
 * small files read from them. What a root lacks is an absent source, never a failed start. */
#pragma once

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
    const struct clock *clock;
    const struct log *log;
};

/* Finds the cgroup2 mount in PROCFS/self/mounts text (type cgroup2; the first one). Writes its path, or returns -ENOENT. */
int host_find_cgroupfs(const char *mounts_text, char *path, size_t path_size);

/* Reads a small file, path given by format, into text (NUL-terminated, trailing white space cut). Returns its length, -EFBIG if it does not
 * fit, or the errno of open or read. */
ssize_t host_read_text(char *text, size_t text_size, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same as a decimal number; -EINVAL if it is none, -ERANGE outside int64. */
int host_read_int64(int64_t *ret_value, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Why a reading failed, in the words of records: "vanished", "permission", "read_error". r: a negative errno. */
const char *host_reason(int r);
/* Reads an open file again from its start (sysfs and procfs make it anew). */
ssize_t host_reread(int fd, char *text, size_t text_size);
