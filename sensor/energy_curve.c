/* SPDX-License-Identifier: BSD-3-Clause */
/* The source of last resort: watts of the whole machine, estimated from the share of time its CPUs
 * were busy, between an idle and a full figure per CPU (cpu_power_table.h). It measures nothing, so
 * every sample is an estimate with bounds.
 *
 * Busy is user + nice + system + irq + softirq (guests count as user); the share is taken over
 * busy + idle + iowait + steal: time that the hypervisor took was used by others, and is neither
 * ours nor idle hardware's. Where it takes much, samples say so (`cpu_stolen`). A hypervisor that
 * does not show what it takes (a limit on the virtual machine, neighbours) makes us look busier than
 * we are, and nothing in here tells: where it has never shown any, the lower bound is that of a
 * machine that only seems to work. A quota on cgroups in here needs no
 * correction: what it holds back does not run, and is not busy. Microjoules are carried over
 * between reads: sums stay exact. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"
#include "sensor/cpu_power_table.h"
#include "sensor/source.h"

#define BUILT_IN "cpu-power.csv (built in)"
#define TABLE_SIZE_MAX 1000000
#define STOLEN_MUCH 0.1 /* of the time: as much as makes a difference to who waits for what */
#define STAT_SIZE 65536 /* the lines of some 700 CPUs; interrupts follow them */

extern const char cpu_power_csv[];
extern const size_t cpu_power_csv_size;

extern const struct source_ops source_curve;

struct curve_settings {
    char *curve_file;
};

/* Clock ticks since boot, all CPUs together. */
struct cpu_time {
    uint64_t busy, stolen, total;
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
    int stat_fd;
    bool has_last;
    bool is_virtual;
    struct cpu_time last;
    uint64_t last_ns;
    double busy_share,
        stolen_share; /* the newest known: hold for a span shorter than a clock tick */
    struct meter best, low, high;
    char text[STAT_SIZE];
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

/* The first line, "cpu  user nice system idle iowait irq softirq steal ...": old kernels have
 * fewer fields. */
static int parse_cpu_time(const char *text, struct cpu_time *ret_time)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N_FIELDS };
    uint64_t fields[N_FIELDS] = {0};
    size_t n = 0;
    if (strncmp(text, "cpu ", 4) != 0)
        return -EINVAL;
    text += 4;
    while (n < N_FIELDS) {
        while (*text == ' ')
            text++;
        if (*text < '0' || *text > '9')
            break;
        char *end;
        fields[n++] = strtoull(text, &end, 10);
        text = end;
    }
    if (n <= IDLE)
        return -EINVAL;
    ret_time->busy =
        fields[USER] + fields[NICE] + fields[SYSTEM] + fields[IRQ] + fields[SOFTIRQ];
    ret_time->stolen = fields[STEAL];
    ret_time->total = ret_time->busy + fields[IDLE] + fields[IOWAIT] + fields[STEAL];
    return 0;
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

/* Reads the clock and the CPU time at one moment. One pread: the kernel makes the whole text anew
 * for each, and what does not fit is not needed. */
static int look(struct curve *curve, struct cpu_time *ret_time, uint64_t *ret_now_ns)
{
    uint64_t before_ns = clock_monotonic_ns(curve->clock);
    ssize_t size = pread(curve->stat_fd, curve->text, sizeof(curve->text) - 1, 0);
    if (size < 0)
        return -errno;
    uint64_t after_ns = clock_monotonic_ns(curve->clock);
    curve->text[size] = '\0';
    int r = parse_cpu_time(curve->text, ret_time);
    if (r < 0)
        return r;
    *ret_now_ns = before_ns + (after_ns - before_ns) / 2;
    return 0;
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
    scope_close(&curve->stat_fd);
    free(curve);
}

static int curve_open(struct source **ret_source, const struct host *host,
                      const struct topology *topology, const void *settings, struct error *err)
{
    struct curve *curve = calloc(1, sizeof(*curve));
    if (!curve)
        return -ENOMEM;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/stat", host->procfs);
    curve->source.ops = &source_curve;
    curve->clock = host->clock;
    curve->is_virtual = topology->is_virtual;
    curve->stat_fd = -1;
    int r = find_power(settings, topology, &curve->power, err);
    if (r < 0)
        goto fail;
    curve->stat_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (curve->stat_fd < 0) {
        r = error_set(err, -errno, "%s: %s", path, strerror(errno));
        goto fail;
    }
    r = look(curve, &curve->last, &curve->last_ns);
    if (r < 0) {
        (void)error_set(err, r, "%s: no line of CPU times: %s", path, strerror(-r));
        goto fail;
    }
    curve->n_cpus = count_online(topology, curve->text);
    curve->has_last = true;
    if (curve->last.total > 0)
        curve->busy_share = (double)curve->last.busy / (double)curve->last.total;
    *ret_source = &curve->source;
    return 0;
fail:
    curve_close(&curve->source);
    return r;
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

/* Idle and I/O wait are known to step back by a tick or two; busy never should. */
static void update_share(struct curve *curve, const struct cpu_time *now)
{
    if (now->total <= curve->last.total || now->busy < curve->last.busy)
        return;
    double total = (double)(now->total - curve->last.total);
    double share = (double)(now->busy - curve->last.busy) / total;
    curve->busy_share = share < 1 ? share : 1;
    curve->stolen_share =
        now->stolen > curve->last.stolen ? (double)(now->stolen - curve->last.stolen) / total : 0;
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
    struct cpu_time now;
    uint64_t now_ns;
    if (look(curve, &now, &now_ns) < 0) {
        curve->has_last = false;
        (void)snprintf(sample->reason, sizeof(sample->reason), "read_error");
        return 0;
    }
    sample->skew_ns = (int64_t)now_ns;
    if (curve->has_last) {
        update_share(curve, &now);
        curve->n_cpus = count_online(topology, curve->text);
        fill_energy(curve, (int64_t)(now_ns - curve->last_ns), sample);
    } else {
        (void)snprintf(sample->reason, sizeof(sample->reason), "reopened");
    }
    if (!curve->has_last || now.total > curve->last.total)
        curve->last = now;
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
