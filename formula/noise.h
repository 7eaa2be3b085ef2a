/* SPDX-License-Identifier: BSD-3-Clause */
/* What the misses of a regression say of its noise: how large it is, and how the miss of a tick follows from that of the tick before. A counter that was read a
 * little late shows one tick too much and the next as much too little, so that such misses cancel out over a longer span; what a regression cannot express goes
 * on, so that many ticks say little more than one. */
#pragma once

#include <stdint.h>

struct state_io;

struct noise {
    double square;    /* mean square of the misses; a miss is in units of the noise that was expected, so that 1 is as expected */
    double product;   /* mean product of a miss and the one before */
    double last_miss;
    uint64_t n_seen;
};

void noise_init(struct noise *noise);
void noise_add(struct noise *noise, double miss);
/* How much of a tick's noise the next one takes back, 0 to 0.8. */
double noise_returned(const struct noise *noise);
/* Variance of what a tick tells, in units of the one expected, when what is returned is left out. Above 0. */
double noise_variance(const struct noise *noise);
void noise_visit(struct noise *noise, struct state_io *io);
