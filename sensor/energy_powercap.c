/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy from the kernel's powercap tree. Zones of one domain and package (dies) are one sample.
 * Files stay open and are read again, ten times cheaper than opening them; one that fails is
 * closed and looked for again at every read (its zone may come back under another number). A zone
 * that was gone starts from a new baseline; a reading that only failed belongs to the next span.
 *
 * A counter that steps back has wrapped, or was reset by suspend, kexec or firmware. It is taken as
 * a wrap only if the energy that this would mean is plausible (peak_power.h), and so is a step
 * forward. Where one wrap more would be plausible too, nobody knows. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/energy_meter.h"
#include "sensor/peak_power.h"
#include "sensor/powercap_zones.h"
#include "sensor/reading.h"
#include "sensor/source.h"

#define UNLOCK_ADVICE                                                                    \
    "run it as root, or: sudo setcap cap_dac_read_search,cap_perfmon+ep \"$(command -v " \
    "watt-sensor)\"   (in a systemd unit: AmbientCapabilities=CAP_DAC_READ_SEARCH CAP_PERFMON)"

extern const struct source_ops source_powercap;

struct zone {
    struct powercap_zone what;
    double peak_w;
    int fd;
    int open_errno; /* why fd is -1 */
    bool is_mirror; /* of an earlier die: shows the same counter */
    bool has_last;
    int64_t last_uj;
    bool has_now; /* of the read under way */
    int64_t now_uj;
    const char *reason; /* NULL: has_now */
};

struct powercap {
    struct source source;
    const struct host *host;
    struct zone *zones; /* sorted: a sample is a run of equal domain and package */
    size_t n_zones, capacity;
    struct energy_meter *meters; /* one per run */
    size_t n_meters, meters_capacity;
    size_t n_packages; /* in the topology when the zones were looked for */
};

static void zone_close(struct zone *zone)
{
    scope_close(&zone->fd);
    zone->fd = -1;
}

static void zone_open(struct zone *zone)
{
    char path[sizeof(zone->what.path) + 16];
    (void)snprintf(path, sizeof(path), "%s/energy_uj", zone->what.path);
    zone->fd = open(path, O_RDONLY | O_CLOEXEC);
    zone->open_errno = zone->fd < 0 ? errno : 0;
}

static int parse_energy(const char *text, int64_t *ret_energy_uj)
{
    char *end;
    if (*text < '0' || *text > '9')
        return -EBADMSG;
    errno = 0;
    long long energy_uj = strtoll(text, &end, 10);
    if (errno != 0 || (*end != '\n' && *end != '\0'))
        return -EBADMSG;
    *ret_energy_uj = energy_uj;
    return 0;
}

/* One pread: a second one, to see the end, would make the kernel read the counter again. */
static int read_energy(int fd, int64_t *ret_energy_uj)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    if (size < 0)
        return -errno;
    text[size] = '\0';
    return parse_energy(text, ret_energy_uj);
}

/* What is gone starts anew: nobody knows how often it wrapped or was reset meanwhile. */
static void zone_fail(struct zone *zone, int error)
{
    zone->reason = host_reason(-error);
    zone->has_last = zone->has_last && strcmp(zone->reason, "vanished") != 0;
    zone_close(zone);
}

static void zone_sample(struct zone *zone)
{
    zone->has_now = false;
    zone->reason = NULL;
    if (zone->fd < 0)
        zone_open(zone);
    if (zone->fd < 0) {
        zone_fail(zone, zone->open_errno);
        return;
    }
    int r = read_energy(zone->fd, &zone->now_uj);
    if (r < 0)
        zone_fail(zone, -r);
    else
        zone->has_now = true;
}

/* NULL and the increase since the last reading, or why there is none. */
static const char *zone_increase(const struct zone *zone, double bound_uj, int64_t *ret_increase_uj)
{
    int64_t modulus_uj = zone->what.modulus_uj;
    bool is_back = zone->now_uj < zone->last_uj;
    if (is_back && modulus_uj == VALUE_ABSENT)
        return "no_range";
    int64_t increase_uj = zone->now_uj - zone->last_uj + (is_back ? modulus_uj : 0);
    if (modulus_uj != VALUE_ABSENT && (double)increase_uj + (double)modulus_uj <= bound_uj)
        return "span_too_long";
    if (increase_uj < 0 || (double)increase_uj > bound_uj)
        return is_back ? "counter_reset" : "implausible";
    *ret_increase_uj = increase_uj;
    return NULL;
}

