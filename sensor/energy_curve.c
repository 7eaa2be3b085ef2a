/* SPDX-License-Identifier: BSD-3-Clause */
/* The source of last resort: watts of the whole machine, estimated from the share of time its CPUs
 * were busy, between an idle and a full figure per CPU (cpu_power_table.h). It measures nothing, so
 * every sample is an estimate with bounds.
 *
 * Busy is what cpu_busy.h takes for it, and the share is taken over all the time that there was:
 * time that the hypervisor took was used by others, and is neither ours nor idle hardware's. Where
 * it takes much, samples say so (`cpu_stolen`). A hypervisor that does not show what it takes (a
 * limit on the virtual machine, neighbours) makes us look busier than we are, and nothing in here
 * tells: where it has never shown any, the lower bound is that of a machine that only seems to
 * work. A quota on cgroups in here needs no correction: what it holds back does not run, and is not
 * busy. Microjoules are carried over between reads: sums stay exact. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"
#include "sensor/cpu_busy.h"
#include "sensor/cpu_power_table.h"
#include "sensor/source.h"

#define BUILT_IN "cpu-power.csv (built in)"
#define TABLE_SIZE_MAX 1000000
#define STOLEN_MUCH 0.1 /* of the time: as much as makes a difference to who waits for what */

extern const char cpu_power_csv[];
extern const size_t cpu_power_csv_size;

extern const struct source_ops source_curve;

struct curve_settings {
    char *curve_file;
};

/* An energy that grows by fractions and is handed out in whole microjoules. */
struct meter {
    double carried_uj;
};

struct curve {
    struct source source;
    const struct clock *clock;
    struct cpu_power power;
    size_t n_cpus;
    struct cpu_busy busy;
    bool has_last;
    bool is_virtual;
    struct cpu_times last; /* the whole machine's when the shares were taken */
    uint64_t last_ns;
    double busy_share,
        stolen_share; /* the newest known: hold while a file that is another's stands still */
    struct meter best, low, high;
};

static int read_whole(const char *path, char **ret_text, size_t *ret_size, struct error *err)
{
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    SCOPED(scope_free) char *text = malloc(TABLE_SIZE_MAX);
    if (!text)
        return -ENOMEM;
    size_t size = fread(text, 1, TABLE_SIZE_MAX, file);
    if (ferror(file))
        return error_set(err, -EIO, "%s: %s", path, strerror(errno));
    if (size == TABLE_SIZE_MAX)
        return error_set(err, -EFBIG, "%s: longer than %d bytes", path, TABLE_SIZE_MAX);
    *ret_text = STEAL(text);
    *ret_size = size;
    return 0;
}

static int find_power(const struct curve_settings *settings, const struct topology *topology,
                      struct cpu_power *ret_power, struct error *err)
{
    const char *path = settings ? settings->curve_file : NULL;
    int r;
    if (path) {
        SCOPED(scope_free) char *text = NULL;
        size_t size = 0;
        r = read_whole(path, &text, &size, err);
        if (r < 0)
            return r;
        r = cpu_power_find(text, size, path, topology->vendor, topology->family, topology->model,
                           ret_power, err);
    } else {
        r = cpu_power_find(cpu_power_csv, cpu_power_csv_size, BUILT_IN, topology->vendor,
                           topology->family, topology->model, ret_power, err);
    }
    if (r == CPU_POWER_NONE)
        return error_set(err, -EDOM,
                         "%s: no row for this CPU (vendor \"%s\", family %" PRId64
                         ", model %" PRId64 "): add one, or a row of vendor *",
                         path ? path : BUILT_IN, topology->vendor, topology->family,
                         topology->model);
    return r < 0 ? r : 0;
}

/* Lines "cpuN": the CPUs that are online, whatever the topology could find out. */
static size_t count_cpus(const char *text)
{
    size_t n_cpus = 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "cpu", 3) == 0 && line[3] >= '0' && line[3] <= '9')
            n_cpus++;
    }
    return n_cpus;
}

static size_t count_online(const struct topology *topology, const char *text)
{
    size_t n_online = 0;
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        n_online += topology->is_online[cpu];
    size_t n_lines = count_cpus(text);
    size_t n_cpus = n_lines > n_online ? n_lines : n_online;
    return n_cpus ? n_cpus : 1;
}

