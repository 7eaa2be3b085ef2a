/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder that looks like the power PMU's, but whose type is that of the kernel's `msr` PMU: "energy" is the time stamp counter, and the power is constant and known. Spans are
 * waited for by looking at the clock. Needs x86, the msr PMU, two CPUs and the right to open their events: can_open says so where something is missing. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/source.h"
#include "tests/unit/made_tree.h"

#define PMU "sys/bus/event_source/devices/power/"
#define CORE_PMU "sys/bus/event_source/devices/power_core/"
#define CANNOT_RUN 77 /* the exit status that says so */
#define SCALE_J 1e-9 /* a counter of some GHz is some watts */

extern const struct source_ops source_perf;

static struct made_tree tree;
static char sysfs[96], procfs[96];
static struct host host = {.sysfs = sysfs, .procfs = procfs, .clock = &clock_system};
static struct topology topology;
static struct source *source;
static struct report report;

static inline void put_event_of(const char *pmu, const char *name, const char *code)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%sevents/%s", pmu, name);
    made_tree_write(&tree, path, code);
    (void)snprintf(path, sizeof(path), "%sevents/%s.scale", pmu, name);
    made_tree_write(&tree, path, "1e-9\n");
    (void)snprintf(path, sizeof(path), "%sevents/%s.unit", pmu, name);
    made_tree_write(&tree, path, "Joules\n");
}

static inline void put_event(const char *name, const char *code)
{
    put_event_of(PMU, name, code);
}

/* Two CPUs, in one package or in two. */
static inline void put_topology(const char *second_package)
{
    made_tree_write(&tree, "sys/devices/system/cpu/online", "0-1\n");
    made_tree_write(&tree, "sys/devices/system/cpu/possible", "0-1\n");
    made_tree_write(&tree, "sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
    made_tree_write(&tree, "sys/devices/system/cpu/cpu1/topology/physical_package_id",
                    second_package);
    topology_deinit(&topology);
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
}

static inline int set_up(void **state)
{
    (void)state;
    char type[32];
    if (host_read_text(type, sizeof(type), "/sys/bus/event_source/devices/msr/type") <= 0)
        return -1;
    made_tree_new(&tree);
    (void)chmod(tree.root, 0755);
    (void)snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.root);
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", tree.root);
    made_tree_write(&tree, PMU "type", type);
    made_tree_write(&tree, PMU "cpumask", "0\n");
    put_event("energy-pkg", "event=0x00\n");
    report_init(&report);
    put_topology("0\n");
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    if (source)
        source_perf.close(source);
    source = NULL;
    host.clock = &clock_system;
    topology_deinit(&topology);
    report_deinit(&report);
    made_tree_remove(&tree, "");
    return 0;
}

static inline void open_source(void)
{
    struct error err = {0};
    if (source_perf.open(&source, &host, &topology, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void pass_ms(uint64_t ms)
{
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + ms * NS_PER_MS;
    while (clock_monotonic_ns(&clock_system) < end_ns)
        ;
}

static inline void tick(void)
{
    report_clear(&report);
    assert_int_equal(source_perf.read(source, &topology, &report), 0);
}

static inline const struct energy_sample *sample_of(enum domain domain, int32_t package)
{
    for (size_t i = 0; i < report.n_energy; i++) {
        if (report.energy[i].domain == domain && report.energy[i].package == package)
            return &report.energy[i];
    }
    return NULL;
}

/* The counter and the time at which it was read, by another way than ours. Nobody came between. */
static inline uint64_t look_at_counter(uint64_t *ret_at_ns)
{
    uint64_t before_ns, after_ns, value = 0;
    do {
        before_ns = clock_monotonic_ns(&clock_system);
#if defined(__x86_64__)
        value = __builtin_ia32_rdtsc();
#endif
        after_ns = clock_monotonic_ns(&clock_system);
    } while (after_ns - before_ns > 10000);
    *ret_at_ns = before_ns + (after_ns - before_ns) / 2;
    return value;
}

static inline double true_power_w(void)
{
    uint64_t start_ns, end_ns, start = look_at_counter(&start_ns);
    pass_ms(300);
    uint64_t end = look_at_counter(&end_ns);
    return (double)(end - start) * SCALE_J / ((double)(end_ns - start_ns) / 1e9);
}

static inline bool can_open(void)
{
    struct source_probe probe = {0};
    bool is_usable = false;
#if defined(__x86_64__)
    if (set_up(NULL) < 0)
        return false;
    source_perf.probe(&host, &topology, NULL, &probe);
    is_usable = probe.availability == SOURCE_USABLE && topology.n_cpus > 1 &&
                sysconf(_SC_NPROCESSORS_ONLN) > 1;
    (void)tear_down(NULL);
#endif
    if (!is_usable)
        (void)fprintf(stderr, "skipped: no msr PMU that may be opened here, or one CPU only: %s\n",
                      probe.reason);
    return is_usable;
}
