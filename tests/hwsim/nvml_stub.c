/* SPDX-License-Identifier: BSD-3-Clause */
/* A library with NVML's ABI and GPUs of known truth. The file that NVML_STUB_WORLD names says what
 * happens when; it is read again at every call, so that a test can go on writing it. One statement
 * per line:
 *
 * - `init CODE`: nvmlInit fails with it
 * - `loaded NS [GPU]`: handles from an nvmlInit before that moment are lost from then on (GPU: that
 *   one's)
 * - `first GPU CODE`: the first reading of a GPU's energy after an nvmlInit fails with it
 * - `init hang`: it does not return while that stands there
 * - `clock MONOTONIC_NS REAL_US`: it is that late, instead of what the system's clocks say
 * - `gpu ADDRESS LIMIT_W`: one more GPU, drawing nothing; the first is 0. LIMIT_W 0: it tells no
 *   limit
 * - `at NS [GPU]`: what follows holds from that moment of the monotonic clock on (GPU: of that one,
 *   which starts with nothing)
 * - `idle W`: it draws so much, and
 * - `user PID W BUSY`: so much more while it runs kernels of a process, which it does for that share
 *   of the time
 * - `fail energy|power|users CODE`: these calls fail with it
 * - `reset`: the energy counter began at 0 then
 * - `hang`: calls that read energy do not return while it holds
 *
 * Energy is the integral of that, as of the last update (every 20 ms) and in whole millijoules;
 * with NVML_STUB_LOG every reading of it is appended to a file: GPU, the moment it is of in
 * ns, mJ; with NVML_STUB_STARTS every nvmlInit: its status. Built with STUB_OLD it is a driver that knows neither energy nor processes, with
 * STUB_BARE one that lacks what it must have. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UPDATE_NS UINT64_C(20000000)
#define REMEMBERED_US UINT64_C(1000000) /* how far back utilisation goes when all is asked for */
#define GPUS_MAX 8
#define USERS_MAX 64
#define SEGMENTS_MAX 256

/* What a driver lacks is built and not to be found. */
#define EXPORT __attribute__((visibility("default")))
#ifdef STUB_BARE
#define EXPORT_NEEDED
#else
#define EXPORT_NEEDED EXPORT
#endif
#ifdef STUB_OLD
#define EXPORT_NEW
#else
#define EXPORT_NEW EXPORT
#endif

/* As NVML declares them. */
typedef struct {
    char legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char address[32];
} pci_info;

typedef struct {
    unsigned pid;
    unsigned long long time_us;
    unsigned sm, memory, encoder, decoder;
} process_sample;

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };

struct user {
    unsigned pid;
    double watts, busy;
};

/* What one GPU does from a moment on. */
struct segment {
    unsigned gpu;
    uint64_t from_ns;
    double idle_w;
    struct user users[USERS_MAX];
    size_t n_users;
    bool is_reset, hangs;
    int energy_status, power_status, users_status;
};

struct world {
    int init_status;
    bool init_hangs;
    uint64_t loaded_ns[GPUS_MAX];
    int first_status[GPUS_MAX];
    bool has_clock;
    uint64_t now_ns, now_us;
    struct {
        char address[32];
        unsigned limit_w;
    } gpus[GPUS_MAX];
    unsigned n_gpus;
    struct segment segments[SEGMENTS_MAX]; /* in order of time */
    size_t n_segments;
};

static struct world world;
static uint64_t init_ns;
static bool was_read[GPUS_MAX];

static void bad_line(const char *line)
{
    (void)fprintf(stderr, "nvml_stub: cannot understand: %s\n", line);
    abort();
}

static struct segment *begin_segment(uint64_t from_ns, unsigned gpu)
{
    if (world.n_segments == SEGMENTS_MAX || gpu >= world.n_gpus)
        bad_line("at");
    struct segment *segment = &world.segments[world.n_segments++];
    *segment = (struct segment){.gpu = gpu, .from_ns = from_ns};
    return segment;
}

static bool take_machine_line(const char *line)
{
    unsigned limit_w, gpu = 0;
    uint64_t loaded_ns;
    char address[32];
    int status;
    if (strcmp(line, "init hang") == 0)
        return world.init_hangs = true;
    if (sscanf(line, "init %d", &world.init_status) == 1)
        return true;
    if (sscanf(line, "first %u %d", &gpu, &status) == 2 && gpu < GPUS_MAX) {
        world.first_status[gpu] = status;
        return true;
    }
    gpu = 0;
    int n = sscanf(line, "loaded %" SCNu64 " %u", &loaded_ns, &gpu);
    for (unsigned i = 0; i < GPUS_MAX && n >= 1; i++)
        world.loaded_ns[i] = n == 1 || i == gpu ? loaded_ns : world.loaded_ns[i];
    if (n >= 1)
        return true;
    if (sscanf(line, "clock %" SCNu64 " %" SCNu64, &world.now_ns, &world.now_us) == 2)
        return world.has_clock = true;
    if (sscanf(line, "gpu %31s %u", address, &limit_w) != 2 || world.n_gpus == GPUS_MAX)
        return false;
    (void)snprintf(world.gpus[world.n_gpus].address, sizeof(address), "%s", address);
    world.gpus[world.n_gpus++].limit_w = limit_w;
    return true;
}

