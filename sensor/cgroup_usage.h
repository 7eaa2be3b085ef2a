/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPU time of one cgroup and all below it, which the kernel keeps in cpu.stat whatever controllers are on. A stretch that is still running
 * is booked at the next scheduler tick. Source: kernel documentation, admin-guide/cgroup-v2.rst, "CPU Interface Files". */
#pragma once

#include <stdint.h>

struct host;
struct target;

/* directory_fd: the cgroup's. A descriptor, or the errno of open. */
int cgroup_usage_open(int directory_fd);
/* That of a target in the tree whose cgroups perf events count: in cgroup v1 the file that cpuacct keeps under the same path, which runtimes fill alike.
 * -ENOENT: there is none; else as target_open_cgroup and open. */
int cgroup_usage_open_target(const struct target *target, const struct host *host);
/* Since the cgroup was made, of a cpu.stat or of cgroup v1's cpuacct.usage. -ENODEV: the cgroup is gone; -EBADMSG; the errno of pread. */
int cgroup_usage_read(int fd, uint64_t *ret_us);