static uint64_t ticks_of(const struct cpu_times *times)
{
    return times->sampled + times->away + times->stolen;
}

static const struct cpu_times *machine_of(const struct cpu_busy *busy)
{
    return &busy->now[busy->n_cpus];
}

static void curve_probe(const struct host *host, const struct topology *topology,
                        const void *settings, struct source_probe *ret_probe)
{
    struct error err = {0};
    struct cpu_power power;
    *ret_probe = (struct source_probe){.domains = DOMAIN_BIT(DOMAIN_MACHINE)};
    if (find_power(settings, topology, &power, &err) < 0) {
        ret_probe->availability = SOURCE_MISCONFIGURED;
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "%s", err.text);
        (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice),
                       "mend the file given as curve-file, or leave the option out");
        return;
    }
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/stat", host->procfs);
    if (access(path, R_OK) < 0) {
        ret_probe->availability = SOURCE_ABSENT;
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "%s: %s", path,
                       strerror(errno));
        return;
    }
    (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                   "estimate from CPU time, %.2f to %.2f W per CPU (%s)%s", power.idle_w,
                   power.full_w, power.source, power.is_fallback ? "; this CPU is unknown" : "");
    (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice), "%s",
                   power.is_fallback ? "give figures of this machine with --curve-file FILE" : "");
}

static void curve_close(struct source *source)
{
    struct curve *curve = (struct curve *)source;
    if (!curve)
        return;
    cpu_busy_close(&curve->busy);
    free(curve);
}

static int curve_open(struct source **ret_source, const struct host *host,
                      const struct topology *topology, const void *settings, struct error *err)
{
    struct curve *curve = calloc(1, sizeof(*curve));
    if (!curve)
        return -ENOMEM;
    curve->source.ops = &source_curve;
    curve->clock = host->clock;
    curve->is_virtual = topology->is_virtual;
    int r = find_power(settings, topology, &curve->power, err);
    if (r >= 0)
        r = cpu_busy_open(&curve->busy, host, topology->n_cpus, err);
    if (r < 0) {
        curve_close(&curve->source);
        return r;
    }
    curve->last_ns = clock_monotonic_ns(curve->clock);
    curve->n_cpus = count_online(topology, curve->busy.text);
    curve->has_last = true;
    curve->last = *machine_of(&curve->busy);
    uint64_t total_ticks = ticks_of(&curve->last);
    if (total_ticks > 0)
        curve->busy_share = (double)curve->last.sampled / (double)total_ticks;
    *ret_source = &curve->source;
    return 0;
}

static int curve_describe(const struct source *source, struct host_record *host_record)
{
    struct host_source *row;
    int r = host_record_add_source(host_record, &row);
    if (r < 0)
        return r;
    row->domain = DOMAIN_MACHINE;
    row->package = PACKAGE_NONE;
    (void)snprintf(row->source, sizeof(row->source), "%s", source->ops->name);
    row->unit_uj = NAN;
    row->range_uj = VALUE_ABSENT;
    const struct curve *curve = (const struct curve *)source;
    row->floor_w = curve->power.idle_w * (double)curve->n_cpus;
    return 0;
}

/* All CPUs together, since the shares were taken. Of another's file only its columns tell, and idle
 * and I/O wait are known to step back by a tick or two: 0 then. */
static double time_there_ns(const struct curve *curve)
{
    const struct cpu_busy *busy = &curve->busy;
    if (!busy->is_own) {
        uint64_t now = ticks_of(machine_of(busy)), last = ticks_of(&curve->last);
        return now > last ? (double)(now - last) * (double)busy->ns_per_tick : 0;
    }
    size_t n_lines = 0;
    for (size_t i = 0; i < busy->n_cpus; i++)
        n_lines += busy->now[i].has_line;
    return (double)n_lines * (double)busy->span_ns;
}

