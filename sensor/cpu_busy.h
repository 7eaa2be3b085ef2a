/* SPDX-License-Identifier: BSD-3-Clause */
/* Busy CPU time from PROCFS/stat. Where that is the running kernel's own it is the time that there was, less idle, waiting for I/O and what
 * the hypervisor stole: those the kernel measures, where it stops the tick of idle CPUs (NO_HZ), while user, system and the rest are what the
 * timer tick happened to meet (and are taken where the file is another's, as a container's lxcfs, or made up). What a CPU is awake for
 * without running a task (its way into and out of sleep) is busy.
 *
 * The file counts in clock ticks (10 ms), each column of each CPU cut off; no more than that is ever corrected in a later tick.
 * Source: proc_stat(5); fs/proc/stat.c, get_idle_time; kernel/time/tick-sched.c, get_cpu_sleep_time_us. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct host;
struct topology;

/* One line, in clock ticks since boot. */
struct cpu_times {
    uint64_t sampled; /* user, nice, system, irq and softirq; guests are inside user */
    uint64_t away;    /* idle and waiting for I/O */
    uint64_t stolen;
    bool has_line;    /* an offline CPU has none */
};

struct cpu_busy {
    int fd;
    char *text;
    size_t text_size;
    size_t n_cpus;
    bool is_own;                   /* the running kernel's file */
    struct cpu_times *now, *last;  /* [n_cpus + 1], the last is the whole machine */
    uint64_t last_ns;              /* when that was, monotonic clock */
    int64_t span_ns;               /* from the one before */
    int64_t *due_ns;               /* [n_cpus + 1], not taken yet; below 0: taken in advance */
    uint64_t ns_per_tick;
};

/* Fills times[n_cpus + 1]; CPUs without a line keep their numbers. -EBADMSG without a "cpu" line. */
int cpu_busy_parse(const char *text, struct cpu_times *times, size_t n_cpus);

/* Busy time of one CPU within span_ns, below 0 by rounding only. What was stolen while it slept is in both columns: the sampled time decides
 * how much of it was. */
int64_t cpu_busy_between(const struct cpu_times *last, const struct cpu_times *now, int64_t span_ns, uint64_t ns_per_tick);

/* Takes the baseline. */
int cpu_busy_open(struct cpu_busy *busy, const struct host *host, int n_cpus, struct error *err);
/* Takes the increases since the previous read. Negative errno: nothing was read, and the next read covers both spans. */
int cpu_busy_read(struct cpu_busy *busy);
/* What the last read found, once: of the CPUs of a package that are online (topology NULL: of the machine). at_least_ns is what is known to
 * have been used: as far as rounding explains what lacks to that, it is added here and taken off the next. Never below 0, and of the running
 * kernel's file never more time than there was. */
int64_t cpu_busy_take(struct cpu_busy *busy, const struct topology *topology, int32_t package, int64_t at_least_ns);
void cpu_busy_close(struct cpu_busy *busy);
