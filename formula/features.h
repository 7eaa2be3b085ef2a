/* SPDX-License-Identifier: BSD-3-Clause */
/* What the watts of a scope are explained by: a few numbers per target, made from whatever events a tick carries. Work is cycles (else CPU time, reference cycles,
 * instructions or the first event there is); work and instructions are weighted by a power of the clock, because voltage rises with it. All are in units of
 * the first tick that had them, so that 1 is about what the whole machine does. */
#pragma once

#include "formula/scope.h"

struct state_io;

enum feature {
    FEATURE_WORK,
    FEATURE_INSTRUCTIONS,
    FEATURE_MISSES,
    FEATURE_ROOT, /* square root of all work, shared by work: the first busy CPU costs more than the last */
    FEATURE_COUNT,
};

#define FEATURE_SOURCES 5 /* events that can stand for work */

struct features {
    enum domain domain;
    double work_unit[FEATURE_SOURCES]; /* events per second of one unit; 0: not seen yet */
    double unit[FEATURE_COUNT];        /* of instructions and misses; 0: not seen yet */
    double ratio[FEATURE_COUNT];       /* decaying mean of a feature per work: stands in where it was not counted; NAN: not known */
    double mean[FEATURE_COUNT];        /* decaying mean of the whole machine */
    double clock_ratio;                /* the last known, 1 before */
    double n_learned;
    /* Of the current tick, from features_begin. */
    size_t work_source, work_event, instructions_event, misses_event; /* indices of the tick's events, n_events: none */
};

void features_init(struct features *features, enum domain domain);
/* Looks at a tick's events and clock; totals[n_events]: sums of the whole machine, NAN: not counted. False: nothing was counted. */
bool features_begin(struct features *features, const struct scope_tick *tick, const double *totals);
/* Features of one row of rates, FEATURE_ROOT left 0. */
void features_of(const struct features *features, const struct scope_tick *tick, const double *rates, double *ret_x);
/* Weights x by the clock over its base to the power of exponent. */
void features_boost(const struct features *features, double exponent, const double *x, double *ret_x);
/* Follows ratios and means: all_x is the whole machine's. Only for ticks that may be learned from. */
void features_learn(struct features *features, const struct scope_tick *tick, const double *all_x);
/* True if the domain is priced by this feature. */
bool features_has(const struct features *features, enum feature feature);
void features_visit(struct features *features, struct state_io *io);
