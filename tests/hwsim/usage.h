/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time that a cgroup or process group really used, or that a made load would have, as a curve over the simulator's clock. */
#pragma once

#include <stdint.h>

#include "tests/hwsim/machine.h"

#define USAGE_POINTS 256

struct usage {
    const struct machine *machine; /* borrowed */
    const struct sim_user *user;
    int fd;                      /* of cpu.stat, -1 */
    uint64_t base_ns;            /* used before the simulator began */
    struct usage_point {
        uint64_t at_ns, cpu_ns;
    } points[USAGE_POINTS];      /* a ring, times and CPU times ascending */
    uint64_t n_points;           /* ever */
};

void usage_init(struct usage *usage, const struct machine *machine, int user);
void usage_deinit(struct usage *usage);
/* Looks how much each user has used now. What cannot be read has used nothing since. */
void usages_observe(struct usage *usages, int n_usages, uint64_t now_ns);
/* Seconds of CPU time used up to a moment that is not after the last look: the straight line between two looks. */
double usage_cpu_s(const struct usage *usage, uint64_t at_ns);
