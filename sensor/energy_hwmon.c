/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy from the kernel's hwmon class: energy counters as they are, and power readings integrated.
 *
 * Integration is the trapezoid: the mean of two readings times the time between them. Readings
 * further apart than the longest gap say nothing of what happened between: that sample is `gap`.
 * Where a device gives a counter and a power for one domain, the counter is used.
 *
 * Channels of one domain and package (the rails of a processor) are one sample. A file stays open;
 * one that fails is closed, and its device looked for again, because it may come back under another
 * number. A device that sleeps is not read: that would wake it, and keep it awake. */
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
#include "common/log.h"
#include "common/scope.h"
#include "sensor/energy_meter.h"
#include "sensor/hwmon_channels.h"
#include "sensor/hwmon_map.h"
#include "sensor/hwmon_rail.h"
#include "sensor/source.h"

#define GAP_DEFAULT_NS (10 * NS_PER_S)
/* How often devices are looked for: one that was lost, and any that may have come. */
#define LOOK_LOST_NS NS_PER_S
#define LOOK_NEW_NS (10 * NS_PER_S)
/* Converters need milliseconds for a reading, and ticks come a little early at times. */
#define READ_INTERVAL_NS (9 * NS_PER_MS)

#define UNLOCK_ADVICE                                                                           \
    "run it as root (sudo watt-sensor ...), as the service (systemctl start watt-sensor), or: " \
    "sudo setcap cap_dac_read_search,cap_perfmon+ep \"$(command -v watt-sensor)\""

extern const struct source_ops source_hwmon;

struct hwmon_settings {
    struct option_list rails;
    uint64_t gap_ns;
};

struct hwmon {
    struct source source;
    const struct host *host;
    const struct hwmon_settings *settings;
    struct hwmon_rail *rails; /* sorted: a meter's are a run */
    size_t n_rails, rails_capacity;
    struct energy_meter *meters; /* one per run of rails, in their order */
    size_t n_meters, meters_capacity;
    uint64_t gap_ns, looked_ns;
    bool has_lost;
};

/* ---- what there is ---- */

static int compare_rails(const void *a, const void *b)
{
    const struct hwmon_rail *one = a, *other = b;
    if (one->domain != other->domain)
        return one->domain < other->domain ? -1 : 1;
    if (one->package != other->package)
        return one->package < other->package ? -1 : 1;
    return hwmon_channel_compare(&one->what, &other->what);
}

static bool is_one_meter(const struct hwmon_rail *a, const struct hwmon_rail *b)
{
    return a->domain == b->domain && a->package == b->package;
}

static bool has_counter(const struct hwmon *hwmon, const struct hwmon_rail *rail)
{
    for (size_t i = 0; i < hwmon->n_rails; i++) {
        const struct hwmon_rail *other = &hwmon->rails[i];
        if (other->what.is_energy && is_one_meter(other, rail) &&
            strcmp(other->what.chip, rail->what.chip) == 0 &&
            strcmp(other->what.device, rail->what.device) == 0)
            return true;
    }
    return false;
}

static struct hwmon_rail *find_rail(const struct hwmon *hwmon, const struct hwmon_channel *channel)
{
    for (size_t i = 0; i < hwmon->n_rails; i++) {
        if (hwmon_channel_compare(&hwmon->rails[i].what, channel) == 0)
            return &hwmon->rails[i];
    }
    return NULL;
}

static int add_rail(struct hwmon *hwmon, const struct hwmon_rail *rail)
{
    if (!rail->what.is_energy && has_counter(hwmon, rail))
        return 0;
    int r = array_reserve(&hwmon->rails, &hwmon->rails_capacity, hwmon->n_rails + 1, sizeof(*rail));
    if (r < 0)
        return r;
    hwmon->rails[hwmon->n_rails++] = *rail;
    return 1;
}

/* Takes a channel: a new rail, or where a lost one is now. 1: the rails are others than before. */
static int take_channel(struct hwmon *hwmon, const struct hwmon_channel *channel,
                        const struct topology *topology)
{
    struct hwmon_rail *known = find_rail(hwmon, channel);
    if (known) {
        if (known->fd < 0)
            known->what = *channel;
        return 0;
    }
    struct hwmon_rail rail;
    enum domain domain;
    int32_t package;
    if (hwmon_map(channel, &hwmon->settings->rails, hwmon->host, topology, &domain, &package) ==
        HWMON_UNKNOWN)
        return 0;
    hwmon_rail_init(&rail, channel, domain, package);
    return add_rail(hwmon, &rail);
}

static const struct energy_meter *find_meter(const struct energy_meter *meters, size_t n_meters,
                                             const struct hwmon_rail *rail)
{
    for (size_t m = 0; m < n_meters; m++) {
        if (meters[m].domain == rail->domain && meters[m].package == rail->package)
            return &meters[m];
    }
    return NULL;
}

