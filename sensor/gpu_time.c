/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/gpu_time.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#define FUTURE_US 10000000 /* further ahead than clocks differ */

static bool is_sound(const struct nvml_process_sample *sample, uint64_t since_us, uint64_t now_us)
{
    return sample->pid > 0 && sample->pid <= INT_MAX && sample->sm_percent <= 100 &&
           sample->time_us > since_us && sample->time_us <= now_us + FUTURE_US;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = ((const struct gpu_time *)a)->pid, y = ((const struct gpu_time *)b)->pid;
    return (x > y) - (x < y);
}

/* The sample that is newest of its process; of equal ones the last. */
static bool is_newest(const struct nvml_process_sample *samples, size_t n_samples, size_t index,
                      uint64_t since_us, uint64_t now_us)
{
    for (size_t i = 0; i < n_samples; i++)
        if (samples[i].pid == samples[index].pid && is_sound(&samples[i], since_us, now_us) &&
            (samples[i].time_us > samples[index].time_us ||
             (samples[i].time_us == samples[index].time_us && i > index)))
            return false;
    return true;
}

size_t gpu_time_of(const struct nvml_process_sample *samples, size_t n_samples, uint64_t since_us,
                   uint64_t now_us, uint64_t span_ns, struct gpu_time *ret_times,
                   uint64_t *ret_newest_us)
{
    uint64_t newest_us = since_us;
    for (size_t i = 0; i < n_samples; i++)
        if (is_sound(&samples[i], since_us, now_us) && samples[i].time_us > newest_us)
            newest_us = samples[i].time_us;
    double window_ns = (double)(newest_us - since_us) * 1e3, sum_ns = 0;
    if (since_us == 0 || window_ns > (double)span_ns)
        window_ns = (double)span_ns;
    size_t n = 0;
    for (size_t i = 0; i < n_samples; i++) {
        if (samples[i].sm_percent == 0 || !is_sound(&samples[i], since_us, now_us) ||
            !is_newest(samples, n_samples, i, since_us, now_us))
            continue;
        double busy_ns = window_ns * samples[i].sm_percent / 100;
        ret_times[n++] = (struct gpu_time){(pid_t)samples[i].pid, (int64_t)busy_ns};
        sum_ns += busy_ns;
    }
    for (size_t i = 0; i < n && sum_ns > (double)span_ns; i++)
        ret_times[i].busy_ns = (int64_t)((double)ret_times[i].busy_ns * ((double)span_ns / sum_ns));
    qsort(ret_times, n, sizeof(*ret_times), compare_pids);
    *ret_newest_us = newest_us;
    return n;
}
