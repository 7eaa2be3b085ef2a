/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy from model specific registers, where no driver shows it. One device per package (AMD), per
 * die (Intel), and per physical core for AMD's core domain stays open; when its CPU goes offline
 * another CPU of the same part takes over, which reads the same register: the baseline holds. So it
 * does when a register cannot be read for a moment; the next reading then covers both spans.
 *
 * Increases are taken per register in raw units of 32 bits, before scaling and before dies and
 * cores are added up. */
#include <errno.h>
#include <linux/capability.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/energy_meter.h"
#include "sensor/msr_reader.h"
#include "sensor/reading.h"
#include "sensor/source.h"

#define UNLOCK_ADVICE                                                                        \
    "run it as root, or: sudo setcap cap_sys_rawio,cap_dac_read_search+ep \"$(command -v "   \
    "watt-sensor)\"   (in a container: --cap-add SYS_RAWIO and --device /dev/cpu/N/msr for " \
    "each CPU)"
#define MODULE_ADVICE "sudo modprobe msr"

extern const struct source_ops source_msr;

struct msr_source {
    struct source source;
    struct msr_access access;
    uint64_t online;            /* hash of the CPUs that were online when readers were looked for */
    struct msr_reader *readers; /* sorted: those of one scope and package are read together */
    size_t n_readers, readers_capacity;
    struct energy_meter *meters;
    size_t n_meters, meters_capacity;
};

static uint64_t hash_online(const struct topology *topology)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        hash = (hash ^ (topology->is_online[cpu] ? 1 : 2)) * UINT64_C(1099511628211);
    return hash;
}

/* ---- readers ---- */

static struct energy_meter *find_meter(const struct msr_source *msr, enum domain domain,
                                       int32_t package)
{
    for (size_t i = 0; i < msr->n_meters; i++) {
        struct energy_meter *meter = &msr->meters[i];
        if (meter->domain == domain && (meter->package == package || domain == DOMAIN_PSYS))
            return meter;
    }
    return NULL;
}

/* Dies add up, but for psys, which they only show; a package's cores together stay within what the
 * package may use. */
static int add_meter(struct msr_source *msr, const struct msr_reader *reader,
                     const struct msr_counter *counter)
{
    struct energy_meter *meter = find_meter(msr, counter->domain, reader->package);
    if (!meter) {
        int r = array_reserve(&msr->meters, &msr->meters_capacity, msr->n_meters + 1,
                              sizeof(*msr->meters));
        if (r < 0)
            return r;
        meter = &msr->meters[msr->n_meters++];
        energy_meter_init(meter, counter->domain,
                          counter->domain == DOMAIN_PSYS ? PACKAGE_NONE : reader->package, 0);
        meter->unit_uj = counter->unit_uj;
        meter->range_uj = (int64_t)((double)UINT32_MAX * counter->unit_uj);
        msr->source.has_changed = true;
    }
    if (reader->scope == MSR_SCOPE_DIE && counter->domain != DOMAIN_PSYS)
        meter->bound_w += counter->bound_w;
    else
        meter->bound_w = counter->bound_w;
    return 0;
}