/* One meter per run of rails; those that were there keep what they carry. */
static int make_meters(struct hwmon *hwmon)
{
    struct energy_meter *meters = NULL;
    size_t n_meters = 0, capacity = 0;
    for (size_t i = 0; i < hwmon->n_rails; i++) {
        const struct hwmon_rail *rail = &hwmon->rails[i];
        if (i > 0 && is_one_meter(rail, rail - 1)) {
            double sum_w = meters[n_meters - 1].bound_w + rail->bound_w;
            meters[n_meters - 1].bound_w = fmin(sum_w, hwmon_bound_w(rail->domain));
            continue;
        }
        int r = array_reserve(&meters, &capacity, n_meters + 1, sizeof(*meters));
        if (r < 0) {
            free(meters);
            return r;
        }
        const struct energy_meter *known = find_meter(hwmon->meters, hwmon->n_meters, rail);
        struct energy_meter *meter = &meters[n_meters++];
        energy_meter_init(meter, rail->domain, rail->package, rail->bound_w);
        if (known) {
            meter->carry_uj = known->carry_uj;
            meter->last_ns = known->last_ns;
            meter->has_moved = known->has_moved;
        }
    }
    free(hwmon->meters);
    hwmon->meters = meters;
    hwmon->n_meters = n_meters;
    hwmon->meters_capacity = capacity;
    return 0;
}

static int discover(struct hwmon *hwmon, const struct topology *topology, uint64_t now_ns)
{
    SCOPED(scope_free) struct hwmon_channel *found = NULL;
    int n_found = hwmon_channels_find(hwmon->host, &found);
    int r = n_found < 0 ? n_found : 0, n_new = 0;
    /* Counters first: a power beside one is not taken. */
    for (int i = 0; i < 2 * n_found && r >= 0; i++) {
        if (found[i % n_found].is_energy != (i < n_found))
            continue;
        r = take_channel(hwmon, &found[i % n_found], topology);
        n_new += r > 0;
    }
    if (r < 0)
        return r;
    hwmon->looked_ns = now_ns;
    if (n_new == 0)
        return 0;
    qsort(hwmon->rails, hwmon->n_rails, sizeof(*hwmon->rails), compare_rails);
    hwmon->source.has_changed = true;
    return make_meters(hwmon);
}

/* ---- reading ---- */

static size_t run_end(const struct hwmon *hwmon, size_t first)
{
    size_t end = first + 1;
    while (end < hwmon->n_rails && is_one_meter(&hwmon->rails[first], &hwmon->rails[end]))
        end++;
    return end;
}

static void read_run(struct hwmon *hwmon, struct energy_meter *meter, size_t first, size_t end)
{
    uint64_t before_ns = clock_monotonic_ns(hwmon->host->clock);
    for (size_t i = first; i < end; i++) {
        struct hwmon_rail *rail = &hwmon->rails[i];
        rail->reason = hwmon_rail_look(rail);
        rail->has_now = !rail->reason;
        hwmon->has_lost |= rail->fd < 0;
    }
    uint64_t after_ns = clock_monotonic_ns(hwmon->host->clock);
    energy_meter_begin(meter);
    meter->now_ns = before_ns + (after_ns - before_ns) / 2;
    for (size_t i = first; i < end; i++) {
        struct hwmon_rail *rail = &hwmon->rails[i];
        double increase_uj = 0;
        const char *reason =
            hwmon_rail_increase(rail, meter->now_ns - meter->last_ns, hwmon->gap_ns, &increase_uj);
        if (!reason)
            energy_meter_add(meter, increase_uj);
        else if (rail->has_last && rail->what.is_energy && !rail->has_now)
            energy_meter_hold(meter, reason); /* 64 bits: the next reading has it all */
        else
            energy_meter_fail(meter, reason);
    }
}

static void keep_baselines(struct hwmon *hwmon, const struct energy_meter *meter, size_t first,
                           size_t end)
{
    for (size_t i = first; i < end && !meter->is_held; i++) {
        hwmon->rails[i].last = hwmon->rails[i].now;
        hwmon->rails[i].has_last = hwmon->rails[i].has_now;
    }
}

/* report NULL: the baseline. */
static int take_reading(struct hwmon *hwmon, struct report *report)
{
    hwmon->has_lost = false;
    size_t m = 0;
    for (size_t first = 0, end; first < hwmon->n_rails; first = end, m++) {
        end = run_end(hwmon, first);
        read_run(hwmon, &hwmon->meters[m], first, end);
        int r = energy_meter_end(&hwmon->meters[m], source_hwmon.name, report);
        if (r < 0)
            return r;
        keep_baselines(hwmon, &hwmon->meters[m], first, end);
        hwmon->source.has_changed |= r == ENERGY_METER_MOVED;
    }
    return 0;
}

