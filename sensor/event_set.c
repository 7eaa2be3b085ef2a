/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing and encoding events. libpfm4 is used once, at start, in one thread. */
#include "sensor/event_set.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <perfmon/pfmlib_perf_event.h> /* wants linux/perf_event.h before it */

#include "common/error.h"
#include "common/events.h"
#include "common/log.h"
#include "common/scope.h"
#include "sensor/cpu_types.h"
#include "sensor/host.h"
#include "sensor/topology.h"

#ifndef PERF_PMU_TYPE_SHIFT /* Linux 5.13 */
#define PERF_PMU_TYPE_SHIFT 32
#endif

extern const char events_software_conf[], events_intel_conf[], events_amd_conf[], events_arm_conf[];

static const struct {
    const char *vendor, *list;
} vendor_lists[] = {
    {"GenuineIntel", events_intel_conf},
    {"AuthenticAMD", events_amd_conf},
    {"HygonGenuine", events_amd_conf},
    {TOPOLOGY_ARM, events_arm_conf},
};

static void copy_trimmed(char *text, size_t size, const char *from, const char *end)
{
    while (from < end && isblank((unsigned char)*from))
        from++;
    while (end > from && isspace((unsigned char)end[-1]))
        end--;
    (void)snprintf(text, size, "%.*s", (int)(end - from), from);
}

static bool list_has(const char *list, int64_t number)
{
    if (!strcmp(list, "*"))
        return true;
    for (const char *at = list; *at;) {
        char *end;
        long from = strtol(at, &end, 10), to = from;
        if (end == at)
            return false;
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        if (number >= from && number <= to)
            return true;
        at = end + (*end == ',');
    }
    return false;
}

