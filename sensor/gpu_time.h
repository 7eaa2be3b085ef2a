/* SPDX-License-Identifier: BSD-3-Clause */
/* How long each process kept a GPU busy, from the driver's samples of utilisation.
 *
 * It is an approximation in three ways. A sample says in whole percents for how much of its time any kernel of the process ran, and not how much of
 * the GPU that kernel used. It ends at the driver's last look, up to a sample period (1/6 s to 1 s) ago. And where processes
 * truly run side by side (MPS) their times add up to more than the time there was: then all are scaled down. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sensor/nvml_library.h"

struct gpu_time {
    pid_t pid;
    int64_t busy_ns;
};

/* What samples mean for a span that the GPU was not asked about before. since_us: the newest sample of the last asking, wall clock, 0: there was
 * none. now_us: wall clock. Newest sample of each process x percent x (newest sample - since_us, at most the span); samples that were seen before, come
 * from the future or say more than 100 % are none. ret_times: room for n_samples, in order of pid; their sum is at most span_ns.
 * Returns their number; *ret_newest_us is since_us where there was no sample. */
size_t gpu_time_of(const struct nvml_process_sample *samples, size_t n_samples, uint64_t since_us, uint64_t now_us,
                   uint64_t span_ns, struct gpu_time *ret_times, uint64_t *ret_newest_us);
