/* SPDX-License-Identifier: BSD-3-Clause */
/* What the watts of a scope are explained by: a few numbers per target, made from whatever events a tick carries. Work is cycles (else CPU time, reference cycles,
 * instructions or the first event there is). How work becomes watts is not known of a machine, so that features can be viewed in several ways: by the curve that a
 * core's energy per event follows with its clock, and by the shape of what all targets cost together. All are in units of the first tick that had them, so that 1 is
 * about what the whole machine does. */
#pragma once

#include "formula/scope.h"

struct state_io;

enum feature {
    FEATURE_WORK,
    FEATURE_INSTRUCTIONS,
    FEATURE_MISSES,
    FEATURE_SHARED, /* what targets cost together: the first busy CPU costs more than the last. A row's part of all work until it is viewed */
    FEATURE_COUNT,
};

#define FEATURE_SOURCES 5      /* events that can stand for work */
#define FEATURE_MISS_SOURCES 3 /* and for misses */

/* Energy per event over the clock relative to its base, 1 there. */
enum clock_curve {
    CLOCK_LINEAR,
    CLOCK_SQUARE,
    CLOCK_FLOOR, /* a voltage that hardly falls below the base clock and rises steeply above it */
    CLOCK_CURVES,
};

enum shared_shape {
    SHARED_ROOT,  /* the square root of all work: it never ends rising */
    SHARED_AWAKE, /* how likely any CPU is busy: it ends with the second or third */
    SHARED_SHAPES,
};

struct features {
    enum domain domain;
    double work_unit[FEATURE_SOURCES]; /* events per second of one unit; 0: not seen yet */
    double instructions_unit, misses_unit[FEATURE_MISS_SOURCES]; /* 0: not seen yet */
    double ratio[FEATURE_COUNT];       /* decaying mean of a feature per work: stands in where it was not counted; NAN: not known */
    double mean[FEATURE_COUNT];        /* decaying mean of the whole machine */
    double clock_ratio;                /* the last known, 1 before */
    double n_learned;
    /* Of the current tick, from features_begin. */
    size_t work_source, work_event, instructions_event, misses_source, misses_event; /* indices of the tick's events, n_events: none */
    size_t time_event; /* CPU time, n_events: none */
    double work_per_time; /* of the rows that have both, NAN: none has */
    double busy_cpus; /* CPUs kept busy, or near it where CPU time is not counted */
};

void features_init(struct features *features, enum domain domain);
/* Looks at a tick's events and clock; totals[n_events]: sums of the whole machine, NAN: not counted. False: nothing was counted. */
bool features_begin(struct features *features, const struct scope_tick *tick, const double *totals);
/* Features of one row of rates, FEATURE_SHARED left 0. */
void features_of(const struct features *features, const struct scope_tick *tick, const double *rates, double *ret_x);
/* Weights x by the clock, and gives FEATURE_SHARED its shape; all_work: FEATURE_WORK of the whole machine. */
void features_view(const struct features *features, enum clock_curve curve, enum shared_shape shape, double all_work, const double *x, double *ret_x);
/* Follows ratios and means: all_x is the whole machine's. Only for ticks that may be learned from. */
void features_learn(struct features *features, const struct scope_tick *tick, const double *all_x);
/* True if the domain is priced by this feature. */
bool features_has(const struct features *features, enum feature feature);
void features_visit(struct features *features, struct state_io *io);
