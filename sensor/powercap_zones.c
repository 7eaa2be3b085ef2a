/* SPDX-License-Identifier: BSD-3-Clause */
/* Two layouts are walked: the class folder, where the kernel links every zone side by side, and the
 * folders inside a package's, which is all that some containers mount. */
#include "sensor/powercap_zones.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/scope.h"
#include "sensor/host.h"

#define RAPL "intel-rapl:"
#define RAPL_MMIO "intel-rapl-mmio:"
#define RAPL_COUNTER_MAX UINT64_C(0xffffffff)
#define N_CONSTRAINTS 4

struct zone_list {
    struct powercap_zone *zones;
    size_t n_zones, capacity;
    bool is_amd;
};

static void scope_closedir(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

int powercap_zone_compare(const struct powercap_zone *a, const struct powercap_zone *b)
{
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    if (a->package != b->package)
        return a->package < b->package ? -1 : 1;
    return (a->die > b->die) - (a->die < b->die);
}

static int compare_for_qsort(const void *a, const void *b)
{
    return powercap_zone_compare(a, b);
}

/* range_uj is (2^32 - 1) counts of a unit in whole nanojoules, cut to microjoules. Where a unit
 * explains the range, a wrap is worth exactly 2^32 of them; elsewhere the range has to do. */
static void derive_modulus(struct powercap_zone *zone)
{
    zone->unit_uj = NAN;
    zone->modulus_uj = zone->range_uj;
    if (zone->range_uj == VALUE_ABSENT || zone->range_uj > INT64_MAX / 1000)
        return;
    uint64_t range_nj = (uint64_t)zone->range_uj * 1000;
    uint64_t unit_nj = (range_nj + RAPL_COUNTER_MAX - 1) / RAPL_COUNTER_MAX;
    if (RAPL_COUNTER_MAX * unit_nj / 1000 != (uint64_t)zone->range_uj)
        return;
    zone->unit_uj = (double)unit_nj / 1e3;
    zone->modulus_uj = (int64_t)((RAPL_COUNTER_MAX + 1) * unit_nj / 1000);
}

static void read_range(struct powercap_zone *zone)
{
    int64_t range_uj;
    zone->range_uj = VALUE_ABSENT;
    if (host_read_int64(&range_uj, "%s/max_energy_range_uj", zone->path) == 0 && range_uj > 0 &&
        range_uj <= AMOUNT_MAX)
        zone->range_uj = range_uj;
    derive_modulus(zone);
}

/* Limits count as well as maxima: a laptop's maximum is its sustained power, far below its turbo.
 */
static double read_limit_w(const char *path)
{
    static const char *const files[] = {"max_power_uw", "power_limit_uw"};
    int64_t highest_uw = 0;
    for (int i = 0; i < N_CONSTRAINTS; i++) {
        for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
            int64_t power_uw;
            if (host_read_int64(&power_uw, "%s/constraint_%d_%s", path, i, files[f]) == 0 &&
                power_uw > highest_uw)
                highest_uw = power_uw;
        }
    }
    return highest_uw > 0 ? (double)highest_uw / 1e6 : NAN;
}

/* "psys", or "psys-1" where the package that counts the platform is not the first
 * (rapl_init_domains in drivers/powercap/intel_rapl_common.c). */
static bool is_psys(const char *name)
{
    int package, end = 0;
    return strcmp(name, "psys") == 0 ||
           (sscanf(name, "psys-%d%n", &package, &end) == 1 && package >= 0 && name[end] == '\0');
}

/* "package-1", "package-0-die-1", "psys". */
static bool parse_top_name(const char *name, struct powercap_zone *zone)
{
    int package, die, end = 0;
    zone->die = 0;
    if (is_psys(name)) {
        zone->domain = DOMAIN_PSYS;
        zone->package = PACKAGE_NONE;
        return true;
    }
    zone->domain = DOMAIN_PACKAGE;
    if (sscanf(name, "package-%d%n", &package, &end) != 1 || package < 0)
        return false;
    zone->package = package;
    if (name[end] == '\0')
        return true;
    const char *rest = name + end;
    if (sscanf(rest, "-die-%d%n", &die, &end) != 1 || die < 0 || rest[end] != '\0')
        return false;
    zone->die = die;
    return true;
}

static bool parse_child_name(const char *name, bool is_amd, enum domain *ret_domain)
{
    if (strcmp(name, "dram") == 0)
        *ret_domain = DOMAIN_DRAM;
    else if (strcmp(name, "uncore") == 0)
        *ret_domain = DOMAIN_UNCORE;
    else if (strcmp(name, "core") == 0 && !is_amd)
        *ret_domain = DOMAIN_CORE;
    else
        return false;
    return true;
}

