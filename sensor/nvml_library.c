/* SPDX-License-Identifier: BSD-3-Clause */
/* A symbol that grew a new form of its arguments got a new name (_v2, _v3) and kept the old one, so
 * that the names used here mean the same in every driver that has them. */
#include "sensor/nvml_library.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "common/scope.h"

static_assert(sizeof(struct nvml_pci_info) == 68, "as nvmlPciInfo_t");
static_assert(sizeof(struct nvml_process_sample) == 32, "as nvmlProcessUtilizationSample_t");

static const struct symbol {
    const char *name;
    size_t offset;
    bool is_needed;
} symbols[] = {
    {"nvmlShutdown", offsetof(struct nvml_library, shutdown), true},
    {"nvmlDeviceGetCount_v2", offsetof(struct nvml_library, device_count), true},
    {"nvmlDeviceGetHandleByIndex_v2", offsetof(struct nvml_library, device_at), true},
    {"nvmlDeviceGetPciInfo_v3", offsetof(struct nvml_library, pci_info), true},
    {"nvmlDeviceGetTotalEnergyConsumption", offsetof(struct nvml_library, total_energy), false},
    {"nvmlDeviceGetPowerUsage", offsetof(struct nvml_library, power_usage), false},
    {"nvmlDeviceGetEnforcedPowerLimit", offsetof(struct nvml_library, enforced_limit), false},
    {"nvmlDeviceGetPowerManagementLimitConstraints", offsetof(struct nvml_library, limit_range),
     false},
    {"nvmlDeviceGetProcessUtilization", offsetof(struct nvml_library, process_utilization), false},
};

#define DEVICE_ADVICE                                                                     \
    "let the sensor's user open /dev/nvidiactl and /dev/nvidia0 ...; in a systemd unit: " \
    "DeviceAllow=char-nvidia* rw; in a container: the NVIDIA container toolkit, --gpus all"

/* What a failed start of the library means, and what would change it. */
static const struct start_failure {
    int status;
    const char *reason, *advice;
} start_failures[] = {
    {NVML_NO_PERMISSION, "NVIDIA's devices may not be opened", DEVICE_ADVICE},
    {NVML_OPERATING_SYSTEM, "NVIDIA's devices are blocked by the operating system", DEVICE_ADVICE},
    {NVML_DRIVER_NOT_LOADED, "NVIDIA's driver is not loaded, or its devices are not here",
     "sudo modprobe nvidia   (in a container: the NVIDIA container toolkit, --gpus all)"},
    {NVML_VERSION_MISMATCH, "NVIDIA's library and kernel module are of different versions",
     "restart the machine, or unload and load the module: the driver was updated under it"},
};

static int fail(struct nvml_library *library, const char *advice, struct nvml_trouble *trouble)
{
    trouble->availability = SOURCE_UNREADABLE;
    (void)snprintf(trouble->advice, sizeof(trouble->advice), "%s", advice);
    if (library->handle)
        (void)dlclose(library->handle);
    *library = (struct nvml_library){0};
    return NVML_LIBRARY_TROUBLE;
}

static int fail_to_start(struct nvml_library *library, int status, struct nvml_trouble *trouble)
{
    for (size_t i = 0; i < ARRAY_SIZE(start_failures); i++) {
        if (start_failures[i].status != status)
            continue;
        (void)snprintf(trouble->reason, sizeof(trouble->reason), "%s", start_failures[i].reason);
        return fail(library, start_failures[i].advice, trouble);
    }
    (void)snprintf(trouble->reason, sizeof(trouble->reason),
                   "NVIDIA's library does not start (NVML error %d)", status);
    return fail(library, "see whether nvidia-smi works, and what dmesg says of NVRM", trouble);
}

static bool find_symbols(struct nvml_library *library, struct nvml_trouble *trouble)
{
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        void *symbol = dlsym(library->handle, symbols[i].name);
        if (!symbol && symbols[i].is_needed) {
            (void)snprintf(trouble->reason, sizeof(trouble->reason),
                           "NVIDIA's library has no function %s", symbols[i].name);
            return false;
        }
        memcpy((char *)library + symbols[i].offset, &symbol, sizeof(symbol));
    }
    return true;
}

int nvml_library_open(struct nvml_library *library, const char *path,
                      struct nvml_trouble *ret_trouble)
{
    *library = (struct nvml_library){0};
    *ret_trouble = (struct nvml_trouble){0};
    /* The code of whoever starts the program would run with the capabilities of its file. */
    if (path && getauxval(AT_SECURE)) {
        (void)snprintf(ret_trouble->reason, sizeof(ret_trouble->reason),
                       "a program whose file has capabilities loads no library by name");
        return fail(library, "leave nvml-library out, or start watt-sensor as root", ret_trouble);
    }
    library->handle = dlopen(path ? path : NVML_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
        const char *why = dlerror();
        (void)snprintf(ret_trouble->reason, sizeof(ret_trouble->reason),
                       "NVIDIA's library cannot be loaded: %s", why ? why : NVML_SONAME);
        return fail(library,
                    "install NVIDIA's driver with its library (Debian: libnvidia-ml1), or name the "
                    "library with --nvml-library FILE",
                    ret_trouble);
    }
    int (*start)(void);
    void *symbol = dlsym(library->handle, "nvmlInit_v2");
    memcpy(&start, &symbol, sizeof(symbol));
    if (!symbol)
        (void)snprintf(ret_trouble->reason, sizeof(ret_trouble->reason),
                       "NVIDIA's library has no function nvmlInit_v2");
    if (!symbol || !find_symbols(library, ret_trouble))
        return fail(library, "install a newer driver, 390 or later", ret_trouble);
    int status = start();
    return status == NVML_OK ? 0 : fail_to_start(library, status, ret_trouble);
}

void nvml_library_close(struct nvml_library *library)
{
    if (!library->handle)
        return;
    (void)library->shutdown();
    (void)dlclose(library->handle);
    *library = (struct nvml_library){0};
}

const char *nvml_reason(int status)
{
    switch (status) {
    case NVML_NO_PERMISSION:
    case NVML_OPERATING_SYSTEM:
        return "permission";
    case NVML_UNINITIALIZED:
    case NVML_DRIVER_NOT_LOADED:
    case NVML_GPU_IS_LOST:
        return "vanished";
    case NVML_RESET_REQUIRED:
        return "reset_required";
    default:
        return "read_error";
    }
}
