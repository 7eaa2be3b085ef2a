/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy of NVIDIA's GPUs, and who used them. A GPU that has an energy counter (64 bits of mJ,
 * since the driver was loaded) is read by it; of an older one the power is integrated, which misses
 * what happens between two readings.
 *
 * Calls into the driver cost far more than a file of sysfs, and counters move 10 to 50 times a
 * second: a GPU is read at most every READ_INTERVAL_NS, and a tick in between has no sample of it.
 * A GPU that is suspended (a laptop's, while nobody uses it) is not asked, which would wake it.
 *
 * The library knows the GPUs that were there when it was loaded. Where one of them is gone, it is
 * loaded anew, once in a while: after a reset, or a card that fell off the bus and was found again.
 * That takes a moment, which costs the others nothing: their counters go on. (The driver itself
 * cannot be unloaded while the library is.) */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/events.h"
#include "common/scope.h"
#include "sensor/energy_meter.h"
#include "sensor/gpu_number.h"
#include "sensor/nvml_library.h"
#include "sensor/nvml_users.h"
#include "sensor/reading.h"
#include "sensor/source.h"

#define NVIDIA 0x10de
#define GPUS_MAX 256
#define READ_INTERVAL_NS UINT64_C(90000000) /* ticks of 100 ms come a little early at times */
/* Two powers further apart say nothing of what lies between. */
#define POWER_GAP_NS UINT64_C(10000000000)
/* Of the power limit: a late update shows the energy of two spans, and limits are passed for
 * moments. */
#define PLAUSIBLE_FACTOR 3.0
#define ANY_LIMIT_W 2000.0 /* above any board of today */
#define UJ_PER_MJ 1000.0
#define RELOAD_ALL_NS (10 * NS_PER_S) /* how often the library is loaded anew, while all are gone */
#define RELOAD_SOME_NS (60 * NS_PER_S)
#define ASLEEP (-1) /* no status of NVML's */

extern const struct source_ops source_nvml;

struct nvml_settings {
    char *library; /* NULL: the system's */
};

struct gpu {
    void *device; /* NULL: the library does not know it any more */
    char address[32];
    bool has_counter; /* else power */
    bool knows_users; /* the driver says which process used it */
    struct energy_meter meter;
    bool has_last;
    uint64_t last_mj;   /* mW of a GPU without counter */
    uint64_t looked_ns; /* last reading, good or not */
    bool was_read;      /* in this tick */
    bool is_lost;       /* the driver said so last: what comes back is counted anew */
    /* Of the reading under way: */
    int status;
    uint64_t now_mj;
    struct nvml_users users;
};

struct nvml {
    struct source source;
    const struct host *host;
    const struct nvml_settings *settings;
    struct nvml_library library; /* zeroed: could not be loaded anew */
    struct gpu *gpus;
    size_t n_gpus;
    uint64_t whole_ns; /* no GPU was gone, or the library was loaded anew */
    struct nvml_users_room room;
};

/* ---- readings ---- */

static int read_counter(const struct nvml_library *library, void *device, uint64_t *ret_mj)
{
    unsigned long long mj = 0;
    int status = library->total_energy ? library->total_energy(device, &mj) : NVML_NOT_SUPPORTED;
    *ret_mj = mj;
    return status;
}

static int read_power(const struct nvml_library *library, void *device, uint64_t *ret_mw)
{
    unsigned mw = 0;
    int status = library->power_usage ? library->power_usage(device, &mw) : NVML_NOT_SUPPORTED;
    *ret_mw = mw;
    return status;
}

/* The kernel's word for a device that sleeps; absent where it manages no power. */
static bool is_suspended(const struct host *host, const char *address)
{
    char text[32];
    return host_read_text(text, sizeof(text), "%s/bus/pci/devices/%s/power/runtime_status",
                          host->sysfs, address) > 0 &&
           strcmp(text, "suspended") == 0;
}

static const char *reason_of(int status)
{
    return status == ASLEEP ? "asleep" : nvml_reason(status);
}

static bool is_gone(const struct gpu *gpu)
{
    return gpu->status != NVML_OK && strcmp(reason_of(gpu->status), "vanished") == 0;
}

struct look {
    const struct nvml *nvml;
    struct gpu *gpu;
};

static void look(void *context)
{
    struct look *look = context;
    struct gpu *gpu = look->gpu;
    const struct nvml_library *library = &look->nvml->library;
    if (!library->handle)
        gpu->status = NVML_UNINITIALIZED;
    else if (!gpu->device)
        gpu->status = NVML_GPU_IS_LOST;
    else if (is_suspended(look->nvml->host, gpu->address))
        gpu->status = ASLEEP;
    else
        gpu->status = gpu->has_counter ? read_counter(library, gpu->device, &gpu->now_mj)
                                       : read_power(library, gpu->device, &gpu->now_mj);
}

/* A counter keeps its baseline over a failure: it has 64 bits, so that the next reading covers the
 * span. */
static void take_counter(struct gpu *gpu)
{
    struct energy_meter *meter = &gpu->meter;
    uint64_t span_ns = meter->now_ns - meter->last_ns;
    if (gpu->status != NVML_OK && gpu->has_last)
        energy_meter_hold(meter, reason_of(gpu->status));
    else if (gpu->status != NVML_OK)
        energy_meter_fail(meter, reason_of(gpu->status));
    else if (!gpu->has_last)
        energy_meter_fail(meter, "reopened");
    else if (gpu->now_mj < gpu->last_mj)
        energy_meter_fail(meter, "counter_reset"); /* the driver was loaded anew */
    else if (gpu->now_mj == gpu->last_mj)
        energy_meter_hold(meter, span_ns >= ENERGY_METER_STUCK_NS ? "stuck" : "no_update");
    else
        energy_meter_add(meter, (double)(gpu->now_mj - gpu->last_mj) * UJ_PER_MJ);
}

/* mW x ns are 1e-6 uJ. */
static void take_power(struct gpu *gpu)
{
    struct energy_meter *meter = &gpu->meter;
    uint64_t span_ns = meter->now_ns - meter->last_ns;
    if (gpu->status != NVML_OK)
        energy_meter_fail(meter, reason_of(gpu->status));
    else if (!gpu->has_last)
        energy_meter_fail(meter, "reopened");
    else if (span_ns > POWER_GAP_NS)
        energy_meter_fail(meter, "gap");
    else
        energy_meter_add(meter,
                         ((double)gpu->last_mj + (double)gpu->now_mj) / 2 * (double)span_ns * 1e-6);
    gpu->has_last = false;
}

static int read_gpu(struct nvml *nvml, struct gpu *gpu, struct report *report)
{
    struct look context = {nvml, gpu};
    const struct nvml_library *library = &nvml->library;
    energy_meter_begin(&gpu->meter);
    gpu->meter.now_ns = reading_take(nvml->host->clock, gpu->meter.last_ns, look, &context);
    gpu->looked_ns = gpu->meter.now_ns;
    gpu->was_read = true;
    if (gpu->has_counter)
        take_counter(gpu);
    else
        take_power(gpu);
    if (gpu->status == NVML_OK) {
        gpu->last_mj = gpu->now_mj;
        gpu->has_last = true;
    }
    if (library->handle)
        gpu->is_lost = is_gone(gpu);
    int r = energy_meter_end(&gpu->meter, source_nvml.name, report);
    /* Only with a sample that ends here: its span is what is to be split. */
    if (!library->handle || !gpu->device)
        gpu->users.is_known = false;
    else if (r >= 0 && gpu->knows_users && !gpu->meter.is_held)
        r = nvml_users_look(&gpu->users, &nvml->room, library, nvml->host, gpu->meter.now_ns);
    return r < 0 ? r : 0;
}

/* ---- opening ---- */

/* The most that the board may be set to draw, times what is plausible beyond. */
static double bound_w(const struct nvml_library *library, void *device)
{
    unsigned enforced_mw = 0, least_mw = 0, most_mw = 0;
    if (!library->enforced_limit || library->enforced_limit(device, &enforced_mw) != NVML_OK)
        enforced_mw = 0;
    if (!library->limit_range || library->limit_range(device, &least_mw, &most_mw) != NVML_OK)
        most_mw = 0;
    double limit_w = (most_mw > enforced_mw ? most_mw : enforced_mw) * 1e-3;
    return PLAUSIBLE_FACTOR * (limit_w > 0 && limit_w <= ANY_LIMIT_W ? limit_w : ANY_LIMIT_W);
}

/* The address as sysfs writes it. */
static bool find_address(const struct nvml_library *library, void *device, char *address,
                         size_t size)
{
    struct nvml_pci_info info = {0};
    struct pci_address parsed;
    if (library->pci_info(device, &info) != NVML_OK)
        return false;
    info.address[sizeof(info.address) - 1] = '\0';
    if (!pci_address_parse(info.address, &parsed))
        return false;
    int n = snprintf(address, size, "%04" PRIx32 ":%02x:%02x.%x", parsed.domain, parsed.bus,
                     parsed.device, parsed.function);
    return n > 0 && (size_t)n < size;
}

/* False for a GPU that tells neither energy nor power, or that the kernel does not list. */
static bool fill_gpu(const struct host *host, const struct nvml_library *library, unsigned index,
                     struct gpu *gpu)
{
    *gpu = (struct gpu){0};
    if (library->device_at(index, &gpu->device) != NVML_OK ||
        !find_address(library, gpu->device, gpu->address, sizeof(gpu->address)))
        return false;
    int32_t number = gpu_number(host, gpu->address);
    if (number == PACKAGE_NONE)
        return false;
    gpu->status = read_counter(library, gpu->device, &gpu->now_mj);
    gpu->has_counter = !nvml_is_unknown(gpu->status);
    if (!gpu->has_counter)
        gpu->status = read_power(library, gpu->device, &gpu->now_mj);
    if (nvml_is_unknown(gpu->status))
        return false;
    gpu->knows_users = nvml_users_are_known(library, gpu->device);
    gpu->users = (struct nvml_users){.device = gpu->device, .number = number};
    energy_meter_init(&gpu->meter, DOMAIN_GPU, number, bound_w(library, gpu->device));
    gpu->meter.unit_uj = gpu->has_counter ? UJ_PER_MJ : NAN;
    return true;
}

/* All that can be read; their number, or -ENOMEM. */
static int find_gpus(const struct host *host, const struct nvml_library *library,
                     struct gpu **ret_gpus)
{
    unsigned n_devices = 0;
    if (library->device_count(&n_devices) != NVML_OK || n_devices > GPUS_MAX)
        n_devices = 0;
    struct gpu *gpus = calloc(n_devices + 1, sizeof(*gpus));
    if (!gpus)
        return -ENOMEM;
    int n = 0;
    for (unsigned i = 0; i < n_devices; i++)
        n += fill_gpu(host, library, i, &gpus[n]);
    *ret_gpus = gpus;
    return n;
}

/* Looks for GPUs before it loads anything. Returns how many can be read, 0 with trouble, or
 * -ENOMEM. */
static int open_library(const struct host *host, const struct nvml_settings *settings,
                        struct nvml_library *library, struct gpu **ret_gpus,
                        struct nvml_trouble *trouble)
{
    size_t n_listed = gpu_count(host, NVIDIA);
    *trouble = (struct nvml_trouble){.availability = SOURCE_ABSENT};
    if (n_listed == 0) {
        (void)snprintf(trouble->reason, sizeof(trouble->reason),
                       "no NVIDIA GPU in %s/bus/pci/devices", host->sysfs);
        return 0;
    }
    if (nvml_library_open(library, settings ? settings->library : NULL, trouble) != 0)
        return 0;
    int n = find_gpus(host, library, ret_gpus);
    trouble->availability = SOURCE_ABSENT;
    if (n == 0)
        (void)snprintf(trouble->reason, sizeof(trouble->reason),
                       "of %zu NVIDIA GPUs none tells the driver's library its energy or power",
                       n_listed);
    return n;
}

static void nvml_probe(const struct host *host, const struct topology *topology,
                       const void *settings, struct source_probe *ret_probe)
{
    (void)topology;
    struct nvml_library library = {0};
    struct nvml_trouble trouble;
    SCOPED(scope_free) struct gpu *gpus = NULL;
    *ret_probe = (struct source_probe){.availability = SOURCE_ABSENT};
    int n = open_library(host, settings, &library, &gpus, &trouble);
    int n_counters = 0, n_users = 0;
    for (int i = 0; i < n; i++) {
        n_counters += gpus[i].has_counter;
        n_users += gpus[i].knows_users;
    }
    nvml_library_close(&library);
    if (n > 0) {
        ret_probe->availability = SOURCE_USABLE;
        ret_probe->domains = DOMAIN_BIT(DOMAIN_GPU);
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason),
                       "gpu; %d by energy counter, %d by power; use per process known of %d",
                       n_counters, n - n_counters, n_users);
        return;
    }
    ret_probe->availability = trouble.availability;
    ret_probe->domains = trouble.availability == SOURCE_UNREADABLE ? DOMAIN_BIT(DOMAIN_GPU) : 0;
    memcpy(ret_probe->reason, trouble.reason, sizeof(trouble.reason));
    memcpy(ret_probe->advice, trouble.advice, sizeof(trouble.advice));
}

