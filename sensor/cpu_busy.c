/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's busy time: the total beside the targets. Perf cannot give it, its system-wide CPU
 * clock counts the idle task too. */
#include "sensor/cpu_busy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "sensor/host.h"
#include "sensor/topology.h"

/* Columns of a line; what follows, guest and guest_nice, is inside user and nice. */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N_COLUMNS };

#define ROUNDED_COLUMNS 3             /* idle, iowait, steal: each is cut off to whole ticks */
#define TICKS_MAX (UINT64_C(1) << 32) /* of an increase: more than a year */
#define TEXT_SIZE 65536               /* the lines of some 700 CPUs more than we know of */

static int parse_columns(const char *text, struct cpu_times *ret_times)
{
    uint64_t ticks[N_COLUMNS] = {0};
    int n_columns = 0;
    for (; n_columns < N_COLUMNS && *text == ' '; n_columns++) {
        while (*text == ' ')
            text++;
        if (!isdigit((unsigned char)*text))
            break;
        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno || value > UINT64_MAX / 16)
            return -EBADMSG;
        ticks[n_columns] = value;
        text = end;
    }
    if (n_columns < 4) /* what the first kernels wrote */
        return -EBADMSG;
    *ret_times = (struct cpu_times){
        .sampled = ticks[USER] + ticks[NICE] + ticks[SYSTEM] + ticks[IRQ] + ticks[SOFTIRQ],
        .away = ticks[IDLE] + ticks[IOWAIT],
        .stolen = ticks[STEAL],
        .has_line = true,
    };
    return 0;
}

int cpu_busy_parse(const char *text, struct cpu_times *times, size_t n_cpus)
{
    bool has_all = false;
    for (size_t i = 0; i <= n_cpus; i++)
        times[i].has_line = false;
    for (const char *line = text; !strncmp(line, "cpu", 3);) {
        const char *end = strchr(line, '\n');
        if (!end)
            break; /* cut: its numbers may be halves */
        size_t index = n_cpus;
        char *columns = (char *)line + 3;
        if (isdigit((unsigned char)*columns))
            index = strtoul(columns, &columns, 10);
        else
            has_all = true;
        struct cpu_times value;
        if (parse_columns(columns, &value) < 0)
            return -EBADMSG;
        if (index < n_cpus || columns == line + 3)
            times[index] = value;
        line = end + 1;
    }
    return has_all ? 0 : -EBADMSG;
}

/* The kernel's sums may step back by a little when a CPU comes back: that is no time. */
static int64_t increase_ns(uint64_t now, uint64_t last, uint64_t ns_per_tick)
{
    uint64_t ticks = now > last ? now - last : 0;
    return (int64_t)((ticks < TICKS_MAX ? ticks : TICKS_MAX) * ns_per_tick);
}

int64_t cpu_busy_between(const struct cpu_times *last, const struct cpu_times *now, int64_t span_ns,
                         uint64_t ns_per_tick)
{
    int64_t sampled_ns = increase_ns(now->sampled, last->sampled, ns_per_tick);
    /* What one column showed the other may show later, cut off differently; beyond that the kernel
     * began anew, as some do with a CPU that was offline. */
    if (!last->has_line || now->away + 2 < last->away)
        return sampled_ns;
    int64_t awake_ns = span_ns - increase_ns(now->away, last->away, ns_per_tick);
    int64_t least_ns = awake_ns - increase_ns(now->stolen, last->stolen, ns_per_tick);
    if (sampled_ns > awake_ns)
        return awake_ns;
    return sampled_ns > least_ns ? sampled_ns : least_ns;
}

/* Fills now, and when that was. What follows the CPUs' lines may be long and is not needed: reading
 * stops when the buffer is full. */
