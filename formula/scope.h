/* SPDX-License-Identifier: BSD-3-Clause */
/* What a model is asked about: one attributed domain of one package of one sensor, in one tick, as rates. Made from a whole tick by scope.c, which is the
 * only place that scales counts: rate = count x enabled / running / true interval. */
#pragma once

#include "common/host_record.h"
#include "common/report.h"

/* One target's activity. A rate that was not counted is NAN. */
struct activity {
    uint32_t target;     /* number of the target's name, stable within a sensor while the name lives: index your own state by it */
    bool is_new;         /* first tick of this name under this number: what you keep under it belonged to another name */
    const char *name;    /* "/a/b:17@4242", "other", ... */
    uint64_t kin;        /* hash of its cgroup and command: the next process of the same kind has the same; never 0 */
    const double *rates; /* [n_events] per second */
};

struct scope_tick {
    uint64_t seq;
    bool is_first;            /* of this scope */
    double dt_s;              /* span of the energy, else of the tick: rates are those of the span, of all its ticks where it has several */
    double measured_w;        /* NAN: no valid energy this tick: predict, learn nothing */
    double low_w, high_w;     /* bounds of an estimate, else NAN */
    bool is_estimate;
    bool learn;               /* false: the tick is marked (invalid, incomplete, impossible counts): learn no price from it */
    bool learn_idle;          /* measured_w is good, whatever the counts are: what the scope draws at least is below it. True wherever learn is */
    double max_w;             /* plausible maximum, NAN: unknown */
    double floor_w;           /* what the scope draws when nothing runs, where the host record knows it (a curve's), else NAN */
    size_t n_events;
    const char *const *events; /* canonical names, sorted; the same set may change from tick to tick */
    size_t cpu_event;         /* index of the event that stands for CPU time (cpu_ns, else cycles, ref_cycles, instructions, the first; of a GPU: its time), n_events: none */
    size_t n_activities;      /* "other" included, which is made here where totals exceed the targets */
    const struct activity *activities; /* sorted by name */
    const double *total_rates; /* [n_events], system-wide; NAN: not known */
    double aperf, mperf;      /* of the tick, summed over the scope's CPUs; NAN: not known */
    double clock_ratio;       /* aperf / mperf, NAN: not known */
};

/* A scope and what its balance row needs beside. */
struct scope {
    enum domain domain;
    int32_t package;          /* PACKAGE_NONE: the machine, or all packages where the counts cannot tell them */
    int64_t dt_ns;            /* VALUE_ABSENT: not known */
    int64_t measured_uj;      /* VALUE_ABSENT: no valid energy */
    int64_t low_uj, high_uj;  /* of an estimate, else VALUE_ABSENT */
    bool begins_anew;         /* no energy is known of it, and the next begins at its end all the same: "reopened" */
    char reason[WORD_SIZE];   /* why there is no valid energy, or what to know of it */
    struct scope_tick tick;   /* is_first is the caller's */
};

struct scopes;

/* original_interval_s: 0, or the interval that every tick is taken to have. Then all is given as an original of ours would read it: rates are the tick's counts as
 * they came, summed over the scope, not scaled, not judged, and nothing is added for what no target covers; every measured tick may be learned from. */
int scopes_new(struct scopes **ret_scopes, double original_interval_s);
void scopes_free(struct scopes *scopes);

/* Notes what a target record says, so that its process is known by its command from its first tick on. -ENOMEM. */
int scopes_note_target(struct scopes *scopes, const char *target, const char *cgroup, const char *comm);

/* Turns a whole tick into scopes, one per attributed domain and package of its energy, in order of domain and package. Rows of a target are merged
 * per scope: those of its package, and those without package in a machine of one package; all of them for scopes without package. Where
 * several packages have energy but the counts know none, their energy is summed into one scope without package. host: NULL if none is known.
 * Adds to *reasons what made the tick doubtful ("absurd_counts", "multiplexed", "no_counts"). The scopes are borrowed until the next call. */
int scopes_build(struct scopes *scopes, const struct report *tick, const struct host_record *host, struct reasons *reasons,
                 const struct scope **ret_scopes, size_t *ret_n_scopes);

struct state_io;
/* What later ticks depend on. -ENOMEM. */
int scopes_visit(struct scopes *scopes, struct state_io *io);
