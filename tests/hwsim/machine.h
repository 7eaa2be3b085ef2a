/* SPDX-License-Identifier: BSD-3-Clause */
/* What is simulated, from a file of sections (docs/testing.md shows one):
 *   [machine]    vendor intel|amd, family, model, packages, cpus (each a core; CPU i is in package i * packages / cpus), dies (of each
 *                package; their counters show (d + 1) parts each), domains (package, dram, core, uncore, psys; AMD's core domain has one
 *                counter per core c, which shows (c + 1) parts), energy_unit (ESU), unit_rule joule|microjoule (2^-ESU J; 2^ESU uJ),
 *                dram_unit_nj, psys_unit_nj (0: as energy_unit), psys_package (whose registers count psys), max_w, pmu_scale_j (a `power` PMU whose counter
 *                is the real time stamp counter, at so many joules per count; 0: none), zone_factor (so many times the
 *                true unit is what the powercap driver takes for it), update_us, jitter_us, lag_us, seed, high_bits (times the number of
 *                reads: the upper half of energy registers), clock system|file|reads, step_us (of the clock `reads`)
 *   [package N]  idle_w, dram_idle_w, core_idle_w, uncore_idle_w, start_counts
 *   [psys]       idle_w (beyond packages and memory), start_counts
 *   [user NAME]  cgroup PATH, or pgrp N, or load CPUS and period_s (a made load), or rest 1 (what the package's CPUs
 *                did for nobody named before it); package, watts, dram_watts, core_watts, uncore_watts (per CPU-second)
 *   [sys PATH]   a made file: tests/hwsim/sys_file.h */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/hwsim/sys_file.h"

struct error;

#define PACKAGES_MAX 8
#define DIES_MAX 4
#define CPUS_MAX 256
#define USERS_MAX 16

enum sim_domain { SIM_PACKAGE, SIM_DRAM, SIM_CORE, SIM_UNCORE, SIM_PSYS, SIM_DOMAINS };

enum sim_clock {
    SIM_CLOCK_SYSTEM, /* the monotonic clock since the start */
    SIM_CLOCK_FILE,   /* what was last written to DIR/clock */
    SIM_CLOCK_READS,  /* step_ns per read of the first counter */
};

struct sim_package {
    double idle_w[SIM_DOMAINS];
    uint32_t start_counts;
};

struct sim_user {
    char name[64];
    char cgroup[512]; /* a folder with cpu.stat; "" none */
    int pgrp;         /* 0 none */
    int is_rest;      /* 1: all other busy time of the CPUs of its package */
    double load_cpus, period_s;
    int package;
    double watts[SIM_DOMAINS]; /* joules per second of CPU time */
};

struct machine {
    bool is_amd;
    char vendor[32];
    int family, model;
    int n_packages, n_dies, n_cpus; /* n_dies: of each package */
    bool has_domain[SIM_DOMAINS];
    int energy_unit;
    bool unit_is_uj;
    double dram_unit_nj, psys_unit_nj;
    int psys_package;
    double pmu_scale_j; /* 0: no power PMU; its events are the time stamp counter, so many joules per count */
    double max_w, zone_factor;
    uint64_t update_ns, jitter_ns, lag_ns, step_ns;
    uint64_t seed;
    uint32_t high_bits;
    enum sim_clock clock;
    struct sim_package packages[PACKAGES_MAX];
    double psys_idle_w;
    uint32_t psys_start_counts;
    struct sim_user users[USERS_MAX];
    int n_users;
    struct sys_file files[SYS_FILES_MAX];
    int n_files;
};

const char *sim_domain_name(enum sim_domain domain);
/* SIM_DOMAINS for an unknown name. */
enum sim_domain sim_domain_parse(const char *name);

static inline int machine_package_of(const struct machine *machine, int cpu)
{
    return cpu * machine->n_packages / machine->n_cpus;
}

static inline int machine_cores_per_package(const struct machine *machine)
{
    return machine->n_cpus / machine->n_packages;
}

static inline int machine_core_of(const struct machine *machine, int cpu)
{
    return cpu % machine_cores_per_package(machine);
}

static inline int machine_die_of(const struct machine *machine, int cpu)
{
    return machine_core_of(machine, cpu) * machine->n_dies / machine_cores_per_package(machine);
}

/* -EBADMSG names the file and the line, or what does not fit together; else the errno of reading. */
int machine_read(struct machine *ret_machine, const char *path, struct error *err);
