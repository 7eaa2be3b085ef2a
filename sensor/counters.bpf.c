/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The kernel's part of the bpf engine: at every context switch the slice that ends is added to the
 * target that ran. Each CPU holds what the targets that it ran lately gained, in lines of its own:
 * no atomic addition and no lookup while a target is held. A line is handed to the target's sums,
 * which the sensor sees, when another target needs its place and at every flush. Nothing is opened
 * per target. CPU time is the scheduler's own (sum_exec_runtime), so that it agrees with cpu.stat
 * and steal is nobody's. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "sensor/counters_bpf.h"
#include "sensor/counters_bpf_kernel.h"

#define PF_KTHREAD 0x00200000
#define PRIO_FAIR_MIN 100    /* below are the real-time classes */
#define NOWHERE BPF_HELD_MAX /* no place: nobody has the CPU */
#define LAST_READ (BPF_HELD_MAX + 1)
#define LIFE_OF_KERNEL 1 /* all kernel threads; no process has it */

/* What a target gained on a CPU since it was last handed in. Only that CPU adds to it. */
struct held {
    u64 group; /* cgroup id, or process (life_of_process); 0: to be looked up anew */
    u64 cpu_ns;
    u32 context_switches, page_faults;
    u32 slot, is_used;
};

/* What a CPU is running: one cache line, as it is touched at every switch. */
struct running {
    u64 task;             /* the task's address: a switch that was not seen is noticed */
    u64 start_runtime_ns; /* of the task when it was switched in */
    u64 start_faults;
    u64 moved_at_ns; /* another CPU moved its process to another cgroup then; 0: nobody did */
    u32 place;       /* of its target in held */
    u32 tgid;
} __attribute__((aligned(64)));

struct cpu_state {
    struct running running;
    struct held held[BPF_HELD_MAX];
} __attribute__((aligned(64)));

struct extra_counts {
    u64 counts[BPF_EXTRA_MAX];
    u64 enabled_ns, running_ns;
};

const volatile bool is_process = false; /* granularity */
const volatile __u32 n_packages = 1;
const volatile __u32 n_cpus = 1; /* possible ones: extra event e of CPU c is at e * n_cpus + c */
const volatile __u32 n_extra = 0;
const volatile __u32 n_clock = 0;
const volatile __u32 free_mask = 0; /* max_entries of free_slots - 1, a power of two - 1 */
const volatile unsigned char package_of_cpu[BPF_CPUS_MAX];

__u64 free_taken;    /* slots taken from the ring of free ones, by both */
__u64 free_given;    /* slots put there, by the sensor */
__u64 slots_missing; /* times somebody found no free slot and was charged to other */
__u64 tree_changes;  /* cgroups made and removed, tasks moved, tasks born in another cgroup */
__u64 clock_now[BPF_CPUS_MAX * BPF_CLOCK_MAX]; /* of each CPU, as of its last flush */

/* Mappable ones begin at a page: lines of the cache hold what they should. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct cpu_state);
} cpus SEC(".maps");

/* The extra events that each line of a CPU holds, those of nobody at NOWHERE, and what they stood
 * at when they were last read at LAST_READ. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, u32);
    __type(value, struct extra_counts);
} held_extra SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, u32);
    __type(value, struct bpf_sums);
} sums SEC(".maps");

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

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
} extra_events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
} clock_events SEC(".maps");

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

/* ---- slots ---- */

/* Who loses the race for a place eight times in a row is charged to other until the next flush. */
static u32 take_free_slot(void)
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
static void mark_used(u32 number)
{
    u32 place = number / 64;
    u64 *word = bpf_map_lookup_elem(&used_slots, &place);
    if (word)
        __sync_fetch_and_or(word, 1ull << (number % 64));
}

/* The storage of a process says which slot it has, but maybe of the time before a move, or of a
 * slot that was freed since: the slot says whether it is of this very life. */
static struct bpf_slot *slot_in_storage(const u32 *stored, u64 life)
{
    struct bpf_slot *slot = stored ? bpf_map_lookup_elem(&slots, stored) : NULL;
    return slot && slot->life == life ? slot : NULL;
}

/* Two threads may get here at once, and there may be no memory: false if the slot was not kept. */
static bool keep_in_storage(struct task_struct *leader, u32 *stored, u32 number)
{
    if (stored) {
        u32 old = *stored;
        return __sync_val_compare_and_swap(stored, old, number) == old;
    }
    stored =
        bpf_task_storage_get(&slot_of_process, leader, &number, BPF_LOCAL_STORAGE_GET_F_CREATE);
    return stored && *stored == number;
}

