/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What perf_recorder.bpf.c and the sensor share: a reading of a group of counters that the kernel took. */
#pragma once

#define RECORDED_READINGS_MAX 512 /* kept until they are fetched, a power of two: half a second at 1 kHz */
#define RECORDED_EVENTS_MAX 5

struct recorded_reading {
    unsigned long long at_ns;  /* its middle, monotonic clock */
    unsigned long long lag_ns; /* so long before at_ns the counters were updated, as far as that is known; 0: it is not */
    long long error;           /* negative errno, or 0 and values */
    unsigned long long values[RECORDED_EVENTS_MAX];
    unsigned long long enabled_ns, running_ns;
};
