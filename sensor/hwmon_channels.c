/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers of the first hwmon interface (ACPI's power meter is one) keep their attributes in the
 * device's folder instead of their own: both are looked into. */
#include "sensor/hwmon_channels.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/scope.h"
#include "sensor/host.h"

struct channel_list {
    struct hwmon_channel *channels;
    size_t n_channels, capacity;
};

static void scope_closedir(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

int hwmon_channel_compare(const struct hwmon_channel *a, const struct hwmon_channel *b)
{
    int order = strcmp(a->chip, b->chip);
    if (order == 0)
        order = strcmp(a->device, b->device);
    if (order == 0)
        order = strcmp(a->label, b->label);
    return order ? order : (int)b->is_energy - (int)a->is_energy;
}

static int compare_for_qsort(const void *a, const void *b)
{
    const struct hwmon_channel *one = a, *other = b;
    int order = hwmon_channel_compare(one, other);
    return order ? order : strverscmp(one->path, other->path);
}

void hwmon_channel_name(const struct hwmon_channel *channel, char *text, size_t size)
{
    bool has_device = channel->device[0] != '\0';
    (void)snprintf(text, size, "%s%s%s/%s", channel->chip, has_device ? "@" : "", channel->device,
                   channel->label);
}

/* Text for people and for JSON, whatever the driver wrote. False: there is none, or too much. */
__attribute__((format(printf, 3, 4))) static bool read_words(char *text, size_t size,
                                                             const char *format, ...)
{
    char path[PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(path, sizeof(path), format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof(path) || host_read_text(text, size, "%s", path) <= 0) {
        text[0] = '\0';
        return false;
    }
    for (char *byte = text; *byte; byte++) {
        if (*byte < ' ' || *byte > '~')
            *byte = '?';
    }
    return text[0] != '\0';
}

/* The basename of what `device` links to. */
static void read_device(const char *folder, char *device, size_t size)
{
    char path[PATH_MAX], target[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/device", folder);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    device[0] = '\0';
    if (length <= 0)
        return;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    const char *base = slash ? slash + 1 : target;
    if (strlen(base) < size)
        (void)snprintf(device, size, "%s", base);
}

/* A cap is what the card can be allowed to draw, in microwatts; 0 says nothing. */
static double read_limit_w(const char *folder, int number)
{
    static const char *const files[] = {"cap_max", "rated_max"};
    for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
        int64_t limit_uw;
        if (host_read_int64(&limit_uw, "%s/power%d_%s", folder, number, files[f]) == 0 &&
            limit_uw > 0)
            return (double)limit_uw / 1e6;
    }
    return NAN;
}

static void read_label(const char *folder, const char *kind, int number,
                       struct hwmon_channel *channel)
{
    size_t size = sizeof(channel->label);
    if (read_words(channel->label, size, "%s/%s%d_label", folder, kind, number))
        return;
    if (!channel->is_energy &&
        read_words(channel->label, size, "%s/%s%d_oem_info", folder, kind, number))
        return;
    if (number == 1 && read_words(channel->label, size, "%s/label", folder))
        return;
    (void)snprintf(channel->label, size, "%s%d", kind, number);
}

static bool is_asleep(const struct hwmon_channel *channel)
{
    char status[32];
    return channel->asleep[0] &&
           host_read_text(status, sizeof(status), "%s", channel->asleep) > 0 &&
           strcmp(status, "active") != 0 && strcmp(status, "unsupported") != 0;
}

static bool can_read(const char *path)
{
    int64_t unused;
    return host_read_int64(&unused, "%s", path) == 0;
}

/* Sets channel->path. False: there is no such attribute. */
static bool choose_attribute(const char *folder, const char *kind, int number,
                             struct hwmon_channel *channel)
{
    char average[sizeof(channel->path)];
    size_t size = sizeof(channel->path);
    (void)snprintf(channel->path, size, "%s/%s%d_input", folder, kind, number);
    bool has_input = access(channel->path, F_OK) == 0;
    if (channel->is_energy)
        return has_input;
    (void)snprintf(average, size, "%s/%s%d_average", folder, kind, number);
    if (access(average, F_OK) < 0)
        return has_input;
    if (!has_input || is_asleep(channel) || can_read(average))
        (void)snprintf(channel->path, size, "%s", average);
    return true;
}

/* "power3_input": kind "power", number 3. False: an attribute of another kind. */
static bool parse_attribute(const char *entry, const char **ret_kind, int *ret_number)
{
    static const char *const kinds[] = {"power", "energy"};
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        size_t length = strlen(kinds[k]);
        int end = 0;
        if (strncmp(entry, kinds[k], length) != 0 || entry[length] < '0' || entry[length] > '9' ||
            sscanf(entry + length, "%4d%n", ret_number, &end) != 1)
            continue;
        const char *suffix = entry + length + end;
        *ret_kind = kinds[k];
        return strcmp(suffix, "_input") == 0 || (k == 0 && strcmp(suffix, "_average") == 0);
    }
    return false;
}

static bool is_listed(const struct channel_list *list, size_t first,
                      const struct hwmon_channel *channel)
{
    for (size_t i = first; i < list->n_channels; i++) {
        if (strcmp(list->channels[i].path, channel->path) == 0)
            return true;
    }
    return false;
}

static int add_channel(struct channel_list *list, size_t first, const struct hwmon_channel *channel)
{
    if (is_listed(list, first, channel))
        return 0;
    int r = array_reserve(&list->channels, &list->capacity, list->n_channels + 1, sizeof(*channel));
    if (r < 0)
        return r;
    list->channels[list->n_channels++] = *channel;
    return 0;
}

/* Adds what a folder of attributes holds, for the chip that *chip describes. */
static int add_attributes(struct channel_list *list, const char *folder,
                          const struct hwmon_channel *chip)
{
    SCOPED(scope_closedir) DIR *directory = opendir(folder);
    size_t first = list->n_channels;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct hwmon_channel channel = *chip;
        const char *kind;
        int number;
        if (!parse_attribute(entry->d_name, &kind, &number))
            continue;
        channel.is_energy = strcmp(kind, "energy") == 0;
        if (!choose_attribute(folder, kind, number, &channel))
            continue;
        read_label(folder, kind, number, &channel);
        channel.limit_w = read_limit_w(folder, number);
        int r = add_channel(list, first, &channel);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The chip has three, and the sum of some as a fourth. */
#define INA3221_RAILS 3

static int add_products(struct channel_list *list, const char *folder,
                        const struct hwmon_channel *chip)
{
    for (int number = 1; number <= INA3221_RAILS; number++) {
        struct hwmon_channel channel = *chip;
        if (!read_words(channel.label, sizeof(channel.label), "%s/in%d_label", folder, number))
            continue;
        (void)snprintf(channel.path, sizeof(channel.path), "%s/curr%d_input", folder, number);
        (void)snprintf(channel.voltage, sizeof(channel.voltage), "%s/in%d_input", folder, number);
        if (access(channel.path, F_OK) < 0 || access(channel.voltage, F_OK) < 0)
            continue;
        int r = add_channel(list, list->n_channels, &channel);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_chip(struct channel_list *list, const char *folder)
{
    struct hwmon_channel chip = {.limit_w = NAN};
    char device[PATH_MAX];
    (void)snprintf(device, sizeof(device), "%s/device", folder);
    if (!read_words(chip.chip, sizeof(chip.chip), "%s/name", folder) &&
        !read_words(chip.chip, sizeof(chip.chip), "%s/name", device))
        return 0;
    read_device(folder, chip.device, sizeof(chip.device));
    int n = snprintf(chip.asleep, sizeof(chip.asleep), "%s/power/runtime_status", device);
    if (n < 0 || (size_t)n >= sizeof(chip.asleep) || access(chip.asleep, R_OK) < 0)
        chip.asleep[0] = '\0';
    /* Only APUs have a northbridge of their own to show the voltage of. */
    char voltage[PATH_MAX];
    (void)snprintf(voltage, sizeof(voltage), "%s/in1_label", folder);
    chip.with_cpu = strcmp(chip.chip, "amdgpu") == 0 && access(voltage, F_OK) == 0;
    size_t n_before = list->n_channels;
    int r = add_attributes(list, folder, &chip);
    if (r >= 0 && list->n_channels == n_before && strcmp(chip.chip, "ina3221") == 0)
        r = add_products(list, folder, &chip);
    if (r < 0 || list->n_channels > n_before)
        return r;
    return add_attributes(list, device, &chip);
}

/* Of two channels with one identity the first holds: the list stays one without doubles. */
static void drop_doubles(struct channel_list *list)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < list->n_channels; i++) {
        if (n_kept > 0 &&
            hwmon_channel_compare(&list->channels[n_kept - 1], &list->channels[i]) == 0)
            continue;
        list->channels[n_kept++] = list->channels[i];
    }
    list->n_channels = n_kept;
}

int hwmon_channels_find(const struct host *host, struct hwmon_channel **ret_channels)
{
    struct channel_list list = {0};
    char class_folder[400], folder[500];
    (void)snprintf(class_folder, sizeof(class_folder), "%s/class/hwmon", host->sysfs);
    SCOPED(scope_closedir) DIR *directory = opendir(class_folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, "hwmon", 5) != 0)
            continue;
        int n = snprintf(folder, sizeof(folder), "%s/%s", class_folder, entry->d_name);
        int r = n > 0 && (size_t)n < sizeof(folder) - 64 ? add_chip(&list, folder) : 0;
        if (r < 0) {
            free(list.channels);
            return r;
        }
    }
    if (list.n_channels > 1)
        qsort(list.channels, list.n_channels, sizeof(*list.channels), compare_for_qsort);
    drop_doubles(&list);
    *ret_channels = list.channels;
    return (int)list.n_channels;
}
