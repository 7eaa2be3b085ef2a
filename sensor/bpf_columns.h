/* SPDX-License-Identifier: BSD-3-Clause */
/* Which counts the bpf engine reports, in what order, and which perf events must be open for that: none for what the kernel's part counts by
 * itself (cpu_ns, context_switches, page_faults). */
#pragma once

#include "sensor/counters_bpf.h"
#include "sensor/typed_events.h"

#define BPF_PLAIN 3 /* counts that need no perf event */
#define BPF_COLUMNS_MAX (BPF_PLAIN + BPF_EXTRA_COLUMNS_MAX)

struct host_record;

struct bpf_column {
    char name[64]; /* canonical, and its type of CPUs */
    size_t offset; /* of the count in struct bpf_sums */
    int extra;     /* its column among the events that need a perf event, -1: plain */
};

struct bpf_columns {
    struct bpf_column columns[BPF_COLUMNS_MAX];
    size_t n_columns;
};

/* Takes out of the events what needs no perf event: what is left is to be open on every CPU. Of what was asked for (is_asked): its events in its
 * order, -E2BIG if a CPU would have more than BPF_EXTRA_MAX of them. Else the plain counts and the hardware events; of these those that find no
 * room are left out. */
int bpf_columns_choose(struct bpf_columns *ret_columns, struct typed_events *events, bool is_asked, struct error *err);
/* Adds one host_event per column; events: as they were left. -ENOMEM. */
int bpf_columns_describe(const struct bpf_columns *columns, const struct typed_events *events, struct host_record *host_record);
