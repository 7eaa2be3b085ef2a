/* SPDX-License-Identifier: BSD-3-Clause */
/* For scope.c, scope_held.c and their test alone. */
#pragma once

#include "formula/held_counts.h"
#include "formula/scope.h"
#include "formula/scope_events.h"

struct names;

struct scopes {
    double original_interval_s; /* 0: rates per second as they were */
    struct names *names;
    struct scope_events events;
    uint32_t *order; /* slot -> number, sorted by name */
    size_t n_slots, order_capacity;
    uint32_t *row_number; /* row of the report -> number */
    size_t row_number_capacity;
    struct scope *scopes;
    size_t n_scopes, scopes_capacity;
    size_t n_asked; /* of them, those with energy in the tick; the rest only keep their counts */
    struct held_counts *held; /* one per scope that ever was, but GPUs */
    size_t n_held, held_capacity;
    double *rates; /* [n_scopes][n_slots + 1][columns.n]; the last row holds the totals */
    size_t rates_capacity;
    struct activity *activities; /* [n_scopes][n_slots] */
    size_t activities_capacity;
    bool *is_present; /* [n_slots] */
    size_t is_present_capacity;
    bool is_multiplexed, has_uncounted_row; /* of the scope under way, as are: */
    bool has_counts, are_counts_good;
};

/* Gives a target a slot in this tick; *ret_number is its name's. -ENOMEM. */
int scopes_add_slot(struct scopes *scopes, const char *name, uint32_t *ret_number);
/* A scope without energy. -ENOMEM. */
int scopes_insert(struct scopes *scopes, size_t place, enum domain domain, int32_t package);
/* The rows that are present, moved together in order of their names. */
size_t scopes_list_activities(struct scopes *scopes, size_t n_events, double *rates, struct activity *activities);
/* Whether the scope's energy is of the time of which counts are known, counted_ns up to the tick's end, and was read when they were. */
bool scope_spans_agree(const struct scope *scope, bool is_cpu, const struct report *tick, int64_t counted_ns);

void scopes_free_held(struct scopes *scopes);
/* Adds those of which the tick, seq, says nothing, behind those asked for: their source was too slow for it. -ENOMEM. */
int scopes_list_absent(struct scopes *scopes, uint64_t seq);
/* Gives slots to the targets of earlier ticks that are to be charged in this one; the scopes are listed. -ENOMEM. */
int scopes_list_held_targets(struct scopes *scopes, const struct report *tick);
/* Keeps what was done in a tick without energy, and gives it to the energy that covers it; the scope is filled. -ENOMEM. */
int scopes_hold(struct scopes *scopes, size_t index, const struct report *tick);
struct state_io;
int scopes_visit_held(struct scopes *scopes, struct state_io *io);
