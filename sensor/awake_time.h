/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time that was nobody's: a CPU's way into sleep and out of it, and interrupts while it slept, some microseconds each time. Who adds up
 * what tasks ran misses it, and it makes 1 % where CPUs fall asleep 10,000 times a second. The kernel tells it only by what is left of the
 * machine's busy time, in clock ticks (cpu_busy.h), so it is looked for once in a while and booked evenly over as long a time thereafter: late,
 * but every bit of it once, and never more than the tick has room for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor/cpu_busy.h"

#define AWAKE_WINDOW_NS UINT64_C(10000000000)

/* Of one package. */
struct awake_time {
    int64_t counted_ns; /* by tasks since the last look */
    int64_t due_ns;     /* nobody's and not booked yet; below 0: more was counted than the clock ticks show */
    int64_t lot_ns;     /* what was due at the last look, for the window that follows */
    int64_t n_cpus;     /* online at the last tick */
    bool is_mixed;      /* their number has changed since the last look */
};

/* To be booked in this tick. counted_ns: what tasks ran in it; span_ns: its length; n_cpus: online in it. */
int64_t awake_time_book(struct awake_time *awake, int64_t counted_ns, int64_t span_ns, int64_t n_cpus);
/* The machine was busy for so long since the last look. That of a window in which CPUs came or went is not taken: the clock ticks of one that is gone
 * can be read no more, and what one was offline for looks busy once it is back (since Linux 6.8 it goes on with the idle time it had, see
 * tick_sched_timer_dying in kernel/time/tick-sched.c). */
void awake_time_find(struct awake_time *awake, int64_t busy_ns);

/* All packages of a machine. */
struct awake_times {
    struct cpu_busy busy;
    struct awake_time *packages; /* [n_packages]; NULL: PROCFS/stat is not the running kernel's own, nothing is ever booked */
    size_t n_packages;
    uint64_t last_ns, looked_ns;
};

struct host;
struct topology;

/* packages: [n_packages] ids; now_ns: monotonic clock. -ENOMEM; a machine whose PROCFS/stat cannot be read books nothing. */
int awake_times_init(struct awake_times *times, const struct host *host, const struct topology *topology, const int32_t *packages,
                     size_t n_packages, uint64_t now_ns);
/* What is booked in a tick that ends now, for packages[package], beside counted_ns, what tasks ran in it there. */
int64_t awake_times_book(struct awake_times *times, const struct topology *topology, const int32_t *packages, size_t package, int64_t counted_ns,
                         uint64_t now_ns);
/* Ends the tick, when all packages have been booked: looks anew if it is time. */
void awake_times_end_tick(struct awake_times *times, const struct topology *topology, const int32_t *packages, uint64_t now_ns);
void awake_times_deinit(struct awake_times *times);