static bool is_section_of(const char *line, int64_t family, int64_t model)
{
    char its_family[32], its_models[128];
    return sscanf(line, "[%*s %31s %127[^]]]", its_family, its_models) == 2 &&
           list_has(its_family, family) && list_has(its_models, model);
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

const char *event_list_for(const char *text, int64_t family, int64_t model)
{
    for (const char *line = text; *line; line = next_line(line))
        if (*line == '[' && is_section_of(line, family, model))
            return next_line(line);
    return text;
}

int event_list_next(const char **text, char name[static 64], char event[static 128])
{
    while (**text && **text != '[') {
        const char *line = *text, *end = line + strcspn(line, "\n");
        *text = next_line(line);
        const char *stop = memchr(line, '#', (size_t)(end - line));
        if (!stop)
            stop = end;
        char rest[8];
        copy_trimmed(rest, sizeof(rest), line, stop);
        if (!rest[0])
            continue;
        const char *equals = memchr(line, '=', (size_t)(stop - line));
        if (!equals || equals - line >= 64 || stop - equals >= 128)
            return -EBADMSG;
        copy_trimmed(name, 64, line, equals);
        copy_trimmed(event, 128, equals + 1, stop);
        return name[0] && event[0] ? 1 : -EBADMSG;
    }
    return 0;
}

static const char *find_in_list(const char *list, const char *wanted, char event[static 128])
{
    char name[64];
    int r;
    while ((r = event_list_next(&list, name, event)) != 0)
        if (r > 0 && !strcmp(name, wanted))
            return event;
    return NULL;
}

/* Of the PMU of another CPU libpfm4 knows all events, and says that it does not find them. */
static bool is_of_other_cpu(const char *text)
{
    const char *end = strstr(text, "::");
    for (pfm_pmu_t pmu = PFM_PMU_NONE; end && pmu < PFM_PMU_MAX; pmu++) {
        pfm_pmu_info_t info = {.size = sizeof(info)};
        if (pfm_get_pmu_info(pmu, &info) == PFM_SUCCESS && !info.is_present &&
            strlen(info.name) == (size_t)(end - text) &&
            strncasecmp(info.name, text, (size_t)(end - text)) == 0)
            return true;
    }
    return false;
}

static int explain(const char *text, int r, struct error *err)
{
    if (is_of_other_cpu(text))
        return error_set(err, -EINVAL,
                         "event \"%s\": %.*s is the PMU of another CPU, this one has no such "
                         "events",
                         text, (int)strcspn(text, ":"), text);
    return error_set(err, -EINVAL,
                     "event \"%s\": libpfm4 says \"%s\"; write PMU::EVENT[:MASK] as libpfm4 spells "
                     "it, perf_raw::rHEX, or a canonical name such as instructions",
                     text, pfm_strerror(r));
}

static int encode(const char *text, struct counted_event *event, struct error *err)
{
    struct perf_event_attr attr = {.size = sizeof(attr)}; /* 0 would lose config2 and later */
    char *full = NULL;
    pfm_perf_encode_arg_t argument = {.attr = &attr, .fstr = &full, .size = sizeof(argument)};
    int r = pfm_initialize();
    if (r == PFM_SUCCESS)
        r = pfm_get_os_event_encoding(text, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &argument);
    SCOPED(scope_free) char *owned = full;
    if (r != PFM_SUCCESS)
        return explain(text, r, err);
    attr.size = sizeof(attr);
    /* libpfm4 leaves guests out unless told otherwise; a hypervisor's work is that of its guests.
     */
    attr.exclude_guest = attr.exclude_host = 0;
    event->attr = attr;
    const char *separator = owned ? strstr(owned, "::") : NULL;
    if (separator)
        (void)snprintf(event->pmu, sizeof(event->pmu), "%.*s", (int)(separator - owned), owned);
    return 0;
}

static void append(struct event_set *set, struct counted_event *event)
{
    event->attr.read_format =
        PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    set->events[set->n_events++] = *event;
}

int event_set_add(struct event_set *set, const char *name, const char *text, struct error *err)
{
    struct counted_event event = {0};
    if (set->n_events == EVENT_SET_MAX)
        return error_set(err, -E2BIG, "event \"%s\": at most %d events can be counted", text,
                         EVENT_SET_MAX);
    if (strlen(name) >= sizeof(event.name) || strlen(text) >= sizeof(event.text))
        return error_set(err, -EINVAL, "event \"%s\": the name is too long", text);
    for (size_t i = 0; i < set->n_events; i++)
        if (!strcmp(set->events[i].name, name))
            return error_set(err, -EINVAL, "event \"%s\": \"%s\" is asked for twice", text, name);
    int r = encode(text, &event, err);
    if (r < 0)
        return r;
    (void)snprintf(event.name, sizeof(event.name), "%s", name);
    (void)snprintf(event.text, sizeof(event.text), "%s", text);
    append(set, &event);
    return 0;
}

static int try_to_open(const struct counted_event *event, pid_t pid, int cpu)
{
    struct perf_event_attr attr = event->attr;
    attr.disabled = 1;
    long fd = syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    (void)close((int)fd);
    return 0;
}

int event_set_try(const struct counted_event *event, int cpu)
{
    return try_to_open(event, -1, cpu);
}

/* The kernel counts for tasks only what it can tell apart by them: not what a memory controller or a
 * whole package does. */
static bool is_of_tasks(const struct counted_event *event)
{
    return try_to_open(event, 0, -1) != -EINVAL;
}

static const char *list_of_vendor(const char *vendor)
{
    for (size_t i = 0; i < ARRAY_SIZE(vendor_lists); i++)
        if (!strcmp(vendor, vendor_lists[i].vendor))
            return vendor_lists[i].list;
    return NULL;
}

bool event_set_knows(const char *vendor)
{
    return list_of_vendor(vendor) != NULL;
}

const char *event_set_list(const char *vendor, const struct cpu_type *type)
{
    const char *list = list_of_vendor(vendor);
    return list ? event_list_for(list, type->family, type->model) : events_software_conf;
}

/* Names of libpfm4 that belong to no model. */
static bool is_of_any_pmu(const struct counted_event *event)
{
    return !strcmp(event->pmu, "perf") || !strcmp(event->pmu, "perf_raw");
}

void event_set_retype(struct counted_event *event, const struct cpu_type *type)
{
    uint32_t kind = event->attr.type;
    if (!type->pmu[0])
        return;
    if (kind == PERF_TYPE_HARDWARE || kind == PERF_TYPE_HW_CACHE)
        event->attr.config |= (uint64_t)type->pmu_type << PERF_PMU_TYPE_SHIFT;
    else if (kind == PERF_TYPE_RAW && is_of_any_pmu(event))
        event->attr.type = type->pmu_type;
    else if (is_of_any_pmu(event) || kind != type->pmu_type)
        return;
    event->is_typed = true;
    (void)snprintf(event->pmu, sizeof(event->pmu), "%s", type->pmu);
}

/* Keeps the event that was just added if the type's CPUs count it. */
static int keep_if_counted(struct event_set *set, const struct cpu_type *type)
{
    struct counted_event *event = &set->events[set->n_events - 1];
    event_set_retype(event, type);
    int r = event_set_try(event, type->first_cpu);
    if (r < 0)
        set->n_events--;
    return r;
}

/* Names are what readers look events up by, and cpu_ns is read as nanoseconds of CPU time. */
static int check_own_name(const char *asked, const char *name, const char *event,
                          struct error *err)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (!name[0] || !event[0] || name[strspn(name, letters)])
        return error_set(err, -EINVAL,
                         "event \"%s\": write NAME=EVENT, the name in letters, digits, '_', '.' "
                         "and '-'",
                         asked);
    if (strcmp(name, EVENT_CPU_NS) == 0 && strcmp(event_canonical(event), EVENT_CPU_NS) != 0)
        return error_set(err, -EINVAL,
                         "event \"%s\": \"%s\" is the name of CPU time, choose another", asked,
                         name);
    return 0;
}