static int keep_open(struct msr_source *msr, const struct topology *topology, bool has_changed)
{
    for (size_t i = 0; i < msr->n_readers; i++) {
        struct msr_reader *reader = &msr->readers[i];
        msr_reader_follow(reader, &msr->access, topology, has_changed);
        if (!msr_reader_set_up(reader, &msr->access))
            continue;
        for (size_t c = 0; c < reader->n_counters; c++) {
            int r = add_meter(msr, reader, &reader->counters[c]);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int compare_readers(const void *a, const void *b)
{
    const struct msr_reader *x = a, *y = b;
    if (x->scope != y->scope)
        return x->scope < y->scope ? -1 : 1;
    if (x->package != y->package)
        return x->package < y->package ? -1 : 1;
    return (x->part > y->part) - (x->part < y->part);
}

static int add_reader(struct msr_source *msr, enum msr_scope scope, int32_t package, int cpu)
{
    int64_t part = msr_part_of(msr->access.host, scope, cpu);
    if (part < 0)
        return 0;
    for (size_t i = 0; i < msr->n_readers; i++) {
        const struct msr_reader *known = &msr->readers[i];
        if (known->scope == scope && known->package == package && known->part == part)
            return 0;
    }
    int r = array_reserve(&msr->readers, &msr->readers_capacity, msr->n_readers + 1,
                          sizeof(*msr->readers));
    if (r < 0)
        return r;
    msr->readers[msr->n_readers++] =
        (struct msr_reader){.scope = scope, .package = package, .part = part, .cpu = cpu, .fd = -1};
    return 0;
}

/* Looks which parts there are, when the set of online CPUs is another one: then 1, else 0. */
static int discover(struct msr_source *msr, const struct topology *topology)
{
    uint64_t online = hash_online(topology);
    if (online == msr->online)
        return 0;
    for (int cpu = 0; cpu < topology->n_cpus; cpu++) {
        int r = 0;
        if (!topology->is_online[cpu])
            continue;
        if (!msr_model_is_amd(msr->access.model))
            r = add_reader(msr, MSR_SCOPE_DIE, topology->package[cpu], cpu);
        else
            r = add_reader(msr, MSR_SCOPE_PACKAGE, topology->package[cpu], cpu);
        if (r >= 0 && msr_model_is_amd(msr->access.model))
            r = add_reader(msr, MSR_SCOPE_CORE, topology->package[cpu], cpu);
        if (r < 0)
            return r;
    }
    if (msr->n_readers > 1)
        qsort(msr->readers, msr->n_readers, sizeof(*msr->readers), compare_readers);
    msr->online = online;
    return 1;
}

/* ---- reading ---- */

static void take_counter(struct energy_meter *meter, const struct msr_reader *reader,
                         const struct msr_counter *counter)
{
    uint32_t counts = 0;
    if (!counter->has_now && counter->has_last) {
        energy_meter_hold(meter, reader->reason ? reader->reason : "read_error");
        return;
    }
    if (!counter->has_now || !counter->has_last) {
        energy_meter_fail(meter, counter->has_now || !reader->reason ? "reopened" : reader->reason);
        return;
    }
    double bound_uj = energy_meter_most_uj(meter, counter->bound_w, counter->unit_uj);
    const char *reason =
        msr_increase(counter->last, counter->now, counter->unit_uj, bound_uj, &counts);
    if (reason) {
        energy_meter_fail(meter, reason);
        return;
    }
    if (counter->now < counter->last)
        energy_meter_note(meter, "wrapped");
    energy_meter_add(meter, (double)counts * counter->unit_uj);
}

static size_t run_end(const struct msr_source *msr, size_t first)
{
    const struct msr_reader *readers = msr->readers;
    size_t end = first + 1;
    while (end < msr->n_readers && readers[end].scope == readers[first].scope &&
           readers[end].package == readers[first].package)
        end++;
    return end;
}

struct run {
    struct msr_source *msr;
    size_t first, end;
};

static void sample_run(void *context)
{
    const struct run *run = context;
    for (size_t i = run->first; i < run->end; i++)
        msr_reader_read(&run->msr->readers[i], &run->msr->access);
}

/* When the last span of a run ended, 0: this is the first. */
static uint64_t last_of(const struct msr_source *msr, const struct msr_reader *reader)
{
    const struct energy_meter *meter =
        reader->n_counters > 0 ? find_meter(msr, reader->counters[0].domain, reader->package)
                               : NULL;
    return meter ? meter->last_ns : 0;
}

static void read_run(struct msr_source *msr, size_t first, size_t end)
{
    struct run run = {msr, first, end};
    uint64_t now_ns =
        reading_take(msr->access.host->clock, last_of(msr, &msr->readers[first]), sample_run, &run);
    for (size_t i = first; i < end; i++) {
        const struct msr_reader *reader = &msr->readers[i];
        for (size_t c = 0; c < reader->n_counters && !reader->is_dormant; c++) {
            const struct msr_counter *counter = &reader->counters[c];
            struct energy_meter *meter = find_meter(msr, counter->domain, reader->package);
            if (counter->domain == DOMAIN_PSYS && meter->now_ns != 0)
                continue; /* another die shows the same */
            if (meter->now_ns == 0)
                meter->now_ns = now_ns;
            take_counter(meter, reader, counter);
        }
    }
}

static void keep_baselines(struct msr_source *msr)
{
    for (size_t i = 0; i < msr->n_readers; i++) {
        struct msr_reader *reader = &msr->readers[i];
        for (size_t c = 0; c < reader->n_counters; c++) {
            struct msr_counter *counter = &reader->counters[c];
            if (!counter->has_now || find_meter(msr, counter->domain, reader->package)->is_held)
                continue;
            counter->last = counter->now;
            counter->has_last = true;
        }
    }
}

/* All parts of a meter are dormant: it has no reading, and no moment of it. */
static void end_without_parts(struct msr_source *msr)
{
    uint64_t now_ns = clock_monotonic_ns(msr->access.host->clock);
    for (size_t m = 0; m < msr->n_meters; m++) {
        if (msr->meters[m].now_ns != 0)
            continue;
        msr->meters[m].now_ns = now_ns;
        energy_meter_fail(&msr->meters[m], "cpu_offline");
    }
}

/* report NULL: the baseline. */
static int take_reading(struct msr_source *msr, struct report *report)
{
    for (size_t m = 0; m < msr->n_meters; m++)
        energy_meter_begin(&msr->meters[m]);
    for (size_t first = 0, end; first < msr->n_readers; first = end) {
        end = run_end(msr, first);
        read_run(msr, first, end);
    }
    end_without_parts(msr);
    for (size_t m = 0; m < msr->n_meters; m++) {
        int r = energy_meter_end(&msr->meters[m], source_msr.name, report);
        if (r < 0)
            return r;
        msr->source.has_changed |= r == ENERGY_METER_MOVED;
    }
    keep_baselines(msr);
    return 0;
}

static int msr_read(struct source *source, const struct topology *topology, struct report *report)
{
    struct msr_source *msr = (struct msr_source *)source;
    int r = discover(msr, topology);
    if (r >= 0)
        r = keep_open(msr, topology, r > 0);
    return r < 0 ? r : take_reading(msr, report);
}

/* ---- opening ---- */

/* The row of this CPU, or of the model that it is said to be like. -EDOM: the setting is no number;
 * -ENODEV: not in the table. */
static int find_model(const struct topology *topology, const struct msr_settings *settings,
                      const struct msr_model **ret_model, struct error *err)
{
    int64_t model = topology->model;
    if (settings && settings->like) {
        char *end;
        errno = 0;
        model = strtol(settings->like, &end, 0);
        if (errno || *end || end == settings->like || model < 0)
            return error_set(err, -EDOM, "msr-like = %s: a model number such as 0x8f is wanted",
                             settings->like);
    }
    *ret_model = msr_model_find(topology->vendor, topology->family, model);
    if (*ret_model)
        return 0;
    if (topology->vendor[0] == '\0' || topology->family == VALUE_ABSENT)
        return error_set(err, -ENODEV, "which CPU this is, is not known");
    return error_set(err, -ENODEV, "%s family %d model %d is not in the table of energy registers",
                     topology->vendor, (int)topology->family, (int)model);
}

static struct msr_io choose_io(const struct host *host, const struct msr_settings *settings)
{
    return settings && settings->io ? *settings->io : msr_device_io(host);
}

static void msr_close(struct source *source)
{
    struct msr_source *msr = (struct msr_source *)source;
    if (!msr)
        return;
    for (size_t i = 0; i < msr->n_readers; i++)
        msr_reader_close(&msr->readers[i], &msr->access);
    free(msr->readers);
    free(msr->meters);
    free(msr);
}

static int refuse(const struct msr_source *msr, struct error *err)
{
    const char *reason = msr->n_readers ? msr->readers[0].reason : NULL;
    int cpu = msr->n_readers ? msr->readers[0].cpu : 0;
    const char *devfs = msr->access.host->devfs;
    if (reason && strcmp(reason, "permission") == 0)
        return error_set(err, -EACCES, "%s/cpu/%d/msr may not be opened: %s", devfs, cpu,
                         UNLOCK_ADVICE);
    if (reason && strcmp(reason, "vanished") == 0)
        return error_set(err, -ENODEV, "%s/cpu/%d/msr is not there: %s", devfs, cpu, MODULE_ADVICE);
    return error_set(err, -ENODEV, "%s/cpu/%d/msr: no energy register of %s can be read", devfs,
                     cpu, msr->access.model->name);
}

static int msr_open(struct source **ret_source, const struct host *host,
                    const struct topology *topology, const void *settings, struct error *err)
{
    struct msr_source *msr = calloc(1, sizeof(*msr));
    if (!msr)
        return -ENOMEM;
    msr->source.ops = &source_msr;
    msr->access.host = host;
    msr->access.io = choose_io(host, settings);
    int r = find_model(topology, settings, &msr->access.model, err);
    if (r >= 0)
        r = discover(msr, topology);
    if (r >= 0)
        r = keep_open(msr, topology, r > 0);
    if (r >= 0)
        r = msr->n_meters > 0 ? take_reading(msr, NULL) : refuse(msr, err);
    if (r < 0) {
        msr_close(&msr->source);
        return r;
    }
    *ret_source = &msr->source;
    return 0;
}

static int msr_describe(const struct source *source, struct host_record *host_record)
{
    const struct msr_source *msr = (const struct msr_source *)source;
    for (size_t m = 0; m < msr->n_meters; m++) {
        const struct energy_meter *meter = &msr->meters[m];
        int r = energy_meter_describe(meter, source_msr.name, host_record);
        if (r < 0)
            return r;
        for (size_t i = 0; i < host_record->n_packages && meter->domain == DOMAIN_PACKAGE; i++) {
            struct host_package *package = &host_record->packages[i];
            if (package->package == meter->package && isnan(package->max_w))
                package->max_w = meter->bound_w;
        }
    }
    return 0;
}

/* ---- looking ---- */

static void probe_refused(const struct host *host, const struct topology *topology, int cpu, int r,
                          struct source_probe *probe)
{
    const char *what = strerror(-r), *advice = "";
    bool is_locked = r == -EACCES || r == -EPERM;
    if (r == -ENOENT || r == -ENOTDIR) {
        what = "no such device; the msr module is not loaded";
        advice = topology->is_virtual ? "" : MODULE_ADVICE;
        is_locked = !topology->is_virtual;
    } else if (is_locked) {
        advice = UNLOCK_ADVICE;
    }
    probe->availability = is_locked ? SOURCE_UNREADABLE : SOURCE_ABSENT;
    /* A hypervisor seldom shows the registers, whatever the model says. */
    probe->is_energy_counter = is_locked && !topology->is_virtual;
    (void)snprintf(probe->reason, sizeof(probe->reason), "%.60s/cpu/%d/msr: %.80s", host->devfs,
                   cpu, what);
    (void)snprintf(probe->advice, sizeof(probe->advice), "%s", advice);
}

/* Domains that have a register which counts on this CPU. */
static unsigned look_at(struct msr_io *io, const struct msr_model *model, int fd)
{
    uint64_t value;
    unsigned domains = 0;
    if (io->read(io->context, fd, msr_unit_register(model), &value) < 0 || (uint32_t)value == 0)
        return 0;
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        uint32_t address = msr_energy_register(model, (enum domain)domain);
        if (address && io->read(io->context, fd, address, &value) == 0 && (uint32_t)value != 0)
            domains |= DOMAIN_BIT(domain);
    }
    return domains;
}

static void say_found(const struct msr_model *model, struct source_probe *probe)
{
    size_t length = 0;
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        if (!(probe->domains & DOMAIN_BIT(domain)))
            continue;
        (void)snprintf(probe->reason + length, sizeof(probe->reason) - length, "%s%s",
                       length ? ", " : "", domain_name((enum domain)domain));
        length = strlen(probe->reason);
    }
    (void)snprintf(probe->reason + length, sizeof(probe->reason) - length, "; %s", model->name);
}

static void probe_device(const struct host *host, const struct topology *topology,
                         const struct msr_settings *settings, const struct msr_model *model,
                         struct source_probe *probe)
{
    struct msr_io io = choose_io(host, settings);
    int cpu = topology_first_online(topology);
    int fd = io.open(io.context, cpu);
    probe->domains = model->domains;
    if (fd < 0) {
        probe_refused(host, topology, cpu, fd, probe);
        return;
    }
    probe->domains = look_at(&io, model, fd);
    io.close(io.context, fd);
    probe->is_energy_counter =
        probe->domains & (DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_DRAM));
    if (probe->domains) {
        probe->availability = SOURCE_USABLE;
        say_found(model, probe);
    } else {
        (void)snprintf(probe->reason, sizeof(probe->reason),
                       "%.60s/cpu/%d/msr shows no energy register%s", host->devfs, cpu,
                       topology->is_virtual ? ": the hypervisor hides them" : "");
    }
}

