/* SPDX-License-Identifier: BSD-3-Clause */
/* A group per CPU, so that all its events are on the hardware together and one enabled and running
 * time holds for all. */
#include "sensor/bpf_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static int init(struct bpf_events *events, const struct topology *topology)
{
    events->n_cpus = (size_t)topology->n_cpus;
    events->groups = calloc(events->n_cpus, sizeof(*events->groups));
    return events->groups ? 0 : -ENOMEM;
}

int bpf_events_init_clock(struct bpf_events *events, const struct event_set *set,
                          const struct topology *topology)
{
    *events = (struct bpf_events){.set = set, .kind = BPF_EVENT_CLOCK};
    return init(events, topology);
}

int bpf_events_init_extra(struct bpf_events *events, struct typed_events *typed,
                          const struct host *host, const struct topology *topology)
{
    *events = (struct bpf_events){.typed = typed, .host = host, .kind = BPF_EVENT_EXTRA};
    return init(events, topology);
}

static void leave_cpu(struct bpf_events *events, struct bpf_slots *slots, size_t cpu)
{
    for (size_t i = 0; i < events->groups[cpu].n_events; i++)
        (void)bpf_slots_put_event(slots, events->kind, (int)cpu, i, -1);
    perf_group_close(&events->groups[cpu]);
}

static int put_events(struct bpf_events *events, struct bpf_slots *slots, size_t cpu, size_t type)
{
    struct perf_group *group = &events->groups[cpu];
    int r = 0;
    for (size_t i = 0; i < group->n_events && r == 0; i++) {
        if (events->typed)
            bpf_slots_put_column(slots, (int)cpu, i, events->typed->column[type][i]);
        r = bpf_slots_put_event(slots, events->kind, (int)cpu, i, group->fds[i]);
    }
    return r;
}

/* A positive outcome: there is nothing to count on this CPU. */
enum { NOTHING_TO_COUNT = 1 };

static int enter_cpu(struct bpf_events *events, struct bpf_slots *slots, size_t cpu)
{
    size_t type = 0;
    const struct event_set *set = events->set;
    if (events->typed)
        set = typed_events_of(events->typed, events->host, cpu, &type);
    if (!set)
        return -ENODEV;
    if (set->n_events == 0)
        return NOTHING_TO_COUNT;
    int r = perf_group_open(&events->groups[cpu], set, -1, (int)cpu);
    if (r == 0)
        r = put_events(events, slots, cpu, type);
    if (r < 0)
        leave_cpu(events, slots, cpu);
    return r;
}

static bool has_any(const struct bpf_events *events)
{
    return events->typed ? events->typed->n_columns > 0
                         : events->set && events->set->n_events > 0;
}

size_t bpf_events_follow(struct bpf_events *events, struct bpf_slots *slots,
                         const struct topology *topology, const struct log *log)
{
    size_t n_missing = 0;
    for (size_t cpu = 0; cpu < events->n_cpus && has_any(events); cpu++) {
        bool is_open = perf_group_is_open(&events->groups[cpu]);
        bool is_online = cpu < (size_t)topology->n_cpus && topology->is_online[cpu];
        if (is_open && !is_online)
            leave_cpu(events, slots, cpu);
        if (is_open || !is_online)
            continue;
        int r = enter_cpu(events, slots, cpu);
        if (r >= 0)
            continue;
        n_missing++;
        if (!events->has_warned)
            log_warning(log, "bpf: CPU %zu does not count the %s: %s", cpu,
                        events->kind == BPF_EVENT_CLOCK ? "clock (tsc, aperf, mperf)" : "events",
                        strerror(-r));
        events->has_warned = true;
    }
    return n_missing;
}

void bpf_events_deinit(struct bpf_events *events)
{
    for (size_t cpu = 0; cpu < events->n_cpus; cpu++)
        perf_group_close(&events->groups[cpu]);
    free(events->groups);
    *events = (struct bpf_events){0};
}