static u32 new_process_slot(struct task_struct *leader, struct task_struct *parent, u64 life,
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

static u32 process_slot(struct task_struct *task, u64 life)
{
    if (life == LIFE_OF_KERNEL)
        return BPF_SLOT_OTHER;
    struct task_struct *leader = task->group_leader;
    u32 *stored = bpf_task_storage_get(&slot_of_process, leader, NULL, 0);
    if (slot_in_storage(stored, life))
        return *stored;
    return new_process_slot(leader, leader->real_parent, life, stored);
}

static u32 cgroup_slot(u64 cgroup_id)
{
    u32 *slot = bpf_map_lookup_elem(&slot_of_cgroup, &cgroup_id);
    return slot ? *slot : BPF_SLOT_OTHER;
}

/* ---- counting ---- */

/* A counter that was opened anew starts below what was last read. */
static u64 increase(u64 value, u64 *last)
{
    u64 gained = value >= *last ? value - *last : 0;
    *last = value;
    return gained;
}

static struct extra_counts *extra_of(u32 cpu, u32 place)
{
    u32 at = cpu * (BPF_HELD_MAX + 2) + place;
    return bpf_map_lookup_elem(&held_extra, &at);
}

/* Reads the extra events; what they gained since the last reading belongs to the line at `place`:
 * that of NOWHERE is never handed in. */
static __noinline void read_extra(u32 cpu, u32 place)
{
    struct extra_counts *last = extra_of(cpu, LAST_READ), *line = extra_of(cpu, place);
    struct bpf_perf_event_value value = {};
    if (!last || !line)
        return;
    for (u32 i = 0; i < BPF_EXTRA_MAX && i < n_extra; i++) {
        if (bpf_perf_event_read_value(&extra_events, i * n_cpus + cpu, &value, sizeof(value)))
            continue;
        line->counts[i] += increase(value.counter, &last->counts[i]);
        if (i)
            continue;
        line->enabled_ns += increase(value.enabled, &last->enabled_ns);
        line->running_ns += increase(value.running, &last->running_ns);
    }
}

static void hand_in_extra(struct bpf_sums *sum, u32 cpu, u32 place)
{
    struct extra_counts *line = extra_of(cpu, place);
    if (!line)
        return;
    for (u32 i = 0; i < BPF_EXTRA_MAX && i < n_extra; i++)
        __sync_fetch_and_add(&sum->extra[i], line->counts[i]);
    __sync_fetch_and_add(&sum->enabled_ns, line->enabled_ns);
    __sync_fetch_and_add(&sum->running_ns, line->running_ns);
    __builtin_memset(line, 0, sizeof(*line));
}

/* Hands what a line holds to the sums of its target. */
static __noinline void hand_in(struct held *held, u32 cpu, u32 place)
{
    u32 at = held->slot;
    if (n_packages > 1)
        at = at * n_packages + package_of_cpu[cpu & (BPF_CPUS_MAX - 1)];
    struct bpf_sums *sum = bpf_map_lookup_elem(&sums, &at);
    if (!sum)
        return;
    __sync_fetch_and_add(&sum->cpu_ns, held->cpu_ns);
    __sync_fetch_and_add(&sum->context_switches, held->context_switches);
    if (held->page_faults)
        __sync_fetch_and_add(&sum->page_faults, held->page_faults);
    if (n_extra)
        hand_in_extra(sum, cpu, place);
    held->cpu_ns = 0;
    held->context_switches = 0;
    held->page_faults = 0;
}

/* From here on every target is looked up anew when it runs. */
static void hand_in_all(struct cpu_state *state, u32 cpu)
{
    for (u32 place = 0; place < BPF_HELD_MAX; place++) {
        struct held *held = &state->held[place];
        if (!held->is_used)
            continue;
        hand_in(held, cpu, place);
        held->group = 0;
        held->is_used = 0;
    }
    state->running.place = NOWHERE;
}

static __always_inline u32 place_of(u64 group)
{
    return (u32)(group * 0x9E3779B97F4A7C15ull >> (64 - BPF_HELD_BITS));
}

/* The line at `place` is another target's, or its slot may be another one by now. */
static __noinline void take_place(struct cpu_state *state, u32 cpu, u32 place,
                                  struct task_struct *task, u64 group)
{
    struct held *held = &state->held[place & (BPF_HELD_MAX - 1)];
    if (held->is_used)
        hand_in(held, cpu, place);
    held->is_used = 1;
    /* A full barrier: either the slot of before a move is not found any more, or the move finds
     * this line (tell_cpus). */
    (void)__sync_lock_test_and_set(&held->group, group);
    held->slot = is_process ? process_slot(task, group) : cgroup_slot(group);
}

/* The target of `task` takes the CPU, if it has not got it already. */
static __always_inline void enter(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    u64 group = is_process ? life_of_process(task) : cgroup_id_of(task);
    u32 place = place_of(group);
    bool is_held = state->held[place].group == group;
    if (n_extra && (!is_held || state->running.place != place))
        read_extra(cpu, state->running.place);
    if (!is_held)
        take_place(state, cpu, place, task, group);
    state->running.place = place;
}

/* The line of the target that has this CPU; NULL: none has. */
static __always_inline struct held *line_of(struct cpu_state *state)
{
    u32 place = state->running.place;
    if (place >= BPF_HELD_MAX)
        return NULL;
    barrier_var(place); /* else clang takes the mask away, and the verifier wants it */
    return &state->held[place & (BPF_HELD_MAX - 1)];
}

static __always_inline void add(struct cpu_state *state, u64 cpu_ns, u64 page_faults,
                                u32 context_switches)
{
    struct held *held = line_of(state);
    if (!held)
        return;
    held->cpu_ns += cpu_ns;
    held->page_faults += (u32)page_faults;
    held->context_switches += context_switches;
}

/* The task was moved while it ran here: what it ran before belongs to where it was. Returns what it
 * ran since. */
static __noinline u64 split_at_move(struct cpu_state *state, u32 cpu, struct task_struct *task,
                                    u64 ran_ns)
{
    u64 since_ns = bpf_ktime_get_ns() - state->running.moved_at_ns;
    u64 after_ns = since_ns < ran_ns ? since_ns : ran_ns;
    add(state, ran_ns - after_ns, 0, 0);
    struct held *held = line_of(state);
    if (held)
        held->group = 0;
    enter(state, cpu, task);
    return after_ns;
}

/* Some switches are not told: the slice of `task` began unseen. The fair scheduler remembers what
 * the task had run by then. */
static __noinline void gather_unseen(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    enter(state, cpu, task);
    u64 ran_ns = task->prio >= PRIO_FAIR_MIN
                     ? task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime
                     : 0;
    add(state, ran_ns, 0, 1);
}

/* Gathers what `task`, now on this CPU, did since it was switched in or last looked at. */
static __always_inline void gather(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    struct running *running = &state->running;
    u64 runtime_ns = task->se.sum_exec_runtime;
    u64 faults = task->min_flt + task->maj_flt;
    if (running->task == (u64)task) {
        u64 ran_ns = runtime_ns - running->start_runtime_ns;
        if (running->moved_at_ns)
            ran_ns = split_at_move(state, cpu, task, ran_ns);
        add(state, ran_ns, faults - running->start_faults, 0);
    } else if (running->task) {
        gather_unseen(state, cpu, task);
    }
}

/* From here on what this CPU does belongs to `task`. */
static __always_inline void start(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    struct running *running = &state->running;
    running->moved_at_ns = 0;
    running->tgid = (u32)task->tgid;
    running->task = (u64)task;
    running->start_runtime_ns = task->se.sum_exec_runtime;
    running->start_faults = task->min_flt + task->maj_flt;
    enter(state, cpu, task);
}

SEC("tp_btf/sched_switch")
int on_switch(u64 *context)
{
    struct task_struct *previous = (void *)context[1], *next = (void *)context[2];
    u32 cpu = bpf_get_smp_processor_id();
    struct cpu_state *state = bpf_map_lookup_elem(&cpus, &cpu);
    if (!state)
        return 0;
    if (previous->pid)
        gather(state, cpu, previous);
    if (next->pid) {
        start(state, cpu, next);
        add(state, 0, 0, 1);
        return 0;
    }
    state->running.task = (u64)next;
    state->running.tgid = 0;
    if (n_extra) { /* what idling counts is nobody's */
        read_extra(cpu, state->running.place);
        state->running.place = NOWHERE;
    }
    return 0;
}

static void read_clock(u32 cpu)
{
    struct bpf_perf_event_value value = {};
    for (u32 i = 0; i < BPF_CLOCK_MAX && i < n_clock; i++)
        if (!bpf_perf_event_read_value(&clock_events, i * n_cpus + cpu, &value, sizeof(value)))
            clock_now[(cpu & (BPF_CPUS_MAX - 1)) * BPF_CLOCK_MAX + i] = value.counter;
}

static void flush(struct cpu_state *state, u32 cpu)
{
    struct task_struct *task = bpf_get_current_task_btf();
    if (task->pid)
        gather(state, cpu, task);
    if (n_extra)
        read_extra(cpu, state->running.place);
    hand_in_all(state, cpu);
    if (task->pid)
        start(state, cpu, task);
    read_clock(cpu);
}

/* Run by the sensor before it reads (BPF_PROG_TEST_RUN), on every CPU for that CPU, and anywhere
 * for one that went offline: context[0] is its number. */
SEC("raw_tp")
int on_flush(u64 *context)
{
    u32 cpu = (u32)context[0];
    struct cpu_state *state = bpf_map_lookup_elem(&cpus, &cpu);
    if (!state)
        return 0;
    if (cpu == bpf_get_smp_processor_id())
        flush(state, cpu);
    else
        hand_in_all(state, cpu);
    return 0;
}

/* ---- lives ---- */

static struct bpf_slot *slot_of(struct task_struct *task)
{
    u32 *number = bpf_task_storage_get(&slot_of_process, task->group_leader, NULL, 0);
    return slot_in_storage(number, life_of_process(task));
}

/* A process has its slot from its birth: by the time that it first runs, its parent may be gone. One
 * that is born in another cgroup than its parent's (CLONE_INTO_CGROUP) attaches to none. */
SEC("tp_btf/sched_process_fork")
int on_fork(u64 *context)
{
    struct task_struct *parent = (void *)context[0], *child = (void *)context[1];
    if (child->cgroups->dfl_cgrp != parent->cgroups->dfl_cgrp)
        __sync_fetch_and_add(&tree_changes, 1);
    if (is_process && child->pid == child->tgid && !(child->flags & PF_KTHREAD))
        new_process_slot(child, parent, life_of_process(child), NULL);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *context)
{
    struct task_struct *task = (void *)context[0];
    struct bpf_slot *slot = slot_of(task);
    if (slot)
        __builtin_memcpy(slot->comm, task->group_leader->comm, BPF_COMM_SIZE);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *context)
{
    struct task_struct *task = (void *)context[0];
    struct bpf_slot *slot = task->signal->live.counter ? NULL : slot_of(task);
    if (!slot)
        return 0;
    __builtin_memcpy(slot->comm, task->group_leader->comm, BPF_COMM_SIZE);
    slot->has_ended = 1;
    return 0;
}

/* A process that changes its cgroup goes on in another slot: no other life has this number. */
static void leave_slot(struct task_struct *task)
{
    struct bpf_slot *slot = slot_of(task);
    if (!slot)
        return;
    slot->life = 0;
    slot->has_ended = 1;
}

/* The slots of before the move are looked up anew, and CPUs that run the process now have to split
 * its time when they next look. */
static void tell_cpus(struct task_struct *task)
{
    u64 now_ns = bpf_ktime_get_ns(), life = life_of_process(task);
    u32 tgid = (u32)task->tgid, place = place_of(life);
    for (u32 i = 0; i < n_cpus && i < BPF_CPUS_MAX; i++) {
        u32 cpu = i;
        struct cpu_state *state = bpf_map_lookup_elem(&cpus, &cpu);
        if (!state)
            continue;
        if (is_process)
            (void)__sync_val_compare_and_swap(&state->held[place].group, life, 0);
        if (state->running.tgid == tgid)
            state->running.moved_at_ns = now_ns;
    }
}

/* Called with interrupts off, after the move. */
SEC("tp_btf/cgroup_attach_task")
int on_attach(u64 *context)
{
    struct cgroup *cgroup = (void *)context[0];
    struct task_struct *task = (void *)context[2];
    if (cgroup->root->hierarchy_id) /* 0 is the unified one */
        return 0;
    __sync_fetch_and_add(&tree_changes, 1);
    if (is_process)
        leave_slot(task);
    tell_cpus(task);
    return 0;
}

/* A cgroup is its own from its first moment; whether it is a target is decided when the sensor next
 * looks. */
SEC("tp_btf/cgroup_mkdir")
int on_mkdir(u64 *context)
{
    struct cgroup *cgroup = (void *)context[0];
    if (cgroup->root->hierarchy_id) /* the others number their directories alike */
        return 0;
    __sync_fetch_and_add(&tree_changes, 1);
    u64 id = cgroup->kn->id;
    u32 number = take_free_slot();
    struct bpf_slot *slot = bpf_map_lookup_elem(&slots, &number);
    if (!number || !slot)
        return 0;
    slot->life = id;
    slot->cgroup_id = id;
    slot->parent_id = cgroup->self.parent->cgroup->kn->id;
    mark_used(number);
    if (bpf_map_update_elem(&slot_of_cgroup, &id, &number, BPF_NOEXIST))
        slot->has_ended = 1;
    return 0;
}

SEC("tp_btf/cgroup_rmdir")
int on_rmdir(u64 *context)
{
    struct cgroup *cgroup = (void *)context[0];
    if (cgroup->root->hierarchy_id)
        return 0;
    __sync_fetch_and_add(&tree_changes, 1);
    u64 id = cgroup->kn->id;
    u32 *number = bpf_map_lookup_elem(&slot_of_cgroup, &id);
    struct bpf_slot *slot = number ? bpf_map_lookup_elem(&slots, number) : NULL;
    if (slot && slot->life == id)
        slot->has_ended = 1;
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
