/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a process is, from PROCFS, for those who are told of a process by its number alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sensor/host.h"

struct process_identity {
    pid_t parent_pid;
    uint64_t start_ticks;
    uid_t uid;
    char comm[64];     /* raw bytes */
    char cgroup[4096]; /* path from the mount, raw bytes */
};

/* is_v1: the path is that of cgroup v1's perf_event hierarchy. 0, or the negative errno of a process that is gone or cannot be read. */
int process_identity_read(const struct host *host, bool is_v1, pid_t pid, struct process_identity *ret_identity);

/* The path in the text of PROCFS/PID/cgroup, which is changed: that of the hierarchy with perf_event if is_v1 and there is one, else of cgroup2
 * ("0::"); "/" where there is none, so that everything lives in the root. A removed cgroup's path carries a mark that is not part of its name and is
 * cut off. Source: cgroups(7). */
const char *process_cgroup(char *text, bool is_v1);