static bool take_gpu_line(const char *line, struct segment *segment)
{
    struct user user;
    char call[16];
    int status;
    if (!segment)
        return false;
    if (sscanf(line, "user %u %lf %lf", &user.pid, &user.watts, &user.busy) == 3 &&
        segment->n_users < USERS_MAX) {
        segment->users[segment->n_users++] = user;
        return true;
    }
    if (sscanf(line, "fail %15s %d", call, &status) == 2) {
        if (strcmp(call, "energy") == 0)
            segment->energy_status = status;
        else if (strcmp(call, "power") == 0)
            segment->power_status = status;
        else
            segment->users_status = status;
        return true;
    }
    if (strcmp(line, "hang") == 0)
        return segment->hangs = true;
    if (strcmp(line, "reset") == 0)
        return segment->is_reset = true;
    return sscanf(line, "idle %lf", &segment->idle_w) == 1;
}

static void read_world(void)
{
    const char *path = getenv("NVML_STUB_WORLD");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[256];
    struct segment *segment = NULL;
    world = (struct world){0};
    while (file && fgets(line, sizeof(line), file)) {
        uint64_t from_ns;
        unsigned gpu = 0;
        if (!strchr(line, '\n'))
            break; /* being written */
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "at %" SCNu64 " %u", &from_ns, &gpu) >= 1)
            segment = begin_segment(from_ns, gpu);
        else if (line[0] && !take_machine_line(line) && !take_gpu_line(line, segment))
            bad_line(line);
    }
    if (file)
        (void)fclose(file);
    if (world.has_clock)
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    world.now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    world.now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static double power_w(const struct segment *segment)
{
    double watts = segment->idle_w;
    for (size_t i = 0; i < segment->n_users; i++)
        watts += segment->users[i].watts * segment->users[i].busy;
    return watts;
}

/* The end of a segment: where the GPU's next one begins, but no later than until_ns. */
static uint64_t end_of(size_t index, uint64_t until_ns)
{
    for (size_t i = index + 1; i < world.n_segments; i++)
        if (world.segments[i].gpu == world.segments[index].gpu)
            return world.segments[i].from_ns < until_ns ? world.segments[i].from_ns : until_ns;
    return until_ns;
}

static double energy_j(unsigned gpu, uint64_t until_ns)
{
    double joules = 0;
    for (size_t i = 0; i < world.n_segments; i++) {
        const struct segment *segment = &world.segments[i];
        if (segment->gpu != gpu || segment->from_ns > until_ns)
            continue;
        if (segment->is_reset)
            joules = 0;
        joules += power_w(segment) * (double)(end_of(i, until_ns) - segment->from_ns) * 1e-9;
    }
    return joules;
}

static const struct segment *present(unsigned gpu)
{
    static const struct segment nothing;
    const struct segment *found = &nothing;
    for (size_t i = 0; i < world.n_segments; i++)
        if (world.segments[i].gpu == gpu && world.segments[i].from_ns <= world.now_ns)
            found = &world.segments[i];
    return found;
}

static bool is_lost(unsigned gpu)
{
    return init_ns < world.loaded_ns[gpu] && world.loaded_ns[gpu] <= world.now_ns;
}

/* Handles are 1 + the number. */
static unsigned number_of(void *device)
{
    return (unsigned)((uintptr_t)device - 1);
}

EXPORT int nvmlInit_v2(void);
EXPORT int nvmlShutdown(void);
EXPORT_NEEDED int nvmlDeviceGetCount_v2(unsigned *n);
EXPORT_NEEDED int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
EXPORT_NEEDED int nvmlDeviceGetPciInfo_v3(void *device, pci_info *info);
EXPORT_NEW int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mj);
EXPORT int nvmlDeviceGetPowerUsage(void *device, unsigned *mw);
EXPORT int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *mw);
EXPORT int nvmlDeviceGetPowerManagementLimitConstraints(void *device, unsigned *least_mw,
                                                        unsigned *most_mw);
EXPORT_NEW int nvmlDeviceGetProcessUtilization(void *device, process_sample *samples, unsigned *n,
                                               unsigned long long since_us);

