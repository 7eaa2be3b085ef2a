/* SPDX-License-Identifier: BSD-3-Clause */
/* An event is plain if its name and what libpfm4 was asked for mean the same plain count: whoever
 * gives another name to an event ("mine=perf::PAGE-FAULTS") gets the perf event itself. */
#include "sensor/bpf_columns.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/events.h"
#include "common/host_record.h"
#include "common/scope.h"

static const struct {
    const char *name;
    size_t offset;
} plain_counts[BPF_PLAIN] = {
    {EVENT_CPU_NS, offsetof(struct bpf_sums, cpu_ns)},
    {EVENT_CONTEXT_SWITCHES, offsetof(struct bpf_sums, context_switches)},
    {EVENT_PAGE_FAULTS, offsetof(struct bpf_sums, page_faults)},
};

static void add_column(struct bpf_columns *columns, const char *name, size_t offset, int extra)
{
    struct bpf_column *column = &columns->columns[columns->n_columns++];
    *column = (struct bpf_column){.offset = offset, .extra = extra};
    (void)snprintf(column->name, sizeof(column->name), "%s", name);
}

static void add_extra(struct bpf_columns *columns, const struct counted_event *event)
{
    size_t index = columns->extra.n_events++;
    columns->extra.events[index] = *event;
    add_column(columns, event->name, offsetof(struct bpf_sums, extra) + index * sizeof(uint64_t),
               (int)index);
}

static size_t find_plain(const struct counted_event *event)
{
    size_t i = 0;
    while (i < BPF_PLAIN && (strcmp(event->name, plain_counts[i].name) != 0 ||
                             strcmp(event_canonical(event->text), event->name) != 0))
        i++;
    return i;
}

static int take_asked(struct bpf_columns *columns, const struct event_set *set, struct error *err)
{
    for (size_t i = 0; i < set->n_events; i++) {
        const struct counted_event *event = &set->events[i];
        size_t plain = find_plain(event);
        if (plain < BPF_PLAIN)
            add_column(columns, event->name, plain_counts[plain].offset, -1);
        else if (columns->extra.n_events < BPF_EXTRA_MAX)
            add_extra(columns, event);
        else
            return error_set(err, -E2BIG,
                             "event \"%s\": the bpf engine reads at most %d beside cpu_ns, "
                             "context_switches and page_faults",
                             event->name, BPF_EXTRA_MAX);
    }
    return 0;
}

static void take_default(struct bpf_columns *columns, const struct event_set *set)
{
    for (size_t i = 0; i < BPF_PLAIN; i++)
        add_column(columns, plain_counts[i].name, plain_counts[i].offset, -1);
    for (size_t i = 0; i < set->n_events && columns->extra.n_events < BPF_EXTRA_MAX; i++)
        if (set->events[i].attr.type != PERF_TYPE_SOFTWARE)
            add_extra(columns, &set->events[i]);
}

int bpf_columns_choose(struct bpf_columns *ret_columns, const struct event_set *set, bool is_asked,
                       struct error *err)
{
    struct bpf_columns columns = {0};
    int r = 0;
    if (is_asked)
        r = take_asked(&columns, set, err);
    else
        take_default(&columns, set);
    if (r == 0)
        *ret_columns = columns;
    return r;
}

int bpf_columns_describe(const struct bpf_columns *columns, struct host_record *host_record)
{
    for (size_t i = 0; i < columns->n_columns; i++) {
        const struct bpf_column *column = &columns->columns[i];
        struct host_event *entry;
        int r = host_record_add_event(host_record, &entry);
        if (r < 0)
            return r;
        (void)snprintf(entry->name, sizeof(entry->name), "%s", column->name);
        if (column->extra < 0)
            continue;
        const struct counted_event *event = &columns->extra.events[column->extra];
        (void)snprintf(entry->event, sizeof(entry->event), "%s", event->text);
        (void)snprintf(entry->pmu, sizeof(entry->pmu), "%s", event->pmu);
    }
    return 0;
}
