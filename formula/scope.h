/* SPDX-License-Identifier: BSD-3-Clause */
/* What a model is asked about: one attributed domain of one package of one sensor, in one tick, as rates. Made from a whole tick by scope.c, which is the
 * only place that scales counts: rate = count x enabled / running / true interval. */
#pragma once

#include "common/record.h"

/* One target's activity. A rate that was not counted is NAN. */
struct activity {
    uint32_t target;     /* number of the target's name, dense and stable within a sensor for the life of the formula: index your own state by it */
    const char *name;    /* "/a/b:17@4242", "other", ... */
    const double *rates; /* [n_events] per second */
};

struct scope_tick {
    uint64_t seq;
    bool is_first;            /* of this scope */
    double dt_s;              /* span of the energy, else of the tick */
    double measured_w;        /* NAN: no valid energy this tick: predict, learn nothing */
    double low_w, high_w;     /* bounds of an estimate, else NAN */
    bool is_estimate;
    bool learn;               /* false: the tick is marked (skew, missed periods, suspected counts): learn nothing from it */
    double max_w;             /* plausible maximum, NAN: unknown */
    size_t n_events;
    const char *const *events; /* canonical names, sorted; the same set may change from tick to tick */
    size_t cpu_event;         /* index of the event that stands for CPU time (cpu_ns, else cycles, ref_cycles, instructions, the first), n_events: none */
    size_t n_activities;      /* "other" included */
    const struct activity *activities; /* sorted by name */
    const double *total_rates; /* [n_events], system-wide; NAN: not known */
    double clock_ratio;       /* aperf / mperf, NAN: not known */
};
