/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/hwsim/recorded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"
#include "sensor/topology.h"
#include "tests/hwsim/harness.h"

#define ZONES "sys/devices/virtual/powercap/"
#define CPU "sys/devices/system/cpu/"
#define LINE_SIZE 512

/* The kernel's software PMU stands in for those of the hardware, so that their events open. */
#define SOFTWARE_PMU "1\n"

struct section {
    const char *name; /* "zones", or "pmu" with an argument */
    void (*take)(struct recorded *recorded, const char *argument, const char *line);
};

__attribute__((format(printf, 3, 4))) static void put(const struct recorded *recorded,
                                                      const char *text, const char *format, ...)
{
    char name[300];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    made_tree_write(&recorded->tree, name, text);
}

static void append_line(char **text, const char *line)
{
    size_t length = *text ? strlen(*text) : 0, more = strlen(line) + 2;
    *text = realloc(*text, length + more);
    assert_non_null(*text);
    (void)snprintf(*text + length, more, "%s\n", line);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t recorded_list(const char *folder, char *paths[static RECORDED_MACHINES_MAX])
{
    size_t n = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        const char *end = strrchr(entry->d_name, '.');
        if (end && strcmp(end, ".machine") == 0 && n < RECORDED_MACHINES_MAX &&
            asprintf(&paths[n], "%s/%s", folder, entry->d_name) > 0)
            n++;
    }
    if (directory)
        (void)closedir(directory);
    qsort(paths, n, sizeof(paths[0]), compare_paths);
    return n;
}

/* ---- sections ---- */

static void take_cpuinfo(struct recorded *recorded, const char *argument, const char *line)
{
    (void)argument;
    append_line(&recorded->cpuinfo, line);
}

static void take_simulate(struct recorded *recorded, const char *argument, const char *line)
{
    (void)argument;
    append_line(&recorded->simulate, line);
}

static void take_expect(struct recorded *recorded, const char *argument, const char *line)
{
    (void)argument;
    assert_true(recorded->n_expects < RECORDED_EXPECTS_MAX);
    recorded->expects[recorded->n_expects] = strdup(line);
    assert_non_null(recorded->expects[recorded->n_expects++]);
}

static void take_about(struct recorded *recorded, const char *argument, const char *line)
{
    (void)recorded, (void)argument, (void)line;
}

static void add_cpu(struct recorded *recorded, const struct recorded_cpu *cpu)
{
    char text[32];
    assert_true(recorded->n_cpus < RECORDED_CPUS_MAX);
    recorded->cpus[recorded->n_cpus++] = *cpu;
    (void)snprintf(text, sizeof(text), "%d\n", cpu->package);
    put(recorded, text, CPU "cpu%d/topology/physical_package_id", cpu->cpu);
    (void)snprintf(text, sizeof(text), "%d\n", cpu->die);
    put(recorded, text, CPU "cpu%d/topology/die_id", cpu->cpu);
    (void)snprintf(text, sizeof(text), "%d\n", cpu->core);
    put(recorded, text, CPU "cpu%d/topology/core_id", cpu->cpu);
}

/* "0-7,16-23 package 0 die 0 core 0 [step 4]": the CPUs of the list are cores 0, 4, 8, ... */
static void take_cpus(struct recorded *recorded, const char *argument, const char *line)
{
    char list[256];
    int step = 1;
    bool is_member[RECORDED_CPUS_MAX];
    struct recorded_cpu cpu;
    (void)argument;
    if (sscanf(line, "%255s package %d die %d core %d step %d", list, &cpu.package, &cpu.die,
               &cpu.core, &step) < 4)
        fail_msg("no CPUs: %s", line);
    int end = cpu_list_parse(list, is_member, RECORDED_CPUS_MAX);
    assert_true(end > 0);
    for (cpu.cpu = 0; cpu.cpu < end; cpu.cpu++) {
        if (!is_member[cpu.cpu])
            continue;
        add_cpu(recorded, &cpu);
        cpu.core += step;
    }
}