static void take_zone(const struct zone *zone, struct energy_meter *meter)
{
    if (!zone->has_now && zone->has_last) {
        energy_meter_hold(meter, zone->reason);
        return;
    }
    if (!zone->has_now || !zone->has_last) {
        energy_meter_fail(meter, zone->has_now ? "reopened" : zone->reason);
        return;
    }
    double bound_uj = energy_meter_most_uj(meter, zone->peak_w, zone->what.unit_uj);
    int64_t increase_uj;
    const char *reason = zone_increase(zone, bound_uj, &increase_uj);
    if (reason) {
        energy_meter_fail(meter, reason);
        return;
    }
    if (zone->now_uj < zone->last_uj)
        energy_meter_note(meter, "wrapped");
    energy_meter_add(meter, (double)increase_uj);
}

static bool is_same_counter(const struct zone *a, const struct zone *b)
{
    return a->what.domain == b->what.domain && a->what.package == b->what.package;
}

static size_t run_end(const struct powercap *powercap, size_t first)
{
    size_t end = first + 1;
    while (end < powercap->n_zones &&
           is_same_counter(&powercap->zones[first], &powercap->zones[end]))
        end++;
    return end;
}

struct run {
    struct powercap *powercap;
    size_t first, end;
};

static void sample_run(void *context)
{
    const struct run *run = context;
    for (size_t i = run->first; i < run->end; i++) {
        if (!run->powercap->zones[i].is_mirror)
            zone_sample(&run->powercap->zones[i]);
    }
}

static struct energy_meter *meter_of(struct powercap *powercap, const struct zone *zone)
{
    for (size_t i = 0; i < powercap->n_meters; i++) {
        struct energy_meter *meter = &powercap->meters[i];
        if (meter->domain == zone->what.domain && meter->package == zone->what.package)
            return meter;
    }
    return NULL;
}

/* What was read is the next baseline, unless the span goes on. */
static void keep_baselines(struct powercap *powercap, size_t first, size_t end, bool is_held)
{
    for (size_t i = first; i < end; i++) {
        struct zone *zone = &powercap->zones[i];
        if (!zone->has_now || is_held)
            continue;
        zone->last_uj = zone->now_uj;
        zone->has_last = true;
    }
}

/* report NULL: the baseline. */
static int read_run(struct powercap *powercap, size_t first, size_t end, struct report *report)
{
    struct energy_meter *meter = meter_of(powercap, &powercap->zones[first]);
    struct run run = {powercap, first, end};
    energy_meter_begin(meter);
    meter->now_ns = reading_take(powercap->host->clock, meter->last_ns, sample_run, &run);
    for (size_t i = first; i < end; i++) {
        if (!powercap->zones[i].is_mirror)
            take_zone(&powercap->zones[i], meter);
    }
    int r = energy_meter_end(meter, source_powercap.name, report);
    powercap->source.has_changed |= r == ENERGY_METER_MOVED;
    keep_baselines(powercap, first, end, meter->is_held);
    return r < 0 ? r : 0;
}

/* Two dies that show one counter (seen on AMD, and in virtual trees): the value of the second lies
 * between two readings of the first. Two counters of their own are never that close. */
static void find_mirrors(struct powercap *powercap, size_t first, size_t end)
{
    struct zone *head = &powercap->zones[first];
    for (size_t i = first + 1; i < end; i++) {
        struct zone *zone = &powercap->zones[i];
        zone_sample(head);
        int64_t before_uj = head->now_uj;
        bool is_known = head->has_now && before_uj > 0;
        zone_sample(zone);
        is_known = is_known && zone->has_now;
        zone_sample(head);
        zone->is_mirror =
            is_known && head->has_now && before_uj <= zone->now_uj && zone->now_uj <= head->now_uj;
    }
}

static struct zone *find_zone(struct powercap *powercap, const struct powercap_zone *what)
{
    for (size_t i = 0; i < powercap->n_zones; i++) {
        if (powercap_zone_compare(&powercap->zones[i].what, what) == 0)
            return &powercap->zones[i];
    }
    return NULL;
}

static int add_meters(struct powercap *powercap)
{
    for (size_t first = 0, end; first < powercap->n_zones; first = end) {
        const struct zone *zone = &powercap->zones[first];
        struct energy_meter *meter = meter_of(powercap, zone);
        end = run_end(powercap, first);
        if (meter)
            continue;
        int r = array_reserve(&powercap->meters, &powercap->meters_capacity, powercap->n_meters + 1,
                              sizeof(*powercap->meters));
        if (r < 0)
            return r;
        meter = &powercap->meters[powercap->n_meters++];
        energy_meter_init(meter, zone->what.domain, zone->what.package, 0);
        meter->unit_uj = zone->what.unit_uj;
        meter->range_uj = zone->what.range_uj;
        powercap->source.has_changed = true;
    }
    return 0;
}

