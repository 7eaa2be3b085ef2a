/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy from the kernel's powercap tree. Zones of one domain and package (dies) are one sample.
 * Files stay open and are read again, ten times cheaper than opening them; one that fails is
 * closed, looked for again at every read (its zone may come back under another number), and starts
 * from a new baseline, because nobody knows how often it wrapped meanwhile.
 *
 * A counter that steps back has wrapped, or was reset by suspend, kexec or firmware. It is taken as
 * a wrap only if the energy that this would mean is plausible (peak_power.h), and so is a step
 * forward. Where one wrap more would be plausible too, nobody knows. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/peak_power.h"
#include "sensor/powercap_zones.h"
#include "sensor/source.h"

#define LATE_UPDATE_NS 10e6 /* energy_meter.c */

#define UNLOCK_ADVICE                                                                           \
    "run it as root (sudo watt-sensor ...), as the service (systemctl start watt-sensor), or: " \
    "sudo setcap cap_dac_read_search,cap_perfmon+ep \"$(command -v watt-sensor)\""

extern const struct source_ops source_powercap;

struct zone {
    struct powercap_zone what;
    double peak_w;
    int fd;
    int open_errno; /* why fd is -1 */
    bool is_mirror; /* of an earlier die: shows the same counter */
    bool has_last;
    int64_t last_uj;
    uint64_t last_ns;
    bool has_now; /* of the read under way */
    int64_t now_uj;
    const char *reason; /* NULL: has_now */
};

struct powercap {
    struct source source;
    const struct host *host;
    struct zone *zones; /* sorted: a sample is a run of equal domain and package */
    size_t n_zones, capacity;
    size_t n_packages; /* in the topology when the zones were looked for */
};

static void zone_close(struct zone *zone)
{
    scope_close(&zone->fd);
    zone->fd = -1;
    zone->has_last = false;
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

static const char *reason_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return "vanished";
    case EACCES:
    case EPERM:
        return "permission";
    default:
        return "read_error";
    }
}

static void zone_sample(struct zone *zone)
{
    zone->has_now = false;
    zone->reason = NULL;
    if (zone->fd < 0)
        zone_open(zone);
    if (zone->fd < 0) {
        zone->reason = reason_of(zone->open_errno);
        return;
    }
    int r = read_energy(zone->fd, &zone->now_uj);
    if (r < 0) {
        zone->reason = reason_of(-r);
        zone_close(zone);
        return;
    }
    zone->has_now = true;
}

/* The increase since the last reading, or NULL in *ret_reason and no increase. */
static int64_t zone_increase(const struct zone *zone, int64_t dt_ns, const char **ret_reason)
{
    int64_t increase_uj = zone->now_uj - zone->last_uj, modulus_uj = zone->what.modulus_uj;
    double unit_uj = isnan(zone->what.unit_uj) ? 0 : zone->what.unit_uj;
    double bound_uj = zone->peak_w * ((double)dt_ns + LATE_UPDATE_NS) / 1e3 + unit_uj;
    bool steps_back = increase_uj < 0;
    *ret_reason = NULL;
    if (steps_back && modulus_uj == VALUE_ABSENT) {
        *ret_reason = "no_range";
        return 0;
    }
    if (steps_back)
        increase_uj += modulus_uj;
    if (increase_uj < 0 || (double)increase_uj > bound_uj)
        *ret_reason = steps_back ? "counter_reset" : "implausible";
    else if (modulus_uj != VALUE_ABSENT && (double)increase_uj + (double)modulus_uj <= bound_uj)
        *ret_reason = "span_too_long";
    return increase_uj;
}

/* Takes the reading as the new baseline; what it means for the sample is in *increase and the
 * result: NULL, or why this zone has no increase. */
