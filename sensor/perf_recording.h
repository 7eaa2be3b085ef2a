/* SPDX-License-Identifier: BSD-3-Clause */
/* Readings of a group of counters that the kernel takes by itself once per period, on the CPU of the group, and keeps until they are fetched: nobody is woken
 * for them (perf_recorder.bpf.c). Needs Linux 6.7 with BTF, CAP_BPF and CAP_PERFMON, and leave to run on that CPU for a moment. */
#pragma once

#include "sensor/perf_group.h"
#include "sensor/recorded_reading.h"
#include "sensor/source.h"

/* The zero value is closed. */
struct perf_recording {
    struct perf_recorder *kernel;
    uint64_t n_fetched;              /* ever, with those that were lost */
    struct recorded_reading reading; /* fetched last; at_ns 0: none yet */
};

static inline bool perf_recording_is_open(const struct perf_recording *recording)
{
    return recording->kernel != NULL;
}

/* Of a group that is open on cpu, with RECORDED_EVENTS_MAX events at most, and stays so; plan->is_aligned: readings follow the updates of event lead. -ENOSYS: built
 * without BPF; or the errno of loading or starting. */
int perf_recording_open(struct perf_recording *recording, const struct perf_group *group, int cpu, size_t lead, const struct recording_plan *plan);
/* Fetches the next reading that is not later than until_ns; of one that is closed, none. Those that were not fetched in time are lost: a gap in the moments. */
bool perf_recording_next(struct perf_recording *recording, uint64_t until_ns);
/* No reading is taken any more; those that were not fetched are lost. */
void perf_recording_close(struct perf_recording *recording);
