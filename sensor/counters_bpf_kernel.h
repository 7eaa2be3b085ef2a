/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The few types of the kernel that counters.bpf.c looks into, with the fields that it uses and no others: their places are found in the
 * running kernel's BTF when the program is loaded (CO-RE). */
#pragma once

#include <linux/types.h>

#include "sensor/counters_bpf.h"

#ifdef __bpf__
#define CORE __attribute__((preserve_access_index))
#else
#define CORE /* only so that it compiles alone */
#endif
#define APART static __attribute__((noinline, unused)) /* what is rare stays out of the way of what is not */
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

struct kernfs_node {
    u64 id;
} CORE;

struct cgroup_root {
    int hierarchy_id;
} CORE;

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
} CORE;

struct cgroup {
    struct cgroup_subsys_state self;
    struct kernfs_node *kn;
    struct cgroup_root *root;
} CORE;

struct css_set {
    struct cgroup *dfl_cgrp;
} CORE;

struct sched_entity {
    u64 exec_start, sum_exec_runtime, prev_sum_exec_runtime;
} CORE;

struct kuid {
    u32 val;
} CORE;

struct cred {
    struct kuid uid;
} CORE;

struct atomic {
    int counter;
} CORE;

struct signal_struct {
    struct atomic live;
} CORE;

struct task_struct {
    int pid, tgid, prio;
    int on_cpu; /* not in kernels for one CPU */
    unsigned int flags;
    unsigned long nvcsw, nivcsw, min_flt, maj_flt; /* the first two: how often it was switched out */
    struct sched_entity se;
    struct task_struct *real_parent, *group_leader;
    struct signal_struct *signal;
    struct css_set *cgroups;
    const struct cred *cred;
    u64 start_boottime;
    char comm[BPF_COMM_SIZE];
} CORE;
