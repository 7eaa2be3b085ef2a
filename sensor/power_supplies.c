/* SPDX-License-Identifier: BSD-3-Clause */
/* Files are opened anew for every look: looks are seconds apart, and batteries come and go. */
#include "sensor/power_supplies.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/scope.h"
#include "sensor/host.h"

#define MICRO 1e-6
#define SECONDS_PER_HOUR 3600.0

static void scope_closedir(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

static int compare_for_qsort(const void *a, const void *b)
{
    return strverscmp(((const struct power_supply *)a)->name,
                      ((const struct power_supply *)b)->name);
}

/* In the unit that the file has millionths of; NAN: no such file, or it says nothing now. */
static double read_micro(const char *folder, const char *file)
{
    int64_t value;
    if (host_read_int64(&value, "%s/%s", folder, file) < 0)
        return NAN;
    return (double)value * MICRO;
}

static bool is_prefix(const char *prefix, const char *text)
{
    return strncmp(prefix, text, strlen(prefix)) == 0;
}

/* False: nothing that feeds this machine. */
static bool read_kind(const char *folder, enum power_supply_kind *ret_kind)
{
    char type[32], scope[32];
    int64_t present;
    if (host_read_text(type, sizeof(type), "%s/type", folder) <= 0)
        return false;
    if (host_read_text(scope, sizeof(scope), "%s/scope", folder) > 0 &&
        strcmp(scope, "Device") == 0)
        return false;
    if (strcmp(type, "Battery") == 0) {
        *ret_kind = SUPPLY_BATTERY;
        return host_read_int64(&present, "%s/present", folder) < 0 || present != 0;
    }
    *ret_kind = SUPPLY_ADAPTER;
    return strcmp(type, "Mains") == 0 || strcmp(type, "Wireless") == 0 || is_prefix("USB", type);
}

static void read_battery_state(const char *folder, struct power_supply *supply)
{
    char status[32];
    ssize_t length = host_read_text(status, sizeof(status), "%s/status", folder);
    supply->state = SUPPLY_RESTS;
    if (length < 0)
        supply->reason = host_reason((int)length);
    else if (strcmp(status, "Discharging") == 0)
        supply->state = SUPPLY_GIVES;
    else if (strcmp(status, "Charging") == 0)
        supply->state = SUPPLY_TAKES;
    else if (length == 0)
        supply->reason = "read_error";
}

static void read_adapter_state(const char *folder, struct power_supply *supply)
{
    int64_t online;
    int r = host_read_int64(&online, "%s/online", folder);
    supply->state = r == 0 && online > 0 ? SUPPLY_GIVES : SUPPLY_RESTS;
    if (r < 0)
        supply->reason = host_reason(r);
}

static double read_power_w(const char *folder, const struct power_supply *supply)
{
    if (is_prefix("ucsi-source-psy-", supply->name) || is_prefix("tcpm-source-psy-", supply->name))
        return NAN;
    double power_w = fabs(read_micro(folder, "power_now"));
    if (isnan(power_w))
        power_w = fabs(read_micro(folder, "current_now") * read_micro(folder, "voltage_now"));
    return power_w == 0 && supply->state == SUPPLY_GIVES ? NAN : power_w;
}

/* A level below empty is no level. */
static double read_level(const char *folder, const char *file, double factor)
{
    double level = read_micro(folder, file) * factor;
    return level >= 0 ? level : NAN;
}

static void read_identity(const char *folder, struct power_supply *supply)
{
    char model[64], serial[64];
    if (host_read_text(model, sizeof(model), "%s/model_name", folder) < 0)
        model[0] = '\0';
    if (host_read_text(serial, sizeof(serial), "%s/serial_number", folder) < 0)
        serial[0] = '\0';
    (void)snprintf(supply->identity, sizeof(supply->identity), "%s%s%s", model,
                   *model || *serial ? " " : "", serial);
}

/* False: it does not feed this machine. */
static bool read_supply(const char *folder, struct power_supply *supply)
{
    if (!read_kind(folder, &supply->kind))
        return false;
    bool is_battery = supply->kind == SUPPLY_BATTERY;
    if (is_battery)
        read_battery_state(folder, supply);
    else
        read_adapter_state(folder, supply);
    read_identity(folder, supply);
    supply->power_w = read_power_w(folder, supply);
    supply->energy_j = is_battery ? read_level(folder, "energy_now", SECONDS_PER_HOUR) : NAN;
    supply->charge_c = is_battery ? read_level(folder, "charge_now", SECONDS_PER_HOUR) : NAN;
    supply->voltage_v = is_battery ? read_level(folder, "voltage_now", 1) : NAN;
    return true;
}

int power_supplies_read(const struct host *host, struct power_supply **ret_supplies)
{
    struct power_supply *supplies = NULL;
    size_t n_supplies = 0, capacity = 0;
    char class_folder[400], folder[500];
    (void)snprintf(class_folder, sizeof(class_folder), "%s/class/power_supply", host->sysfs);
    SCOPED(scope_closedir) DIR *directory = opendir(class_folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct power_supply supply = {0};
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(supply.name))
            continue;
        (void)snprintf(supply.name, sizeof(supply.name), "%s", entry->d_name);
        (void)snprintf(folder, sizeof(folder), "%s/%s", class_folder, supply.name);
        if (!read_supply(folder, &supply))
            continue;
        int r = array_reserve(&supplies, &capacity, n_supplies + 1, sizeof(supply));
        if (r < 0) {
            free(supplies);
            return r;
        }
        supplies[n_supplies++] = supply;
    }
    if (n_supplies > 1)
        qsort(supplies, n_supplies, sizeof(*supplies), compare_for_qsort);
    *ret_supplies = supplies;
    return (int)n_supplies;
}

double power_supply_drop_j(const struct power_supply *before, const struct power_supply *after)
{
    double drop_j = before->energy_j - after->energy_j;
    if (!isnan(drop_j))
        return drop_j;
    double mean_v = (before->voltage_v + after->voltage_v) / 2;
    return (before->charge_c - after->charge_c) * mean_v;
}