static void msr_probe(const struct host *host, const struct topology *topology,
                      const void *settings, struct source_probe *ret_probe)
{
    struct source_probe probe = {.availability = SOURCE_ABSENT};
    const struct msr_model *model;
    struct error err = {0};
    int r = find_model(topology, settings, &model, &err);
    if (r >= 0)
        probe_device(host, topology, settings, model, &probe);
    else
        (void)snprintf(probe.reason, sizeof(probe.reason), "%.150s", err.text);
    if (r == -EDOM)
        probe.availability = SOURCE_MISCONFIGURED;
    *ret_probe = probe;
}

static const struct option_spec msr_options[] = {
    {.key = "msr-like",
     .type = OPTION_STRING,
     .offset = offsetof(struct msr_settings, like),
     .argument = "MODEL",
     .help = "for the energy source msr on a CPU it does not know: the number of a model of the "
             "same family whose energy registers and units are the same (default: refuse)"},
};

const struct source_ops source_msr = {
    .name = "msr",
    .about = "RAPL energy counters read from model specific registers",
    .options = msr_options,
    .n_options = ARRAY_SIZE(msr_options),
    .settings_size = sizeof(struct msr_settings),
    /* a CPU that goes offline is replaced */
    .capabilities = UINT64_C(1) << CAP_SYS_RAWIO | UINT64_C(1) << CAP_DAC_READ_SEARCH,
    .probe = msr_probe,
    .open = msr_open,
    .describe = msr_describe,
    .read = msr_read,
    .close = msr_close,
};