static const char *zone_take(struct zone *zone, uint64_t now_ns, int64_t *ret_increase_uj)
{
    const char *reason = zone->reason;
    if (zone->has_now) {
        if (zone->has_last)
            *ret_increase_uj = zone_increase(zone, (int64_t)(now_ns - zone->last_ns), &reason);
        else
            reason = "reopened";
        zone->last_uj = zone->now_uj;
        zone->last_ns = now_ns;
        zone->has_last = true;
    }
    return reason;
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

/* Reads the zones [first, end) and returns the moment in the middle. */
static uint64_t sample_run(struct powercap *powercap, size_t first, size_t end)
{
    uint64_t before_ns = clock_monotonic_ns(powercap->host->clock);
    for (size_t i = first; i < end; i++) {
        if (!powercap->zones[i].is_mirror)
            zone_sample(&powercap->zones[i]);
    }
    uint64_t after_ns = clock_monotonic_ns(powercap->host->clock);
    return before_ns + (after_ns - before_ns) / 2;
}

static int read_run(struct powercap *powercap, size_t first, size_t end, struct report *report)
{
    struct energy_sample *sample;
    int r = report_add_energy(report, &sample);
    if (r < 0)
        return r;
    const struct zone *zones = powercap->zones;
    sample->domain = zones[first].what.domain;
    sample->package = zones[first].what.package;
    (void)snprintf(sample->source, sizeof(sample->source), "%s", source_powercap.name);
    uint64_t last_ns = zones[first].last_ns;
    uint64_t now_ns = sample_run(powercap, first, end);
    int64_t sum_uj = 0;
    const char *reason = NULL;
    for (size_t i = first; i < end; i++) {
        int64_t increase_uj = 0;
        if (zones[i].is_mirror)
            continue;
        const char *why_not = zone_take(&powercap->zones[i], now_ns, &increase_uj);
        reason = reason ? reason : why_not;
        sum_uj += increase_uj;
    }
    sample->valid = !reason;
    if (reason) {
        (void)snprintf(sample->reason, sizeof(sample->reason), "%s", reason);
        return 0;
    }
    sample->energy_uj = sum_uj;
    sample->dt_ns = (int64_t)(now_ns - last_ns);
    return 0;
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
    return 0;
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
    free(powercap);
}

static int take_baselines(struct powercap *powercap, struct error *err)
{
    size_t n_read = 0;
    int failed = ENODEV;
    for (size_t first = 0, end; first < powercap->n_zones; first = end) {
        end = run_end(powercap, first);
        find_mirrors(powercap, first, end);
        uint64_t now_ns = sample_run(powercap, first, end);
        for (size_t i = first; i < end; i++) {
            struct zone *zone = &powercap->zones[i];
            int64_t unused;
            if (zone->is_mirror)
                zone_close(zone);
            else
                (void)zone_take(zone, now_ns, &unused);
            n_read += zone->has_last;
            if (zone->open_errno)
                failed = zone->open_errno;
        }
    }
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

static double peak_w(const struct powercap *powercap, size_t first, size_t end)
{
    double sum_w = 0;
    for (size_t i = first; i < end; i++)
        sum_w += powercap->zones[i].is_mirror ? 0 : powercap->zones[i].peak_w;
    return sum_w;
}

static int powercap_describe(const struct source *source, struct host_record *host_record)
{
    const struct powercap *powercap = (const struct powercap *)source;
    for (size_t first = 0; first < powercap->n_zones; first = run_end(powercap, first)) {
        const struct powercap_zone *zone = &powercap->zones[first].what;
        struct host_source *row;
        int r = host_record_add_source(host_record, &row);
        if (r < 0)
            return r;
        row->domain = zone->domain;
        row->package = zone->package;
        (void)snprintf(row->source, sizeof(row->source), "%s", source_powercap.name);
        row->unit_uj = zone->unit_uj;
        row->range_uj = zone->range_uj;
        row->peak_w = peak_w(powercap, first, run_end(powercap, first));
        if (zone->domain == DOMAIN_PACKAGE)
            describe_limit(zone, host_record);
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
        (void)snprintf(probe.reason, sizeof(probe.reason),
                       "counters are there (%s), but energy_uj may be read by root only", names);
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
    .probe = powercap_probe,
    .open = powercap_open,
    .describe = powercap_describe,
    .read = powercap_read,
    .close = powercap_close,
};
