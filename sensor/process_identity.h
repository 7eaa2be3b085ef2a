/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a process is, from PROCFS, for those who are told of a process by its number alone. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "sensor/host.h"

struct process_identity {
    pid_t parent_pid;
    uint64_t start_ticks;
    uid_t uid;
    char comm[64];     /* raw bytes */
    char cgroup[4096]; /* path from the cgroup2 mount, raw bytes */
};

/* 0, or the negative errno of a process that is gone or cannot be read. */
int process_identity_read(const struct host *host, pid_t pid, struct process_identity *ret_identity);

/* The path behind "0::" in the text of PROCFS/PID/cgroup, which is changed: "/" where there is no cgroup2 line, so that everything lives in the root. A
 * removed cgroup's path carries a mark that is not part of its name and is cut off. */
const char *process_cgroup(char *text);
