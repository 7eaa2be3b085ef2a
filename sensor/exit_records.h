/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel tells of every process when it ends (taskstats), so that those are known too that no look at /proc can find.
 *
 * The CPU time is what the scheduler had booked until the end was announced: what tearing the process down takes after that (some ten microseconds,
 * more where much memory is given back) is missing, and of a process that slept at times up to a scheduler tick of its last slice. Of one that never slept, up to 10 ms of what a hypervisor took may be in it.
 * Source: kernel documentation, accounting/taskstats.rst and delay-accounting.rst; linux/taskstats.h (version 12, Linux 5.19, tells the process of a thread). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct exit_record {
    pid_t pid, parent_pid; /* the parent at its end: who outlives his own is adopted, mostly by process 1 */
    uid_t uid;
    char comm[32];
    uint64_t cpu_ns;      /* of all its threads, since its birth */
    uint64_t lifetime_ns; /* monotonic clock */
};

/* Reads a netlink message of size bytes, aligned as its header, from the family of taskstats. False: it is no record of a process' end, or not a whole one. */
bool exit_record_parse(struct exit_record *ret_record, const void *message, size_t size, uint16_t family);

struct exit_records;

#define EXIT_RECORDS_BYTES (32 << 20) /* some 50,000 records */

/* buffer_bytes: of the kernel's memory at most, taken only while records wait. Needs CAP_NET_ADMIN and the initial name spaces of users and processes; none of it is needed afterwards. -EPERM; -EOPNOTSUPP: this kernel has
 * no such records, or others; the errno of a socket. */
int exit_records_open(struct exit_records **ret_exits, int buffer_bytes, struct error *err);
/* The processes that ended since the last call, sorted by pid; valid until the next one. *ret_has_lost: there were more than the buffer
 * held meanwhile. -ENOMEM. */
int exit_records_take(struct exit_records *exits, const struct exit_record **ret_records, size_t *ret_n, bool *ret_has_lost);
void exit_records_close(struct exit_records *exits);
