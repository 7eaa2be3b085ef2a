/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes of this machine and the CPU time each used between two looks, found without any privilege.
 *
 * Resolution: on the real PROCFS of our own pid namespace, CPU time is the process' CPU clock (clock_getcpuclockid(3)): nanoseconds, all threads,
 * ended ones included, behind by at most a scheduler tick for a thread that runs on another CPU. It needs no right and no file, and what did
 * not move needs no further look. Elsewhere it is utime + stime of PROCFS/PID/stat: clock ticks, 10 ms.
 * Kernel threads are no targets.
 *
 * With CAP_NET_ADMIN at the opening the kernel tells of every process that ends (exit_records.h): the last stretch of those that were seen is then
 * theirs, and those that were born and ended between two looks count under "PATH:COMM" in the cgroup of their parent, which nobody can look up any more
 * for themselves; what records lack is taken from the cgroups' books (exit_rest.h). Where the parent is not known either (it was process 1, which adopts: nobody knows whose they were) they
 * show as other. Without that right both show as other. */
#pragma once

#include "sensor/targets.h"

struct process_table;

/* -errno if PROCFS cannot be listed. */
int process_table_new(struct process_table **ret_table, const struct host *host, struct error *err);
void process_table_free(struct process_table *table);

/* Why ends are not told, lives with the table; NULL: they are. */
const struct error *process_table_blindness(const struct process_table *table);

/* Looks at every process and announces those that are targets. The first look only takes baselines. 0, PROCESSES_LOST: more ended than the kernel
 * could tell of, the rest of them shows as other; -ENOMEM, or the errno of listing PROCFS; what failed for one process is that process' loss. */
enum { PROCESSES_LOST = 1 };
int process_table_scan(struct process_table *table, struct targets *targets);
/* CPU time of a target's process, or of the processes of its command, between the last two looks; 0 if it has none. */
uint64_t process_table_cpu_ns(const struct targets *targets, const struct target *target);
/* A target is about to be dropped. */
void process_table_release(struct target *target);