static int hwmon_read(struct source *source, const struct topology *topology, struct report *report)
{
    struct hwmon *hwmon = (struct hwmon *)source;
    uint64_t now_ns = clock_monotonic_ns(hwmon->host->clock);
    uint64_t wait_ns = hwmon->has_lost ? LOOK_LOST_NS : LOOK_NEW_NS;
    int r = now_ns - hwmon->looked_ns >= wait_ns ? discover(hwmon, topology, now_ns) : 0;
    hwmon->source.due_ns = now_ns + READ_INTERVAL_NS;
    return r < 0 ? r : take_reading(hwmon, report);
}

/* ---- opening ---- */

static void hwmon_close(struct source *source)
{
    struct hwmon *hwmon = (struct hwmon *)source;
    if (!hwmon)
        return;
    for (size_t i = 0; i < hwmon->n_rails; i++)
        hwmon_rail_close(&hwmon->rails[i]);
    free(hwmon->rails);
    free(hwmon->meters);
    free(hwmon);
}

static int refuse(const struct hwmon *hwmon, struct error *err)
{
    for (size_t i = 0; i < hwmon->n_rails; i++) {
        const struct hwmon_rail *rail = &hwmon->rails[i];
        if (rail->has_now || strcmp(rail->reason, "asleep") == 0)
            return 0;
        if (strcmp(rail->reason, "permission") == 0)
            return error_set(err, -EACCES, "%s may not be read: %s", rail->what.path,
                             UNLOCK_ADVICE);
    }
    if (hwmon->n_rails > 0)
        return error_set(err, -ENODEV, "%s cannot be read: %s", hwmon->rails[0].what.path,
                         hwmon->rails[0].reason);
    return error_set(err, -ENODEV,
                     "%s/class/hwmon: nothing there is known to measure a part of this machine; "
                     "say what a rail supplies with --hwmon-rail",
                     hwmon->host->sysfs);
}

static const struct hwmon_settings defaults;

static int hwmon_open(struct source **ret_source, const struct host *host,
                      const struct topology *topology, const void *settings, struct error *err)
{
    struct hwmon *hwmon = calloc(1, sizeof(*hwmon));
    if (!hwmon)
        return -ENOMEM;
    hwmon->source.ops = &source_hwmon;
    hwmon->host = host;
    hwmon->settings = settings ? settings : &defaults;
    hwmon->gap_ns = hwmon->settings->gap_ns ? hwmon->settings->gap_ns : GAP_DEFAULT_NS;
    int r = discover(hwmon, topology, clock_monotonic_ns(host->clock));
    if (r >= 0)
        r = take_reading(hwmon, NULL);
    if (r >= 0)
        r = refuse(hwmon, err);
    if (r < 0) {
        hwmon_close(&hwmon->source);
        return r;
    }
    hwmon->source.has_changed = false;
    *ret_source = &hwmon->source;
    return 0;
}

static int hwmon_describe(const struct source *source, struct host_record *host_record)
{
    const struct hwmon *hwmon = (const struct hwmon *)source;
    int r = 0;
    for (size_t m = 0; m < hwmon->n_meters && r >= 0; m++)
        r = energy_meter_describe(&hwmon->meters[m], source_hwmon.name, host_record);
    return r;
}

/* ---- looking ---- */

struct findings {
    unsigned domains, readable; /* DOMAIN_BITs */
    int error;                  /* of the last rail that could not be read */
    size_t n_known, n_unknown;
    char known[100], unknown[130]; /* the first names */
};

static void append_name(const struct hwmon_channel *channel, char *text, size_t size)
{
    char name[sizeof(channel->chip) + sizeof(channel->device) + sizeof(channel->label)];
    size_t length = strlen(text);
    hwmon_channel_name(channel, name, sizeof(name));
    if (length + strlen(name) + 3 <= size)
        (void)snprintf(text + length, size - length, "%s%s", length ? ", " : "", name);
}

static void look_at(const struct hwmon_channel *channel, const struct hwmon_settings *settings,
                    const struct host *host, const struct topology *topology,
                    struct findings *findings)
{
    struct hwmon_rail rail;
    enum domain domain;
    int32_t package;
    if (hwmon_map(channel, &settings->rails, host, topology, &domain, &package) == HWMON_UNKNOWN) {
        findings->n_unknown++;
        append_name(channel, findings->unknown, sizeof(findings->unknown));
        return;
    }
    hwmon_rail_init(&rail, channel, domain, package);
    findings->n_known++;
    append_name(channel, findings->known, sizeof(findings->known));
    findings->domains |= DOMAIN_BIT(domain);
    const char *reason = hwmon_rail_look(&rail);
    if (!reason || strcmp(reason, "asleep") == 0)
        findings->readable |= DOMAIN_BIT(domain);
    else
        findings->error = strcmp(reason, "permission") == 0 ? EACCES : EIO;
    hwmon_rail_close(&rail);
}

