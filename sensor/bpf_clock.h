/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock counters of the kernel's msr PMU (tsc, aperf, mperf), read by counters.bpf.c on each CPU when it is flushed, so that they cost no
 * call of their own. */
#pragma once

#include "common/report.h"
#include "sensor/bpf_events.h"

/* The zero value has none. */
struct bpf_clock {
    struct event_set set;
    struct bpf_events events;
    uint64_t *last; /* [n_cpus][set.n_events]; 0: no baseline */
};

/* Finds the counters that the machine offers, possibly none. Call before bpf_slots_open, for set.n_events. */
void bpf_clock_choose(struct bpf_clock *clock, const struct host *host);
/* -ENOMEM. */
int bpf_clock_init(struct bpf_clock *clock, const struct topology *topology);
void bpf_clock_follow(struct bpf_clock *clock, struct bpf_slots *slots, const struct topology *topology, const struct log *log);
/* After a flush: adds a sample per package, if there are any counters; report NULL: this was the baseline. A CPU that has just come is in the
 * next one. -ENOMEM. */
int bpf_clock_read(struct bpf_clock *clock, const struct bpf_slots *slots, const struct topology *topology, struct report *report);
void bpf_clock_deinit(struct bpf_clock *clock);