int nvmlInit_v2(void)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (read_world(); world.init_hangs; read_world())
        (void)nanosleep(&moment, NULL);
    const char *path = getenv("NVML_STUB_STARTS");
    FILE *starts = path ? fopen(path, "ae") : NULL;
    if (starts) {
        (void)fprintf(starts, "%d\n", world.init_status);
        (void)fclose(starts);
    }
    init_ns = world.now_ns;
    memset(was_read, 0, sizeof(was_read));
    return world.init_status;
}

int nvmlShutdown(void)
{
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
    read_world();
    *n = world.n_gpus;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    read_world();
    *device = (void *)(uintptr_t)(index + 1); // NOLINT(performance-no-int-to-ptr)
    return index < world.n_gpus ? OK : INVALID_ARGUMENT;
}

int nvmlDeviceGetPciInfo_v3(void *device, pci_info *info)
{
    memset(info, 0, sizeof(*info));
    (void)snprintf(info->address, sizeof(info->address), "%s",
                   world.gpus[number_of(device)].address);
    return OK;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *mw)
{
    read_world();
    const struct segment *segment = present(number_of(device));
    *mw = (unsigned)lround(power_w(segment) * 1e3);
    return segment->power_status;
}

int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *mw)
{
    *mw = world.gpus[number_of(device)].limit_w * 1000;
    return *mw ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetPowerManagementLimitConstraints(void *device, unsigned *least_mw,
                                                 unsigned *most_mw)
{
    *least_mw = 0;
    *most_mw = world.gpus[number_of(device)].limit_w * 1000;
    return *most_mw ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mj)
{
    read_world();
    unsigned gpu = number_of(device);
    const struct timespec moment = {.tv_nsec = 1000000};
    for (; present(gpu)->hangs; read_world())
        (void)nanosleep(&moment, NULL);
    if (is_lost(gpu))
        return GPU_IS_LOST;
    if (!was_read[gpu] && world.first_status[gpu] != OK) {
        was_read[gpu] = true;
        return world.first_status[gpu];
    }
    was_read[gpu] = true;
    uint64_t at_ns = world.now_ns / UPDATE_NS * UPDATE_NS;
    *mj = (unsigned long long)(energy_j(gpu, at_ns) * 1e3);
    const char *path = getenv("NVML_STUB_LOG");
    FILE *log = path ? fopen(path, "ae") : NULL;
    if (log) {
        (void)fprintf(log, "%u %" PRIu64 " %llu\n", gpu, at_ns, *mj);
        (void)fclose(log);
    }
    return present(gpu)->energy_status;
}

/* Share of the window that a process was busy for. */
static double busy_share(unsigned gpu, unsigned pid, uint64_t from_ns, uint64_t until_ns)
{
    double busy_ns = 0;
    for (size_t i = 0; i < world.n_segments; i++) {
        const struct segment *segment = &world.segments[i];
        uint64_t begin_ns = segment->from_ns > from_ns ? segment->from_ns : from_ns;
        uint64_t end_ns = end_of(i, until_ns);
        for (size_t u = 0; segment->gpu == gpu && begin_ns < end_ns && u < segment->n_users; u++)
            if (segment->users[u].pid == pid)
                busy_ns += segment->users[u].busy * (double)(end_ns - begin_ns);
    }
    return busy_ns / (double)(until_ns - from_ns);
}

/* Every process once, if it was busy at all in the window that ends at the last update. */
int nvmlDeviceGetProcessUtilization(void *device, process_sample *samples, unsigned *n,
                                    unsigned long long since_us)
{
    read_world();
    unsigned gpu = number_of(device), n_found = 0, seen[USERS_MAX * 4];
    int status = present(gpu)->users_status;
    if (status != OK)
        return status;
    uint64_t late_ns = world.now_ns % UPDATE_NS;
    uint64_t until_ns = world.now_ns - late_ns, until_us = world.now_us - late_ns / 1000;
    if (since_us == 0 || since_us + REMEMBERED_US * 10 < until_us)
        since_us = until_us - REMEMBERED_US;
    if (since_us >= until_us)
        return NOT_FOUND;
    uint64_t from_ns = until_ns - (until_us - since_us) * 1000;
    for (size_t i = 0; i < world.n_segments; i++) {
        for (size_t u = 0; u < world.segments[i].n_users; u++) {
            unsigned pid = world.segments[i].users[u].pid, k = 0;
            while (k < n_found && seen[k] != pid)
                k++;
            double share = busy_share(gpu, pid, from_ns, until_ns);
            if (k < n_found || !(share > 0) || n_found == USERS_MAX * 4)
                continue;
            if (samples && n_found < *n)
                samples[n_found] = (process_sample){
                    .pid = pid, .time_us = until_us, .sm = (unsigned)lround(share * 100)};
            seen[n_found++] = pid;
        }
    }
    unsigned room = samples ? *n : 0;
    *n = n_found;
    if (n_found == 0)
        return NOT_FOUND;
    return n_found > room ? INSUFFICIENT_SIZE : OK;
}
