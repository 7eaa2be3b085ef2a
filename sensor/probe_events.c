/* SPDX-License-Identifier: BSD-3-Clause */
/* What opens is counted: nothing else tells what a machine's counters, and those who hold them, let through. */
#include "sensor/probe_events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/events.h"
#include "common/scope.h"
#include "sensor/cpu_types.h"
#include "sensor/event_set.h"
#include "sensor/perf_group.h"

static bool counts(const struct host_record *record, const char *name)
{
    for (size_t i = 0; i < record->n_events; i++) {
        const char *without_type = event_without_type(record->events[i].name);
        if (strcmp(without_type ? without_type : record->events[i].name, name) == 0)
            return true;
    }
    return false;
}

static void append_counted(bson_t *object, const struct host_record *record)
{
    bson_t array;
    bson_append_array_begin(object, "events", -1, &array);
    for (size_t i = 0; i < record->n_events; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "%zu", i);
        append_text(&array, key, record->events[i].name);
    }
    bson_append_array_end(object, &array);
}

/* Of the CPU's own set; returns whether any other hardware event is counted. */
static bool append_missing(bson_t *object, const struct host_record *record,
                           const struct topology *topology, size_t *ret_n_missing)
{
    const struct cpu_type type = {.family = topology->family, .model = topology->model};
    const char *list = event_set_list(topology->vendor, &type);
    char name[64], event[128], key[24];
    bool has_hardware = false;
    bson_t array;
    *ret_n_missing = 0;
    bson_append_array_begin(object, "events_missing", -1, &array);
    for (int r; (r = event_list_next(&list, name, event)) != 0;) {
        if (r < 0 || strcmp(name, EVENT_CPU_NS) == 0)
            continue;
        if (counts(record, name)) {
            has_hardware = true;
            continue;
        }
        (void)snprintf(key, sizeof(key), "%zu", (*ret_n_missing)++);
        append_text(&array, key, name);
    }
    bson_append_array_end(object, &array);
    return has_hardware;
}

/* The watchdog holds one counter, and no CPU has only one. */
static void explain(bson_t *object, const struct topology *topology, const struct host *host,
                    bool has_hardware)
{
    bool is_held = has_hardware && perf_group_rival(host)[0] != '\0';
    const char *why = "this CPU does not count them, or not together";
    if (is_held)
        why = "the NMI watchdog holds a counter";
    else if (!has_hardware)
        why = topology->is_virtual ? "its hypervisor shows this virtual machine no hardware counter"
                                   : "no hardware counter can be opened";
    append_text(object, "events_why", why);
    append_text(object, "events_advice", is_held ? "sysctl kernel.nmi_watchdog=0" : "");
}

int probe_append_events(bson_t *object, const struct engine *engine, bool are_asked,
                        const struct host *host, const struct topology *topology)
{
    struct host_record record;
    size_t n_missing;
    host_record_init(&record);
    int r = engine->ops->describe(engine, &record);
    if (r >= 0)
        append_counted(object, &record);
    bool has_set = !are_asked && engine->ops->does_events;
    if (r >= 0 && has_set && !event_set_knows(topology->vendor)) {
        append_text(object, "events_why",
                    "which hardware events this CPU has is not known; --event NAME counts one");
    } else if (r >= 0 && has_set) {
        bool has_hardware = append_missing(object, &record, topology, &n_missing);
        if (n_missing > 0)
            explain(object, topology, host, has_hardware);
    }
    host_record_deinit(&record);
    return r;
}
