/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/typed_events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/host_record.h"
#include "common/log.h"
#include "sensor/host.h"
#include "sensor/perf_group.h"
#include "sensor/topology.h"

#define NAME_SIZE sizeof(((struct event_column *)NULL)->name)
#define TYPE_SIZE sizeof(((struct cpu_type *)NULL)->name)

/* What is asked for is counted where it can be; types that lack it are no error. */
static int ask(struct typed_events *events, const struct topology *topology, const char *asked,
               struct error *err)
{
    bool is_counted = false;
    int r = 0;
    for (size_t type = 0; type < events->types.n; type++) {
        struct event_set *set = &events->sets[type];
        r = event_set_ask(set, topology->vendor, &events->types.types[type], asked, err);
        if (r < 0 && r != -ENOENT)
            return r;
        is_counted |= r == 0;
        if (r == 0 && set->events[set->n_events - 1].is_typed &&
            strlen(set->events[set->n_events - 1].name) > NAME_SIZE - TYPE_SIZE - 1)
            return error_set(err, -EINVAL, "event \"%s\": the name is too long", asked);
    }
    return is_counted ? 0 : r;
}

static int all_count(const struct typed_events *events, struct error *err)
{
    for (size_t type = 0; type < events->types.n; type++)
        if (events->sets[type].n_events == 0)
            return error_set(err, -EINVAL,
                             "CPUs of %s count none of the events that are asked for: ask for "
                             "cpu_ns as well",
                             events->types.types[type].pmu);
    return 0;
}

static size_t find_event(const struct event_set *set, const char *name)
{
    size_t i = 0;
    while (i < set->n_events && strcmp(set->events[i].name, name) != 0)
        i++;
    return i;
}

static void remove_event(struct event_set *set, size_t index)
{
    set->n_events--;
    memmove(&set->events[index], &set->events[index + 1],
            (set->n_events - index) * sizeof(set->events[0]));
}

/* In the order of the first type: the last ones, given up first, are the same everywhere. */
static void order_alike(struct typed_events *events)
{
    const struct event_set *first = &events->sets[0];
    for (size_t type = 1; type < events->types.n; type++) {
        struct event_set *set = &events->sets[type];
        for (size_t i = 0; i < first->n_events && i < set->n_events; i++) {
            size_t from = find_event(set, first->events[i].name);
            if (from == set->n_events)
                continue;
            const struct counted_event event = set->events[from];
            set->events[from] = set->events[i];
            set->events[i] = event;
        }
    }
}

/* A count that some CPUs lack would make those who run there look idle. */
static void keep_common(struct typed_events *events, const struct host *host)
{
    for (size_t type = 0; type < events->types.n; type++) {
        struct event_set *set = &events->sets[type];
        for (size_t i = set->n_events; i-- > 0;) {
            size_t n_having = 0;
            for (size_t other = 0; other < events->types.n; other++) {
                const struct event_set *theirs = &events->sets[other];
                n_having += find_event(theirs, set->events[i].name) < theirs->n_events;
            }
            if (n_having == events->types.n)
                continue;
            log_warning(host->log, "perf: %s is left out: not all types of CPUs count it",
                        set->events[i].name);
            remove_event(set, i);
        }
    }
    order_alike(events);
}

/* Returns whether all types have a hardware event. */
static bool offer(struct typed_events *events, const struct host *host,
                  const struct topology *topology)
{
    char missing[CPU_TYPES_MAX][256];
    for (size_t type = 0; type < events->types.n; type++)
        if (!event_set_offer(&events->sets[type], topology->vendor, &events->types.types[type],
                             missing[type], sizeof(missing[type])))
            return false;
    for (size_t type = 0; type < events->types.n; type++)
        if (missing[type][0])
            log_warning(host->log, "perf: this CPU does not count%s%s%s", missing[type],
                        events->types.n > 1 ? " on cores of " : "",
                        events->types.types[type].pmu);
    keep_common(events, host);
    return true;
}

static int offer_any(struct typed_events *events, const struct host *host,
                     const struct topology *topology, struct error *err)
{
    if (offer(events, host, topology))
        return 0;
    for (size_t type = 0; type < events->types.n; type++) {
        events->sets[type] = (struct event_set){0};
        event_set_offer_software(&events->sets[type], &events->types.types[type]);
        if (events->sets[type].n_events == 0)
            return error_set(err, -EACCES,
                             "no perf event can be opened: it needs CAP_PERFMON (Debian: "
                             "CAP_SYS_ADMIN) or kernel.perf_event_paranoid=0");
    }
    return 0;
}

