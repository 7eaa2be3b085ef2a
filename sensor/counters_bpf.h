/* SPDX-License-Identifier: BSD-3-Clause */
/* What counters.bpf.c and the sensor share: the layout of the maps between them. */
#pragma once

#define BPF_CPUS_MAX 1024
#define BPF_EXTRA_MAX 6 /* perf events of a CPU read at a change of target, beside what the kernel counts by itself */
#define BPF_EXTRA_COLUMNS_MAX 18 /* of all types of CPUs */
#define BPF_CLOCK_MAX 4 /* clock counters of a CPU: tsc, aperf, mperf */
#define BPF_HELD_BITS 7
#define BPF_HELD_MAX (1 << BPF_HELD_BITS) /* targets that a CPU adds up for itself before it hands them in */
#define BPF_COMM_SIZE 16
#define BPF_SLOT_OTHER 0 /* what no target has, kernel threads included; the idle task has no slot */

/* Sums of one slot in one package, added to by every CPU, never reset while the slot lives. The map holds the columns that are in use, and without
 * extra events the first four counts only. */
struct bpf_sums {
    unsigned long long cpu_ns;           /* as the scheduler counts: without steal */
    unsigned long long context_switches; /* times one of its tasks was switched in */
    unsigned long long page_faults;      /* minor and major */
    unsigned long long unused;           /* two slots to a cache line */
    unsigned long long enabled_ns, running_ns; /* of the extra events while it ran */
    unsigned long long extra[BPF_EXTRA_COLUMNS_MAX];
};

/* Who has a slot: a process, or a cgroup. */
struct bpf_slot {
    unsigned long long life;      /* tells it from who had the slot before: a process' pid and start, a cgroup's id */
    unsigned long long cgroup_id; /* where the process lives, or the cgroup itself */
    unsigned long long parent_id; /* of the cgroup above, 0: not known */
    unsigned long long start_ns;  /* of the process, boot time clock */
    unsigned int tgid;            /* 0: a cgroup */
    unsigned int uid;
    unsigned int has_ended;       /* the process' last thread is gone or it left the cgroup, the cgroup is removed */
    char comm[BPF_COMM_SIZE];     /* raw bytes */
    unsigned int parent_tgid;     /* who made the process; 0: a cgroup */
};