static void free_gpus(struct nvml *nvml)
{
    for (size_t i = 0; i < nvml->n_gpus; i++)
        nvml_users_deinit(&nvml->gpus[i].users);
    free(nvml->gpus);
    nvml->gpus = NULL;
    nvml->n_gpus = 0;
}

static void nvml_close(struct source *source)
{
    struct nvml *nvml = (struct nvml *)source;
    if (!nvml)
        return;
    nvml_library_close(&nvml->library);
    free_gpus(nvml);
    nvml_users_room_deinit(&nvml->room);
    free(nvml);
}

static int take_baselines(struct nvml *nvml)
{
    int r = 0;
    for (size_t i = 0; i < nvml->n_gpus && r >= 0; i++)
        r = read_gpu(nvml, &nvml->gpus[i], NULL);
    nvml->whole_ns = clock_monotonic_ns(nvml->host->clock);
    return r;
}

/* ---- reading ---- */

static struct gpu *find_gpu(struct gpu *gpus, size_t n_gpus, const char *address)
{
    for (size_t i = 0; i < n_gpus; i++)
        if (strcmp(gpus[i].address, address) == 0)
            return &gpus[i];
    return NULL;
}

/* One that was not lost goes on where it was, by its new handle, also where that says at first that
 * it is. Others that come and go change what number it would be given now. */
