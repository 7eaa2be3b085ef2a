/* SPDX-License-Identifier: BSD-3-Clause */
/* Booked late and evenly rather than estimated: what is published was used. A CPU that had no time
 * left is not charged more; what found no room waits. */
#include "sensor/awake_time.h"

#include <errno.h>
#include <stdlib.h>

#include "sensor/host.h"
#include "sensor/topology.h"

int64_t awake_time_book(struct awake_time *awake, int64_t counted_ns, int64_t span_ns,
                        int64_t n_cpus)
{
    awake->counted_ns += counted_ns;
    awake->is_mixed |= n_cpus != awake->n_cpus;
    awake->n_cpus = n_cpus;
    int64_t booked_ns =
        (int64_t)((double)awake->lot_ns * (double)span_ns / (double)AWAKE_WINDOW_NS);
    if (booked_ns > awake->due_ns)
        booked_ns = awake->due_ns;
    if (booked_ns > span_ns * n_cpus - counted_ns)
        booked_ns = span_ns * n_cpus - counted_ns;
    if (booked_ns < 0)
        booked_ns = 0;
    awake->due_ns -= booked_ns;
    return booked_ns;
}

void awake_time_find(struct awake_time *awake, int64_t busy_ns)
{
    if (!awake->is_mixed)
        awake->due_ns += busy_ns - awake->counted_ns;
    awake->is_mixed = false;
    awake->counted_ns = 0;
    awake->lot_ns = awake->due_ns;
}

static int64_t cpus_of(const struct topology *topology, int32_t package)
{
    int64_t n = 0;
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        n += topology->is_online[cpu] && topology->package[cpu] == package;
    return n;
}

int awake_times_init(struct awake_times *times, const struct host *host,
                     const struct topology *topology, const int32_t *packages, size_t n_packages,
                     uint64_t now_ns)
{
    *times = (struct awake_times){.busy = {.fd = -1}, .last_ns = now_ns, .looked_ns = now_ns};
    if (cpu_busy_open(&times->busy, host, topology->n_cpus, NULL) < 0 || !times->busy.is_own)
        return 0;
    times->packages = calloc(n_packages, sizeof(*times->packages));
    if (!times->packages)
        return -ENOMEM;
    times->n_packages = n_packages;
    for (size_t i = 0; i < n_packages; i++)
        times->packages[i].n_cpus = cpus_of(topology, packages[i]);
    return 0;
}

int64_t awake_times_book(struct awake_times *times, const struct topology *topology,
                         const int32_t *packages, size_t package, int64_t counted_ns,
                         uint64_t now_ns)
{
    if (!times->packages)
        return 0;
    int64_t span_ns = (int64_t)(now_ns - times->last_ns);
    return awake_time_book(&times->packages[package], counted_ns, span_ns,
                           cpus_of(topology, packages[package]));
}

void awake_times_end_tick(struct awake_times *times, const struct topology *topology,
                          const int32_t *packages, uint64_t now_ns)
{
    times->last_ns = now_ns;
    if (!times->packages || now_ns - times->looked_ns < AWAKE_WINDOW_NS ||
        cpu_busy_read(&times->busy) < 0)
        return;
    times->looked_ns = now_ns;
    for (size_t i = 0; i < times->n_packages; i++) {
        struct awake_time *awake = &times->packages[i];
        awake_time_find(
            awake, cpu_busy_take(&times->busy, topology, packages[i], awake->counted_ns));
    }
}

void awake_times_deinit(struct awake_times *times)
{
    cpu_busy_close(&times->busy);
    free(times->packages);
    *times = (struct awake_times){.busy = {.fd = -1}};
}
