/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/bpf_clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"

void bpf_clock_choose(struct bpf_clock *clock, const struct host *host)
{
    event_set_clock(&clock->set, host);
}

int bpf_clock_init(struct bpf_clock *clock, const struct topology *topology)
{
    size_t n = (size_t)topology->n_cpus * (clock->set.n_events ? clock->set.n_events : 1);
    clock->last = calloc(n, sizeof(*clock->last));
    if (!clock->last)
        return -ENOMEM;
    return bpf_events_init_clock(&clock->events, &clock->set, topology);
}

void bpf_clock_follow(struct bpf_clock *clock, struct bpf_slots *slots,
                      const struct topology *topology, const struct log *log)
{
    (void)bpf_events_follow(&clock->events, slots, topology, log);
}

static int64_t *cell_of(struct clock_sample *sample, const char *name)
{
    const struct {
        const char *name;
        int64_t *cell;
    } cells[] = {{"tsc", &sample->tsc}, {"aperf", &sample->aperf}, {"mperf", &sample->mperf}};
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
        if (!strcmp(name, cells[i].name))
            return cells[i].cell;
    return NULL;
}

/* A counter that was opened anew starts below what was last read. */
static void add_cpu(struct bpf_clock *clock, const struct bpf_slots *slots, size_t cpu,
                    struct clock_sample *sample)
{
    for (size_t i = 0; i < clock->set.n_events; i++) {
        uint64_t *last = &clock->last[cpu * clock->set.n_events + i];
        uint64_t now = bpf_slots_clock(slots, (int)cpu, i), before = *last;
        int64_t *cell = cell_of(sample, clock->set.events[i].name);
        *last = now;
        if (cell && before && now >= before)
            *cell = (*cell == VALUE_ABSENT ? 0 : *cell) + (int64_t)(now - before);
    }
}

int bpf_clock_read(struct bpf_clock *clock, const struct bpf_slots *slots,
                   const struct topology *topology, struct report *report)
{
    for (size_t package = 0; package < topology->n_packages && clock->set.n_events; package++) {
        struct clock_sample sample = {topology->packages[package], VALUE_ABSENT, VALUE_ABSENT,
                                      VALUE_ABSENT};
        struct clock_sample *added;
        for (size_t cpu = 0; cpu < clock->events.n_cpus && cpu < (size_t)topology->n_cpus; cpu++)
            if (topology->is_online[cpu] && topology->package[cpu] == sample.package)
                add_cpu(clock, slots, cpu, &sample);
        if (!report)
            continue;
        int r = report_add_clock(report, &added);
        if (r < 0)
            return r;
        *added = sample;
    }
    return 0;
}

void bpf_clock_deinit(struct bpf_clock *clock)
{
    bpf_events_deinit(&clock->events);
    free(clock->last);
    *clock = (struct bpf_clock){0};
}
