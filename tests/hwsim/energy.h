/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters: energy = idle watts x time + watts per CPU-second x CPU time, shown as of the last update, in whole units, in 32 bits.
 * Every read is kept with what was true at that moment, so that a test knows what it should have seen. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/hwsim/machine.h"
#include "tests/hwsim/script.h"
#include "tests/hwsim/usage.h"

struct counter_read {
    uint64_t at_ns, as_of_ns; /* of the simulator's clock: the read, and the update that it shows */
    int error;
    uint64_t counts;          /* since the start, never wrapped or reset */
    uint32_t raw;
    double idle_j, users_j[USERS_MAX]; /* as of that update */
    double used_j;            /* at the read itself, whatever the counter knows of it */
};

struct counter {
    enum sim_domain domain;
    int package;          /* -1: psys */
    int part;             /* the die or, in AMD's core domain, the core: from 0 */
    double share;         /* of its package's energy */
    double unit_nj;       /* of the register */
    uint64_t zone_unit_nj; /* of the powercap zone: the kernel keeps whole nanojoules */
    uint32_t start;       /* raw value when counts were base */
    uint64_t base, shown; /* counts */
    uint64_t n_reads;     /* failed ones too */
    struct counter_read *reads;
    size_t n_kept, capacity;
};

struct energy {
    const struct machine *machine; /* borrowed, as is script */
    struct script *script;
    struct counter counters[PACKAGES_MAX * DIES_MAX * SIM_DOMAINS + CPUS_MAX + 1];
    int n_counters;
    struct usage usages[USERS_MAX];
    uint64_t start_ns, clock_ns; /* monotonic start; the clocks file and reads */
};

void energy_init(struct energy *energy, const struct machine *machine, struct script *script);
void energy_deinit(struct energy *energy);

uint64_t energy_now_ns(const struct energy *energy);
/* The counter that a CPU's registers show. NULL: the machine has none. */
struct counter *energy_counter(struct energy *energy, enum sim_domain domain, int cpu);
/* Reads a counter. 0, or the errno of a scripted fault, negative. */
int energy_read(struct energy *energy, struct counter *counter, uint32_t *ret_raw);
bool energy_is_gone(const struct energy *energy, int package);
/* Its package vanished, or it is offline. */
bool energy_cpu_is_gone(const struct energy *energy, int cpu);

/* Joules up to a moment, in one counter: of idling, of one user, and of all. */
double energy_idle_j(const struct energy *energy, const struct counter *counter, uint64_t at_ns);
double energy_user_j(const struct energy *energy, const struct counter *counter, int user,
                     uint64_t at_ns);
double energy_used_j(const struct energy *energy, const struct counter *counter, uint64_t at_ns);
