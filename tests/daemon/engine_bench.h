/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine on the real machine: cgroups of its own, processes of known appetite in them, and ticks by hand. Each process burns CPU time by its
 * own clock and stops itself, so that nothing waits for time to pass. Needs root and a cgroup2 mount. */
#pragma once

#include <limits.h>

#include "sensor/engine.h"

#define BENCH_CANNOT_RUN 77

struct engine_bench {
    char cgroupfs[PATH_MAX], name[64]; /* of the cgroup that holds all others, below the mount: "/watt-test-1234" */
    struct host host;
    struct topology topology;
    struct target_rules *rules;
    struct targets *targets;
    struct engine *engine;
    struct report report;
};

extern struct engine_bench bench; /* one per program */

/* Everything but the engine. BENCH_CANNOT_RUN, with a word on standard error, where a test cannot run. */
int bench_find_machine(const struct engine_ops *ops, enum granularity granularity);
/* Opens the engine for the cgroups below the bench's. settings: the engine's own, may be NULL. */
void bench_open(const struct engine_ops *ops, enum granularity granularity, const char *const *events, size_t n_events,
                const void *settings);
void bench_close(void);

/* cgroup: "" is the bench's own, "/a" one in it. */
void bench_make_path(char *path, const char *cgroup, const char *file);
void bench_make_cgroup(const char *cgroup);
/* The kernel lets a cgroup go when its last process has been reaped; rmdir is tried until then. */
void bench_remove_cgroup(const char *cgroup);
/* What a failed test left; processes are killed first. A cmocka teardown. */
int bench_remove_all(void **state);
void bench_move(const char *cgroup, pid_t pid);
/* In a child: moves itself, or ends. */
void bench_enter(const char *cgroup);
/* Wall time x CPUs - idle - iowait - steal, as PROCFS/stat has them: in steps of a clock tick. */
int64_t bench_machine_busy_ns(void);
/* cpu.stat. */
long bench_usage_us(const char *cgroup);
long bench_usage_ms(const char *cgroup);

void burn_ms(long ms); /* of this process' CPU time */
/* A process in the cgroup, stopped; each let_burn makes it burn once more, until it stops again. */
pid_t start_burner(const char *cgroup, long ms);
/* The same, but it touches so many new pages on that CPU each time. */
#define TOUCHED_PAGES 5120
pid_t start_toucher(const char *cgroup, int cpu);
void let_burn(pid_t pid);
void end_process(pid_t pid);

/* As the sensor does it: a look at the targets, and a reading. */
void bench_look(void);
void bench_read(void);
void bench_tick(void);
void bench_sweep(void);
size_t bench_event(const char *event);
/* CPU time of a target over all packages in ms, -1 without any row. */
long bench_row_ms(const char *cgroup);
void is_near_ms(long value, long expected, const char *what);
/* What signals and bookkeeping take is less than a millisecond. */
void did_nothing(const char *cgroup);
