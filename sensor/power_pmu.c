/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says of an event stands in three files: NAME ("event=0x02", placed by
 * format/event), NAME.scale and NAME.unit. All three have to make sense together, else the event is
 * left out: a guessed scale would be a wrong energy for ever. */
#include "sensor/power_pmu.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/host.h"
#include "sensor/topology.h"

#define FOLDER "bus/event_source/devices"
#define CPU_NUMBERS 65536
#define SCALE_MIN_J 1e-18
#define SCALE_MAX_J 1e6

static const struct {
    const char *pmu, *name;
    enum domain domain;
} known_events[] = {
    {POWER_PMU, "energy-pkg", DOMAIN_PACKAGE}, {POWER_PMU, "energy-ram", DOMAIN_DRAM},
    {POWER_PMU, "energy-cores", DOMAIN_CORE},  {POWER_PMU, "energy-gpu", DOMAIN_UNCORE},
    {POWER_PMU, "energy-psys", DOMAIN_PSYS},   {POWER_CORE_PMU, "energy-core", DOMAIN_CORE},
};
static_assert(ARRAY_SIZE(known_events) <= POWER_PMU_EVENTS_MAX + 1, "room for every event");

/* Where the term "event" goes in attr.config: bits low to high. */
struct bit_field {
    unsigned low, high;
};

/* "config:0-7" or "config:3". */
static int parse_field(const char *text, struct bit_field *ret_field)
{
    unsigned low, high;
    int end = 0;
    if (sscanf(text, "config:%u-%u%n", &low, &high, &end) != 2 || text[end]) {
        end = 0;
        if (sscanf(text, "config:%u%n", &low, &end) != 1 || text[end])
            return -EBADMSG;
        high = low;
    }
    if (low > high || high > 63)
        return -EBADMSG;
    *ret_field = (struct bit_field){low, high};
    return 0;
}

static int read_field(const struct host *host, const char *pmu, struct bit_field *ret_field,
                      struct error *err)
{
    char text[64];
    ssize_t n =
        host_read_text(text, sizeof(text), "%s/" FOLDER "/%s/format/event", host->sysfs, pmu);
    *ret_field = (struct bit_field){0, 63};
    if (n == -ENOENT || n == -ENOTDIR)
        return 0; /* the term is config itself */
    if (n < 0 || parse_field(text, ret_field) < 0)
        return error_set(err, -EBADMSG, "%s/" FOLDER "/%s/format/event: no bits of config",
                         host->sysfs, pmu);
    return 0;
}

/* "event=0x02" and nothing else: a term nobody here knows would change what is counted. */
static int parse_code(const char *text, const struct bit_field *field, uint64_t *ret_config)
{
    static const char term[] = "event=";
    char *end;
    if (strncmp(text, term, sizeof(term) - 1) != 0 || !isxdigit((unsigned char)text[6]))
        return -EBADMSG;
    errno = 0;
    uint64_t code = strtoumax(text + sizeof(term) - 1, &end, 0);
    unsigned width = field->high - field->low + 1;
    if (errno || *end || (width < 64 && code >> width != 0))
        return -EBADMSG;
    *ret_config = code << field->low;
    return 0;
}

static int parse_scale(const char *text, double *ret_scale_j)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return -EBADMSG;
    double scale_j = strtod(text, &end);
    if (*end || !isfinite(scale_j) || scale_j < SCALE_MIN_J || scale_j > SCALE_MAX_J)
        return -EBADMSG;
    *ret_scale_j = scale_j;
    return 0;
}

static bool read_event(const struct host *host, const char *pmu, const char *name,
                       const struct bit_field *field, struct power_event *ret_event)
{
    char code[64], scale[64], unit[64], folder[64];
    (void)snprintf(folder, sizeof(folder), FOLDER "/%s/events", pmu);
    return host_read_text(code, sizeof(code), "%s/%s/%s", host->sysfs, folder, name) > 0 &&
           host_read_text(scale, sizeof(scale), "%s/%s/%s.scale", host->sysfs, folder, name) > 0 &&
           host_read_text(unit, sizeof(unit), "%s/%s/%s.unit", host->sysfs, folder, name) > 0 &&
           parse_code(code, field, &ret_event->config) == 0 &&
           parse_scale(scale, &ret_event->scale_j) == 0 && strcmp(unit, "Joules") == 0;
}