/* intel-rapl:0:1 lies in .../intel-rapl/intel-rapl:0/intel-rapl:0:1. */
static void place_zone(const char *entry, char path[static 128])
{
    size_t length = (size_t)snprintf(path, 128, ZONES);
    for (const char *colon = strchr(entry, ':'); colon; colon = strchr(colon + 1, ':'))
        length +=
            (size_t)snprintf(path + length, 128 - length, "%.*s/", (int)(colon - entry), entry);
    (void)snprintf(path + length, 128 - length, "%s", entry);
}

static const struct recorded_zone *zone_at(const struct recorded *recorded, const char *path)
{
    for (size_t i = 0; i < recorded->n_zones; i++) {
        if (strcmp(recorded->zones[i].path, path) == 0)
            return &recorded->zones[i];
    }
    return NULL;
}

static void name_shown(const struct recorded *recorded, struct recorded_zone *zone,
                       const char *name, const char *given)
{
    char folder[128];
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(zone->path, '/') - zone->path),
                   zone->path);
    const struct recorded_zone *top = zone_at(recorded, folder);
    if (*given)
        (void)snprintf(zone->shows, sizeof(zone->shows), "%s", given);
    else
        (void)snprintf(zone->shows, sizeof(zone->shows), "%s%s%s", top ? top->shows : "",
                       top ? "/" : "", name);
}

static void put_limits(const struct recorded *recorded, const char *path, const char *options)
{
    char text[32];
    double limit_w[2], max_w;
    const char *limits = strstr(options, "limits "), *max = strstr(options, "max ");
    int n = limits ? sscanf(limits, "limits %lf %lf", &limit_w[0], &limit_w[1]) : 0;
    for (int i = 0; i < n; i++) {
        (void)snprintf(text, sizeof(text), "%.0f\n", limit_w[i] * 1e6);
        put(recorded, text, "%s/constraint_%d_power_limit_uw", path, i);
    }
    if (max && sscanf(max, "max %lf", &max_w) == 1) {
        (void)snprintf(text, sizeof(text), "%.0f\n", max_w * 1e6);
        put(recorded, text, "%s/constraint_0_max_power_uw", path);
    }
}

/* "intel-rapl:0 package-0 262143328850 [limits 125 150] [max 125] [shows package-0]" */
static void take_zones(struct recorded *recorded, const char *argument, const char *line)
{
    char entry[48], name[48], range[24], shown[64] = "", target[300], path[PATH_MAX];
    int end = 0;
    (void)argument;
    if (sscanf(line, "%47s %47s %23s%n", entry, name, range, &end) != 3)
        fail_msg("no zone: %s", line);
    const char *shows = strstr(line + end, "shows ");
    if (shows)
        (void)sscanf(shows, "shows %63s", shown);
    assert_true(recorded->n_zones < RECORDED_ZONES_MAX);
    struct recorded_zone *zone = &recorded->zones[recorded->n_zones];
    place_zone(entry, zone->path);
    name_shown(recorded, zone, name, shown);
    zone->range_uj = strtoll(range, NULL, 10);
    recorded->n_zones++;
    (void)snprintf(target, sizeof(target), "%s\n", name);
    put(recorded, target, "%s/name", zone->path);
    (void)snprintf(target, sizeof(target), "%s\n", range);
    put(recorded, target, "%s/max_energy_range_uj", zone->path);
    put(recorded, "0\n", "%s/enabled", zone->path);
    put_limits(recorded, zone->path, line + end);
    made_tree_mkdir(&recorded->tree, "sys/class/powercap");
    (void)snprintf(target, sizeof(target), "../../%s", zone->path + 4);
    (void)snprintf(path, sizeof(path), "%s/class/powercap/%s", recorded->sysfs, entry);
    assert_int_equal(symlink(target, path), 0);
}

/* "cpumask 0,16" and "energy-pkg event=0x02 SCALE UNIT" */
static void take_pmu(struct recorded *recorded, const char *argument, const char *line)
{
    char folder[64], name[32], value[64], scale[48] = "", unit[16] = "";
    (void)snprintf(folder, sizeof(folder), "sys/bus/event_source/devices/%s", argument);
    int n = sscanf(line, "%31s %63s %47s %15s", name, value, scale, unit);
    assert_true(n == 2 || n == 4);
    put(recorded, SOFTWARE_PMU, "%s/type", folder);
    put(recorded, "config:0-7\n", "%s/format/event", folder);
    if (n == 2) {
        put(recorded, value, "%s/%s", folder, name);
        return;
    }
    put(recorded, value, "%s/events/%s", folder, name);
    put(recorded, scale, "%s/events/%s.scale", folder, name);
    put(recorded, unit, "%s/events/%s.unit", folder, name);
}

