/* SPDX-License-Identifier: BSD-3-Clause */
/* The perf events that counters.bpf.c reads: one group per CPU that counts everything there, whatever the number of targets. */
#pragma once

#include "sensor/bpf_slots.h"
#include "sensor/perf_group.h"
#include "sensor/typed_events.h"

struct log;

/* The zero value counts nothing. */
struct bpf_events {
    const struct event_set *set; /* borrowed: the same on all CPUs; NULL: typed */
    struct typed_events *typed;  /* borrowed */
    const struct host *host;     /* borrowed */
    enum bpf_event_kind kind;
    struct perf_group *groups;   /* [n_cpus] */
    size_t n_cpus;
    bool has_warned;
};

/* The clock counters, a set that is the same on all CPUs. -ENOMEM. */
int bpf_events_init_clock(struct bpf_events *events, const struct event_set *set, const struct topology *topology);
/* The extra events. -ENOMEM. */
int bpf_events_init_extra(struct bpf_events *events, struct typed_events *typed, const struct host *host, const struct topology *topology);
/* Opens the groups of CPUs that have come and closes those of CPUs that have left, whose events are dead for good. A CPU whose group cannot be
 * opened is tried again at each call; the first failure is logged. Returns how many CPUs that are online have none. */
size_t bpf_events_follow(struct bpf_events *events, struct bpf_slots *slots, const struct topology *topology, const struct log *log);
void bpf_events_deinit(struct bpf_events *events);