/* Dies add up. */
static void set_bounds(struct powercap *powercap)
{
    for (size_t m = 0; m < powercap->n_meters; m++)
        powercap->meters[m].bound_w = 0;
    for (size_t i = 0; i < powercap->n_zones; i++) {
        const struct zone *zone = &powercap->zones[i];
        if (!zone->is_mirror)
            meter_of(powercap, zone)->bound_w += zone->peak_w;
    }
}

static int compare_zones(const void *a, const void *b)
{
    return powercap_zone_compare(&((const struct zone *)a)->what, &((const struct zone *)b)->what);
}

/* Looks for zones: new ones are added, closed ones learn where they are now. */
static int discover(struct powercap *powercap, const struct topology *topology)
{
    SCOPED(scope_free) struct powercap_zone *found = NULL;
    int n_found = powercap_zones_find(powercap->host, topology->vendor, &found);
    if (n_found < 0)
        return n_found;
    for (int i = 0; i < n_found; i++) {
        struct zone *zone = find_zone(powercap, &found[i]);
        if (zone && zone->fd >= 0)
            continue;
        if (!zone) {
            int r = array_reserve(&powercap->zones, &powercap->capacity, powercap->n_zones + 1,
                                  sizeof(*zone));
            if (r < 0)
                return r;
            zone = &powercap->zones[powercap->n_zones++];
            *zone = (struct zone){.fd = -1};
        }
        zone->what = found[i];
        zone->peak_w = peak_power_here_w(topology, found[i].domain, found[i].limit_w);
    }
    if (powercap->n_zones > 1)
        qsort(powercap->zones, powercap->n_zones, sizeof(*powercap->zones), compare_zones);
    powercap->n_packages = topology->n_packages;
    int r = add_meters(powercap);
    if (r >= 0)
        set_bounds(powercap);
    return r;
}

static bool misses_zones(const struct powercap *powercap, const struct topology *topology)
{
    if (topology->n_packages != powercap->n_packages)
        return true;
    for (size_t i = 0; i < powercap->n_zones; i++) {
        if (powercap->zones[i].fd < 0 && !powercap->zones[i].is_mirror)
            return true;
    }
    return false;
}

static void powercap_close(struct source *source)
{
    struct powercap *powercap = (struct powercap *)source;
    if (!powercap)
        return;
    for (size_t i = 0; i < powercap->n_zones; i++)
        zone_close(&powercap->zones[i]);
    free(powercap->zones);
    free(powercap->meters);
    free(powercap);
}

/* A psys above 0 has moved once; where no package counts it, it never leaves 0. */
static int take_baseline(struct powercap *powercap, size_t first, size_t end)
{
    find_mirrors(powercap, first, end);
    int r = read_run(powercap, first, end, NULL);
    for (size_t i = first; i < end; i++) {
        struct zone *zone = &powercap->zones[i];
        if (zone->is_mirror)
            zone_close(zone);
        else if (zone->has_now && zone->now_uj > 0)
            meter_of(powercap, zone)->has_moved = true;
    }
    return r;
}

static int take_baselines(struct powercap *powercap, struct error *err)
{
    size_t n_read = 0;
    int failed = ENODEV, r = 0;
    for (size_t first = 0, end; first < powercap->n_zones && r >= 0; first = end) {
        end = run_end(powercap, first);
        r = take_baseline(powercap, first, end);
        for (size_t i = first; i < end; i++) {
            n_read += powercap->zones[i].has_last;
            if (powercap->zones[i].open_errno)
                failed = powercap->zones[i].open_errno;
        }
    }
    set_bounds(powercap); /* without the mirrors */
    if (r < 0)
        return r;
    if (n_read > 0)
        return 0;
    if (failed == EACCES || failed == EPERM)
        return error_set(err, -EACCES, "%s/class/powercap: energy_uj may be read by root only: %s",
                         powercap->host->sysfs, UNLOCK_ADVICE);
    return error_set(err, -ENODEV, "%s/class/powercap: no zone with energy that can be read",
                     powercap->host->sysfs);
}

static int powercap_open(struct source **ret_source, const struct host *host,
                         const struct topology *topology, const void *settings, struct error *err)
{
    (void)settings;
    struct powercap *powercap = calloc(1, sizeof(*powercap));
    if (!powercap)
        return -ENOMEM;
    powercap->source.ops = &source_powercap;
    powercap->host = host;
    int r = discover(powercap, topology);
    if (r >= 0)
        r = take_baselines(powercap, err);
    if (r < 0) {
        powercap_close(&powercap->source);
        return r;
    }
    *ret_source = &powercap->source;
    return 0;
}

static void describe_limit(const struct powercap_zone *zone, struct host_record *host_record)
{
    for (size_t i = 0; i < host_record->n_packages; i++) {
        struct host_package *package = &host_record->packages[i];
        if (package->package == zone->package && isnan(package->max_w))
            package->max_w = zone->limit_w;
    }
}