static void take_found(struct nvml *nvml, struct gpu *gpu, const struct gpu *found)
{
    if (is_gone(found) && gpu->is_lost)
        return;
    if (!is_gone(found) && (gpu->is_lost || gpu->has_counter != found->has_counter)) {
        int32_t number = gpu->users.number;
        nvml_users_deinit(&gpu->users);
        *gpu = *found;
        gpu->meter.package = gpu->users.number = number;
        nvml->source.has_changed = true;
    }
    gpu->device = gpu->users.device = found->device;
}

/* One that was not there before, unless its number is another's. */
static int add_found(struct nvml *nvml, const struct gpu *found)
{
    bool is_taken = is_gone(found);
    for (size_t i = 0; i < nvml->n_gpus; i++)
        is_taken |= nvml->gpus[i].users.number == found->users.number;
    if (is_taken)
        return 0;
    struct gpu *gpus = realloc(nvml->gpus, (nvml->n_gpus + 1) * sizeof(*gpus));
    if (!gpus)
        return -ENOMEM;
    nvml->gpus = gpus;
    gpus[nvml->n_gpus++] = *found;
    nvml->source.has_changed = true;
    return 0;
}

/* Who is not found stays, without a handle, and goes on being missing. */
static int merge_found(struct nvml *nvml, const struct gpu *found, size_t n_found)
{
    int r = 0;
    for (size_t i = 0; i < nvml->n_gpus; i++)
        nvml->gpus[i].device = nvml->gpus[i].users.device = NULL;
    for (size_t i = 0; i < n_found && r >= 0; i++) {
        struct gpu *gpu = find_gpu(nvml->gpus, nvml->n_gpus, found[i].address);
        if (gpu)
            take_found(nvml, gpu, &found[i]);
        else
            r = add_found(nvml, &found[i]);
    }
    return r;
}

