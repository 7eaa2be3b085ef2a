/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the kernel cannot be told to take readings: built without BPF. */
#include <errno.h>

#include "sensor/perf_recording.h"

int perf_recording_open(struct perf_recording *recording, const struct perf_group *group, int cpu,
                        size_t lead, const struct recording_plan *plan)
{
    (void)recording;
    (void)group;
    (void)cpu;
    (void)lead;
    (void)plan;
    return -ENOSYS;
}

bool perf_recording_next(struct perf_recording *recording, uint64_t until_ns)
{
    (void)recording;
    (void)until_ns;
    return false;
}

void perf_recording_close(struct perf_recording *recording)
{
    (void)recording;
}
