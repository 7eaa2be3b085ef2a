/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy from the kernel's `power` PMU and, on AMD, `power_core`: one group of events per package
 * (or die, or core), opened on exactly the CPU that the PMU's cpumask lists, since only from there
 * the kernel takes events along when the CPU goes offline; opened everywhere, each package would
 * count once per CPU.
 *
 * The list of CPUs is read again at every tick, which costs less than a microsecond. A group whose
 * CPU left it is opened anew where the list says, from a new baseline: whether the old one still
 * counted cannot be seen. Dies of a package are one sample, and so is psys, which only one package
 * of a server counts while the others stand at 0. AMD's counters are the package's, whatever the
 * list says: some kernels list a CPU for every chiplet. power_core lists one per physical core,
 * and a package's cores add up to its core domain.
 *
 * The kernel adds up to 64 bits, but whoever looks at the hardware's 32 bits (it, every few
 * minutes, or we) must do so before half of them have passed: it takes what is more as negative.
 * What that is in joules the PMU does not say; where the powercap tree does, it is taken from
 * there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/energy_meter.h"
#include "sensor/power_group.h"
#include "sensor/power_pmu_try.h"
#include "sensor/rapl_domains.h"
#include "sensor/reading.h"
#include "sensor/source.h"

#define CPUMASK_SIZE 4096
#define HALF_COUNTS 2147483648.0
#define SMALLEST_UNIT_UJ 15.2587890625 /* 2^-16 J: no smaller one is in use */

extern const struct source_ops source_perf;

/* Of one PMU. */
struct perf_source {
    struct source source;
    struct perf_source *next; /* of the same machine; NULL: none */
    const struct host *host;
    struct power_pmu pmu; /* the events are those that open here */
    struct event_set set;
    bool is_once_per_package; /* however many CPUs are listed */
    uint64_t recording_ns;    /* interval at which the kernel takes the readings; 0: it does not */
    int cpumask_fd;
    char cpumask[CPUMASK_SIZE]; /* as last understood */
    struct power_group *groups; /* sorted by package and CPU */
    size_t n_groups, groups_capacity;
    struct energy_meter *meters;
    size_t n_meters, meters_capacity;
    struct rapl_domain domains[DOMAIN_COUNT];
};

static bool is_amd(const struct topology *topology)
{
    return strcmp(topology->vendor, "AuthenticAMD") == 0 ||
           strcmp(topology->vendor, "HygonGenuine") == 0;
}

static int32_t package_of(const struct topology *topology, int cpu)
{
    return cpu < topology->n_cpus ? topology->package[cpu] : 0;
}

static bool is_offline(const struct topology *topology, int cpu)
{
    return cpu < topology->n_cpus && !topology->is_online[cpu];
}

/* ---- groups ---- */

