/* SPDX-License-Identifier: BSD-3-Clause */
/* Which counts the bpf engine reports, in what order, and which perf events must be open for that: none for what the kernel's part counts by
 * itself (cpu_ns, context_switches, page_faults). */
#pragma once

#include "sensor/counters_bpf.h"
#include "sensor/event_set.h"

#define BPF_PLAIN 3 /* counts that need no perf event */
#define BPF_COLUMNS_MAX (BPF_PLAIN + BPF_EXTRA_MAX)

struct host_record;

struct bpf_column {
    char name[64]; /* canonical */
    size_t offset; /* of the count in struct bpf_sums */
    int extra;     /* index in the set of extra events, -1: plain */
};

struct bpf_columns {
    struct bpf_column columns[BPF_COLUMNS_MAX];
    size_t n_columns;
    struct event_set extra; /* perf events to be open on every CPU */
};

/* For a set that was asked for (is_asked): its events in its order, -E2BIG if more than BPF_EXTRA_MAX of them need a perf event. Else the plain
 * counts, and what hardware events the set has; of these those that find no room are left out. */
int bpf_columns_choose(struct bpf_columns *ret_columns, const struct event_set *set, bool is_asked, struct error *err);
/* Adds one host_event per column. -ENOMEM. */
int bpf_columns_describe(const struct bpf_columns *columns, struct host_record *host_record);