/* A rule that names no channel: a spelling mistake, or a device that is not there now. */
static const char *find_idle_rule(const struct hwmon_settings *settings,
                                  const struct hwmon_channel *channels, int n_channels)
{
    for (size_t r = 0; r < settings->rails.n_values; r++) {
        struct hwmon_rule rule;
        bool is_used = hwmon_rule_parse(settings->rails.values[r], &rule, NULL) < 0;
        for (int i = 0; i < n_channels; i++)
            is_used |= hwmon_rule_matches(&rule, &channels[i]);
        if (!is_used)
            return settings->rails.values[r];
    }
    return NULL;
}

static void say_found(const struct findings *found, const struct host *host,
                      struct source_probe *probe)
{
    if (found->readable) {
        probe->availability = SOURCE_USABLE;
        (void)snprintf(probe->reason, sizeof(probe->reason), "%zu known: %s", found->n_known,
                       found->known);
    } else if (found->error == EACCES) {
        probe->availability = SOURCE_UNREADABLE;
        (void)snprintf(probe->reason, sizeof(probe->reason), "%s may be read by root only",
                       found->known);
        (void)snprintf(probe->advice, sizeof(probe->advice), "%s", UNLOCK_ADVICE);
    } else if (found->n_known > 0) {
        (void)snprintf(probe->reason, sizeof(probe->reason), "%s cannot be read", found->known);
    } else if (found->n_unknown > 0) {
        (void)snprintf(probe->reason, sizeof(probe->reason),
                       "readings of power: %zu; of none is it known what it measures",
                       found->n_unknown);
    } else {
        (void)snprintf(probe->reason, sizeof(probe->reason),
                       "no reading of power or energy in %.80s/class/hwmon", host->sysfs);
    }
    if (found->n_unknown > 0 && !probe->advice[0])
        (void)snprintf(probe->advice, sizeof(probe->advice),
                       "not measured: %s%s; say what a rail supplies, as in --hwmon-rail "
                       "'CHIP/LABEL=package:0', or =none",
                       found->unknown, found->n_unknown > 1 ? " ..." : "");
}

static void hwmon_probe(const struct host *host, const struct topology *topology,
                        const void *settings, struct source_probe *ret_probe)
{
    const struct hwmon_settings *own = settings ? settings : &defaults;
    struct source_probe probe = {.availability = SOURCE_ABSENT};
    struct findings found = {0};
    SCOPED(scope_free) struct hwmon_channel *channels = NULL;
    int n_channels = hwmon_channels_find(host, &channels);
    for (int i = 0; i < n_channels; i++)
        look_at(&channels[i], own, host, topology, &found);
    probe.domains = found.readable ? found.readable : found.domains;
    probe.is_energy_counter =
        probe.domains & (DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_DRAM));
    say_found(&found, host, &probe);
    const char *idle_rule = find_idle_rule(own, channels, n_channels);
    if (idle_rule)
        (void)snprintf(probe.advice, sizeof(probe.advice),
                       "hwmon-rail %.90s names no reading that is here%s%s", idle_rule,
                       found.n_unknown > 0 ? "; not measured: " : "", found.unknown);
    *ret_probe = probe;
}

static const struct option_spec hwmon_options[] = {
    {.key = "hwmon-rail",
     .type = OPTION_LIST,
     .offset = offsetof(struct hwmon_settings, rails),
     .argument = "RULE",
     .check = hwmon_rule_check,
     .help =
         "what a power or energy reading of hwmon measures, where only the board's maker knows: "
         "CHIP/LABEL=DOMAIN[:PACKAGE] or CHIP@DEVICE/LABEL=..., or =none for one that is not to "
         "be measured; watt doctor names the readings (default: what the drivers' "
         "documentation says)"},
    {.key = "hwmon-gap",
     .type = OPTION_DURATION,
     .offset = offsetof(struct hwmon_settings, gap_ns),
     .fallback = "10s",
     .argument = "DURATION",
     .help = "readings of power further apart than this are not integrated; must be above the "
             "interval"},
};

const struct source_ops source_hwmon = {
    .name = "hwmon",
    .about =
        "energy counters and integrated power of hwmon drivers (amdgpu, xe, INA2xx, ARM boards)",
    .is_slow = true,
    .options = hwmon_options,
    .n_options = ARRAY_SIZE(hwmon_options),
    .settings_size = sizeof(struct hwmon_settings),
    .capabilities = UINT64_C(1) << CAP_DAC_READ_SEARCH, /* a driver that comes back is opened */
    .probe = hwmon_probe,
    .open = hwmon_open,
    .describe = hwmon_describe,
    .read = hwmon_read,
    .close = hwmon_close,
};