static int compare_groups(const void *a, const void *b)
{
    const struct power_group *x = a, *y = b;
    if (x->package != y->package)
        return x->package < y->package ? -1 : 1;
    return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

static struct energy_meter *find_meter(struct perf_source *perf, enum domain domain,
                                       int32_t package)
{
    for (size_t i = 0; i < perf->n_meters; i++) {
        if (perf->meters[i].domain == domain &&
            (perf->meters[i].package == package || domain == DOMAIN_PSYS))
            return &perf->meters[i];
    }
    return NULL;
}

static bool is_per_core(const struct perf_source *perf)
{
    return strcmp(perf->pmu.name, POWER_CORE_PMU) == 0;
}

static void init_meter(const struct perf_source *perf, struct energy_meter *meter,
                       enum domain domain, int32_t package)
{
    double unit_uj = perf->domains[domain].unit_uj;
    energy_meter_init(meter, domain, domain == DOMAIN_PSYS ? PACKAGE_NONE : package, 0);
    meter->unit_uj = unit_uj;
    meter->range_uj = (int64_t)(HALF_COUNTS * (isnan(unit_uj) ? SMALLEST_UNIT_UJ : unit_uj));
}

/* Dies add up; a package's cores together stay within what it may use. psys is more than its
 * packages, but one. */
static void bound_meters(struct perf_source *perf)
{
    for (size_t m = 0; m < perf->n_meters; m++) {
        struct energy_meter *meter = &perf->meters[m];
        size_t n_dies = 0;
        for (size_t i = 0; i < perf->n_groups; i++)
            n_dies += perf->groups[i].is_wanted && perf->groups[i].package == meter->package &&
                      !is_per_core(perf);
        meter->bound_w = perf->domains[meter->domain].peak_w * (double)(n_dies > 1 ? n_dies : 1);
    }
}

static int add_meters(struct perf_source *perf, int32_t package)
{
    for (size_t i = 0; i < perf->pmu.n_events; i++) {
        enum domain domain = perf->pmu.events[i].domain;
        if (find_meter(perf, domain, package))
            continue;
        int r = array_reserve(&perf->meters, &perf->meters_capacity, perf->n_meters + 1,
                              sizeof(*perf->meters));
        if (r < 0)
            return r;
        init_meter(perf, &perf->meters[perf->n_meters++], domain, package);
        perf->source.has_changed = true;
    }
    return 0;
}

/* A group for this CPU: its own, else one of the package whose CPU is no longer listed, else a new
 * one. */
static int want_cpu(struct perf_source *perf, int cpu, int32_t package)
{
    struct power_group *free_group = NULL;
    for (size_t i = 0; i < perf->n_groups; i++) {
        struct power_group *group = &perf->groups[i];
        if (group->cpu == cpu) {
            group->is_wanted = true;
            return 0;
        }
        if (perf->is_once_per_package && group->is_wanted && group->package == package)
            return 0;
        if (!group->is_wanted && group->package == package)
            free_group = group;
    }
    if (!free_group) {
        int r = array_reserve(&perf->groups, &perf->groups_capacity, perf->n_groups + 1,
                              sizeof(*perf->groups));
        if (r < 0)
            return r;
        free_group = &perf->groups[perf->n_groups++];
        *free_group = (struct power_group){.package = package, .reason = "reopened"};
    } else {
        power_group_close(free_group, "cpu_offline");
    }
    free_group->cpu = cpu;
    free_group->is_wanted = true;
    return add_meters(perf, package);
}

static bool is_listed(const struct power_pmu *pmu, int cpu)
{
    for (size_t i = 0; i < pmu->n_cpus; i++) {
        if (pmu->cpus[i] == cpu)
            return true;
    }
    return false;
}

/* Groups that keep their CPU are marked first, so that none of them is moved. */
static int follow_cpumask(struct perf_source *perf, const struct topology *topology)
{
    for (size_t i = 0; i < perf->n_groups; i++)
        perf->groups[i].is_wanted = is_listed(&perf->pmu, perf->groups[i].cpu);
    for (size_t i = 0; i < perf->pmu.n_cpus; i++) {
        int cpu = perf->pmu.cpus[i];
        int r = want_cpu(perf, cpu, package_of(topology, cpu));
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < perf->n_groups; i++) {
        if (!perf->groups[i].is_wanted)
            power_group_close(&perf->groups[i], "cpu_offline");
    }
    bound_meters(perf);
    if (perf->n_groups > 1)
        qsort(perf->groups, perf->n_groups, sizeof(*perf->groups), compare_groups);
    return 0;
}

static int look_at_cpumask(struct perf_source *perf, const struct topology *topology)
{
    char text[CPUMASK_SIZE];
    ssize_t n = perf->cpumask_fd < 0 ? -EBADF : host_reread(perf->cpumask_fd, text, sizeof(text));
    if (n >= 0 && strcmp(text, perf->cpumask) != 0) {
        size_t n_cpus;
        if (power_pmu_parse_cpumask(text, perf->pmu.cpus, &n_cpus) < 0)
            return 0; /* nonsense: what was known still holds */
        perf->pmu.n_cpus = n_cpus;
        (void)memcpy(perf->cpumask, text, (size_t)n + 1);
        return follow_cpumask(perf, topology);
    }
    return 0;
}

/* ---- reading ---- */

static void open_closed_groups(struct perf_source *perf, const struct topology *topology)
{
    for (size_t i = 0; i < perf->n_groups; i++) {
        struct power_group *group = &perf->groups[i];
        if (power_group_is_open(group) && is_offline(topology, group->cpu))
            power_group_close(group, "cpu_offline");
        if (!power_group_is_open(group) && group->is_wanted &&
            !is_offline(topology, group->cpu) && !perf->recording_ns)
            power_group_open(group, &perf->set);
    }
}

static void fail_group(struct perf_source *perf, const struct power_group *group,
                       const char *reason)
{
    for (size_t e = 0; e < perf->pmu.n_events; e++)
        energy_meter_fail(find_meter(perf, perf->pmu.events[e].domain, group->package), reason);
}

static void hold_group(struct perf_source *perf, const struct power_group *group)
{
    for (size_t e = 0; e < perf->pmu.n_events; e++)
        energy_meter_hold(find_meter(perf, perf->pmu.events[e].domain, group->package),
                          "no_update");
}

/* Every die of the package that counts psys shows it, and the others stand at 0: the first that
 * does not is taken. */
static bool is_shown_before(const struct perf_source *perf, const struct power_group *group,
                            size_t event)
{
    for (const struct power_group *other = perf->groups; other < group; other++) {
        if (power_group_is_open(other) && other->has_last && other->now[event] != 0)
            return true;
    }
    return false;
}

static void add_increases(struct perf_source *perf, const struct power_group *group)
{
    for (size_t e = 0; e < perf->pmu.n_events; e++) {
        const struct power_event *event = &perf->pmu.events[e];
        if (event->domain == DOMAIN_PSYS && is_shown_before(perf, group, e))
            continue;
        struct energy_meter *meter = find_meter(perf, event->domain, group->package);
        double span_ns = (double)(meter->now_ns - meter->last_ns), increase_uj = 0;
        double bound_uj = meter->bound_w * span_ns / 1e3;
        const char *reason = power_pmu_increase(group->last[e], group->now[e], event->scale_j,
                                                bound_uj, &increase_uj);
        bool is_watched = perf_recording_is_open(&group->recording); /* by the kernel, all along */
        if (!reason && !is_watched && bound_uj > (double)meter->range_uj)
            reason = "span_too_long";
        if (reason) {
            energy_meter_fail(meter, reason);
            continue;
        }
        if (group->now[e] < group->last[e])
            energy_meter_note(meter, "wrapped");
        energy_meter_add(meter, increase_uj);
    }
}

/* What a group's values mean; they are the new baseline once the meters have ended. Events of a CPU
 * that went offline stand still without an error, and so does their running time. */
static void take_values(struct perf_source *perf, struct power_group *group)
{
    size_t n = perf->pmu.n_events;
    int r = group->outcome;
    if (r == POWER_GROUP_NOTHING) {
        hold_group(perf, group);
        return;
    }
    if (r >= 0 && group->now[n + 1] == group->last_running_ns)
        r = -ENODATA;
    if (r < 0) {
        power_group_close(group, r == -ENODATA || r == -ENODEV ? "cpu_offline" : "read_error");
        fail_group(perf, group, group->reason);
        return;
    }
    if (group->has_last)
        add_increases(perf, group);
    else
        fail_group(perf, group, group->reason ? group->reason : "reopened");
    if (!group->has_last)
        (void)memcpy(group->last, group->now, n * sizeof(*group->last));
    group->last_running_ns = group->now[n + 1];
    group->has_last = true;
    group->reason = NULL;
}

static void keep_baselines(struct perf_source *perf)
{
    for (size_t i = 0; i < perf->n_groups; i++) {
        struct power_group *group = &perf->groups[i];
        for (size_t e = 0; e < perf->pmu.n_events && group->has_last; e++) {
            if (!find_meter(perf, perf->pmu.events[e].domain, group->package)->is_held)
                group->last[e] = group->now[e];
        }
    }
}

struct run {
    struct perf_source *perf;
    size_t first, end;
};

/* Each package's readings have moments of their own: beside the first one's the nearest is taken. */
static uint64_t until_ns(const struct perf_source *perf, const struct power_group *group)
{
    uint64_t now_ns = clock_monotonic_ns(perf->host->clock);
    return group == perf->groups ? now_ns : now_ns + perf->recording_ns / 2;
}

static void sample_run(void *context)
{
    const struct run *run = context;
    for (size_t i = run->first; i < run->end; i++) {
        struct power_group *group = &run->perf->groups[i];
        if (power_group_is_open(group))
            power_group_read(group, until_ns(run->perf, group));
    }
}

/* When the last span of a package ended, 0: this is the first. */
static uint64_t last_of(struct perf_source *perf, int32_t package)
{
    const struct energy_meter *meter = find_meter(perf, perf->pmu.events[0].domain, package);
    return meter ? meter->last_ns : 0;
}

/* The groups [first, end) are one package: read one after the other, then looked at. */
static void read_package(struct perf_source *perf, size_t first, size_t end)
{
    struct run run = {perf, first, end};
    uint64_t now_ns = reading_take(perf->host->clock, last_of(perf, perf->groups[first].package),
                                   sample_run, &run);
    if (perf_recording_is_open(&perf->groups[first].recording) &&
        perf->groups[first].outcome != POWER_GROUP_NOTHING)
        now_ns = perf->groups[first].moment_ns;
    for (size_t m = 0; m < perf->n_meters; m++) {
        struct energy_meter *meter = &perf->meters[m];
        if (meter->package == perf->groups[first].package ||
            (meter->package == PACKAGE_NONE && meter->now_ns == 0))
            meter->now_ns = now_ns;
    }
    for (size_t i = first; i < end; i++) {
        struct power_group *group = &perf->groups[i];
        if (power_group_is_open(group))
            take_values(perf, group);
        else
            fail_group(perf, group, group->reason);
    }
}

static size_t package_end(const struct perf_source *perf, size_t first)
{
    size_t end = first + 1;
    while (end < perf->n_groups && perf->groups[end].package == perf->groups[first].package)
        end++;
    return end;
}

/* A die that is gone for good would keep its package from ever being known again. */
static void forget_gone_dies(struct perf_source *perf)
{
    size_t n_kept = 0;
    for (size_t first = 0, end; first < perf->n_groups; first = end) {
        bool has_other = false;
        end = package_end(perf, first);
        for (size_t i = first; i < end; i++)
            has_other |= perf->groups[i].is_wanted;
        for (size_t i = first; i < end; i++) {
            if (perf->groups[i].is_wanted || !has_other)
                perf->groups[n_kept++] = perf->groups[i];
        }
    }
    perf->n_groups = n_kept;
}

/* report NULL: the baseline. */
static int take_reading(struct perf_source *perf, struct report *report)
{
    for (size_t m = 0; m < perf->n_meters; m++)
        energy_meter_begin(&perf->meters[m]);
    for (size_t first = 0, end; first < perf->n_groups; first = end) {
        end = package_end(perf, first);
        read_package(perf, first, end);
    }
    for (size_t m = 0; m < perf->n_meters; m++) {
        int r = energy_meter_end(&perf->meters[m], source_perf.name, report);
        if (r < 0)
            return r;
        perf->source.has_changed |= r == ENERGY_METER_MOVED;
    }
    keep_baselines(perf);
    forget_gone_dies(perf);
    return 0;
}

static int read_pmu(struct perf_source *perf, const struct topology *topology,
                    struct report *report)
{
    int r = look_at_cpumask(perf, topology);
    if (r < 0)
        return r;
    open_closed_groups(perf, topology);
    return take_reading(perf, report);
}

static int perf_read(struct source *source, const struct topology *topology, struct report *report)
{
    struct perf_source *first = (struct perf_source *)source;
    for (struct perf_source *perf = first; perf; perf = perf->next) {
        int r = read_pmu(perf, topology, report);
        if (r < 0)
            return r;
        source->has_changed |= perf->source.has_changed;
    }
    return 0;
}

/* ---- recording ---- */

static bool may_record(const struct perf_source *perf)
{
    bool may = perf->n_groups > 0;
    for (size_t i = 0; i < perf->n_groups && may; i++)
        may = power_group_is_open(&perf->groups[i]) && perf->groups[i].has_last;
    return may;
}

/* What several CPUs record of a package would have to be added up, of one moment. */
static bool has_one_group_each(const struct perf_source *perf)
{
    bool has = !perf->next;
    for (size_t i = 0; i < perf->n_groups && has; i++)
        has = package_end(perf, i) == i + 1;
    return has;
}

/* Whose updates readings follow. */
static size_t lead_event(const struct power_pmu *pmu)
{
    for (size_t e = 0; e < pmu->n_events; e++) {
        if (pmu->events[e].domain == DOMAIN_PACKAGE)
            return e;
    }
    return 0;
}

static int perf_record(struct source *source, const struct recording_plan *plan)
{
    struct perf_source *perf = (struct perf_source *)source;
    int r = !plan || !has_one_group_each(perf) ? -ENOTSUP : may_record(perf) ? 0 : -EAGAIN;
    for (size_t i = 0; i < perf->n_groups && r >= 0; i++)
        r = perf_recording_open(&perf->groups[i].recording, &perf->groups[i].group,
                                perf->groups[i].cpu, lead_event(&perf->pmu), plan);
    for (size_t i = 0; i < perf->n_groups && r < 0; i++)
        perf_recording_close(&perf->groups[i].recording);
    perf->recording_ns = r >= 0 ? plan->interval_ns : 0;
    return r;
}

static const struct recorded_reading *perf_next(struct source *source, uint64_t until_ns)
{
    struct perf_source *perf = (struct perf_source *)source;
    struct perf_recording *lead = &perf->groups[0].recording;
    return may_record(perf) && perf_recording_next(lead, until_ns) ? &lead->reading : NULL;
}

/* ---- opening ---- */

static void perf_close(struct source *source)
{
    struct perf_source *perf = (struct perf_source *)source;
    if (!perf)
        return;
    if (perf->next)
        perf_close(&perf->next->source);
    for (size_t i = 0; i < perf->n_groups; i++)
        power_group_close(&perf->groups[i], NULL);
    scope_close(&perf->cpumask_fd);
    free(perf->groups);
    free(perf->meters);
    free(perf);
}

static int open_groups(struct perf_source *perf, const struct topology *topology, struct error *err)
{
    char path[512];
    int r = follow_cpumask(perf, topology);
    if (r < 0)
        return r;
    (void)snprintf(path, sizeof(path), "%s/bus/event_source/devices/%s/cpumask", perf->host->sysfs,
                   perf->pmu.name);
    perf->cpumask_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (perf->cpumask_fd >= 0 &&
        host_reread(perf->cpumask_fd, perf->cpumask, sizeof(perf->cpumask)) < 0)
        perf->cpumask[0] = '\0';
    open_closed_groups(perf, topology);
    r = take_reading(perf, NULL);
    for (size_t i = 0; i < perf->n_groups && r >= 0; i++) {
        if (perf->groups[i].has_last)
            return 0;
    }
    return r < 0 ? r
                 : error_set(err, -ENODEV, "%s PMU: its events cannot be read on any CPU of %s",
                             perf->pmu.name, path);
}

static int open_pmu(struct perf_source **ret_perf, const char *name, const struct host *host,
                    const struct topology *topology, struct error *err)
{
    struct perf_source *perf = calloc(1, sizeof(*perf));
    if (!perf)
        return -ENOMEM;
    *perf = (struct perf_source){.source.ops = &source_perf, .host = host, .cpumask_fd = -1};
    perf->is_once_per_package = is_amd(topology) && strcmp(name, POWER_PMU) == 0;
    rapl_domains_find(perf->domains, host, topology);
    int r = power_pmu_read(&perf->pmu, name, host, err);
    if (r == -ENOENT)
        error_set(err, r, "%s/bus/event_source/devices has no %s PMU", host->sysfs, name);
    if (r >= 0 && (r = power_pmu_choose(&perf->pmu, &perf->set)) < 0)
        r = power_pmu_refuse(&perf->pmu, host, r, err);
    if (r >= 0)
        r = open_groups(perf, topology, err);
    if (r < 0) {
        perf_close(&perf->source);
        return r;
    }
    *ret_perf = perf;
    return 0;
}

/* Cores are a measurement beside the packages: without them the rest still counts. */
static int perf_open(struct source **ret_source, const struct host *host,
                     const struct topology *topology, const void *settings, struct error *err)
{
    (void)settings;
    struct perf_source *packages = NULL, *cores = NULL;
    int r = open_pmu(&packages, POWER_PMU, host, topology, err);
    int r_cores = r == -ENOMEM ? r : open_pmu(&cores, POWER_CORE_PMU, host, topology, NULL);
    if (r_cores == -ENOMEM) {
        perf_close(packages ? &packages->source : NULL);
        return r_cores;
    }
    if (packages)
        packages->next = cores;
    else if (!cores)
        return r;
    *ret_source = packages ? &packages->source : &cores->source;
    return 0;
}

static int perf_describe(const struct source *source, struct host_record *host_record)
{
    const struct perf_source *perf = (const struct perf_source *)source;
    for (size_t m = 0; m < perf->n_meters; m++) {
        int r = energy_meter_describe(&perf->meters[m], source_perf.name, host_record);
        if (r < 0)
            return r;
    }
    return perf->next ? perf_describe(&perf->next->source, host_record) : 0;
}

/* ---- looking ---- */

static void perf_probe_source(const struct host *host, const struct topology *topology,
                              const void *settings, struct source_probe *ret_probe)
{
    (void)settings;
    struct source_probe probe, cores;
    int64_t type;
    power_pmu_probe(POWER_PMU, host, &probe);
    if (topology->vendor[0] && !topology->is_virtual &&
        host_read_int64(&type, "%s/bus/event_source/devices/" POWER_PMU "/type", host->sysfs) < 0)
        (void)snprintf(probe.advice, sizeof(probe.advice), "sudo modprobe rapl");
    power_pmu_probe(POWER_CORE_PMU, host, &cores);
    if (cores.availability == SOURCE_USABLE && probe.availability == SOURCE_USABLE) {
        size_t length = strlen(probe.reason);
        probe.domains |= cores.domains;
        (void)snprintf(probe.reason + length, sizeof(probe.reason) - length, ", core");
    } else if (cores.availability == SOURCE_USABLE) {
        probe = cores;
    }
    *ret_probe = probe;
}

const struct source_ops source_perf = {
    .name = "perf",
    .about = "RAPL energy counters through the kernel's power PMU",
    .settings_size = 0,
    .capabilities = UINT64_C(1) << CAP_PERFMON, /* a package that comes back is opened */
    .probe = perf_probe_source,
    .open = perf_open,
    .describe = perf_describe,
    .read = perf_read,
    .record = perf_record,
    .next = perf_next,
    .recording_capabilities = UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON,
    .close = perf_close,
};