static int load_anew(struct nvml *nvml, uint64_t now_ns)
{
    SCOPED(scope_free) struct gpu *found = NULL;
    struct nvml_trouble trouble;
    nvml_library_close(&nvml->library);
    nvml->library = (struct nvml_library){0};
    nvml->whole_ns = now_ns;
    int n = open_library(nvml->host, nvml->settings, &nvml->library, &found, &trouble);
    if (n > 0)
        return merge_found(nvml, found, (size_t)n);
    nvml_library_close(&nvml->library);
    nvml->library = (struct nvml_library){0};
    return n;
}

/* Whoever is gone may have come back, where only a new library sees it. */
static int look_for_lost(struct nvml *nvml, uint64_t now_ns)
{
    size_t n_gone = 0;
    for (size_t i = 0; i < nvml->n_gpus; i++)
        n_gone += is_gone(&nvml->gpus[i]);
    if (n_gone == 0)
        nvml->whole_ns = now_ns;
    uint64_t wait_ns = n_gone == nvml->n_gpus ? RELOAD_ALL_NS : RELOAD_SOME_NS;
    return now_ns - nvml->whole_ns < wait_ns ? 0 : load_anew(nvml, now_ns);
}

static int nvml_read(struct source *source, const struct topology *topology, struct report *report)
{
    (void)topology;
    struct nvml *nvml = (struct nvml *)source;
    uint64_t now_ns = clock_monotonic_ns(nvml->host->clock);
    int r = 0;
    nvml->source.due_ns = UINT64_MAX;
    for (size_t i = 0; i < nvml->n_gpus && r >= 0; i++) {
        struct gpu *gpu = &nvml->gpus[i];
        now_ns = clock_monotonic_ns(nvml->host->clock);
        gpu->was_read = false;
        if (now_ns - gpu->looked_ns >= READ_INTERVAL_NS)
            r = read_gpu(nvml, gpu, report);
        uint64_t due_ns = gpu->looked_ns + READ_INTERVAL_NS;
        nvml->source.due_ns = due_ns < nvml->source.due_ns ? due_ns : nvml->source.due_ns;
    }
    return r < 0 ? r : look_for_lost(nvml, now_ns);
}

