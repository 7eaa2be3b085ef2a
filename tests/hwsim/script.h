/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults, from a text of lines `WHEN COUNTER FAULT [for LENGTH]`; '#' begins a comment.
 *   WHEN     `read N` (the N-th read of that counter, from 1) or `time SECONDS` (of the simulator's clock)
 *   COUNTER  `package-0`, `dram-1`, `core-0`, `psys`, or `all`; `cpu-0` for offline
 *   FAULT    eio, enodev, enxio, eagain, einval: reads fail          stuck: the value stays, then catches up
 *            late: updates are seen 60 ms late   offline: a CPU, its device and its topology go away (time only)
 *            reset: begins again at 0      vanish: the package's zones, devices and CPUs go away (time only)
 *            wrap: the 32 bits run over at this moment if nobody uses the machine before (time only)
 *   LENGTH   in reads, or in seconds; 1 read or 1 s if not given */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/hwsim/machine.h"

#define FAULTS_MAX 64
#define FAULT_LATE_NS UINT64_C(60000000) /* the slowest update seen on real machines */

enum fault_kind { FAULT_ERROR, FAULT_STUCK, FAULT_RESET, FAULT_VANISH, FAULT_WRAP, FAULT_LATE, FAULT_OFFLINE };

struct fault {
    enum fault_kind kind;
    int error;              /* FAULT_ERROR: the errno */
    bool is_all, by_read;
    enum sim_domain domain;
    int package;            /* -1: psys */
    int cpu;                /* FAULT_OFFLINE, else -1 */
    uint64_t from, length;  /* reads, or ns */
    uint64_t n_hits;        /* reads that met it */
};

struct script {
    struct fault faults[FAULTS_MAX];
    int n_faults;
};

/* path NULL: no faults. -EBADMSG names file and line. */
int script_read(struct script *ret_script, const char *path, struct error *err);

/* Whether the fault is about this counter, and whether its time is now (reset: has come). */
bool fault_is_about(const struct fault *fault, enum sim_domain domain, int package);
bool fault_is_now(const struct fault *fault, uint64_t n_reads, uint64_t now_ns);
