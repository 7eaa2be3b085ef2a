/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The kernel's part of the bpf engine: at every context switch the slice that ends is added to the
 * target that ran, in a line that its CPU holds (counters_bpf_held.h): no atomic addition and no
 * lookup while a target is held. Nothing is opened per target. CPU time is the scheduler's own
 * (sum_exec_runtime), so that it agrees with cpu.stat and steal is nobody's. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "sensor/counters_bpf.h"
#include "sensor/counters_bpf_held.h"
#include "sensor/counters_bpf_kernel.h"
#include "sensor/counters_bpf_slots.h"

#define PRIO_FAIR_MIN 100 /* below are the real-time classes */

const volatile __u32 n_clock = 0;

__u64 tree_changes; /* cgroups made and removed, tasks moved, tasks born in another cgroup */
__u64 clock_now[BPF_CPUS_MAX * BPF_CLOCK_MAX]; /* of each CPU, as of its last flush */

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
} clock_events SEC(".maps");

/* ---- counting ---- */

/* The target of `task` takes the CPU, if it has not got it already. */
static __always_inline void enter(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    u64 group = is_process ? life_of_process(task) : cgroup_id_of(task);
    u32 place = place_of(group);
    bool is_held = state->held[place].group == group;
    if (n_extra && (!is_held || state->running.place != place))
        read_extra(state, cpu, state->running.place);
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

static __always_inline void add(struct cpu_state *state, u64 cpu_ns, u32 page_faults,
                                u32 context_switches)
{
    struct held *held = line_of(state);
    if (!held)
        return;
    held->cpu_ns += cpu_ns;
    held->page_faults += page_faults;
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

/* What `task` had run when it was last switched out: one that runs on another CPU meanwhile is
 * counted there. */
static __always_inline u64 runtime_at_last_end(struct task_struct *task)
{
    if (bpf_core_field_exists(task->on_cpu) && BPF_CORE_READ(task, on_cpu))
        return BPF_CORE_READ(task, se.prev_sum_exec_runtime);
    return BPF_CORE_READ(task, se.sum_exec_runtime);
}

/* Some switches are not told (a kernel may trace nothing of a task's own doing). Then the slice of
 * the task that was seen to begin has ended meanwhile; what it ran is read from the task, if it is
 * still the same one. Where it has run elsewhere since, each of its slices gets an equal part.
 * Another thread of its process may have its place in memory: what would be negative is not its.
 * Returns what was gathered. */
static __noinline u64 gather_left(struct cpu_state *state)
{
    struct running *running = &state->running;
    struct task_struct *task = (void *)running->task;
    u64 gathered_ns = 0;
    if (BPF_CORE_READ(task, tgid) == (int)running->tgid) {
        u64 ran_ns = runtime_at_last_end(task) - running->start_runtime_ns;
        u32 faults = (u32)(BPF_CORE_READ(task, min_flt) + BPF_CORE_READ(task, maj_flt));
        u32 n_slices = (u32)(BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw));
        faults -= running->start_faults;
        n_slices -= running->start_switches;
        if ((s32)n_slices > 0 && (s64)ran_ns > 0 && (s32)faults >= 0) {
            gathered_ns = ran_ns / n_slices;
            add(state, gathered_ns, faults / n_slices, 0);
        }
    }
    running->tgid = 0;
    return gathered_ns;
}

/* What `task` ran since it was switched in unseen. The fair scheduler remembers what it had run by
 * then, but forgets it when the task ends (sched_autogroup_exit_task); then, as with other
 * schedulers, it is the time since who was last seen here began, but for what that one ran. */
static __always_inline u64 ran_unseen(const struct task_struct *task, u64 start_clock_ns,
                                      u64 left_ns)
{
    u64 life_ns = task->se.sum_exec_runtime;
    if (task->prio >= PRIO_FAIR_MIN && !(task->flags & PF_EXITING))
        return life_ns - task->se.prev_sum_exec_runtime;
    s64 since_ns = (s64)(task->se.exec_start - start_clock_ns - left_ns);
    if (!start_clock_ns || since_ns < 0)
        return 0;
    return (u64)since_ns < life_ns ? (u64)since_ns : life_ns;
}

static __noinline void gather_unseen(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    u64 left_ns = state->running.tgid ? gather_left(state) : 0;
    enter(state, cpu, task);
    add(state, ran_unseen(task, state->running.start_clock_ns, left_ns), 0, 1);
}

/* Gathers what `task`, now on this CPU, did since it was switched in or last looked at. */
static __always_inline void gather(struct cpu_state *state, u32 cpu, struct task_struct *task)
{
    struct running *running = &state->running;
    u64 runtime_ns = task->se.sum_exec_runtime;
    u32 faults = (u32)(task->min_flt + task->maj_flt);
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
    running->start_clock_ns = task->se.exec_start;
    running->start_faults = (u32)(task->min_flt + task->maj_flt);
    running->start_switches = (u32)(task->nvcsw + task->nivcsw);
    enter(state, cpu, task);
}

/* From here on it belongs to nobody. */
static __always_inline void start_idle(struct cpu_state *state, struct task_struct *idle)
{
    state->running.task = (u64)idle;
    state->running.start_clock_ns = 0;
    state->running.tgid = 0;
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
    else if (state->running.tgid)
        (void)gather_left(state);
    if (next->pid) {
        start(state, cpu, next);
        add(state, 0, 0, 1);
        return 0;
    }
    start_idle(state, next);
    if (n_extra) { /* what idling counts is nobody's */
        read_extra(state, cpu, state->running.place);
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
    else if (state->running.tgid)
        (void)gather_left(state);
    bool is_short = false;
    if (n_extra) {
        read_extra(state, cpu, state->running.place);
        is_short = look_at_times(&state->running, cpu);
    }
    hand_in_all(state, cpu);
    state->running.is_short = is_short;
    if (task->pid)
        start(state, cpu, task);
    else
        start_idle(state, task);
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
