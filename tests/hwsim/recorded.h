/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine written down: what its sysfs, procfs and devfs say, as one text (tests/fixtures/machines/README.md says how it is written), and
 * what is to be made of it. The loader builds the tree in a temporary folder; energy files and devices are links into a running
 * watt-hwsim, which is given the machine's [simulate] section. For cmocka tests: whatever cannot be done fails the test. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/made_tree.h"

#define RECORDED_MACHINES_MAX 64
#define RECORDED_ZONES_MAX 32
#define RECORDED_CPUS_MAX 512
#define RECORDED_EXPECTS_MAX 64

struct harness;

struct recorded_zone {
    char path[128];  /* of its folder below the root */
    char shows[64];  /* the simulator's counter: "package-0", "package-0/dram" */
    int64_t range_uj;
};

struct recorded_cpu {
    int cpu, package, die, core;
};

struct recorded {
    struct made_tree tree;
    char sysfs[80], procfs[80], devfs[80];
    char *cpuinfo;  /* one processor's lines */
    char *simulate; /* watt-hwsim's configuration; empty: it has no energy counters */
    struct recorded_zone zones[RECORDED_ZONES_MAX];
    size_t n_zones;
    struct recorded_cpu cpus[RECORDED_CPUS_MAX]; /* by package, die and core */
    size_t n_cpus;
    char *expects[RECORDED_EXPECTS_MAX]; /* lines of [expect] */
    size_t n_expects;
};

/* The paths of a folder's files that end in ".machine", sorted; free() each. */
size_t recorded_list(const char *folder, char *paths[static RECORDED_MACHINES_MAX]);
void recorded_read(struct recorded *ret_recorded, const char *path);
void recorded_free(struct recorded *recorded);
/* Links energy files and msr devices to what the harness's simulator serves, and points the harness's host at the recorded tree. The
 * simulator's zones must be the recorded ones: ranges are compared. */
void recorded_link(struct recorded *recorded, struct harness *harness);
/* The text behind a key of [expect], NULL if it is not there. */
const char *recorded_expected(const struct recorded *recorded, const char *key);
