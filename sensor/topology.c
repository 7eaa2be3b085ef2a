/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUs and packages. Every file may be missing: without sysfs the CPUs are counted in cpuinfo,
 * without that the C library is asked, and without package files there is one package. */
#include "sensor/topology.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/name_escape.h"
#include "common/record.h"
#include "common/scope.h"

#define CPUS_MAX 65536
#define LIST_SIZE 16384

static int list_number(const char **text, size_t size, size_t *ret_number)
{
    if (!isdigit((unsigned char)**text))
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long number = strtoul(*text, &end, 10);
    if (errno == ERANGE || number >= size)
        return -ERANGE;
    *text = end;
    *ret_number = number;
    return 0;
}

int cpu_list_parse(const char *text, bool *is_member, size_t size)
{
    memset(is_member, 0, size * sizeof(*is_member));
    int end = 0;
    while (*text) {
        size_t first, last;
        int r = list_number(&text, size, &first);
        if (r < 0)
            return r;
        last = first;
        if (*text == '-') {
            text++;
            r = list_number(&text, size, &last);
            if (r < 0)
                return r;
        }
        if (last < first)
            return -EINVAL;
        for (size_t cpu = first; cpu <= last; cpu++)
            is_member[cpu] = true;
        if ((int)last + 1 > end)
            end = (int)last + 1;
        if (*text == ',' && text[1])
            text++;
        else if (*text)
            return -EINVAL;
    }
    return end;
}

/* Value of "key\t: value" if the line is of that key. */
static const char *cpuinfo_value(const char *line, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length))
        return NULL;
    line += length;
    while (*line == ' ' || *line == '\t')
        line++;
    if (*line != ':')
        return NULL;
    line++;
    while (*line == ' ')
        line++;
    return line;
}

/* What firmware calls a CPU goes into records. */
static void copy_line(char *text, size_t size, const char *value)
{
    (void)name_escape(value, strcspn(value, "\n"), text, size);
}

/* "... CPU @ 2.60GHz": Intel writes the base frequency into the name. */
static int64_t base_hz_from_name(const char *name)
{
    const char *at = strstr(name, "@ ");
    if (!at)
        return VALUE_ABSENT;
    char *end;
    double number = strtod(at + 2, &end);
    if (!(number > 0) || number > 1e5)
        return VALUE_ABSENT;
    if (!strncmp(end, "GHz", 3))
        return (int64_t)(number * 1e9 + 0.5);
    if (!strncmp(end, "MHz", 3))
        return (int64_t)(number * 1e6 + 0.5);
    return VALUE_ABSENT;
}

static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    size_t line_size = strcspn(line, "\n");
    for (const char *at = line; at + length <= line + line_size; at++)
        if (!strncmp(at, word, length) && (at == line || at[-1] == ' ') &&
            (at[length] == ' ' || at[length] == '\n' || at[length] == '\0'))
            return true;
    return false;
}