int typed_events_choose(struct typed_events *ret_events, const struct host *host,
                        const struct topology *topology, const char *const *asked, size_t n_asked,
                        struct error *err)
{
    *ret_events = (struct typed_events){0};
    int r = cpu_types_read(&ret_events->types, host, topology);
    if (r < 0)
        return error_set(err, r, "out of memory");
    for (size_t i = 0; i < n_asked && r == 0; i++)
        r = ask(ret_events, topology, asked[i], err);
    if (r == 0)
        r = n_asked > 0 ? all_count(ret_events, err) : offer_any(ret_events, host, topology, err);
    if (r < 0) {
        typed_events_deinit(ret_events);
        return r;
    }
    typed_events_name(ret_events);
    return 0;
}

int typed_events_fit(struct typed_events *events, const struct host *host, bool is_asked,
                     struct error *err)
{
    for (size_t type = 0; type < events->types.n; type++) {
        struct event_set *set = &events->sets[type];
        if (set->n_events == 0)
            continue;
        int r = perf_group_fit(set, events->types.types[type].first_cpu, is_asked, host, err);
        if (r < 0)
            return r;
    }
    if (!is_asked)
        keep_common(events, host);
    typed_events_name(events);
    return 0;
}

/* ---- columns ---- */

/* Names have room for their type (ask). */
static void name_column(char *name, const struct counted_event *event,
                        const struct cpu_type *type)
{
    if (event->is_typed)
        (void)snprintf(name, NAME_SIZE, "%.*s:%s", (int)(NAME_SIZE - TYPE_SIZE - 1),
                       event->name, type->name);
    else
        (void)snprintf(name, NAME_SIZE, "%s", event->name);
}

static size_t column_of(struct typed_events *events, size_t type, size_t index)
{
    char name[NAME_SIZE];
    size_t column = 0;
    name_column(name, &events->sets[type].events[index], &events->types.types[type]);
    while (column < events->n_columns && strcmp(events->columns[column].name, name) != 0)
        column++;
    if (column == events->n_columns) {
        struct event_column *added = &events->columns[events->n_columns++];
        added->type = (uint8_t)type;
        added->index = (uint8_t)index;
        memcpy(added->name, name, sizeof(name));
    }
    return column;
}

void typed_events_name(struct typed_events *events)
{
    events->n_columns = 0;
    for (size_t index = 0; index < EVENT_SET_MAX; index++)
        for (size_t type = 0; type < events->types.n; type++)
            if (index < events->sets[type].n_events)
                events->column[type][index] = (uint8_t)column_of(events, type, index);
}

const struct event_set *typed_events_of(struct typed_events *events, const struct host *host,
                                        size_t cpu, size_t *ret_type)
{
    size_t type = cpu_types_of(&events->types, host, cpu);
    if (ret_type)
        *ret_type = type;
    return type == CPU_TYPE_NONE ? NULL : &events->sets[type];
}

size_t typed_events_most(const struct typed_events *events)
{
    size_t n = 0;
    for (size_t type = 0; type < events->types.n; type++)
        n = events->sets[type].n_events > n ? events->sets[type].n_events : n;
    return n;
}

void typed_events_cut(struct typed_events *events, size_t n_events)
{
    for (size_t type = 0; type < events->types.n; type++)
        if (events->sets[type].n_events > n_events)
            events->sets[type].n_events = n_events;
    typed_events_name(events);
}

int typed_events_read(const struct typed_events *events, struct perf_group *group, size_t cpu,
                      int64_t *cell)
{
    int64_t counts[EVENT_SET_MAX + 2] = {0};
    const uint8_t *column = events->column[events->types.of_cpu[cpu]];
    int r = perf_group_read(group, counts);
    for (size_t i = 0; i < group->n_events && r >= 0; i++)
        cell[column[i]] += counts[i];
    if (r >= 0) {
        cell[events->n_columns] += counts[group->n_events];
        cell[events->n_columns + 1] += counts[group->n_events + 1];
    }
    return r;
}

const struct counted_event *typed_events_at(const struct typed_events *events, size_t column)
{
    const struct event_column *at = &events->columns[column];
    return &events->sets[at->type].events[at->index];
}

int typed_events_describe(const struct typed_events *events, struct host_record *host_record)
{
    for (size_t i = 0; i < events->n_columns; i++) {
        const struct counted_event *event = typed_events_at(events, i);
        struct host_event *entry;
        int r = host_record_add_event(host_record, &entry);
        if (r < 0)
            return r;
        (void)snprintf(entry->name, sizeof(entry->name), "%s", events->columns[i].name);
        (void)snprintf(entry->event, sizeof(entry->event), "%s", event->text);
        (void)snprintf(entry->pmu, sizeof(entry->pmu), "%s", event->pmu);
    }
    return 0;
}

void typed_events_deinit(struct typed_events *events)
{
    cpu_types_deinit(&events->types);
    *events = (struct typed_events){0};
}