static void update_shares(struct curve *curve)
{
    struct cpu_busy *busy = &curve->busy;
    const struct cpu_times *now = machine_of(busy);
    double there_ns = time_there_ns(curve);
    if (there_ns <= 0)
        return;
    double share = (double)cpu_busy_take(busy, NULL, PACKAGE_NONE, 0) / there_ns;
    uint64_t stolen = now->stolen > curve->last.stolen ? now->stolen - curve->last.stolen : 0;
    curve->busy_share = share < 1 ? share : 1;
    curve->stolen_share = (double)stolen * (double)busy->ns_per_tick / there_ns;
    curve->last = *now;
}

static int64_t meter_add(struct meter *meter, double energy_uj)
{
    meter->carried_uj += energy_uj;
    double whole_uj = floor(meter->carried_uj);
    meter->carried_uj -= whole_uj;
    return (int64_t)whole_uj;
}

static void fill_energy(struct curve *curve, int64_t dt_ns, struct energy_sample *sample)
{
    const struct cpu_power *power = &curve->power;
    double cpu_w = power->idle_w + (power->full_w - power->idle_w) * curve->busy_share;
    double uj_per_w = (double)curve->n_cpus * (double)dt_ns / 1e3, energy_uj = cpu_w * uj_per_w;
    bool may_be_robbed = curve->is_virtual && curve->last.stolen == 0;
    double least_uj = may_be_robbed ? power->idle_w * uj_per_w : energy_uj;
    sample->valid = true;
    sample->dt_ns = dt_ns;
    sample->energy_uj = meter_add(&curve->best, energy_uj);
    sample->low_uj = meter_add(&curve->low, least_uj * power->low_factor);
    sample->high_uj = meter_add(&curve->high, energy_uj * power->high_factor);
    /* Each is rounded on its own, so equal factors may differ by one. */
    if (sample->low_uj > sample->energy_uj)
        sample->low_uj = sample->energy_uj;
    if (sample->high_uj < sample->energy_uj)
        sample->high_uj = sample->energy_uj;
    if (power->is_fallback)
        (void)snprintf(sample->reason, sizeof(sample->reason), "unknown_cpu");
    else if (curve->stolen_share > STOLEN_MUCH)
        (void)snprintf(sample->reason, sizeof(sample->reason), "cpu_stolen");
}

static int curve_read(struct source *source, const struct topology *topology, struct report *report)
{
    struct curve *curve = (struct curve *)source;
    struct energy_sample *sample;
    int r = report_add_energy(report, &sample);
    if (r < 0)
        return r;
    sample->domain = DOMAIN_MACHINE;
    sample->package = PACKAGE_NONE;
    sample->estimate = true;
    sample->valid = false;
    (void)snprintf(sample->source, sizeof(sample->source), "%s", source->ops->name);
    uint64_t before_ns = clock_monotonic_ns(curve->clock);
    if (cpu_busy_read(&curve->busy) < 0) {
        curve->has_last = false;
        (void)snprintf(sample->reason, sizeof(sample->reason), "read_error");
        return 0;
    }
    uint64_t now_ns = before_ns + (clock_monotonic_ns(curve->clock) - before_ns) / 2;
    sample->skew_ns = (int64_t)now_ns;
    if (curve->has_last) {
        update_shares(curve);
        curve->n_cpus = count_online(topology, curve->busy.text);
        fill_energy(curve, (int64_t)(now_ns - curve->last_ns), sample);
    } else {
        (void)cpu_busy_take(&curve->busy, NULL, PACKAGE_NONE, 0);
        curve->last = *machine_of(&curve->busy);
        (void)snprintf(sample->reason, sizeof(sample->reason), "reopened");
    }
    curve->last_ns = now_ns;
    curve->has_last = true;
    return 0;
}

static const struct option_spec curve_options[] = {
    {.key = "curve-file",
     .type = OPTION_STRING,
     .offset = offsetof(struct curve_settings, curve_file),
     .argument = "FILE",
     .help = "table of watts per CPU model for the energy source curve, in the form of "
             "data/cpu-power.csv (default: the built-in table)"},
};

const struct source_ops source_curve = {
    .name = "curve",
    .about = "estimate of the whole machine's power from CPU time; measures nothing",
    .is_estimate = true,
    .options = curve_options,
    .n_options = ARRAY_SIZE(curve_options),
    .settings_size = sizeof(struct curve_settings),
    .probe = curve_probe,
    .open = curve_open,
    .describe = curve_describe,
    .read = curve_read,
    .close = curve_close,
};
