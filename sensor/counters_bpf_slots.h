/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Part of counters.bpf.c: who has which slot. Free slots lie in a ring that the sensor fills; a process finds its slot in storage of its own, a
 * cgroup by its id. A slot knows whose life it is of, so that what was freed and given to another is noticed. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "sensor/counters_bpf.h"
#include "sensor/counters_bpf_kernel.h"

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000
#define LIFE_OF_KERNEL 1 /* all kernel threads; no process has it */

const volatile __u32 free_mask = 0; /* max_entries of free_slots - 1, a power of two - 1 */

__u64 free_taken;    /* slots taken from the ring of free ones, by both */
__u64 free_given;    /* slots put there, by the sensor */
__u64 slots_missing; /* times somebody found no free slot and was charged to other */

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct bpf_slot);
} slots SEC(".maps");

/* One bit per slot: the sensor looks at 64 in one go. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, u64);
} used_slots SEC(".maps");

/* Of 8 bytes each, as arrays are laid out in such steps. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, u64);
} free_slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, u64);
    __type(value, u32);
} slot_of_cgroup SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, u32);
} slot_of_process SEC(".maps");

static __always_inline u64 cgroup_id_of(struct task_struct *task)
{
    return task->cgroups->dfl_cgrp->kn->id;
}

/* Unlike the leader's address this is not used again by the next process. */
static __always_inline u64 life_of_process(struct task_struct *task)
{
    if (task->flags & PF_KTHREAD)
        return LIFE_OF_KERNEL;
    return (u64)task->tgid << 32 | (u32)(task->group_leader->start_boottime >> 10);
}

/* Who loses the race for a place eight times in a row is charged to other until the next flush. */
static inline u32 take_free_slot(void)
{
    for (int tries = 0; tries < 8; tries++) {
        u64 taken = free_taken;
        if (taken >= free_given)
            break;
        u32 place = (u32)taken & free_mask;
        u64 *slot = bpf_map_lookup_elem(&free_slots, &place);
        u32 number = slot ? (u32)*slot : BPF_SLOT_OTHER;
        if (__sync_val_compare_and_swap(&free_taken, taken, taken + 1) == taken)
            return number;
    }
    __sync_fetch_and_add(&slots_missing, 1);
    return BPF_SLOT_OTHER;
}

/* From here on the sensor sees the slot. */
static inline void mark_used(u32 number)
{
    u32 place = number / 64;
    u64 *word = bpf_map_lookup_elem(&used_slots, &place);
    if (word)
        __sync_fetch_and_or(word, 1ull << (number % 64));
}

/* The storage of a process says which slot it has, but maybe of the time before a move, or of a
 * slot that was freed since: the slot says whether it is of this very life. */
static inline struct bpf_slot *slot_in_storage(const u32 *stored, u64 life)
{
    struct bpf_slot *slot = stored ? bpf_map_lookup_elem(&slots, stored) : NULL;
    return slot && slot->life == life ? slot : NULL;
}

/* Two threads may get here at once, and there may be no memory: false if the slot was not kept. */
static inline bool keep_in_storage(struct task_struct *leader, u32 *stored, u32 number)
{
    if (stored) {
        u32 old = *stored;
        return __sync_val_compare_and_swap(stored, old, number) == old;
    }
    stored =
        bpf_task_storage_get(&slot_of_process, leader, &number, BPF_LOCAL_STORAGE_GET_F_CREATE);
    return stored && *stored == number;
}

static inline u32 new_process_slot(struct task_struct *leader, struct task_struct *parent, u64 life,
                            u32 *stored)
{
    u32 number = take_free_slot();
    struct bpf_slot *slot = bpf_map_lookup_elem(&slots, &number);
    if (!number || !slot)
        return BPF_SLOT_OTHER;
    slot->life = life;
    slot->cgroup_id = cgroup_id_of(leader);
    slot->start_ns = leader->start_boottime;
    slot->tgid = (u32)leader->tgid;
    slot->parent_tgid = (u32)parent->tgid;
    slot->uid = leader->cred->uid.val;
    __builtin_memcpy(slot->comm, leader->comm, BPF_COMM_SIZE);
    /* Its exit may have been told already, and a slot that is not kept is nobody's next time. */
    if (!keep_in_storage(leader, stored, number) || !leader->signal->live.counter)
        slot->has_ended = 1;
    mark_used(number);
    return number;
}

static inline u32 process_slot(struct task_struct *task, u64 life)
{
    if (life == LIFE_OF_KERNEL)
        return BPF_SLOT_OTHER;
    struct task_struct *leader = task->group_leader;
    u32 *stored = bpf_task_storage_get(&slot_of_process, leader, NULL, 0);
    if (slot_in_storage(stored, life))
        return *stored;
    return new_process_slot(leader, leader->real_parent, life, stored);
}

static inline u32 cgroup_slot(u64 cgroup_id)
{
    u32 *slot = bpf_map_lookup_elem(&slot_of_cgroup, &cgroup_id);
    return slot ? *slot : BPF_SLOT_OTHER;
}

static inline struct bpf_slot *slot_of(struct task_struct *task)
{
    u32 *number = bpf_task_storage_get(&slot_of_process, task->group_leader, NULL, 0);
    return slot_in_storage(number, life_of_process(task));
}

