/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything here is asked anew each time: it is rare, and what a changed topology does to sources
 * and engine is theirs to know. */
#include "sensor/host_description.h"

#include <math.h>
#include <stdio.h>

#include "sensor/host.h"

static int64_t count_cpus(const struct topology *topology, int32_t package)
{
    int64_t n_cpus = 0;
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        n_cpus += topology->is_online[cpu] && topology->package[cpu] == package;
    return n_cpus;
}

static int add_packages(struct host_record *record, const struct topology *topology)
{
    for (size_t i = 0; i < topology->n_packages; i++) {
        struct host_package *package;
        int r = host_record_add_package(record, &package);
        if (r < 0)
            return r;
        package->package = topology->packages[i];
        package->cpus = count_cpus(topology, package->package);
        package->base_hz = topology->base_hz;
        package->max_hz = topology->max_hz;
        package->max_w = NAN;
    }
    return 0;
}

int host_description_fill(struct host_record *record, const struct host *host,
                          const struct topology *topology, const struct measuring *measuring)
{
    if (host_read_text(record->boot_id, sizeof(record->boot_id), "%s/sys/kernel/random/boot_id",
                       host->procfs) < 0)
        record->boot_id[0] = '\0';
    (void)snprintf(record->version, sizeof(record->version), "%s", WATT_VERSION);
    (void)snprintf(record->cpu_vendor, sizeof(record->cpu_vendor), "%s", topology->vendor);
    (void)snprintf(record->cpu_name, sizeof(record->cpu_name), "%s", topology->name);
    record->cpu_family = topology->family;
    record->cpu_model = topology->model;
    record->interval_ns = (int64_t)measuring->interval_ns;
    if (measuring->has_targets)
        (void)snprintf(record->granularity, sizeof(record->granularity), "%s",
                       measuring->granularity == GRANULARITY_CGROUP ? "cgroup" : "process");
    int r = add_packages(record, topology);
    if (r >= 0)
        r = ladder_describe(measuring->ladder, record);
    if (r < 0 || !measuring->engine)
        return r;
    (void)snprintf(record->engine, sizeof(record->engine), "%s", measuring->engine->ops->name);
    return measuring->engine->ops->describe(measuring->engine, record);
}