/* Reads what the first processor says of itself; returns how many processors there are. */
static int parse_cpuinfo(const char *text, struct topology *topology)
{
    int n_processors = 0;
    for (const char *line = text; *line;) {
        const char *value;
        if ((value = cpuinfo_value(line, "processor")) && isdigit((unsigned char)*value))
            n_processors++;
        else if (n_processors > 1)
            ;
        else if ((value = cpuinfo_value(line, "vendor_id")))
            copy_line(topology->vendor, sizeof(topology->vendor), value);
        else if ((value = cpuinfo_value(line, "model name")))
            copy_line(topology->name, sizeof(topology->name), value);
        else if ((value = cpuinfo_value(line, "cpu family")) && isdigit((unsigned char)*value))
            topology->family = strtol(value, NULL, 10);
        else if ((value = cpuinfo_value(line, "model")) && isdigit((unsigned char)*value))
            topology->model = strtol(value, NULL, 10);
        else if ((value = cpuinfo_value(line, "CPU implementer"))) {
            copy_line(topology->vendor, sizeof(topology->vendor), TOPOLOGY_ARM);
            topology->family = strtol(value, NULL, 16);
        } else if ((value = cpuinfo_value(line, "CPU part")))
            topology->model = strtol(value, NULL, 16);
        else if ((value = cpuinfo_value(line, "flags")))
            topology->is_virtual = has_word(value, "hypervisor");
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return n_processors;
}

/* cpuinfo has a kilobyte or more per CPU: the buffer grows until it fits. */
static int read_cpuinfo(const struct host *host, struct topology *topology)
{
    for (size_t size = 65536; size <= ((size_t)256 << 20); size *= 4) {
        SCOPED(scope_free) char *text = malloc(size);
        if (!text)
            return -ENOMEM;
        ssize_t length = host_read_text(text, size, "%s/cpuinfo", host->procfs);
        if (length == -EFBIG)
            continue;
        return length < 0 ? 0 : parse_cpuinfo(text, topology);
    }
    return 0;
}

/* ret_text: the list as it was read, the caller's; NULL: not wanted. */
static int read_list(const struct host *host, const char *name, bool *is_member, char **ret_text)
{
    char text[LIST_SIZE];
    ssize_t length =
        host_read_text(text, sizeof(text), "%s/devices/system/cpu/%s", host->sysfs, name);
    int n = length < 0 ? (int)length : cpu_list_parse(text, is_member, CPUS_MAX);
    if (n >= 0 && ret_text)
        *ret_text = strdup(text); /* without it every look is a close one */
    return n;
}

static int find_cpus(struct topology *topology, const struct host *host, int n_processors)
{
    SCOPED(scope_free) bool *is_possible = calloc(CPUS_MAX, sizeof(bool));
    SCOPED(scope_free) bool *is_online = calloc(CPUS_MAX, sizeof(bool));
    if (!is_possible || !is_online)
        return -ENOMEM;
    int n_possible = read_list(host, "possible", is_possible, NULL);
    int n_online = read_list(host, "online", is_online, &topology->online);
    if (n_online <= 0) {
        n_online = n_possible > 0 ? n_possible : n_processors;
        if (n_online <= 0)
            n_online = (int)sysconf(_SC_NPROCESSORS_CONF);
        if (n_online <= 0)
            n_online = 1;
        if (n_online > CPUS_MAX)
            n_online = CPUS_MAX;
        for (int cpu = 0; cpu < n_online; cpu++)
            is_online[cpu] = n_possible > 0 ? is_possible[cpu] : true;
    }
    topology->n_cpus = n_possible > n_online ? n_possible : n_online;
    topology->is_online = STEAL(is_online);
    return 0;
}

static int compare_int32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int find_packages(struct topology *topology, const struct host *host)
{
    size_t n_cpus = (size_t)topology->n_cpus;
    topology->package = calloc(n_cpus, sizeof(int32_t));
    topology->packages = calloc(n_cpus, sizeof(int32_t));
    if (!topology->package || !topology->packages)
        return -ENOMEM;
    size_t n_online = 0;
    for (size_t cpu = 0; cpu < n_cpus; cpu++) {
        int64_t package;
        /* Some virtual machines and boards say -1: not known. */
        if (host_read_int64(&package, "%s/devices/system/cpu/cpu%zu/topology/physical_package_id",
                            host->sysfs, cpu) == 0 &&
            package >= 0 && package <= INT32_MAX)
            topology->package[cpu] = (int32_t)package;
        if (topology->is_online[cpu])
            topology->packages[n_online++] = topology->package[cpu];
    }
    qsort(topology->packages, n_online, sizeof(int32_t), compare_int32);
    for (size_t i = 0; i < n_online; i++)
        if (i == 0 || topology->packages[i] != topology->packages[i - 1])
            topology->packages[topology->n_packages++] = topology->packages[i];
    return 0;
}

static void find_frequencies(struct topology *topology, const struct host *host)
{
    topology->base_hz = base_hz_from_name(topology->name);
    for (int cpu = 0; cpu < topology->n_cpus; cpu++) {
        if (!topology->is_online[cpu])
            continue;
        int64_t khz;
        if (host_read_int64(&khz, "%s/devices/system/cpu/cpu%d/cpufreq/base_frequency", host->sysfs,
                            cpu) == 0 &&
            khz > 0 && khz < 100000000)
            topology->base_hz = khz * 1000;
        if (host_read_int64(&khz, "%s/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq",
                            host->sysfs, cpu) == 0 &&
            khz > 0 && khz < 100000000)
            topology->max_hz = khz * 1000;
        break; /* one CPU speaks for all */
    }
}

int topology_read(struct topology *ret_topology, const struct host *host, struct error *err)
{
    struct topology topology = {
        .family = VALUE_ABSENT,
        .model = VALUE_ABSENT,
        .base_hz = VALUE_ABSENT,
        .max_hz = VALUE_ABSENT,
    };
    int r = read_cpuinfo(host, &topology);
    if (r >= 0)
        r = find_cpus(&topology, host, r);
    if (r >= 0)
        r = find_packages(&topology, host);
    if (r < 0) {
        topology_deinit(&topology);
        return error_set(err, r, "topology: out of memory");
    }
    find_frequencies(&topology, host);
    *ret_topology = topology;
    return 0;
}

int topology_first_online(const struct topology *topology)
{
    for (int cpu = 0; cpu < topology->n_cpus; cpu++)
        if (topology->is_online[cpu])
            return cpu;
    return 0;
}

/* n items of a size; NULL stays NULL. */
static int copy_items(void *ret_copy, const void *items, size_t n, size_t size)
{
    void *copy = items ? malloc(n * size + 1) : NULL;
    if (items && !copy)
        return -ENOMEM;
    if (items)
        memcpy(copy, items, n * size);
    memcpy(ret_copy, &copy, sizeof(copy));
    return 0;
}

static bool is_same(const struct topology *a, const struct topology *b)
{
    size_t n_cpus = (size_t)a->n_cpus;
    return a->n_cpus == b->n_cpus && a->n_packages == b->n_packages && a->online && b->online &&
           strcmp(a->online, b->online) == 0 &&
           memcmp(a->package, b->package, n_cpus * sizeof(*a->package)) == 0 &&
           memcmp(a->packages, b->packages, a->n_packages * sizeof(*a->packages)) == 0;
}

int topology_assign(struct topology *to, const struct topology *from)
{
    if (is_same(to, from))
        return 0;
    size_t n_cpus = (size_t)from->n_cpus;
    struct topology copy = *from;
    copy.is_online = NULL;
    copy.online = NULL;
    copy.package = copy.packages = NULL;
    int r = copy_items(&copy.is_online, from->is_online, n_cpus, sizeof(*from->is_online));
    if (r >= 0 && from->online)
        r = copy_items(&copy.online, from->online, strlen(from->online) + 1, 1);
    if (r >= 0)
        r = copy_items(&copy.package, from->package, n_cpus, sizeof(*from->package));
    if (r >= 0)
        r = copy_items(&copy.packages, from->packages, from->n_packages, sizeof(*from->packages));
    if (r < 0) {
        topology_deinit(&copy);
        return r;
    }
    topology_deinit(to);
    *to = copy;
    return 0;
}

void topology_deinit(struct topology *topology)
{
    if (!topology)
        return;
    free(topology->is_online);
    free(topology->online);
    free(topology->package);
    free(topology->packages);
    *topology = (struct topology){0};
}

int topology_has_changed(const struct topology *topology, const struct host *host)
{
    char text[LIST_SIZE];
    ssize_t length =
        host_read_text(text, sizeof(text), "%s/devices/system/cpu/online", host->sysfs);
    if (length < 0)
        return (int)length;
    if (topology->online && strcmp(text, topology->online) == 0)
        return 0;
    SCOPED(scope_free) bool *is_online = calloc(CPUS_MAX, sizeof(bool));
    if (!is_online)
        return -ENOMEM;
    int n_online = cpu_list_parse(text, is_online, CPUS_MAX);
    return n_online < 0 ? n_online : 1;
}

static int open_online(const struct host *host)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/devices/system/cpu/online", host->sysfs);
    if (length < 0 || (size_t)length >= sizeof(path))
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

bool topology_is_unchanged(const struct topology *topology, const struct host *host, int *online_fd)
{
    char text[LIST_SIZE];
    if (*online_fd < 0)
        *online_fd = open_online(host);
    ssize_t length = *online_fd < 0 ? -1 : host_reread(*online_fd, text, sizeof(text));
    if (length < 0 && *online_fd >= 0) {
        (void)close(*online_fd);
        *online_fd = -1;
    }
    return length > 0 && topology->online && strcmp(topology->online, text) == 0;
}
