/* SPDX-License-Identifier: BSD-3-Clause */
/* Who used a GPU, as rows of a report: the driver knows processes, a report knows targets. */
#pragma once

#include <stdint.h>

#include "common/report.h"
#include "sensor/host.h"
#include "sensor/nvml_library.h"
#include "sensor/targets.h"

/* Of one GPU. */
struct nvml_users {
    void *device;
    int32_t number;   /* package of its rows */
    uint64_t seen_us; /* newest sample of utilisation, wall clock; 0: none */
    uint64_t asked_ns; /* end of the span that was asked about last, monotonic clock */
    /* The answer to it. */
    bool is_known;
    struct gpu_time *times;
    size_t n_times, times_capacity;
};

/* Room for all GPUs in turn. */
struct nvml_users_room {
    struct nvml_process_sample *samples;
    struct nvml_use *uses;
    size_t samples_capacity, uses_capacity;
};

void nvml_users_deinit(struct nvml_users *users);
void nvml_users_room_deinit(struct nvml_users_room *room);

/* False for a GPU that does not say who uses it (MIG, or too old). */
bool nvml_users_are_known(const struct nvml_library *library, void *device);

/* Asks the driver who used the GPU in the span that ends at now_ns. 0 or -ENOMEM. */
int nvml_users_look(struct nvml_users *users, struct nvml_users_room *room, const struct nvml_library *library,
                    const struct host *host, uint64_t now_ns);

/* Adds what the last look saw: a row per target and one total, with event gpu_ns; none where the driver did not say. A process that is gone or
 * that no rule selects is "other". Calls no driver. 0 or -ENOMEM. */
int nvml_users_count(const struct nvml_users *users, struct nvml_users_room *room, const struct host *host, struct targets *targets,
                     struct report *report);
