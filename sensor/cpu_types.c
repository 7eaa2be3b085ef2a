/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/cpu_types.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"
#include "sensor/host.h"
#include "sensor/topology.h"

#define DEVICES "bus/event_source/devices"
#define LIST_SIZE 16384

static void scope_closedir(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

/* Marks the CPUs of a PMU; false if it says none. */
static bool read_cpus(const struct host *host, const char *pmu, bool *is_member, size_t n_cpus)
{
    SCOPED(scope_free) char *text = malloc(LIST_SIZE);
    return text &&
           host_read_text(text, LIST_SIZE, "%s/" DEVICES "/%s/cpus", host->sysfs, pmu) > 0 &&
           cpu_list_parse(text, is_member, n_cpus) > 0;
}

/* Arm's implementer and part stand in MIDR_EL1 of each CPU. */
static void read_model(struct cpu_type *type, const struct host *host)
{
    char text[32], *end;
    if (host_read_text(text, sizeof(text),
                       "%s/devices/system/cpu/cpu%d/regs/identification/midr_el1", host->sysfs,
                       type->first_cpu) <= 0)
        return;
    unsigned long long midr = strtoull(text, &end, 16);
    if (*end)
        return;
    type->family = (int64_t)(midr >> 24 & 0xff);
    type->model = (int64_t)(midr >> 4 & 0xfff);
}

static const char *short_name(const char *pmu)
{
    return strncmp(pmu, "cpu_", 4) == 0 && pmu[4] ? pmu + 4 : pmu;
}

static bool is_sound_name(const char *pmu)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return pmu[0] && pmu[strspn(pmu, letters)] == '\0' &&
           strlen(pmu) < sizeof(((struct cpu_type *)NULL)->pmu);
}

/* False: no PMU of a type of CPUs, or it has none online. */
static bool read_type(struct cpu_type *type, const struct host *host,
                      const struct topology *topology, const char *pmu, bool *is_member)
{
    int64_t number;
    if (!is_sound_name(pmu) || !read_cpus(host, pmu, is_member, (size_t)topology->n_cpus) ||
        host_read_int64(&number, "%s/" DEVICES "/%s/type", host->sysfs, pmu) < 0 || number < 0 ||
        number > UINT32_MAX)
        return false;
    int cpu = 0;
    while (cpu < topology->n_cpus && !(is_member[cpu] && topology->is_online[cpu]))
        cpu++;
    if (cpu == topology->n_cpus)
        return false;
    *type = (struct cpu_type){.pmu_type = (uint32_t)number,
                              .family = topology->family,
                              .model = topology->model,
                              .first_cpu = cpu};
    (void)snprintf(type->name, sizeof(type->name), "%s", short_name(pmu));
    (void)snprintf(type->pmu, sizeof(type->pmu), "%s", pmu);
    read_model(type, host);
    return true;
}

static void insert(struct cpu_types *types, const struct cpu_type *type)
{
    size_t place = types->n;
    while (place > 0 && types->types[place - 1].first_cpu > type->first_cpu)
        place--;
    if (place == CPU_TYPES_MAX)
        return;
    size_t n_behind = (types->n < CPU_TYPES_MAX ? types->n : CPU_TYPES_MAX - 1) - place;
    memmove(&types->types[place + 1], &types->types[place], n_behind * sizeof(*type));
    types->types[place] = *type;
    types->n = place + n_behind + 1;
}

static void find_types(struct cpu_types *types, const struct host *host,
                       const struct topology *topology, bool *is_member)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/" DEVICES, host->sysfs);
    SCOPED(scope_closedir) DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        struct cpu_type type;
        if (read_type(&type, host, topology, entry->d_name, is_member))
            insert(types, &type);
    }
}

static void place_cpus(struct cpu_types *types, const struct host *host, bool *is_member)
{
    for (size_t i = 0; i < types->n; i++)
        if (read_cpus(host, types->types[i].pmu, is_member, types->n_cpus))
            for (size_t cpu = 0; cpu < types->n_cpus; cpu++)
                if (is_member[cpu])
                    types->of_cpu[cpu] = (uint8_t)i;
}

int cpu_types_read(struct cpu_types *ret_types, const struct host *host,
                   const struct topology *topology)
{
    size_t n_cpus = (size_t)topology->n_cpus;
    struct cpu_types types = {.n_cpus = n_cpus, .of_cpu = malloc(n_cpus)};
    SCOPED(scope_free) bool *is_member = calloc(n_cpus, sizeof(bool));
    if (!types.of_cpu || !is_member) {
        free(types.of_cpu);
        return -ENOMEM;
    }
    find_types(&types, host, topology, is_member);
    memset(types.of_cpu, types.n > 1 ? CPU_TYPE_NONE : 0, n_cpus);
    if (types.n > 1) {
        place_cpus(&types, host, is_member);
    } else {
        types.n = 1;
        types.types[0] = (struct cpu_type){.family = topology->family,
                                           .model = topology->model,
                                           .first_cpu = topology_first_online(topology)};
    }
    *ret_types = types;
    return 0;
}

size_t cpu_types_of(struct cpu_types *types, const struct host *host, size_t cpu)
{
    if (cpu >= types->n_cpus)
        return CPU_TYPE_NONE;
    if (types->of_cpu[cpu] != CPU_TYPE_NONE)
        return types->of_cpu[cpu];
    SCOPED(scope_free) bool *is_member = calloc(types->n_cpus, sizeof(bool));
    if (is_member)
        place_cpus(types, host, is_member);
    return types->of_cpu[cpu];
}

void cpu_types_deinit(struct cpu_types *types)
{
    free(types->of_cpu);
    *types = (struct cpu_types){0};
}