/* "name=event" names it freely; what a list knows is taken from there; anything else is libpfm4's.
 * A '=' behind a colon belongs to a modifier (":c=1"). */
static int add_asked(struct event_set *set, const char *asked, const char *list, struct error *err)
{
    char name[64], event[128];
    const char *equals = strchr(asked, '='), *colon = strchr(asked, ':');
    if (equals && (!colon || equals < colon)) {
        if ((size_t)(equals - asked) >= sizeof(name))
            return error_set(err, -EINVAL, "event \"%s\": the name is too long", asked);
        copy_trimmed(name, sizeof(name), asked, equals);
        int r = check_own_name(asked, name, equals + 1, err);
        return r < 0 ? r : event_set_add(set, name, equals + 1, err);
    }
    const char *canonical = event_canonical(asked);
    if (find_in_list(list, asked, event) || find_in_list(events_software_conf, asked, event))
        return event_set_add(set, asked, event, err);
    return event_set_add(set, canonical, asked, err);
}

int event_check(const char *asked, struct error *err)
{
    struct event_set set = {0};
    char event[128];
    for (size_t i = 0; i < ARRAY_SIZE(vendor_lists); i++) {
        if (find_in_list(vendor_lists[i].list, asked, event))
            return 0;
    }
    return add_asked(&set, asked, events_software_conf, err);
}

int event_set_ask(struct event_set *set, const char *vendor, const struct cpu_type *type,
                  const char *asked, struct error *err)
{
    int r = add_asked(set, asked, event_set_list(vendor, type), err);
    if (r < 0)
        return r;
    r = keep_if_counted(set, type);
    if (r < 0)
        return error_set(err, r, "event \"%s\": this machine does not count it: %s", asked,
                         r == -ENOENT ? "it has no such counter" : strerror(-r));
    if (!is_of_tasks(&set->events[set->n_events - 1])) {
        set->n_events--;
        return error_set(err, -EOPNOTSUPP,
                         "event \"%s\": its PMU counts what a whole package does, whoever runs: "
                         "no target can be charged with it",
                         asked);
    }
    return 0;
}

static bool offer_list(struct event_set *set, const char *list, const struct cpu_type *type,
                       char *missing, size_t missing_size)
{
    char name[64], text[128];
    bool has_hardware = false;
    missing[0] = '\0';
    int r;
    while ((r = event_list_next(&list, name, text)) != 0) {
        if (r < 0)
            continue;
        if (event_set_add(set, name, text, NULL) == 0 && keep_if_counted(set, type) == 0) {
            const struct counted_event *event = &set->events[set->n_events - 1];
            has_hardware |= event->is_typed || event->attr.type != PERF_TYPE_SOFTWARE;
            continue;
        }
        size_t length = strlen(missing);
        (void)snprintf(missing + length, missing_size - length, " %s", name);
    }
    return has_hardware;
}

bool event_set_offer(struct event_set *set, const char *vendor, const struct cpu_type *type,
                     char *ret_missing, size_t missing_size)
{
    return offer_list(set, event_set_list(vendor, type), type, ret_missing, missing_size);
}

void event_set_offer_software(struct event_set *set, const struct cpu_type *type)
{
    char missing[256];
    (void)offer_list(set, events_software_conf, type, missing, sizeof(missing));
}

void event_set_clock(struct event_set *set, const struct host *host)
{
    static const char *const names[] = {"tsc", "aperf", "mperf"};
    static const char devices[] = "bus/event_source/devices/msr";
    int64_t type;
    *set = (struct event_set){0};
    if (host_read_int64(&type, "%s/%s/type", host->sysfs, devices) < 0 || type < 0 ||
        type > UINT32_MAX)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char text[64];
        uint64_t config;
        if (host_read_text(text, sizeof(text), "%s/%s/events/%s", host->sysfs, devices, names[i]) <
                0 ||
            sscanf(text, "event=%" SCNx64, &config) != 1)
            continue;
        struct counted_event event = {
            .attr = {.type = (uint32_t)type, .size = sizeof(event.attr), .config = config},
        };
        (void)snprintf(event.name, sizeof(event.name), "%s", names[i]);
        append(set, &event);
    }
}