static void read_events(struct power_pmu *pmu, const struct host *host,
                        const struct bit_field *field)
{
    for (size_t i = 0; i < ARRAY_SIZE(known_events); i++) {
        struct power_event event = {.domain = known_events[i].domain};
        if (strcmp(known_events[i].pmu, pmu->name) != 0 ||
            !read_event(host, pmu->name, known_events[i].name, field, &event))
            continue;
        (void)snprintf(event.name, sizeof(event.name), "%s", known_events[i].name);
        pmu->events[pmu->n_events++] = event;
    }
}

int power_pmu_parse_cpumask(const char *text, int *cpus, size_t *ret_n_cpus)
{
    SCOPED(scope_free) bool *is_listed = calloc(CPU_NUMBERS, sizeof(bool));
    if (!is_listed)
        return -ENOMEM;
    int end = cpu_list_parse(text, is_listed, CPU_NUMBERS);
    if (end <= 0)
        return -EBADMSG;
    size_t n_cpus = 0;
    for (int cpu = 0; cpu < end; cpu++) {
        if (!is_listed[cpu])
            continue;
        if (n_cpus == POWER_PMU_CPUS_MAX)
            return -E2BIG;
        cpus[n_cpus++] = cpu;
    }
    *ret_n_cpus = n_cpus;
    return 0;
}

static int read_cpumask(struct power_pmu *pmu, const struct host *host, struct error *err)
{
    char text[4096];
    ssize_t n =
        host_read_text(text, sizeof(text), "%s/" FOLDER "/%s/cpumask", host->sysfs, pmu->name);
    int r = n < 0 ? (int)n : power_pmu_parse_cpumask(text, pmu->cpus, &pmu->n_cpus);
    if (r < 0 && r != -ENOMEM)
        r = error_set(err, -EBADMSG, "%s/" FOLDER "/%s/cpumask: no list of CPUs", host->sysfs,
                      pmu->name);
    return r;
}

int power_pmu_read(struct power_pmu *ret_pmu, const char *name, const struct host *host,
                   struct error *err)
{
    struct power_pmu pmu = {.name = name};
    struct bit_field field;
    int64_t type;
    int r = host_read_int64(&type, "%s/" FOLDER "/%s/type", host->sysfs, name);
    if (r == -ENOENT || r == -ENOTDIR)
        return -ENOENT;
    if (r < 0 || type < 0 || type > UINT32_MAX)
        return error_set(err, -EBADMSG, "%s/" FOLDER "/%s/type: no number of a PMU", host->sysfs,
                         name);
    pmu.type = (uint32_t)type;
    r = read_cpumask(&pmu, host, err);
    if (r >= 0)
        r = read_field(host, name, &field, err);
    if (r < 0)
        return r;
    read_events(&pmu, host, &field);
    *ret_pmu = pmu;
    return 0;
}

const char *power_pmu_increase(uint64_t last, uint64_t now, double scale_j, double bound_uj,
                               double *ret_increase_uj)
{
    /* Energy of 2^32 units of 2^-14 J and of 2^-16 J, those in use where counters wrap. */
    static const double wraps_uj[] = {262144e6, 65536e6};
    uint64_t step = now - last;
    size_t n_plausible = 0;
    if (step <= UINT64_MAX / 2) {
        *ret_increase_uj = (double)step * scale_j * 1e6;
        return NULL;
    }
    double fall_uj = (double)(UINT64_MAX - step + 1) * scale_j * 1e6;
    for (size_t i = 0; i < ARRAY_SIZE(wraps_uj); i++) {
        double increase_uj = wraps_uj[i] - fall_uj;
        if (increase_uj < 0 || increase_uj > bound_uj)
            continue;
        *ret_increase_uj = increase_uj;
        n_plausible++;
    }
    return n_plausible == 1 ? NULL : "counter_reset";
}
