/* SPDX-License-Identifier: BSD-3-Clause */
/* What targets did in ticks whose energy came later: a counter that was not read, or not updated, gives the energy of several ticks at once, and who is charged
 * for it is who worked in any of them. One per scope; empty as long as every tick has its energy. */
#pragma once

#include "formula/name_arena.h"
#include "formula/scope.h"
#include "formula/scope_events.h"

/* More ticks without energy are not kept: the energy that comes then is split by its own tick, as is one whose span is another than that of the ticks kept. */
#define HELD_TICKS_MAX 128
/* Nor are more targets, where ever new ones come and go meanwhile. */
#define HELD_TARGETS_MAX 65536

struct held_target {
    const char *name;
    size_t first;    /* its sums begin there */
    uint32_t number; /* as of the last tick added; the caller renews it */
};

struct held_counts {
    enum domain domain;
    int32_t package;
    bool is_lost;    /* not all of the time since the last energy is known: nothing is kept until the next */
    bool may_learn;  /* all that is kept may be learned from */
    unsigned n_ticks;
    uint64_t next_seq; /* of the tick that follows them */
    int64_t span_ns; /* of the ticks */
    uint64_t events; /* hash of the names of the scope's events */
    size_t n_events;
    struct held_target *targets; /* sorted by name */
    size_t n_targets, targets_capacity;
    struct name_arena names;
    double *sums;    /* counts, [n_targets][n_events], scaled; NAN: not counted in one of the ticks */
    size_t sums_capacity;
    double totals[SCOPE_EVENTS_MAX], aperf, mperf;
};

void held_counts_deinit(struct held_counts *held);
/* The span before the next tick is known, and empty. */
void held_counts_clear(struct held_counts *held);
/* Nothing of it is known until the next held_counts_clear. */
void held_counts_lose(struct held_counts *held);

/* To be called with every tick before what follows: where one is missing after those kept, all is lost; 0 begins a run of the sensor, and its energy with it. */
void held_counts_follow(struct held_counts *held, uint64_t seq);

/* Adds a tick's activities, totals and clock, as counts. Where that cannot be (other events than before, too many ticks or targets, a tick of no length) all is lost. -ENOMEM. */
int held_counts_add(struct held_counts *held, const struct scope *scope, int64_t dt_ns, bool may_learn);
/* Energy over span_ns that comes with a tick of dt_ns is that of the ticks kept and this one, not of this one alone. */
bool held_counts_explain(const struct held_counts *held, int64_t span_ns, int64_t dt_ns);

struct state_io;
/* All of it; reading needs an empty one. -ENOMEM. */
int held_counts_visit(struct held_counts *held, struct state_io *io);