/* "sys/class/hwmon/hwmon0/name = cpu_thermal", or "... -> TARGET" */
static void take_files(struct recorded *recorded, const char *argument, const char *line)
{
    char name[200], target[200], path[PATH_MAX];
    int end = 0;
    (void)argument;
    if (sscanf(line, "%199s -> %199s", name, target) == 2) {
        made_tree_path(&recorded->tree, name, path);
        made_tree_parents(path);
        assert_int_equal(symlink(target, path), 0);
        return;
    }
    if (sscanf(line, "%199s = %n", name, &end) != 1 || end == 0)
        fail_msg("no file: %s", line);
    char *text = NULL;
    append_line(&text, line + end);
    put(recorded, text, "%s", name);
    free(text);
}

static const struct section sections[] = {
    {"about", take_about},       {"cpuinfo", take_cpuinfo}, {"cpus", take_cpus},
    {"zones", take_zones},       {"pmu", take_pmu},         {"files", take_files},
    {"simulate", take_simulate}, {"expect", take_expect},
};

/* ---- the text ---- */

/* A line "[NAME ARGUMENT]" of ours; what [simulate] holds has sections of its own. */
static const struct section *section_named(const char *line, char argument[static 32])
{
    char name[16];
    argument[0] = '\0';
    if (sscanf(line, "[%15[a-z] %31[a-z_]]", name, argument) < 1)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        if (strcmp(sections[i].name, name) == 0)
            return &sections[i];
    }
    return NULL;
}

static void parse(struct recorded *recorded, FILE *file)
{
    char line[LINE_SIZE], argument[32] = "", next_argument[32];
    const struct section *section = NULL;
    while (fgets(line, sizeof(line), file)) {
        size_t length = strcspn(line, "\n");
        assert_true(line[length] == '\n');
        line[length] = '\0';
        const struct section *next = section_named(line, next_argument);
        if (next) {
            section = next;
            (void)snprintf(argument, sizeof(argument), "%s", next_argument);
        } else if (line[0] != '#' && line[0] != '\0') {
            if (!section)
                fail_msg("outside all sections: %s", line);
            section->take(recorded, argument, line);
        }
    }
}

static int compare_cpus(const void *a, const void *b)
{
    const struct recorded_cpu *x = a, *y = b;
    if (x->package != y->package)
        return x->package < y->package ? -1 : 1;
    if (x->die != y->die)
        return x->die < y->die ? -1 : 1;
    return x->core != y->core ? (x->core < y->core ? -1 : 1) : x->cpu - y->cpu;
}

/* Every processor says the same, but for its number; a trailing part like ARM boards' "Model" is
 * the last one's. */
static void put_cpuinfo(const struct recorded *recorded)
{
    char number[32];
    char *text = NULL;
    for (size_t cpu = 0; cpu < recorded->n_cpus; cpu++) {
        (void)snprintf(number, sizeof(number), "processor\t: %zu", cpu);
        append_line(&text, number);
        append_line(&text, recorded->cpuinfo);
    }
    put(recorded, text, "proc/cpuinfo");
    free(text);
}

void recorded_read(struct recorded *ret_recorded, const char *path)
{
    char list[32];
    struct recorded *recorded = ret_recorded;
    *recorded = (struct recorded){0};
    made_tree_new(&recorded->tree);
    (void)snprintf(recorded->sysfs, sizeof(recorded->sysfs), "%s/sys", recorded->tree.root);
    (void)snprintf(recorded->procfs, sizeof(recorded->procfs), "%s/proc", recorded->tree.root);
    (void)snprintf(recorded->devfs, sizeof(recorded->devfs), "%s/dev", recorded->tree.root);
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s: cannot be read", path);
    parse(recorded, file);
    assert_true(recorded->n_cpus > 0 && recorded->cpuinfo);
    qsort(recorded->cpus, recorded->n_cpus, sizeof(recorded->cpus[0]), compare_cpus);
    (void)snprintf(list, sizeof(list), "0-%zu\n", recorded->n_cpus - 1);
    put(recorded, list, CPU "online");
    put(recorded, list, CPU "possible");
    put_cpuinfo(recorded);
}