static int read_times(struct cpu_busy *busy, uint64_t *ret_now_ns)
{
    size_t length = 0;
    uint64_t before_ns = clock_monotonic_ns(&clock_system);
    while (length + 1 < busy->text_size) {
        ssize_t n =
            pread(busy->fd, busy->text + length, busy->text_size - 1 - length, (off_t)length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    *ret_now_ns = before_ns + (clock_monotonic_ns(&clock_system) - before_ns) / 2;
    busy->text[length] = '\0';
    return cpu_busy_parse(busy->text, busy->now, busy->n_cpus);
}

static void keep_as_last(struct cpu_busy *busy, uint64_t now_ns)
{
    memcpy(busy->last, busy->now, (busy->n_cpus + 1) * sizeof(*busy->last));
    busy->last_ns = now_ns;
}

/* lxcfs puts a file of its own over it; and a kernel that has not been idle for one tick since boot
 * does not count that. */
static bool is_own_file(const struct cpu_busy *busy)
{
    struct statfs status;
    return fstatfs(busy->fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC &&
           busy->now[busy->n_cpus].away > 0;
}

static int allocate(struct cpu_busy *busy)
{
    busy->text = malloc(busy->text_size);
    busy->now = calloc(busy->n_cpus + 1, sizeof(*busy->now));
    busy->last = calloc(busy->n_cpus + 1, sizeof(*busy->last));
    busy->due_ns = calloc(busy->n_cpus + 1, sizeof(*busy->due_ns));
    return busy->text && busy->now && busy->last && busy->due_ns ? 0 : -ENOMEM;
}

int cpu_busy_open(struct cpu_busy *busy, const struct host *host, int n_cpus, struct error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/stat", host->procfs);
    /* The machine as a whole is the sum of its CPUs, whatever a partial SYSFS says of them. */
    long n_here = sysconf(_SC_NPROCESSORS_CONF);
    size_t n = (size_t)(n_here > n_cpus ? n_here : n_cpus);
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    *busy = (struct cpu_busy){
        .fd = open(path, O_RDONLY | O_CLOEXEC),
        .n_cpus = n,
        .text_size = TEXT_SIZE + 256 * (n + 1),
        .ns_per_tick = NS_PER_S / (uint64_t)(ticks_per_s > 0 ? ticks_per_s : 100),
    };
    if (busy->fd < 0) {
        int r = -errno;
        cpu_busy_close(busy);
        return error_set(err, r, "%s: %s", path, strerror(-r));
    }
    uint64_t now_ns;
    int r = allocate(busy);
    if (r == 0)
        r = read_times(busy, &now_ns);
    if (r < 0) {
        cpu_busy_close(busy);
        return error_set(err, r, "%s: no CPU times can be read: %s", path, strerror(-r));
    }
    busy->is_own = is_own_file(busy);
    keep_as_last(busy, now_ns);
    return 0;
}

int cpu_busy_read(struct cpu_busy *busy)
{
    uint64_t now_ns;
    int r = read_times(busy, &now_ns);
    if (r < 0)
        return r;
    busy->span_ns = (int64_t)(now_ns - busy->last_ns);
    for (size_t i = 0; i <= busy->n_cpus; i++) {
        const struct cpu_times *now = &busy->now[i], *last = &busy->last[i];
        if (busy->due_ns[i] > 0 || !now->has_line) /* nobody's: the CPU is or was offline */
            busy->due_ns[i] = 0;
        if (!now->has_line)
            continue;
        busy->due_ns[i] +=
            busy->is_own ? cpu_busy_between(last, now, busy->span_ns, busy->ns_per_tick)
                         : increase_ns(now->sampled, last->sampled, busy->ns_per_tick);
    }
    keep_as_last(busy, now_ns);
    return 0;
}

/* topology NULL: all of the machine. The kernel's own sum has more than the CPUs that are online,
 * so that it stands for them only where we have nothing else. */
static bool is_in(const struct cpu_busy *busy, size_t index, const struct topology *topology,
                  int32_t package)
{
    if (!topology)
        return busy->is_own == (index < busy->n_cpus);
    return index < (size_t)topology->n_cpus && topology->is_online[index] &&
           topology->package[index] == package;
}

int64_t cpu_busy_take(struct cpu_busy *busy, const struct topology *topology, int32_t package,
                      int64_t at_least_ns)
{
    int64_t due_ns = 0, rounding_ns = 0, there_ns = 0, *keeper = NULL;
    for (size_t i = 0; i <= busy->n_cpus; i++) {
        if (!is_in(busy, i, topology, package))
            continue;
        keeper = &busy->due_ns[i];
        due_ns += *keeper;
        *keeper = 0;
        there_ns += busy->span_ns;
        rounding_ns += busy->is_own ? (int64_t)(ROUNDED_COLUMNS * busy->ns_per_tick) : 0;
    }
    if (!keeper)
        return 0;
    int64_t taken_ns = due_ns + rounding_ns;
    if (taken_ns > at_least_ns)
        taken_ns = due_ns > at_least_ns ? due_ns : at_least_ns;
    if (busy->is_own && taken_ns > there_ns)
        taken_ns = there_ns;
    if (taken_ns < 0)
        taken_ns = 0;
    due_ns -= taken_ns;
    *keeper = due_ns > -rounding_ns ? due_ns : -rounding_ns;
    return taken_ns;
}

void cpu_busy_close(struct cpu_busy *busy)
{
    if (busy->text_size && busy->fd >= 0)
        (void)close(busy->fd);
    free(busy->text);
    free(busy->now);
    free(busy->last);
    free(busy->due_ns);
    *busy = (struct cpu_busy){.fd = -1};
}
