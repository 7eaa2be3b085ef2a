/* SPDX-License-Identifier: BSD-3-Clause */
/* What recent ticks like this one say about a prediction's miss: a Gaussian process over the last ticks, near in counts and in time. Its weights are the same for
 * every expert, so that one small system serves all. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "formula/features.h"

#define RECENT_TICKS 60
#define RECENT_EXPERTS 8

/* Zeroed is empty. */
struct recent {
    double where[RECENT_TICKS][FEATURE_COUNT]; /* logarithms of the features; a ring */
    double when[RECENT_TICKS];
    double miss[RECENT_TICKS][RECENT_EXPERTS];
    uint64_t n_seen;
};

/* Guesses of each expert's miss at all_x: ret_guess[n_experts], 0 where nothing is near. */
void recent_guess(const struct recent *recent, const double *all_x, size_t n_experts, double *ret_guess);
void recent_add(struct recent *recent, const double *all_x, size_t n_experts, const double *miss);
void recent_visit(struct recent *recent, struct state_io *io);