void recorded_free(struct recorded *recorded)
{
    made_tree_remove(&recorded->tree, "");
    free(recorded->cpuinfo);
    free(recorded->simulate);
    for (size_t i = 0; i < recorded->n_expects; i++)
        free(recorded->expects[i]);
}

const char *recorded_expected(const struct recorded *recorded, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < recorded->n_expects; i++) {
        if (strncmp(recorded->expects[i], key, length) == 0 && recorded->expects[i][length] == ' ')
            return recorded->expects[i] + length + 1;
    }
    return NULL;
}

/* ---- the simulator behind it ---- */

static bool is_zone(const struct harness *harness, int top, int child, const char *shows)
{
    char name[64], full[140];
    if (host_read_text(full, 64, "%s/class/powercap/intel-rapl:%d/name", harness->sysfs, top) < 0)
        return false;
    if (child >= 0) {
        if (host_read_text(name, sizeof(name), "%s/class/powercap/intel-rapl:%d:%d/name",
                           harness->sysfs, top, child) < 0)
            return false;
        size_t length = strlen(full);
        (void)snprintf(full + length, sizeof(full) - length, "/%s", name);
    }
    return strcmp(full, shows) == 0;
}

/* The simulator's zone of that name: at most 16 at the top, with 4 children each. */
static void find_simulated(const struct harness *harness, const char *shows, char *folder,
                           size_t size)
{
    for (int top = 0; top < 16; top++) {
        for (int child = -1; child < 4; child++) {
            if (!is_zone(harness, top, child, shows))
                continue;
            int n = snprintf(folder, size, "%s/class/powercap/intel-rapl:%d", harness->sysfs, top);
            if (child >= 0)
                (void)snprintf(folder + n, size - (size_t)n, ":%d", child);
            return;
        }
    }
    fail_msg("the simulator has no zone %s", shows);
}

static void link_zone(const struct recorded *recorded, const struct recorded_zone *zone,
                      const struct harness *harness)
{
    char folder[256], target[300], path[PATH_MAX];
    int64_t range_uj;
    find_simulated(harness, zone->shows, folder, sizeof(folder));
    assert_int_equal(host_read_int64(&range_uj, "%s/max_energy_range_uj", folder), 0);
    if (range_uj != zone->range_uj)
        fail_msg("%s: range %" PRId64 ", but the simulator says %" PRId64, zone->path,
                 zone->range_uj, range_uj);
    (void)snprintf(target, sizeof(target), "%s/energy_uj", folder);
    (void)snprintf(path, sizeof(path), "%s/%s/energy_uj", recorded->tree.root, zone->path);
    (void)unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

/* The simulator numbers the cores of all packages one after the other. */
static void link_devices(const struct recorded *recorded, const struct harness *harness)
{
    char name[64], path[PATH_MAX], target[300];
    int simulated = -1;
    for (size_t i = 0; i < recorded->n_cpus; i++) {
        const struct recorded_cpu *cpu = &recorded->cpus[i];
        simulated += i == 0 || cpu->package != cpu[-1].package || cpu->die != cpu[-1].die ||
                     cpu->core != cpu[-1].core;
        (void)snprintf(target, sizeof(target), "%s/cpu/%d/msr", harness->devfs, simulated);
        (void)snprintf(name, sizeof(name), "dev/cpu/%d", cpu->cpu);
        made_tree_mkdir(&recorded->tree, name);
        (void)snprintf(path, sizeof(path), "%s/cpu/%d/msr", recorded->devfs, cpu->cpu);
        (void)unlink(path);
        assert_int_equal(symlink(target, path), 0);
    }
}

void recorded_link(struct recorded *recorded, struct harness *harness)
{
    for (size_t i = 0; i < recorded->n_zones && recorded->simulate; i++)
        link_zone(recorded, &recorded->zones[i], harness);
    if (recorded->simulate)
        link_devices(recorded, harness);
    harness->host.sysfs = recorded->sysfs;
    harness->host.procfs = recorded->procfs;
    harness->host.devfs = recorded->devfs;
}
