/* SPDX-License-Identifier: BSD-3-Clause */
/* Watts = idle + pooled prices x features of all + for a few targets their own deviations from the pooled prices: one regression in information form. Idle and
 * pooled prices are never negative; data are forgotten, priors are not, so that a target not seen for long falls back to the pooled prices. With no slots it is
 * the pooled regression alone. Knows no records: features in, watts out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formula/features.h"
#include "formula/noise.h"
#include "formula/robust.h"

#define MIXED_OWN FEATURE_SHARED      /* features with deviations: all before what is shared */
#define MIXED_PRICES (FEATURE_COUNT + 1) /* pooled ones, then idle */
#define MIXED_SLOTS_MAX 32
#define MIXED_UNKNOWNS (MIXED_SLOTS_MAX * MIXED_OWN + MIXED_PRICES)
#define MIXED_NO_SLOT SIZE_MAX

/* Unknowns: the deviations of slot s from s * MIXED_OWN, then the pooled prices, idle last. */
#define MIXED_POOLED (MIXED_SLOTS_MAX * MIXED_OWN)
#define MIXED_IDLE (MIXED_POOLED + FEATURE_COUNT)

/* Who deviates, and what its kind did in the current tick. */
struct mixed_slot {
    uint64_t kin;      /* 0: free */
    double cost_w;     /* its recent largest, decaying */
    double x[FEATURE_COUNT];
};

/* What is known of a tick beside its features. */
struct mixed_tick {
    double measured_w;
    double dt_s;
    double doubt_w;  /* of its watts by what no price can express, 0: none */
    double floor_w;  /* what idle is known to be, NAN: unknown */
    double lowest_w; /* what idle cannot exceed, NAN: unknown */
};

struct mixed {
    enum domain domain;
    size_t n_slots;    /* that may be used: 0 to MIXED_SLOTS_MAX */
    double forgetting; /* per tick */
    struct mixed_slot slots[MIXED_SLOTS_MAX];
    double a[MIXED_UNKNOWNS * MIXED_UNKNOWNS], b[MIXED_UNKNOWNS]; /* data alone; a's lower half */
    double theta[MIXED_UNKNOWNS];
    double prior[MIXED_PRICES], prior_weight[MIXED_PRICES];
    double width[MIXED_OWN]; /* of a deviation, as it was at the last solution */
    double mean[FEATURE_COUNT]; /* typical size of each feature */
    uint64_t is_primed;
    struct robust robust;
    double mean_miss_w2; /* of its predictions, long-lived: how well it explains the machine */
    uint64_t n_missed;
    struct noise noise;
    /* The last tick and what the ticks before returned to it: the next one learns what is left of it. All 0: it stands alone. */
    double carried_h[MIXED_UNKNOWNS], carried_w, carried_s;
    /* The factor of the last solution, compact: used slots alone. */
    double factor[MIXED_UNKNOWNS * MIXED_UNKNOWNS];
    uint64_t place[MIXED_SLOTS_MAX]; /* of a slot's first unknown in the factor; MIXED_UNKNOWNS: not in it */
    uint64_t n_factor;               /* unknowns in it; 0: none */
};

void mixed_init(struct mixed *mixed, enum domain domain, size_t n_slots, double forgetting);

size_t mixed_find(const struct mixed *mixed, uint64_t kin); /* MIXED_NO_SLOT: prices of its own it has none */

/* A tick: begin, add every target (its features count for its kind's slot), then predict, learn. */
void mixed_begin(struct mixed *mixed);
void mixed_add(struct mixed *mixed, size_t slot, const double *x);

/* Watts of one target by its prices, at least 15 % of what the pooled ones say. slot: MIXED_NO_SLOT for none. */
double mixed_price(const struct mixed *mixed, size_t slot, const double *x);
/* Idle plus prices of all_x and the deviations of the slots; NAN before the first tick was learned. Not negative. */
double mixed_explain(const struct mixed *mixed, const double *all_x);
/* The same, less what the noise of the last tick learned will return to this one. */
double mixed_predict(const struct mixed *mixed, const double *all_x, double dt_s);
/* Standard deviation of mixed_price by the posterior covariance; NAN where there is none. */
double mixed_sigma(const struct mixed *mixed, size_t slot, const double *x);
double mixed_idle_sigma(const struct mixed *mixed); /* the same of idle, in W */

bool mixed_is_full(const struct mixed *mixed);
/* Gives a slot to a kind that costs cost_w now: a free one, or that of a kind which costs much less; else MIXED_NO_SLOT. */
size_t mixed_admit(struct mixed *mixed, uint64_t kin, double cost_w);

void mixed_learn(struct mixed *mixed, const double *all_x, const struct mixed_tick *tick);
/* The next tick does not follow the last one learned: nothing is returned to it. */
void mixed_break(struct mixed *mixed);

void mixed_visit(struct mixed *mixed, struct state_io *io);
