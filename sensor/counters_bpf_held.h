/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Part of counters.bpf.c: what each CPU holds of the targets that it ran lately, in lines of its own, and how a line is handed in to the sums that
 * the sensor sees: when another target needs its place, and at every flush. Only its CPU adds to a line. */
#pragma once

#include "sensor/counters_bpf_slots.h"

#define NOWHERE BPF_HELD_MAX /* no place: nobody has the CPU */
#define SHARE_BITS 10 /* so that no time of less than 208 days overflows */
#define ALL_THE_TIME (1u << SHARE_BITS)
#define LAST_READ (BPF_HELD_MAX + 1)
#define ERRORS_FROM ((u64)-4095) /* bpf_perf_event_read returns a count or a negative errno */

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
    u64 start_clock_ns;   /* the scheduler's clock of this CPU at that time; 0: not known */
    u32 start_faults, start_switches; /* their low halves: a slice has few */
    u64 moved_at_ns; /* another CPU moved its process to another cgroup then; 0: nobody did */
    u32 place;       /* of its target in held */
    u32 tgid; /* 0: the idle task, or its slice has been gathered */
    u64 waited_ns;     /* by the extra events for counters, as of the last flush */
    u32 counted_share; /* of the time between the last two flushes in which they had them, in 2^-SHARE_BITS */
    bool is_counting;  /* they were enabled then */
    bool is_short;     /* and had to wait: others want the same counters */
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
const volatile __u32 n_cpus = 1;  /* possible ones: extra event e of CPU c is at e * n_cpus + c */
const volatile __u32 n_extra = 0; /* events of a CPU */
const volatile __u32 n_columns = 0; /* of extra events in the sums */

/* Its place in the sums; of a CPU that is offline it may not be known yet. */
unsigned char package_of_cpu[BPF_CPUS_MAX];

/* Where in the sums each extra event of a CPU is added: CPUs of another type have other events. */
unsigned char extra_column[BPF_CPUS_MAX * BPF_EXTRA_MAX];

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
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
} extra_events SEC(".maps");

/* A counter that was opened anew starts below what was last read. */
static inline u64 increase(u64 value, u64 *last)
{
    u64 gained = value >= *last ? value - *last : 0;
    *last = value;
    return gained;
}

static inline struct extra_counts *extra_of(u32 cpu, u32 place)
{
    u32 at = cpu * (BPF_HELD_MAX + 2) + place;
    return bpf_map_lookup_elem(&held_extra, &at);
}

/* Reads the extra events; what they gained since the last reading belongs to the line at `place`:
 * that of NOWHERE is never handed in. They are one group, whose times cost as much as two counts, as
 * a clock is read for them: they are asked for only while counters are short. */
static __always_inline void read_extra(struct cpu_state *state, u32 cpu, u32 place)
{
    struct extra_counts *last = extra_of(cpu, LAST_READ), *line = extra_of(cpu, place);
    struct bpf_perf_event_value value = {};
    if (!last || !line)
        return;
    for (u32 i = 0; i < BPF_EXTRA_MAX && i < n_extra; i++) {
        u64 count = bpf_perf_event_read(&extra_events, i * n_cpus + cpu);
        if (count < ERRORS_FROM)
            line->counts[i] += increase(count, &last->counts[i]);
    }
    if (!state->running.is_short ||
        bpf_perf_event_read_value(&extra_events, cpu, &value, sizeof(value)))
        return;
    line->enabled_ns += increase(value.enabled, &last->enabled_ns);
    line->running_ns += increase(value.running, &last->running_ns);
}

/* At a flush, before lines are handed in: had the events counters all the time since the last one?
 * Returns whether they had to wait. */
static inline bool look_at_times(struct running *running, u32 cpu)
{
    struct extra_counts *last = extra_of(cpu, LAST_READ);
    struct bpf_perf_event_value value = {};
    running->is_counting = false;
    if (!last || bpf_perf_event_read_value(&extra_events, cpu, &value, sizeof(value)))
        return false;
    u64 enabled_ns = increase(value.enabled, &last->enabled_ns);
    u64 counted_ns = increase(value.running, &last->running_ns);
    u64 waited_ns = value.enabled - value.running;
    bool has_waited = waited_ns != running->waited_ns;
    running->waited_ns = waited_ns;
    running->is_counting = enabled_ns > 0;
    running->counted_share = ALL_THE_TIME;
    if (has_waited && enabled_ns)
        running->counted_share = (u32)((counted_ns << SHARE_BITS) / enabled_ns);
    return has_waited;
}

/* Where no times were read, a line's are its CPU time, and of it the part that the events of the CPU
 * had counters for: all, but for the tick in which a shortage begins. A slice that the scheduler has
 * not booked yet has counts, too. */
static inline void put_times(const struct running *running, const struct held *held,
                             struct extra_counts *line)
{
    if (running->is_short || !running->is_counting)
        return;
    line->enabled_ns = held->cpu_ns ? held->cpu_ns : 1;
    line->running_ns = line->enabled_ns * running->counted_share >> SHARE_BITS;
}

static inline void hand_in_extra(const struct cpu_state *state, const struct held *held,
                                 struct bpf_sums *sum, u32 cpu, u32 place)
{
    struct extra_counts *line = extra_of(cpu, place);
    if (!line)
        return;
    put_times(&state->running, held, line);
    for (u32 i = 0; i < BPF_EXTRA_MAX && i < n_extra; i++) {
        u32 column = extra_column[(cpu & (BPF_CPUS_MAX - 1)) * BPF_EXTRA_MAX + i];
        if (column < n_columns)
            __sync_fetch_and_add(&sum->extra[column], line->counts[i]);
    }
    __sync_fetch_and_add(&sum->enabled_ns, line->enabled_ns);
    __sync_fetch_and_add(&sum->running_ns, line->running_ns);
    __builtin_memset(line, 0, sizeof(*line));
}

/* Hands what a line holds to the sums of its target. */
APART void hand_in(const struct cpu_state *state, struct held *held, u32 cpu, u32 place)
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
        hand_in_extra(state, held, sum, cpu, place);
    held->cpu_ns = 0;
    held->context_switches = 0;
    held->page_faults = 0;
}

/* From here on every target is looked up anew when it runs. */
static inline void hand_in_all(struct cpu_state *state, u32 cpu)
{
    for (u32 place = 0; place < BPF_HELD_MAX; place++) {
        struct held *held = &state->held[place];
        if (!held->is_used)
            continue;
        hand_in(state, held, cpu, place);
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
APART void take_place(struct cpu_state *state, u32 cpu, u32 place,
                                  struct task_struct *task, u64 group)
{
    struct held *held = &state->held[place & (BPF_HELD_MAX - 1)];
    if (held->is_used)
        hand_in(state, held, cpu, place);
    held->is_used = 1;
    /* A full barrier: either the slot of before a move is not found any more, or the move finds
     * this line (tell_cpus). */
    (void)__sync_lock_test_and_set(&held->group, group);
    held->slot = is_process ? process_slot(task, group) : cgroup_slot(group);
}

