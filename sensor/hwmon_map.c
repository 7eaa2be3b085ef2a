/* SPDX-License-Identifier: BSD-3-Clause */
/* The table names what documentation says of a label, and how the package follows from it. */
#include "sensor/hwmon_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/options.h"
#include "common/scope.h"
#include "sensor/gpu_number.h"
#include "sensor/host.h"
#include "sensor/hwmon_channels.h"
#include "sensor/topology.h"

enum placing {
    BY_PCI_ADDRESS,  /* the GPU's number */
    BY_SOCKET_LABEL, /* the label ends in the package's number */
    BY_CPU_LABEL,    /* the label ends in the number of a CPU of the package */
    ONLY_PACKAGE,    /* known where there is one package only */
    WHOLE_MACHINE,   /* no package */
};

/* Labels end with "%" where a number follows. A label from a device tree means what it means on
 * that board (its `compatible`). */
static const struct {
    const char *chip, *label;
    bool is_energy;
    enum domain domain;
    enum placing placing;
    const char *board; /* NULL: any */
} known[] = {
    {"amdgpu", "PPT", false, DOMAIN_GPU, BY_PCI_ADDRESS, NULL},
    {"amdgpu", "power1", false, DOMAIN_GPU, BY_PCI_ADDRESS, NULL},
    {"xe", "card", true, DOMAIN_GPU, BY_PCI_ADDRESS, NULL},
    {"xe", "energy1", true, DOMAIN_GPU, BY_PCI_ADDRESS, NULL},
    {"i915", "energy1", true, DOMAIN_GPU, BY_PCI_ADDRESS, NULL},
    {"amd_energy", "Esocket%", true, DOMAIN_PACKAGE, BY_SOCKET_LABEL, NULL},
    {"amd_energy", "Ecore%", true, DOMAIN_CORE, BY_CPU_LABEL, NULL},
    {"fam15h_power", "power1", false, DOMAIN_PACKAGE, ONLY_PACKAGE, NULL},
    {"apm_xgene", "CPU power", false, DOMAIN_PACKAGE, ONLY_PACKAGE, NULL},
    {"power_meter", "Grace Power Socket %", false, DOMAIN_PACKAGE, BY_SOCKET_LABEL, NULL},
    {"ina3221", "VDD_GPU_SOC", false, DOMAIN_MACHINE, WHOLE_MACHINE, "nvidia,p3701"},
    {"ina3221", "VDD_CPU_CV", false, DOMAIN_MACHINE, WHOLE_MACHINE, "nvidia,p3701"},
    {"ina3221", "VIN_SYS_5V0", false, DOMAIN_MACHINE, WHOLE_MACHINE, "nvidia,p3701"},
    {"ina3221", "VDD_IN", false, DOMAIN_MACHINE, WHOLE_MACHINE, "nvidia,p3767"},
};

/* "ina226@1-0040/VDD=": everything before the last '='. */
static bool parse_rail(const char *text, const char *equals, struct hwmon_rule *rule)
{
    const char *slash = memchr(text, '/', (size_t)(equals - text));
    if (!slash)
        return false;
    const char *at = memchr(text, '@', (size_t)(slash - text));
    size_t chip = (size_t)((at ? at : slash) - text);
    size_t device = at ? (size_t)(slash - at - 1) : 0, label = (size_t)(equals - slash - 1);
    if (chip == 0 || chip >= sizeof(rule->chip) || (at && device == 0) ||
        device >= sizeof(rule->device) || label == 0 || label >= sizeof(rule->label))
        return false;
    (void)snprintf(rule->chip, sizeof(rule->chip), "%.*s", (int)chip, text);
    (void)snprintf(rule->device, sizeof(rule->device), "%.*s", (int)device, at ? at + 1 : "");
    (void)snprintf(rule->label, sizeof(rule->label), "%.*s", (int)label, slash + 1);
    return true;
}

static bool has_package(enum domain domain)
{
    return domain != DOMAIN_MACHINE && domain != DOMAIN_PSYS && domain != DOMAIN_WALL;
}

/* "package:1", "gpu", "none". */
static bool parse_part(const char *text, struct hwmon_rule *rule)
{
    char name[16];
    size_t length = strcspn(text, ":");
    rule->package = PACKAGE_NONE;
    if (length >= sizeof(name))
        return false;
    (void)snprintf(name, sizeof(name), "%.*s", (int)length, text);
    rule->is_none = strcmp(text, "none") == 0;
    if (rule->is_none)
        return true;
    if (domain_parse(name, &rule->domain) < 0)
        return false;
    if (text[length] == '\0')
        return true;
    const char *digits = text + length + 1;
    size_t n_digits = strspn(digits, "0123456789");
    if (!has_package(rule->domain) || n_digits == 0 || n_digits > 6 || digits[n_digits] != '\0')
        return false;
    rule->package = (int32_t)strtol(digits, NULL, 10);
    return true;
}

int hwmon_rule_parse(const char *text, struct hwmon_rule *ret_rule, struct error *err)
{
    struct hwmon_rule rule = {0};
    const char *equals = strrchr(text, '=');
    if (!equals || !parse_rail(text, equals, &rule))
        return error_set(err, -EINVAL,
                         "\"%.100s\" must be CHIP/LABEL=DOMAIN[:PACKAGE] or "
                         "CHIP@DEVICE/LABEL=DOMAIN[:PACKAGE], like ina226@1-0040/VDD_CPU=package:0",
                         text);
    if (!parse_part(equals + 1, &rule))
        return error_set(err, -EINVAL,
                         "\"%.60s\" of \"%.100s\" must be none, machine, psys, wall, or one of "
                         "package, dram, gpu, core, uncore with the number of the package, like "
                         "package:0",
                         equals + 1, text);
    *ret_rule = rule;
    return 0;
}

