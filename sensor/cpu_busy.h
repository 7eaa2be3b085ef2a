/* SPDX-License-Identifier: BSD-3-Clause */
/* Busy CPU time from PROCFS/stat: user, nice, system, irq and softirq. Guests are inside user; idle, waiting for I/O and time stolen by the
 * hypervisor are not busy. In steps of a clock tick (10 ms). Source: proc_stat(5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct host;

struct cpu_busy {
    int fd;
    char *text;
    size_t text_size;
    size_t n_cpus;
    uint64_t *ticks, *last_ticks; /* [n_cpus + 1], the last is the whole machine */
    uint64_t ns_per_tick;
};

/* Fills ticks[n_cpus + 1] for the CPUs that have a line; others keep what they hold. -EBADMSG without a "cpu" line. */
int cpu_busy_parse(const char *text, uint64_t *ticks, size_t n_cpus);

/* Takes the baseline. */
int cpu_busy_open(struct cpu_busy *busy, const struct host *host, int n_cpus, struct error *err);
/* Increases since the previous read: ret_all_ns of the machine, ret_cpu_ns[n_cpus] of each CPU (either may be NULL). An offline CPU stands
 * still. Negative errno: nothing was read, and the next read covers both spans. */
int cpu_busy_read(struct cpu_busy *busy, int64_t *ret_all_ns, int64_t *ret_cpu_ns);
void cpu_busy_close(struct cpu_busy *busy);