static int nvml_count(struct source *source, struct targets *targets, struct report *report)
{
    struct nvml *nvml = (struct nvml *)source;
    int r = 0;
    for (size_t i = 0; i < nvml->n_gpus && r >= 0; i++) {
        struct gpu *gpu = &nvml->gpus[i];
        if (gpu->knows_users && gpu->was_read && !gpu->meter.is_held)
            r = nvml_users_count(&gpu->users, &nvml->room, nvml->host, targets, report);
    }
    return r;
}

/* ---- the interface ---- */

static int nvml_open(struct source **ret_source, const struct host *host,
                     const struct topology *topology, const void *settings, struct error *err)
{
    (void)topology;
    struct nvml *nvml = calloc(1, sizeof(*nvml));
    if (!nvml)
        return error_set(err, -ENOMEM, "out of memory");
    nvml->source.ops = &source_nvml;
    nvml->host = host;
    nvml->settings = settings;
    struct nvml_trouble trouble;
    int n = open_library(host, settings, &nvml->library, &nvml->gpus, &trouble);
    nvml->n_gpus = n > 0 ? (size_t)n : 0;
    int r = n < 0 ? n : take_baselines(nvml);
    if (r < 0)
        r = error_set(err, r, "out of memory");
    else if (n == 0)
        r = error_set(err, trouble.availability == SOURCE_UNREADABLE ? -EACCES : -ENODEV, "%s%s%s",
                      trouble.reason, trouble.advice[0] ? "; " : "", trouble.advice);
    if (r < 0) {
        nvml_close(&nvml->source);
        return r;
    }
    *ret_source = &nvml->source;
    return 0;
}

static int nvml_describe(const struct source *source, struct host_record *host_record)
{
    const struct nvml *nvml = (const struct nvml *)source;
    bool knows_users = false;
    int r = 0;
    for (size_t i = 0; i < nvml->n_gpus && r >= 0; i++) {
        r = energy_meter_describe(&nvml->gpus[i].meter, source_nvml.name, host_record);
        knows_users |= nvml->gpus[i].knows_users;
    }
    if (r < 0 || !knows_users)
        return r;
    struct host_event *event;
    r = host_record_add_event(host_record, &event);
    if (r < 0)
        return r;
    (void)snprintf(event->name, sizeof(event->name), "%s", EVENT_GPU_NS);
    (void)snprintf(event->pmu, sizeof(event->pmu), "%s", source_nvml.name);
    return 0;
}

static const struct option_spec nvml_options[] = {
    {.key = "nvml-library",
     .type = OPTION_STRING,
     .offset = offsetof(struct nvml_settings, library),
     .argument = "FILE",
     .help = "library of NVIDIA's driver for the energy source nvml (default: " NVML_SONAME
             ", where the system looks for libraries); loaded only where there is an NVIDIA GPU"},
};

const struct source_ops source_nvml = {
    .name = "nvml",
    .about = "energy of NVIDIA GPUs through the driver's library, and which process used them",
    .is_slow = true,
    .options = nvml_options,
    .n_options = ARRAY_SIZE(nvml_options),
    .settings_size = sizeof(struct nvml_settings),
    .probe = nvml_probe,
    .open = nvml_open,
    .describe = nvml_describe,
    .read = nvml_read,
    .count = nvml_count,
    .close = nvml_close,
};