/* The first zone of a domain, package and die holds. */
static bool is_known(const struct zone_list *list, const struct powercap_zone *zone)
{
    for (size_t i = 0; i < list->n_zones; i++) {
        const struct powercap_zone *known = &list->zones[i];
        if (powercap_zone_compare(known, zone) == 0)
            return true;
        if (list->is_amd && known->domain == zone->domain && known->package == zone->package)
            return true;
    }
    return false;
}

static int add_zone(struct zone_list *list, const struct powercap_zone *zone)
{
    if (is_known(list, zone))
        return 0;
    int r = array_reserve(&list->zones, &list->capacity, list->n_zones + 1, sizeof(*zone));
    if (r < 0)
        return r;
    struct powercap_zone *added = &list->zones[list->n_zones++];
    *added = *zone;
    read_range(added);
    return 0;
}

/* Adds the children of a package found in a folder: entries "intel-rapl:0:*". */
static int add_children(struct zone_list *list, const char *folder, const char *top_entry,
                        const struct powercap_zone *top)
{
    SCOPED(scope_closedir) DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    size_t length = strlen(top_entry);
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct powercap_zone zone = *top;
        char name[64];
        if (strncmp(entry->d_name, top_entry, length) != 0 || entry->d_name[length] != ':')
            continue;
        int n = snprintf(zone.path, sizeof(zone.path), "%s/%s", folder, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(zone.path))
            continue;
        if (host_read_text(name, sizeof(name), "%s/name", zone.path) < 0 ||
            !parse_child_name(name, list->is_amd, &zone.domain))
            continue;
        int r = add_zone(list, &zone);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_top(struct zone_list *list, const char *class_folder, const char *entry)
{
    struct powercap_zone top;
    char name[64];
    int n = snprintf(top.path, sizeof(top.path), "%s/%s", class_folder, entry);
    if (n < 0 || (size_t)n >= sizeof(top.path))
        return 0;
    if (host_read_text(name, sizeof(name), "%s/name", top.path) < 0 || !parse_top_name(name, &top))
        return 0;
    top.limit_w = read_limit_w(top.path);
    int r = add_zone(list, &top);
    if (r < 0 || top.domain == DOMAIN_PSYS)
        return r;
    r = add_children(list, class_folder, entry, &top);
    return r < 0 ? r : add_children(list, top.path, entry, &top);
}

static int compare_names(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
    free(names);
}

/* The entries of one control type that are top zones, in the order of their numbers: AMD's first
 * die has to come first. */
static int list_tops(const char *class_folder, const char *prefix, char ***ret_names,
                     size_t *ret_n_names)
{
    SCOPED(scope_closedir) DIR *directory = opendir(class_folder);
    char **names = NULL;
    size_t n_names = 0, capacity = 0, length = strlen(prefix);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, prefix, length) != 0 || strchr(entry->d_name + length, ':'))
            continue;
        char *name = strdup(entry->d_name);
        if (!name || array_reserve(&names, &capacity, n_names + 1, sizeof(*names)) < 0) {
            free(name);
            free_names(names, n_names);
            return -ENOMEM;
        }
        names[n_names++] = name;
    }
    if (n_names > 1)
        qsort(names, n_names, sizeof(*names), compare_names);
    *ret_names = names;
    *ret_n_names = n_names;
    return 0;
}

static int add_control_type(struct zone_list *list, const char *class_folder, const char *prefix)
{
    char **names;
    size_t n_names;
    int r = list_tops(class_folder, prefix, &names, &n_names);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_names && r >= 0; i++)
        r = add_top(list, class_folder, names[i]);
    free_names(names, n_names);
    return r;
}

int powercap_zones_find(const struct host *host, const char *vendor,
                        struct powercap_zone **ret_zones)
{
    struct zone_list list = {
        .is_amd = strcmp(vendor, "AuthenticAMD") == 0 || strcmp(vendor, "HygonGenuine") == 0,
    };
    char class_folder[400];
    int n = snprintf(class_folder, sizeof(class_folder), "%s/class/powercap", host->sysfs);
    int r = 0;
    if (n > 0 && (size_t)n < sizeof(class_folder)) {
        /* In this order: what the MSR or TPMI tree has, the other tree only shows again. */
        r = add_control_type(&list, class_folder, RAPL);
        if (r >= 0)
            r = add_control_type(&list, class_folder, RAPL_MMIO);
    }
    if (r < 0) {
        free(list.zones);
        return r;
    }
    if (list.n_zones > 1)
        qsort(list.zones, list.n_zones, sizeof(*list.zones), compare_for_qsort);
    *ret_zones = list.zones;
    return (int)list.n_zones;
}
