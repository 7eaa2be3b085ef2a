/* SPDX-License-Identifier: BSD-3-Clause */
#include "formula/scope_events.h"

#include <string.h>

#include "common/events.h"
#include "common/scope.h"
#include "common/typed_names.h"

static const char *const own_event[DOMAIN_COUNT] = {[DOMAIN_GPU] = EVENT_GPU_NS};

bool domain_has_own_event(enum domain domain)
{
    return own_event[domain] != NULL;
}

static bool is_cpu_event(const char *name)
{
    for (size_t domain = 0; domain < DOMAIN_COUNT; domain++)
        if (own_event[domain] && strcmp(own_event[domain], name) == 0)
            return false;
    return true;
}

static int compare(const char *a, const char *b)
{
    int order = (int)is_cpu_event(b) - (int)is_cpu_event(a);
    return order ? order : strcmp(a, b);
}

static void insert(struct scope_events *events, size_t place, const char *name, size_t at)
{
    if (events->n == SCOPE_EVENTS_MAX) {
        if (place == SCOPE_EVENTS_MAX)
            return;
        events->n--;
    }
    size_t n_behind = events->n - place;
    memmove(events->names + place + 1, events->names + place, n_behind * sizeof(char *));
    memmove(events->places + place + 1, events->places + place,
            n_behind * sizeof(events->places[0]));
    events->names[place] = name;
    events->places[place] = (struct event_places){.at = {at}, .n = 1};
    events->n++;
}

void scope_events_sort(struct scope_events *events, const struct report *report)
{
    size_t n_types = typed_names_types(report->events, report->n_events);
    events->n = events->n_cpu = 0;
    for (size_t e = 0; e < report->n_events; e++) {
        if (n_types > 0 && !typed_names_is_first(report->events, e))
            continue;
        const char *whole = typed_names_whole(report->events, report->n_events, n_types, e);
        const char *name = whole ? whole : report->events[e];
        size_t place = events->n;
        while (place > 0 && compare(events->names[place - 1], name) > 0)
            place--;
        if (place == 0 || strcmp(events->names[place - 1], name) != 0) {
            insert(events, place, name, e);
        } else if (whole) { /* else named twice: the first counts */
            struct event_places *places = &events->places[place - 1];
            places->at[places->n++] = e;
        }
    }
    while (events->n_cpu < events->n && is_cpu_event(events->names[events->n_cpu]))
        events->n_cpu++;
}

int64_t scope_events_count(const struct scope_events *events, size_t e, const int64_t *counts)
{
    const struct event_places *places = &events->places[e];
    int64_t sum = 0;
    for (size_t i = 0; i < places->n; i++) {
        int64_t count = counts[places->at[i]];
        if (count < 0 || __builtin_add_overflow(sum, count, &sum))
            return VALUE_ABSENT;
    }
    return sum;
}

struct columns scope_events_of(const struct scope_events *events, enum domain domain)
{
    if (!own_event[domain])
        return (struct columns){0, events->n_cpu, true};
    for (size_t e = events->n_cpu; e < events->n; e++)
        if (strcmp(events->names[e], own_event[domain]) == 0)
            return (struct columns){e, 1, false};
    return (struct columns){0, 0, false};
}

size_t scope_events_work(const struct scope_events *events, struct columns columns)
{
    static const char *const preferred[] = {EVENT_CPU_NS, EVENT_CYCLES, EVENT_REF_CYCLES,
                                            EVENT_INSTRUCTIONS};
    for (size_t p = 0; p < ARRAY_SIZE(preferred); p++)
        for (size_t e = 0; e < columns.n; e++)
            if (strcmp(events->names[columns.first + e], preferred[p]) == 0)
                return e;
    return 0; /* the first, or columns.n where there is none */
}

static bool counts_any(const struct scope_events *events, struct columns columns,
                       const int64_t *counts)
{
    for (size_t e = 0; e < columns.n; e++)
        if (scope_events_count(events, columns.first + e, counts) != VALUE_ABSENT)
            return true;
    return false;
}

/* A row that counts nothing at all is one of CPUs that could not be read. */
bool scope_events_are_of(const struct scope_events *events, struct columns columns,
                         const struct report *report, const struct count_row *row)
{
    struct columns own = {events->n_cpu, events->n - events->n_cpu, false};
    if (!row->has_counts)
        return columns.is_cpu;
    const int64_t *counts = report->counts + row->first_count;
    return counts_any(events, columns, counts) ||
           (columns.is_cpu && !counts_any(events, own, counts));
}
