/* SPDX-License-Identifier: BSD-3-Clause */
/* Zones lie where the kernel has them, in sys/devices/virtual/powercap, each linked from the class
 * folder. What is not simulated is linked to the machine's own, so that the programs under test
 * find their processes and PMUs. */
#include "tests/hwsim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/scope.h"

#define RAPL "/sys/devices/virtual/powercap/intel-rapl"
#define CLASS "/sys/class/powercap"
#define CPU "/sys/devices/system/cpu"
#define PMUS "/sys/bus/event_source/devices"

const char *tree_child(const char *folder, const char *path)
{
    size_t length = strlen(folder);
    if (strncmp(folder, path, length) != 0 || path[length] != '/' || strchr(path + length + 1, '/'))
        return NULL;
    return path + length + 1;
}

static struct node *node_at(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->n_nodes; i++) {
        if (strcmp(tree->nodes[i].path, path) == 0)
            return &tree->nodes[i];
    }
    return NULL;
}

bool tree_is_gone(const struct tree *tree, const struct node *node)
{
    if ((node->package >= 0 && energy_is_gone(tree->energy, node->package)) ||
        (node->cpu >= 0 && energy_cpu_is_gone(tree->energy, node->cpu)))
        return true;
    for (size_t i = 0; i < tree->n_nodes; i++) {
        const struct node *above = &tree->nodes[i];
        size_t length = strlen(above->path);
        if (above->file && !sys_file_is_there(above->file, energy_now_ns(tree->energy)) &&
            strncmp(above->path, node->path, length) == 0 &&
            (node->path[length] == '/' || node->path[length] == '\0'))
            return true;
    }
    return false;
}

const struct node *tree_find(const struct tree *tree, const char *path)
{
    const struct node *node = node_at(tree, strcmp(path, "/") == 0 ? "" : path);
    return node && !tree_is_gone(tree, node) ? node : NULL;
}

