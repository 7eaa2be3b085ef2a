/* SPDX-License-Identifier: BSD-3-Clause */
/* NVIDIA's management library, opened at run time: it comes with the driver and is nowhere else. Only what is used is declared here, by our own
 * names; all functions return an nvml_status and are safe to call from one thread.
 * Source: NVML API Reference Guide (docs.nvidia.com/deploy/nvml-api): device queries, nvmlReturn_t, nvmlPciInfo_t, nvmlProcessUtilizationSample_t. */
#pragma once

#include "sensor/source.h"

#define NVML_SONAME "libnvidia-ml.so.1"

enum nvml_status {
    NVML_OK = 0,
    NVML_UNINITIALIZED = 1,
    NVML_NOT_SUPPORTED = 3, /* by this GPU, or in its present mode */
    NVML_NO_PERMISSION = 4,
    NVML_NOT_FOUND = 6,         /* of utilisation: nobody used it since */
    NVML_INSUFFICIENT_SIZE = 7, /* the number wanted is in the count */
    NVML_DRIVER_NOT_LOADED = 9,
    NVML_FUNCTION_NOT_FOUND = 13,
    NVML_GPU_IS_LOST = 15,        /* fell off the bus */
    NVML_RESET_REQUIRED = 16,
    NVML_OPERATING_SYSTEM = 17,   /* the device is blocked, as by the devices cgroup */
    NVML_VERSION_MISMATCH = 18,   /* of library and kernel module */
};

struct nvml_pci_info {
    char legacy_address[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char address[32]; /* "00000000:C1:00.0" */
};

/* What one process used of a GPU until time_us. */
struct nvml_process_sample {
    unsigned pid;
    unsigned long long time_us; /* wall clock */
    unsigned sm_percent;        /* of the time that the sample stands for, its kernels ran */
    unsigned memory_percent, encoder_percent, decoder_percent;
};

struct nvml_library {
    void *handle;
    int (*shutdown)(void);
    int (*device_count)(unsigned *ret_n);
    int (*device_at)(unsigned index, void **ret_device); /* whole GPUs: MIG's instances have other handles */
    int (*pci_info)(void *device, struct nvml_pci_info *ret_info);
    /* The rest is NULL where the driver is older. */
    int (*total_energy)(void *device, unsigned long long *ret_mj); /* since the driver was loaded; Volta and later */
    int (*power_usage)(void *device, unsigned *ret_mw); /* of the board; averaged over 1 s from Ampere on, but for GA100 */
    int (*enforced_limit)(void *device, unsigned *ret_mw);
    int (*limit_range)(void *device, unsigned *ret_min_mw, unsigned *ret_max_mw);
    /* One sample per process that used the GPU after since_us (0: as long as the driver remembers). Not with MIG. */
    int (*process_utilization)(void *device, struct nvml_process_sample *ret_samples, unsigned *n_samples,
                               unsigned long long since_us);
};

/* Why it cannot be used, as a source's probe says it. */
struct nvml_trouble {
    enum source_availability availability;
    char reason[160], advice[256];
};

enum { NVML_LIBRARY_TROUBLE = 1 };

/* path NULL: the system's; another is refused where the program's file gives it capabilities that its user has not. Loads and initialises it, which takes a while and wakes GPUs: look first whether there are any. Returns 0, or
 * NVML_LIBRARY_TROUBLE with all of *ret_trouble. */
int nvml_library_open(struct nvml_library *library, const char *path, struct nvml_trouble *ret_trouble);
void nvml_library_close(struct nvml_library *library); /* zeroed: does nothing */

/* The driver or the GPU cannot do it, now or ever. */
static inline bool nvml_is_unknown(int status)
{
    return status == NVML_NOT_SUPPORTED || status == NVML_FUNCTION_NOT_FOUND;
}

/* The reason of an invalid sample for a status that is not NVML_OK. */
const char *nvml_reason(int status);