static int powercap_describe(const struct source *source, struct host_record *host_record)
{
    const struct powercap *powercap = (const struct powercap *)source;
    for (size_t m = 0; m < powercap->n_meters; m++) {
        int r = energy_meter_describe(&powercap->meters[m], source_powercap.name, host_record);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < powercap->n_zones; i++) {
        if (powercap->zones[i].what.domain == DOMAIN_PACKAGE)
            describe_limit(&powercap->zones[i].what, host_record);
    }
    return 0;
}

static int powercap_read(struct source *source, const struct topology *topology,
                         struct report *report)
{
    struct powercap *powercap = (struct powercap *)source;
    int r = misses_zones(powercap, topology) ? discover(powercap, topology) : 0;
    for (size_t first = 0, end; first < powercap->n_zones && r >= 0; first = end) {
        end = run_end(powercap, first);
        r = read_run(powercap, first, end, report);
    }
    return r;
}

/* What the zones offer and whether the first of each domain can be read. */
struct findings {
    unsigned domains, readable; /* DOMAIN_BITs */
    size_t n_packages;
    int open_errno;
};

static void look_at(const struct powercap_zone *zones, int n_zones, struct findings *ret_findings)
{
    struct findings findings = {0};
    for (int i = 0; i < n_zones; i++) {
        struct zone zone = {.what = zones[i], .fd = -1};
        zone_sample(&zone);
        findings.domains |= DOMAIN_BIT(zones[i].domain);
        if (zone.has_now)
            findings.readable |= DOMAIN_BIT(zones[i].domain);
        else if (zone.open_errno)
            findings.open_errno = zone.open_errno;
        zone_close(&zone);
        findings.n_packages += zones[i].domain == DOMAIN_PACKAGE && zones[i].die == 0;
    }
    *ret_findings = findings;
}

static void name_domains(unsigned domains, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        if (!(domains & DOMAIN_BIT(domain)) || length >= size)
            continue;
        int n = snprintf(text + length, size - length, "%s%s", length ? ", " : "",
                         domain_name((enum domain)domain));
        length += n > 0 ? (size_t)n : 0;
    }
}

static void powercap_probe(const struct host *host, const struct topology *topology,
                           const void *settings, struct source_probe *ret_probe)
{
    (void)settings;
    struct source_probe probe = {.availability = SOURCE_ABSENT};
    SCOPED(scope_free) struct powercap_zone *zones = NULL;
    int n_zones = powercap_zones_find(host, topology->vendor, &zones);
    struct findings found = {0};
    look_at(zones, n_zones > 0 ? n_zones : 0, &found);
    char names[64];
    name_domains(found.readable ? found.readable : found.domains, names, sizeof(names));
    probe.domains = found.readable ? found.readable : found.domains;
    probe.is_energy_counter =
        found.domains & (DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_DRAM));
    if (n_zones <= 0) {
        (void)snprintf(probe.reason, sizeof(probe.reason), "no RAPL zone in %s/class/powercap",
                       host->sysfs);
        if (!topology->is_virtual)
            (void)snprintf(probe.advice, sizeof(probe.advice),
                           "sudo modprobe intel_rapl_msr   (in a container, mount "
                           "/sys/class/powercap and /sys/devices/virtual/powercap)");
    } else if (found.readable) {
        probe.availability = SOURCE_USABLE;
        (void)snprintf(probe.reason, sizeof(probe.reason), "%s; packages: %zu", names,
                       found.n_packages);
    } else if (found.open_errno == EACCES || found.open_errno == EPERM) {
        probe.availability = SOURCE_UNREADABLE;
        (void)snprintf(
            probe.reason, sizeof(probe.reason),
            "counters are there (%s), but energy_uj may be read by root only (mode 0400 since "
            "Linux 5.10: PLATYPUS, CVE-2020-8694)",
            names);
        (void)snprintf(probe.advice, sizeof(probe.advice), "%s", UNLOCK_ADVICE);
    } else {
        (void)snprintf(probe.reason, sizeof(probe.reason),
                       "counters are there (%s), but reading energy_uj fails: %s", names,
                       strerror(found.open_errno ? found.open_errno : EIO));
    }
    *ret_probe = probe;
}

const struct source_ops source_powercap = {
    .name = "powercap",
    .about = "RAPL energy counters through the kernel's powercap tree",
    .settings_size = 0,
    .capabilities = UINT64_C(1) << CAP_DAC_READ_SEARCH, /* a zone that comes back is opened */
    .probe = powercap_probe,
    .open = powercap_open,
    .describe = powercap_describe,
    .read = powercap_read,
    .close = powercap_close,
};
