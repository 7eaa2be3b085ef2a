/* SPDX-License-Identifier: BSD-3-Clause */
/* Which events open is found out by opening them: what a PMU lists, a hypervisor, a model that
 * lacks the register or a missing right may still refuse. */
#include "sensor/power_pmu_try.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "sensor/event_set.h"
#include "sensor/power_pmu.h"
#include "sensor/source.h"

static void add_to_set(struct event_set *set, uint32_t type, const struct power_event *event)
{
    struct counted_event *counted = &set->events[set->n_events++];
    *counted = (struct counted_event){.attr = {.type = type,
                                               .size = sizeof(struct perf_event_attr),
                                               .config = event->config,
                                               .read_format = PERF_FORMAT_GROUP |
                                                              PERF_FORMAT_TOTAL_TIME_ENABLED |
                                                              PERF_FORMAT_TOTAL_TIME_RUNNING}};
    (void)snprintf(counted->name, sizeof(counted->name), "%s", event->name);
}

static bool is_forbidden(int r)
{
    return r == -EACCES || r == -EPERM;
}

int power_pmu_choose(struct power_pmu *pmu, struct event_set *set)
{
    size_t n_kept = 0;
    int r = -ENOENT;
    set->n_events = 0;
    for (size_t i = 0; i < pmu->n_events; i++) {
        int opened = -ENODEV;
        add_to_set(set, pmu->type, &pmu->events[i]);
        for (size_t j = 0; j < pmu->n_cpus && opened < 0 && !is_forbidden(opened); j++)
            opened = event_set_try(&set->events[set->n_events - 1], pmu->cpus[j]);
        if (opened == 0) {
            pmu->events[n_kept++] = pmu->events[i];
            continue;
        }
        set->n_events--;
        r = opened;
    }
    pmu->n_events = n_kept;
    return n_kept > 0 ? 0 : r;
}

static int64_t read_paranoid(const struct host *host)
{
    int64_t paranoid = VALUE_ABSENT;
    if (host_read_int64(&paranoid, "%s/sys/kernel/perf_event_paranoid", host->procfs) < 0)
        return VALUE_ABSENT;
    return paranoid;
}

/* Debian and Ubuntu know levels of 3 and more, at which CAP_PERFMON is not enough. */
static const char *unlock_advice(int64_t paranoid)
{
    if (paranoid >= 3)
        return "run it as root (kernel.perf_event_paranoid of 3 and more wants CAP_SYS_ADMIN), or: "
               "sudo sysctl kernel.perf_event_paranoid=0";
    return "run it as root, or: sudo setcap cap_perfmon+ep \"$(command -v watt-sensor)\", or: "
           "sudo sysctl kernel.perf_event_paranoid=0   (in a container: --cap-add PERFMON)";
}

int power_pmu_refuse(const struct power_pmu *pmu, const struct host *host, int r, struct error *err)
{
    return error_set(err, r, "%s PMU: no event may be opened (%s); %s", pmu->name, strerror(-r),
                     is_forbidden(r) ? unlock_advice(read_paranoid(host)) : "see watt doctor");
}

static unsigned domains_of(const struct power_pmu *pmu, char *names, size_t size)
{
    unsigned domains = 0;
    names[0] = '\0';
    for (size_t i = 0; i < pmu->n_events; i++) {
        size_t length = strlen(names);
        (void)snprintf(names + length, size - length, "%s%s", length ? ", " : "",
                       domain_name(pmu->events[i].domain));
        domains |= DOMAIN_BIT(pmu->events[i].domain);
    }
    return domains;
}

static void probe_events(struct power_pmu *pmu, const struct host *host, struct source_probe *probe)
{
    struct event_set set;
    char names[64];
    probe->domains = domains_of(pmu, names, sizeof(names));
    int r = power_pmu_choose(pmu, &set);
    if (r == 0)
        probe->domains = domains_of(pmu, names, sizeof(names));
    probe->is_energy_counter =
        probe->domains & (DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_DRAM));
    if (r == 0) {
        probe->availability = SOURCE_USABLE;
        (void)snprintf(probe->reason, sizeof(probe->reason), "%s%s", names,
                       probe->is_energy_counter ? ""
                                                : " only: a measurement, but nothing to attribute");
    } else if (is_forbidden(r)) {
        int64_t paranoid = read_paranoid(host);
        probe->availability = SOURCE_UNREADABLE;
        (void)snprintf(probe->reason, sizeof(probe->reason),
                       "%s are there, but may not be opened (kernel.perf_event_paranoid is %d)",
                       names, paranoid == VALUE_ABSENT ? -1 : (int)paranoid);
        (void)snprintf(probe->advice, sizeof(probe->advice), "%s", unlock_advice(paranoid));
    } else {
        (void)snprintf(probe->reason, sizeof(probe->reason),
                       "the %s PMU lists %s, but opening them fails: %s", pmu->name, names,
                       strerror(-r));
        probe->domains = 0;
        probe->is_energy_counter = false;
    }
}

void power_pmu_probe(const char *name, const struct host *host, struct source_probe *ret_probe)
{
    struct source_probe probe = {.availability = SOURCE_ABSENT};
    struct power_pmu pmu = {0};
    struct error err = {0};
    int r = power_pmu_read(&pmu, name, host, &err);
    if (r == -ENOENT)
        (void)snprintf(probe.reason, sizeof(probe.reason),
                       "no %s PMU in %s/bus/event_source/devices", name, host->sysfs);
    else if (r < 0)
        (void)snprintf(probe.reason, sizeof(probe.reason), "%.150s",
                       err.text[0] ? err.text : strerror(-r));
    else if (pmu.n_events == 0)
        (void)snprintf(probe.reason, sizeof(probe.reason),
                       "the %s PMU offers no energy event with scale and unit", name);
    else
        probe_events(&pmu, host, &probe);
    *ret_probe = probe;
}
