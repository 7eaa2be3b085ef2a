/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine of known physics. What a package draws is more than any of our models says of it: cores pay per instruction (by kind of program), per cycle, and
 * that by the square of a voltage; two threads on one core pay its clock once and hinder each other; misses stall, the more the faster the clock and the fuller the
 * memory; an awake package costs something that its programs share; energies vary with the data. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/replay/accuracy/chance.h"

#define PACKAGES_MAX 2
#define CORES 8    /* of a package, two threads each */
#define BASE_HZ 2.1e9
#define MAX_HZ 3.8e9
#define TSC_HZ BASE_HZ

enum clock_regime { CLOCK_FIXED, CLOCK_TURBO, CLOCK_WANDER };

/* A kind of program. Energies at 1 V. */
struct kind {
    const char *name;
    double instructions_per_cycle; /* while nothing misses */
    double instruction_nj, cycle_nj;
    double misses_per_instruction;
    double parallel_misses; /* how many wait at once */
    double writes_per_miss; /* lines written back: not counted, but paid in dram */
};

extern const struct kind kinds[];
extern const unsigned n_kinds;

/* What a program did in one package and what that cost. */
struct work {
    double cpu_s, cycles, ref_cycles, instructions, misses;
    double package_j, dram_j;
};

/* One running program as the physics sees it. */
struct runner {
    struct kind kind;              /* its own, near one of the table */
    double threads[PACKAGES_MAX];  /* CPUs it keeps busy */
    double pace, heat;             /* slow drift of instructions per cycle and of energy per instruction, around 1 */
    struct work work[PACKAGES_MAX]; /* since the caller last cleared it */
    double direct_j, misses;        /* of the present step and package alone */
};

struct package {
    double clock_hz, wander;
    double idle_j, dram_idle_j; /* as above: since last cleared */
    double aperf, mperf;        /* summed over CPUs */
};

struct machine {
    unsigned n_packages;
    enum clock_regime regime;
    bool is_curved;        /* voltage rises steeply towards the highest clock */
    double sibling_pressure; /* 0 to 1: how readily two threads share a core while others are free */
    double idle_w, awake_w, dram_idle_w;
    struct package packages[PACKAGES_MAX];
};

void machine_init(struct machine *machine, unsigned n_packages, enum clock_regime regime, struct chance *chance);
/* A program of a kind: its energies and rates lie within some 15 % of the table's. */
void runner_init(struct runner *runner, const struct kind *kind, struct chance *chance);
/* Everything goes on for seconds. */
void machine_step(struct machine *machine, struct runner *const *runners, unsigned n_runners, double seconds, struct chance *chance);
