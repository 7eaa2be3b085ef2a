/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/nvml_users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/events.h"
#include "sensor/gpu_time.h"
#include "sensor/process_identity.h"

#define SAMPLES_MIN 64    /* room to begin with */
#define SAMPLES_MAX 65536 /* more processes use no GPU */
#define STEP_US 1000000   /* two clocks of one machine are not so far apart */
#define TRIES_MAX 3       /* while processes come faster than room is made */

/* What one target used. */
struct nvml_use {
    const char *target;
    int64_t busy_ns;
};

void nvml_users_deinit(struct nvml_users *users)
{
    free(users->times);
    *users = (struct nvml_users){0};
}

void nvml_users_room_deinit(struct nvml_users_room *room)
{
    free(room->samples);
    free(room->uses);
    *room = (struct nvml_users_room){0};
}

bool nvml_users_are_known(const struct nvml_library *library, void *device)
{
    unsigned n = 0;
    return library->process_utilization &&
           !nvml_is_unknown(library->process_utilization(device, NULL, &n, 0));
}

/* The samples since the last asking: their number, -EIO where the driver does not say, or -ENOMEM.
 */
static int ask(const struct nvml_users *users, struct nvml_users_room *room,
               const struct nvml_library *library)
{
    size_t n_wanted = SAMPLES_MIN;
    for (int i = 0; i < TRIES_MAX; i++) {
        if (array_reserve(&room->samples, &room->samples_capacity, n_wanted,
                          sizeof(*room->samples)) < 0)
            return -ENOMEM;
        unsigned n = (unsigned)room->samples_capacity;
        int status = library->process_utilization(users->device, room->samples, &n, users->seen_us);
        if (status == NVML_NOT_FOUND)
            return 0;
        if (status == NVML_OK)
            return n <= room->samples_capacity ? (int)n : -EIO;
        if (status != NVML_INSUFFICIENT_SIZE || n > SAMPLES_MAX)
            return -EIO;
        n_wanted = (size_t)n + SAMPLES_MIN;
    }
    return -EIO;
}

static int find_target(const struct host *host, struct targets *targets, pid_t pid,
                       const char **ret_name)
{
    struct process_identity identity;
    struct target *target = NULL;
    if (process_identity_read(host, targets_are_v1(targets), pid, &identity) == 0) {
        const struct seen_process seen = {.pid = pid,
                                          .parent_pid = identity.parent_pid,
                                          .start_ticks = identity.start_ticks,
                                          .comm = identity.comm,
                                          .cgroup = identity.cgroup,
                                          .uid = identity.uid};
        target = targets_find_announced(targets, pid, identity.start_ticks);
        if (!target && targets_find_process(targets, &seen, &target) < 0)
            return -ENOMEM;
    }
    *ret_name = target ? target->name : OTHER_TARGET;
    return 0;
}

/* Adds up the processes of each target; returns how many targets there are. */
static int sum_uses(const struct nvml_users *users, struct nvml_users_room *room,
                    const struct host *host, struct targets *targets)
{
    size_t n_times = users->n_times;
    if (array_reserve(&room->uses, &room->uses_capacity, n_times + 1, sizeof(*room->uses)) < 0)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < n_times; i++) {
        const char *name;
        if (find_target(host, targets, users->times[i].pid, &name) < 0)
            return -ENOMEM;
        size_t at = 0;
        while (at < n && room->uses[at].target != name)
            at++;
        if (at == n)
            room->uses[n++] = (struct nvml_use){name, 0};
        room->uses[at].busy_ns += users->times[i].busy_ns;
    }
    return (int)n;
}

/* Where it stands among the report's events, added if it is new: -ENOSPC if there is no room. */
static int find_event(struct report *report)
{
    size_t event = 0;
    while (event < report->n_events && strcmp(report->events[event], EVENT_GPU_NS) != 0)
        event++;
    if (event == REPORT_EVENTS_MAX)
        return -ENOSPC;
    if (event == report->n_events && report_add_event(report, EVENT_GPU_NS) < 0)
        return -ENOMEM;
    return (int)event;
}

/* target NULL: the total. */
static int add_row(struct report *report, int event, const char *target, int32_t number,
                   int64_t busy_ns)
{
    struct count_row *row;
    int r = target ? report_add_target(report, &row) : report_add_total(report, &row);
    if (r < 0)
        return r;
    row->target = target ? target : "";
    row->package = number;
    row->has_counts = true;
    report_counts(report, row)[event] = busy_ns;
    return 0;
}

static int add_rows(const struct nvml_users *users, const struct nvml_use *uses, size_t n_uses,
                    struct report *report)
{
    int event = find_event(report);
    if (event < 0)
        return event == -ENOMEM ? event : 0;
    int64_t total_ns = 0;
    for (size_t i = 0; i < n_uses; i++) {
        if (add_row(report, event, uses[i].target, users->number, uses[i].busy_ns) < 0)
            return -ENOMEM;
        total_ns += uses[i].busy_ns;
    }
    return add_row(report, event, NULL, users->number, total_ns);
}

int nvml_users_look(struct nvml_users *users, struct nvml_users_room *room,
                    const struct nvml_library *library, const struct host *host, uint64_t now_ns)
{
    uint64_t now_us = clock_realtime_ns(host->clock) / 1000;
    uint64_t span_ns = users->asked_ns ? now_ns - users->asked_ns : 0;
    if (users->seen_us > now_us + STEP_US)
        users->seen_us = 0; /* the clock was set back */
    int n = ask(users, room, library);
    users->asked_ns = now_ns;
    users->is_known = n >= 0;
    if (n < 0)
        return n == -ENOMEM ? n : 0;
    if (array_reserve(&users->times, &users->times_capacity, (size_t)n + 1, sizeof(*users->times)) <
        0)
        return -ENOMEM;
    /* What comes next is of the time after this look, by the driver's own clock. */
    if (n == 0 && users->seen_us)
        users->seen_us += span_ns / 1000;
    users->n_times = gpu_time_of(room->samples, (size_t)n, users->seen_us, now_us, span_ns,
                                 users->times, &users->seen_us);
    return 0;
}

int nvml_users_count(const struct nvml_users *users, struct nvml_users_room *room,
                     const struct host *host, struct targets *targets, struct report *report)
{
    if (!users->is_known)
        return 0;
    int n = sum_uses(users, room, host, targets);
    return n < 0 ? n : add_rows(users, room->uses, (size_t)n, report);
}
