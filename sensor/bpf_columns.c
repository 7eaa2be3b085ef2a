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

static size_t find_plain(const struct counted_event *event)
{
    size_t i = 0;
    while (i < BPF_PLAIN && (event->is_typed || strcmp(event->name, plain_counts[i].name) != 0 ||
                             strcmp(event_canonical(event->text), event->name) != 0))
        i++;
    return i;
}

static bool needs_none(const struct counted_event *event, bool is_asked)
{
    if (is_asked)
        return find_plain(event) < BPF_PLAIN;
    return !event->is_typed && event->attr.type == PERF_TYPE_SOFTWARE;
}

/* Leaves what needs a perf event. Returns the first that finds no room, NULL. */
static const struct counted_event *leave_extra(struct event_set *set, bool is_asked)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < set->n_events; i++)
        if (!needs_none(&set->events[i], is_asked))
            set->events[n_kept++] = set->events[i];
    set->n_events = n_kept < BPF_EXTRA_MAX ? n_kept : BPF_EXTRA_MAX;
    return n_kept > BPF_EXTRA_MAX ? &set->events[BPF_EXTRA_MAX] : NULL;
}

static void add_extra(struct bpf_columns *columns, const struct typed_events *events,
                      const char *name)
{
    size_t extra = 0;
    while (extra < events->n_columns && strcmp(events->columns[extra].name, name) != 0)
        extra++;
    if (extra < events->n_columns)
        add_column(columns, name, offsetof(struct bpf_sums, extra) + extra * sizeof(uint64_t),
                   (int)extra);
}

int bpf_columns_choose(struct bpf_columns *ret_columns, struct typed_events *events, bool is_asked,
                       struct error *err)
{
    struct bpf_columns columns = {0};
    struct event_column all[TYPED_COLUMNS_MAX];
    size_t plain[TYPED_COLUMNS_MAX], n_all = events->n_columns;
    memcpy(all, events->columns, n_all * sizeof(all[0]));
    for (size_t i = 0; i < n_all; i++)
        plain[i] = find_plain(typed_events_at(events, i));
    for (size_t type = 0; type < events->types.n; type++) {
        const struct counted_event *excess = leave_extra(&events->sets[type], is_asked);
        if (excess && is_asked)
            return error_set(err, -E2BIG,
                             "event \"%s\": the bpf engine reads at most %d beside cpu_ns, "
                             "context_switches and page_faults",
                             excess->name, BPF_EXTRA_MAX);
    }
    typed_events_name(events);
    for (size_t i = 0; i < BPF_PLAIN && !is_asked; i++)
        add_column(&columns, plain_counts[i].name, plain_counts[i].offset, -1);
    for (size_t i = 0; i < n_all; i++) {
        if (!is_asked || plain[i] == BPF_PLAIN)
            add_extra(&columns, events, all[i].name);
        else
            add_column(&columns, all[i].name, plain_counts[plain[i]].offset, -1);
    }
    *ret_columns = columns;
    return 0;
}

int bpf_columns_describe(const struct bpf_columns *columns, const struct typed_events *events,
                         struct host_record *host_record)
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
        const struct counted_event *event = typed_events_at(events, (size_t)column->extra);
        (void)snprintf(entry->event, sizeof(entry->event), "%s", event->text);
        (void)snprintf(entry->pmu, sizeof(entry->pmu), "%s", event->pmu);
    }
    return 0;
}
