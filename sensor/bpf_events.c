/* SPDX-License-Identifier: BSD-3-Clause */
/* A group per CPU, so that all its events are on the hardware together and one enabled and running
 * time holds for all. */
#include "sensor/bpf_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

int bpf_events_init(struct bpf_events *events, enum bpf_event_kind kind,
                    const struct event_set *set, const struct topology *topology)
{
    size_t n_cpus = (size_t)topology->n_cpus;
    struct perf_group *groups = calloc(n_cpus, sizeof(*groups));
    if (!groups)
        return -ENOMEM;
    *events = (struct bpf_events){.set = set, .kind = kind, .groups = groups, .n_cpus = n_cpus};
    return 0;
}

static void leave_cpu(struct bpf_events *events, struct bpf_slots *slots, size_t cpu)
{
    for (size_t i = 0; i < events->set->n_events; i++)
        (void)bpf_slots_put_event(slots, events->kind, (int)cpu, i, -1);
    perf_group_close(&events->groups[cpu]);
}

static int enter_cpu(struct bpf_events *events, struct bpf_slots *slots, size_t cpu)
{
    struct perf_group *group = &events->groups[cpu];
    int r = perf_group_open(group, events->set, -1, (int)cpu);
    for (size_t i = 0; i < events->set->n_events && r == 0; i++)
        r = bpf_slots_put_event(slots, events->kind, (int)cpu, i, group->fds[i]);
    if (r < 0)
        leave_cpu(events, slots, cpu);
    return r;
}

size_t bpf_events_follow(struct bpf_events *events, struct bpf_slots *slots,
                         const struct topology *topology, const struct log *log)
{
    size_t n_missing = 0;
    for (size_t cpu = 0; cpu < events->n_cpus && events->set->n_events > 0; cpu++) {
        bool is_open = perf_group_is_open(&events->groups[cpu]);
        bool is_online = cpu < (size_t)topology->n_cpus && topology->is_online[cpu];
        if (is_open && !is_online)
            leave_cpu(events, slots, cpu);
        if (is_open || !is_online)
            continue;
        int r = enter_cpu(events, slots, cpu);
        if (r == 0)
            continue;
        n_missing++;
        if (!events->has_warned)
            log_warning(log, "bpf: CPU %zu does not count the events: %s", cpu, strerror(-r));
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