int hwmon_rule_check(const char *text, struct error *err)
{
    struct hwmon_rule unused;
    return hwmon_rule_parse(text, &unused, err);
}

bool hwmon_rule_matches(const struct hwmon_rule *rule, const struct hwmon_channel *channel)
{
    return strcmp(rule->chip, channel->chip) == 0 && strcmp(rule->label, channel->label) == 0 &&
           (rule->device[0] == '\0' || strcmp(rule->device, channel->device) == 0);
}

/* The number that a label ends in; false where it is not the label of the pattern. */
static bool match_label(const char *pattern, const char *label, int *ret_number)
{
    *ret_number = -1;
    size_t length = strlen(pattern);
    if (pattern[length - 1] != '%')
        return strcmp(pattern, label) == 0;
    const char *digits = label + length - 1;
    if (strncmp(pattern, label, length - 1) != 0)
        return false;
    size_t n_digits = strspn(digits, "0123456789");
    if (n_digits == 0 || n_digits > 6 || digits[n_digits] != '\0')
        return false;
    *ret_number = (int)strtol(digits, NULL, 10);
    return true;
}

static bool has_such_package(const struct topology *topology, int package)
{
    for (size_t i = 0; i < topology->n_packages; i++) {
        if (topology->packages[i] == package)
            return true;
    }
    return false;
}

static int32_t place(enum placing placing, int number, const struct hwmon_channel *channel,
                     const struct host *host, const struct topology *topology)
{
    switch (placing) {
    case BY_PCI_ADDRESS:
        return gpu_number(host, channel->device);
    case BY_SOCKET_LABEL:
        return has_such_package(topology, number) ? number : PACKAGE_NONE;
    case BY_CPU_LABEL:
        return number >= 0 && number < topology->n_cpus ? topology->package[number] : PACKAGE_NONE;
    case WHOLE_MACHINE:
        return PACKAGE_NONE;
    case ONLY_PACKAGE:
        return topology->n_packages == 1 ? topology->packages[0] : PACKAGE_NONE;
    }
    return PACKAGE_NONE;
}

/* The device tree's `compatible`: strings one after the other, each with its end. */
static bool is_board(const struct host *host, const char *board)
{
    char path[512], text[512];
    (void)snprintf(path, sizeof(path), "%s/firmware/devicetree/base/compatible", host->sysfs);
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[size] = '\0';
    for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
        /* "nvidia,p3701-0004": the module's revisions have numbers. */
        size_t length = strlen(board);
        if (strncmp(text + at, board, length) == 0 &&
            (text[at + length] == '\0' || text[at + length] == '-'))
            return true;
    }
    return false;
}

static bool has_rail(const struct hwmon_channel *channel, const char *label)
{
    const char *slash = strrchr(channel->path, '/');
    for (int i = 1; slash && i <= 3; i++) {
        char text[64];
        if (host_read_text(text, sizeof(text), "%.*s/in%d_label", (int)(slash - channel->path),
                           channel->path, i) > 0 &&
            strcmp(text, label) == 0)
            return true;
    }
    return false;
}

/* A board's rails are one figure together: without one of them there is none. */
static bool is_known_board(const char *board, const struct host *host,
                           const struct hwmon_channel *channel)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (known[i].board && strcmp(known[i].board, board) == 0 &&
            !has_rail(channel, known[i].label))
            return false;
    }
    return is_board(host, board);
}

static int map_as_documented(const struct hwmon_channel *channel, const struct host *host,
                             const struct topology *topology, enum domain *ret_domain,
                             int32_t *ret_package)
{
    int number;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(known[i].chip, channel->chip) != 0 || known[i].is_energy != channel->is_energy ||
            !match_label(known[i].label, channel->label, &number) ||
            (known[i].board && !is_known_board(known[i].board, host, channel)))
            continue;
        int32_t package = place(known[i].placing, number, channel, host, topology);
        bool is_placed = package != PACKAGE_NONE || known[i].placing == WHOLE_MACHINE;
        if (channel->with_cpu || !is_placed)
            return HWMON_UNKNOWN;
        *ret_domain = known[i].domain;
        *ret_package = package;
        return HWMON_KNOWN;
    }
    return HWMON_UNKNOWN;
}

static int map_as_ruled(const struct hwmon_rule *rule, const struct hwmon_channel *channel,
                        const struct host *host, enum domain *ret_domain, int32_t *ret_package)
{
    if (rule->is_none)
        return HWMON_UNKNOWN;
    int32_t package = rule->package;
    if (package == PACKAGE_NONE && rule->domain == DOMAIN_GPU)
        package = gpu_number(host, channel->device);
    if (package == PACKAGE_NONE && has_package(rule->domain))
        package = 0;
    *ret_domain = rule->domain;
    *ret_package = package;
    return HWMON_KNOWN;
}

int hwmon_map(const struct hwmon_channel *channel, const struct option_list *rules,
              const struct host *host, const struct topology *topology, enum domain *ret_domain,
              int32_t *ret_package)
{
    for (size_t i = rules ? rules->n_values : 0; i > 0; i--) {
        struct hwmon_rule rule;
        if (hwmon_rule_parse(rules->values[i - 1], &rule, NULL) == 0 &&
            hwmon_rule_matches(&rule, channel))
            return map_as_ruled(&rule, channel, host, ret_domain, ret_package);
    }
    return map_as_documented(channel, host, topology, ret_domain, ret_package);
}
