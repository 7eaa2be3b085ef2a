/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes of this machine and the CPU time each used between two looks, found without any privilege.
 *
 * Resolution: on the real PROCFS of our own pid namespace, CPU time is the process' CPU clock (clock_getcpuclockid(3)): nanoseconds, all threads,
 * ended ones included, behind by at most a scheduler tick for a thread that runs on another CPU. It needs no right and no file, and what did
 * not move needs no further look. Elsewhere it is utime + stime of PROCFS/PID/stat: clock ticks, 10 ms.
 * The last stretch of a process that ended between two looks is not seen; it shows as other. Kernel threads are no targets. */
#pragma once

#include "sensor/targets.h"

struct process_table;

/* -errno if PROCFS cannot be listed. */
int process_table_new(struct process_table **ret_table, const struct host *host, struct error *err);
void process_table_free(struct process_table *table);

/* Looks at every process and announces those that are targets. The first look only takes baselines. 0, -ENOMEM, or the errno of listing
 * PROCFS; what failed for one process is that process' loss. */
int process_table_scan(struct process_table *table, struct targets *targets);
/* CPU time of a target's process between the last two looks; 0 if it has none. */
uint64_t process_table_cpu_ns(const struct target *target);
/* A target is about to be dropped. */
void process_table_release(struct target *target);