int tree_mirror(const struct tree *tree, const char *path, char *target, size_t size)
{
    for (size_t i = 0; i < tree->n_nodes; i++) {
        const struct node *node = &tree->nodes[i];
        const char *name = node->kind == NODE_MIRROR ? tree_child(node->path, path) : NULL;
        if (!name || strncmp(name, "power", 5) == 0) /* the real energy PMU stays out */
            continue;
        int n = snprintf(target, size, "%s/%s", node->text, name);
        if (n > 0 && (size_t)n < size && faccessat(-1, target, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return 0;
    }
    return -ENOENT;
}

/* Adds a node, and the folders above it that are not there yet. The pointer holds until the next.
 */
static struct node *add(struct tree *tree, enum node_kind kind, int package, const char *path)
{
    struct node *known = node_at(tree, path);
    if (known)
        return known;
    const char *slash = strrchr(path, '/');
    if (slash) {
        char folder[sizeof(known->path)];
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        if (!add(tree, NODE_FOLDER, package, folder))
            return NULL;
    }
    if (array_reserve(&tree->nodes, &tree->capacity, tree->n_nodes + 1, sizeof(*tree->nodes)) < 0)
        return NULL;
    struct node *node = &tree->nodes[tree->n_nodes++];
    *node = (struct node){.kind = kind, .package = package, .cpu = -1, .mode = 0444};
    (void)snprintf(node->path, sizeof(node->path), "%s", path);
    return node;
}

__attribute__((format(printf, 4, 5))) static struct node *
add_at(struct tree *tree, enum node_kind kind, int package, const char *format, ...)
{
    char path[sizeof(tree->nodes->path)];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(path, sizeof(path), format, arguments);
    va_end(arguments);
    return add(tree, kind, package, path);
}

__attribute__((format(printf, 2, 3))) static bool set_text(struct node *node, const char *format,
                                                           ...)
{
    va_list arguments;
    if (!node)
        return false;
    va_start(arguments, format);
    (void)vsnprintf(node->text, sizeof(node->text), format, arguments);
    va_end(arguments);
    return true;
}

static bool add_limits(struct tree *tree, const struct counter *counter, const char *folder)
{
    static const char *const names[] = {"long_term", "short_term"};
    bool is_added = true;
    for (int i = 0; i < 2; i++) {
        double limit_w = tree->energy->machine->max_w * (i ? 1.2 : 1);
        is_added =
            is_added &&
            set_text(add_at(tree, NODE_TEXT, counter->package, "%s/constraint_%d_name", folder, i),
                     "%s\n", names[i]) &&
            set_text(add_at(tree, NODE_TEXT, counter->package, "%s/constraint_%d_power_limit_uw",
                            folder, i),
                     "%.0f\n", limit_w * 1e6);
    }
    return is_added;
}

/* As the kernel's driver names them (drivers/powercap/intel_rapl_common.c). */
static bool set_name(struct node *node, const struct machine *machine,
                     const struct counter *counter)
{
    if (counter->domain == SIM_PACKAGE && machine->n_dies > 1)
        return set_text(node, "package-%d-die-%d\n", counter->package, counter->part);
    if (counter->domain == SIM_PACKAGE)
        return set_text(node, "package-%d\n", counter->package);
    if (counter->domain == SIM_PSYS && machine->psys_package > 0)
        return set_text(node, "psys-%d\n", machine->psys_package);
    return set_text(node, "%s\n", sim_domain_name(counter->domain));
}

static bool add_zone(struct tree *tree, int number, const char *folder, const char *entry)
{
    const struct counter *counter = &tree->energy->counters[number];
    bool is_top = counter->domain == SIM_PACKAGE;
    int package = counter->package;
    bool is_added =
        add_at(tree, NODE_FOLDER, package, "%s", folder) &&
        set_text(add_at(tree, NODE_LINK, package, CLASS "/%s", entry), "../..%s", folder + 4) &&
        set_text(add_at(tree, NODE_TEXT, package, "%s/max_energy_range_uj", folder), "%llu\n",
                 0xffffffffULL * counter->zone_unit_nj / 1000) &&
        set_text(add_at(tree, NODE_TEXT, package, "%s/enabled", folder), "0\n");
    struct node *name = add_at(tree, NODE_TEXT, package, "%s/name", folder);
    is_added = is_added && set_name(name, tree->energy->machine, counter);
    struct node *energy = add_at(tree, NODE_ZONE, package, "%s/energy_uj", folder);
    if (!is_added || !energy)
        return false;
    energy->number = number;
    energy->mode = 0400;
    return !is_top || add_limits(tree, counter, folder);
}

/* Zones are numbered as they come: packages or their dies, then psys at the top. AMD's core zone
 * shows the first core alone. */
static bool add_zones(struct tree *tree)
{
    char folder[sizeof(tree->nodes->path)], entry[40];
    int top = -1, child = 0;
    bool is_added = set_text(add(tree, NODE_TEXT, -1, RAPL "/enabled"), "1\n") &&
                    set_text(add(tree, NODE_LINK, -1, CLASS "/intel-rapl"),
                             "../../devices/virtual/powercap/intel-rapl");
    for (int i = 0; i < tree->energy->n_counters && is_added; i++) {
        enum sim_domain domain = tree->energy->counters[i].domain;
        if (tree->energy->machine->is_amd && tree->energy->counters[i].part > 0)
            continue;
        if (domain == SIM_PACKAGE || domain == SIM_PSYS) {
            top++;
            child = 0;
            (void)snprintf(entry, sizeof(entry), "intel-rapl:%d", top);
            (void)snprintf(folder, sizeof(folder), RAPL "/%s", entry);
        } else {
            (void)snprintf(entry, sizeof(entry), "intel-rapl:%d:%d", top, child++);
            (void)snprintf(folder, sizeof(folder), RAPL "/intel-rapl:%d/%s", top, entry);
        }
        is_added = add_zone(tree, i, folder, entry);
    }
    return is_added;
}

static bool add_topology(struct tree *tree, int cpu, const char *name, int number)
{
    struct node *node = add_at(tree, NODE_TEXT, -1, CPU "/cpu%d/topology/%s", cpu, name);
    if (!node || !set_text(node, "%d\n", number))
        return false;
    node->cpu = cpu;
    return true;
}

static bool add_cpu(struct tree *tree, int cpu)
{
    const struct machine *machine = tree->energy->machine;
    struct node *msr =
        add_at(tree, NODE_MSR, -1, "/dev/cpu/%d/msr", cpu); /* until the next is added */
    if (!msr)
        return false;
    msr->number = msr->cpu = cpu;
    msr->mode = 0600;
    return add_at(tree, NODE_FOLDER, -1, CPU "/cpu%d", cpu) &&
           add_topology(tree, cpu, "physical_package_id", machine_package_of(machine, cpu)) &&
           add_topology(tree, cpu, "die_id", machine_die_of(machine, cpu)) &&
           add_topology(tree, cpu, "core_id", machine_core_of(machine, cpu)) &&
           add_topology(tree, cpu, "thread_siblings_list", cpu);
}

static bool add_cpus(struct tree *tree)
{
    int n_cpus = tree->energy->machine->n_cpus;
    bool is_added = set_text(add(tree, NODE_TEXT, -1, CPU "/possible"), "0-%d\n", n_cpus - 1) &&
                    set_text(add(tree, NODE_TEXT, -1, CPU "/present"), "0-%d\n", n_cpus - 1) &&
                    add(tree, NODE_ONLINE, -1, CPU "/online");
    for (int cpu = 0; cpu < n_cpus && is_added; cpu++)
        is_added = add_cpu(tree, cpu);
    return is_added;
}

static bool add_pmu_text(struct tree *tree, const char *name, const char *text)
{
    return set_text(add_at(tree, NODE_TEXT, -1, PMUS "/power/%s", name), "%s\n", text);
}

/* Looks like the kernel's, and is the PMU that counts the time stamp counter: no other can be had
 * everywhere. */
static bool add_pmu(struct tree *tree)
{
    char type[32] = "", scale[40];
    if (tree->energy->machine->pmu_scale_j <= 0)
        return true;
    SCOPED(scope_fclose) FILE *file = fopen(PMUS "/msr/type", "re");
    if (!file || !fgets(type, sizeof(type), file))
        return false;
    type[strcspn(type, "\n")] = '\0';
    (void)snprintf(scale, sizeof(scale), "%.17g", tree->energy->machine->pmu_scale_j);
    return add_pmu_text(tree, "type", type) &&
           add_at(tree, NODE_CPUMASK, -1, PMUS "/power/cpumask") &&
           add_pmu_text(tree, "format/event", "config:0-63") &&
           add_pmu_text(tree, "events/energy-pkg", "event=0x00") &&
           add_pmu_text(tree, "events/energy-pkg.scale", scale) &&
           add_pmu_text(tree, "events/energy-pkg.unit", "Joules");
}

static bool add_rest(struct tree *tree)
{
    struct node *clock = add(tree, NODE_CLOCK, -1, "/clock");
    if (!clock)
        return false;
    clock->mode = 0644;
    /* cpuinfo has a part per CPU; what differs among them nobody asks for. */
    return add(tree, NODE_TRUTH, -1, "/truth") &&
           set_text(add(tree, NODE_MIRROR, -1, "/proc"), "/proc") &&
           set_text(add(tree, NODE_MIRROR, -1, PMUS), PMUS) &&
           set_text(add(tree, NODE_TEXT, -1, "/proc/cpuinfo"),
                    "vendor_id\t: %s\ncpu family\t: %d\nmodel\t\t: %d\nmodel name\t: simulated\n",
                    tree->energy->machine->vendor, tree->energy->machine->family,
                    tree->energy->machine->model);
}

static bool add_files(struct tree *tree)
{
    const struct machine *machine = tree->energy->machine;
    for (int i = 0; i < machine->n_files; i++) {
        const struct sys_file *file = &machine->files[i];
        enum node_kind kind = file->link[0] ? NODE_LINK : NODE_FILE;
        if (!file->link[0] && !file->shows[0] && file->n_texts == 0)
            kind = NODE_FOLDER;
        struct node *node = add_at(tree, kind, -1, "/sys/%s", file->path);
        if (!set_text(node, "%s", file->link))
            return false;
        node->kind = kind;
        node->file = file;
    }
    return true;
}

int tree_init(struct tree *ret_tree, struct energy *energy)
{
    *ret_tree = (struct tree){.energy = energy};
    if (add_rest(ret_tree) && add_pmu(ret_tree) && add_zones(ret_tree) && add_cpus(ret_tree) &&
        add_files(ret_tree))
        return 0;
    tree_deinit(ret_tree);
    return -ENOMEM;
}

void tree_deinit(struct tree *tree)
{
    free(tree->nodes);
    tree->nodes = NULL;
}
