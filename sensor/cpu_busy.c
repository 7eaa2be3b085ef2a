/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's busy time: the total beside the targets. Perf cannot give it, its system-wide CPU
 * clock counts the idle task too. */
#include "sensor/cpu_busy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "sensor/host.h"

/* Columns of a line: user nice system idle iowait irq softirq steal guest guest_nice. */
enum { N_COLUMNS = 7 };
static const bool column_is_busy[N_COLUMNS] = {true, true, true, false, false, true, true};

static int parse_columns(const char *text, uint64_t *ret_ticks)
{
    uint64_t ticks = 0;
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
        if (column_is_busy[n_columns])
            ticks += value;
        text = end;
    }
    if (n_columns < 4) /* what the first kernels wrote */
        return -EBADMSG;
    *ret_ticks = ticks;
    return 0;
}

int cpu_busy_parse(const char *text, uint64_t *ticks, size_t n_cpus)
{
    bool has_all = false;
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
        uint64_t value;
        if (parse_columns(columns, &value) < 0)
            return -EBADMSG;
        if (index < n_cpus || columns == line + 3)
            ticks[index] = value;
        line = end + 1;
    }
    return has_all ? 0 : -EBADMSG;
}

/* What follows the CPUs' lines may be long and is not needed: reading stops when the buffer is
 * full. */
static int read_ticks(struct cpu_busy *busy)
{
    size_t length = 0;
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
    busy->text[length] = '\0';
    return cpu_busy_parse(busy->text, busy->ticks, busy->n_cpus);
}

int cpu_busy_open(struct cpu_busy *busy, const struct host *host, int n_cpus, struct error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/stat", host->procfs);
    size_t n = (size_t)n_cpus;
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    *busy = (struct cpu_busy){
        .fd = open(path, O_RDONLY | O_CLOEXEC),
        .n_cpus = n,
        .text_size = 4096 + 256 * (n + 1),
        .ns_per_tick = NS_PER_S / (uint64_t)(ticks_per_s > 0 ? ticks_per_s : 100),
    };
    if (busy->fd < 0) {
        int r = -errno;
        cpu_busy_close(busy);
        return error_set(err, r, "%s: %s", path, strerror(-r));
    }
    busy->text = malloc(busy->text_size);
    busy->ticks = calloc(n + 1, sizeof(uint64_t));
    busy->last_ticks = calloc(n + 1, sizeof(uint64_t));
    int r = busy->text && busy->ticks && busy->last_ticks ? read_ticks(busy) : -ENOMEM;
    if (r < 0) {
        cpu_busy_close(busy);
        return error_set(err, r, "%s: no CPU times can be read: %s", path, strerror(-r));
    }
    memcpy(busy->last_ticks, busy->ticks, (n + 1) * sizeof(uint64_t));
    return 0;
}

/* The kernel's sums may step back by a little when a CPU comes back: that is no time. */
static int64_t increase_ns(const struct cpu_busy *busy, size_t index)
{
    if (busy->ticks[index] <= busy->last_ticks[index])
        return 0;
    return (int64_t)((busy->ticks[index] - busy->last_ticks[index]) * busy->ns_per_tick);
}

int cpu_busy_read(struct cpu_busy *busy, int64_t *ret_all_ns, int64_t *ret_cpu_ns)
{
    int r = read_ticks(busy);
    if (r < 0)
        return r;
    if (ret_all_ns)
        *ret_all_ns = increase_ns(busy, busy->n_cpus);
    for (size_t cpu = 0; ret_cpu_ns && cpu < busy->n_cpus; cpu++)
        ret_cpu_ns[cpu] = increase_ns(busy, cpu);
    memcpy(busy->last_ticks, busy->ticks, (busy->n_cpus + 1) * sizeof(uint64_t));
    return 0;
}

void cpu_busy_close(struct cpu_busy *busy)
{
    if (busy->text_size && busy->fd >= 0)
        (void)close(busy->fd);
    free(busy->text);
    free(busy->ticks);
    free(busy->last_ticks);
    *busy = (struct cpu_busy){.fd = -1};
}
