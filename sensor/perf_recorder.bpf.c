/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The kernel's part of a recording: a timer that stays on one CPU reads the events of a group there,
 * once per period, and keeps what it read. Nobody is woken for it. Where readings follow the
 * counter's updates (update_phase.h), one that shows nothing new is repeated a little later, by the
 * same timer. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "sensor/recorded_reading.h"

/* The same file as in the sensor, part of this program: hidden, as the verifier would look at each
 * function by itself otherwise. */
#pragma GCC visibility push(hidden)
#include "sensor/update_phase.c"
#pragma GCC visibility pop

#define TIMER_AT (1u << 0)     /* BPF_F_TIMER_ABS, since Linux 6.4 */
#define TIMER_ON_CPU (1u << 1) /* BPF_F_TIMER_CPU_PIN, since Linux 6.7 */
#define CLOCK_OF_TIMER 1       /* CLOCK_MONOTONIC, as bpf_ktime_get_ns */
#define LOOK_AGAIN_NS 20000

const volatile __u64 interval_ns = 1000000, first_ns = 0;
const volatile __u32 n_events = 0, lead = 0; /* lead: whose updates are followed */
const volatile bool is_aligned = false;

struct recorded_reading readings[RECORDED_READINGS_MAX];
__u64 n_readings; /* ever */
__u32 n_starts;
__s64 start_error;

static struct {
    struct update_phase phase;
    __u64 grid_ns;    /* the period's end, before it is moved by the phase's offset */
    __u64 due_ns;     /* of the reading under way */
    __u64 began_ns;   /* its first look; 0: there was none */
    __u64 last_ns;    /* the first look of the one before */
    __u64 last_value; /* of the lead */
} state;

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(max_entries, RECORDED_EVENTS_MAX);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(int));
} events SEC(".maps");

struct timer_slot {
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct timer_slot);
} timers SEC(".maps");

static __always_inline void look(struct recorded_reading *reading)
{
    __u64 before_ns = bpf_ktime_get_ns();
    reading->error = 0;
    reading->lag_ns = 0;
    for (__u32 i = 0; i < RECORDED_EVENTS_MAX && i < n_events; i++) {
        struct bpf_perf_event_value value = {};
        long error = bpf_perf_event_read_value(&events, i, &value, sizeof(value));
        if (error)
            reading->error = error;
        reading->values[i] = value.counter;
        reading->enabled_ns = value.enabled;
        reading->running_ns = value.running;
    }
    reading->at_ns = before_ns + (bpf_ktime_get_ns() - before_ns) / 2;
}

/* A reading that began late, or after one that did, is no sign of where updates are. */
static __always_inline bool is_regular(void)
{
    __u64 since_ns = state.began_ns - state.last_ns;
    return since_ns >= interval_ns / 2 && since_ns <= interval_ns * 3 / 2;
}

/* False: it shows nothing new, and may be waited for. */
static __always_inline bool follow(struct recorded_reading *reading, bool is_first)
{
    __u64 value = reading->values[lead < RECORDED_EVENTS_MAX ? lead : 0];
    __u64 waited_ns = is_first ? 0 : reading->at_ns - state.began_ns;
    bool regular = is_regular(), is_updated = value != state.last_value;
    if (!is_updated && regular && waited_ns < update_phase_patience_ns(&state.phase))
        return false;
    enum update_seen seen = !is_updated ? UPDATE_NOT : waited_ns ? UPDATE_LATER : UPDATE_AT_ONCE;
    if (is_updated)
        reading->lag_ns = update_phase_lag_ns(&state.phase, reading->at_ns, waited_ns);
    if (regular)
        update_phase_note(&state.phase, seen, waited_ns);
    state.last_value = value;
    return true;
}

/* The next period's end that is still to come, moved to where the updates are, and no sooner than
 * half a period after the last one. */
static __always_inline __u64 next_due_ns(__u64 now_ns)
{
    state.grid_ns += interval_ns;
    __u64 due_ns = state.grid_ns + (__u64)state.phase.offset_ns;
    __u64 soonest_ns = state.due_ns + interval_ns / 2;
    if (soonest_ns < now_ns)
        soonest_ns = now_ns;
    if (due_ns < soonest_ns) {
        __u64 n_left_out = (soonest_ns - due_ns + interval_ns - 1) / interval_ns;
        state.grid_ns += n_left_out * interval_ns;
        due_ns += n_left_out * interval_ns;
    }
    return due_ns;
}

static int on_timer(void *map, __u32 *key, struct timer_slot *slot)
{
    __u64 n = n_readings;
    struct recorded_reading *reading = &readings[n & (RECORDED_READINGS_MAX - 1)];
    bool is_first = !state.began_ns;
    look(reading);
    if (is_first)
        state.began_ns = reading->at_ns;
    if (is_aligned && !reading->error && !follow(reading, is_first)) {
        bpf_timer_start(&slot->timer, reading->at_ns + LOOK_AGAIN_NS, TIMER_AT | TIMER_ON_CPU);
        return 0;
    }
    state.last_ns = state.began_ns;
    state.began_ns = 0;
    state.due_ns = next_due_ns(reading->at_ns);
    __sync_lock_test_and_set(&n_readings, n + 1); /* orders: who sees it sees the reading */
    bpf_timer_start(&slot->timer, state.due_ns, TIMER_AT | TIMER_ON_CPU);
    return 0;
}

/* Run by whoever reads the iterator, on the CPU where the timer is to stay: it is asked once for the only
 * task, the reader's own, and once more at the end. (An iterator over a map's elements would do as well; a
 * 6.18 was seen that refuses it with EPERM, as it does fentry, and lets this one be.) */
SEC("iter/task")
int start(void *context)
{
    __u32 key = 0;
    struct timer_slot *slot = bpf_map_lookup_elem(&timers, &key);
    if (!slot || n_starts++ > 0)
        return 0;
    start_error = bpf_timer_init(&slot->timer, &timers, CLOCK_OF_TIMER);
    if (start_error)
        return 0;
    update_phase_init(&state.phase, interval_ns);
    state.grid_ns = first_ns - interval_ns;
    state.due_ns = next_due_ns(bpf_ktime_get_ns());
    bpf_timer_set_callback(&slot->timer, on_timer);
    start_error = bpf_timer_start(&slot->timer, state.due_ns, TIMER_AT | TIMER_ON_CPU);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
