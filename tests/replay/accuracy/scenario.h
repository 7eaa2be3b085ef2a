/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens on the machine: which programs live, what they do, and what goes wrong with the measuring. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/replay/accuracy/machine.h"

struct scenario {
    const char *name, *about;
    unsigned n_packages, n_programs;
    enum clock_regime regime;
    double load;                /* threads that all programs together keep busy on average, per package; 0: 5 */
    double siblings;            /* struct machine's sibling_pressure; 0: 0.1 */
    double restarts_per_s;      /* a program ends and another process of the same kind takes its place, or one never seen */
    double jobs_per_s;          /* programs of a few seconds begin */
    double unmonitored_share;   /* of the programs have no target */
    double missed_share;        /* ticks that are late, by one to four periods */
    double outlier_share;       /* ticks with an energy that cannot be right */
    bool is_curved, is_memory_bound, is_multiplexed, is_never_idle, is_pairs;
};

extern const struct scenario scenarios[];
extern const size_t n_scenarios;

const struct scenario *scenario_find(const char *name); /* NULL if unknown */

struct program {
    struct runner runner;
    char target[96], command[32], cgroup[64];
    int64_t pid, start_ticks;
    bool is_monitored, is_job, is_announced;
    double level;      /* threads it wants */
    double place;      /* the part of it in package 0 */
    double ends_at_s;  /* jobs */
};

struct world {
    const struct scenario *scenario;
    struct machine machine;
    struct program **programs; /* in order of birth; those that ended in this tick stay until world_bury */
    size_t n_programs, programs_capacity;
    double now_s, quiet_until_s;
    int64_t next_pid;
    unsigned n_wanted, n_born;
    struct chance chance;
};

/* n_programs: 0 as the scenario says. -ENOMEM. */
int world_init(struct world *world, const struct scenario *scenario, unsigned n_programs, uint64_t seed);
void world_deinit(struct world *world);
/* Lives on for seconds. -ENOMEM. */
int world_run(struct world *world, double seconds);
/* Clears what was counted and forgets who has ended: the end of a tick. */
void world_bury(struct world *world);
