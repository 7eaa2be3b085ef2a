/* SPDX-License-Identifier: BSD-3-Clause */
/* A private measurement around something that happens: starts a sensor and a formula, says when their ticks reach a moment, and adds up what some
 * of the targets used. What `watt run` and `watt attach` share. */
#pragma once

#include "cli/live.h"
#include "cli/meter.h"
#include "cli/sweep.h"

struct log;

/* What some targets used. */
struct target_sum {
    int64_t dynamic_uj, cpu_ns;
    double static_uj; /* NAN: no record said */
    uint64_t n_targets;
};

struct measurement {
    struct meter meter;
    struct store *store;
    struct live live;
    bool is_following; /* store and live are open */
    int64_t start_ms;
    int64_t first_ms;  /* end of the first tick; only while live has ticks */
    uint64_t start_ns, interval_ns;
    uint64_t span_ns;  /* ticks behind so much time are not taken; 0: all are */
    struct sweep sweep;
    struct target_sum ended; /* of the chosen that were dropped */
    int child_status;  /* of a part that ended by itself, else 0 */
    const struct log *log;
};

/* What the chosen targets used since the measurement began; NAN where no tick said. */
struct usage {
    double energy_j;  /* their activity */
    double static_j;  /* their share of idling */
    double cpu_s;
    uint64_t n_targets;
};

/* What everything used. */
struct machine_usage {
    double energy_j, low_j, high_j; /* bounds where some of it was estimated, else NAN */
    double covered_s;
};

int measurement_start(struct measurement *measurement, const struct meter_settings *settings, const struct log *log,
                      struct error *err);
/* Waits until fd (-1: none) is readable, at most a tenth of a second, and takes the ticks that have come. 1: fd is readable. -ENODATA when no tick
 * comes at all, -ECHILD with the last words of a part that ended. */
int measurement_wait(struct measurement *measurement, int fd, struct error *err);
/* Whether the ticks seen reach at_ms (real time). */
bool measurement_reaches(const struct measurement *measurement, int64_t at_ms);
/* Whether all that was used by then has been seen: a tick that began after it. (A tick's stamp is the middle of its reading, which takes long where CPUs are
 * wanted by others: what was used in the second half is the next tick's.) */
bool measurement_holds(const struct measurement *measurement, int64_t at_ms);

/* Time from the begin of the first tick to the end of the last one; 0 without any. */
uint64_t measurement_elapsed_ns(const struct measurement *measurement);
/* Whether span_ns is over, to half a tick. */
bool measurement_is_full(const struct measurement *measurement);

/* Drops processes that have ended (sweep.h), if so many are known that it is worth it; of those that is_chosen takes only the sum is kept. now_ms:
 * real time. Whether it has. */
bool measurement_sweep(struct measurement *measurement, int64_t now_ms,
                       bool (*is_chosen)(const struct identity *identity, void *context), void *context);
/* Adds up the targets that is_chosen takes, and took when they were dropped. */
void measurement_add_up(const struct measurement *measurement,
                        bool (*is_chosen)(const struct identity *identity, void *context), void *context,
                        struct usage *ret_usage);
void measurement_machine(const struct measurement *measurement, struct machine_usage *ret_usage);

struct run_result;
/* Fills in what happened since the look `before`, but for the time and the status, which the caller knows; covered_s is of whole ticks. */
void measurement_conclude(const struct measurement *measurement, const struct machine_usage *before,
                          bool (*is_chosen)(const struct identity *identity, void *context), void *context,
                          struct run_result *ret_result);

/* Ends the parts. Zeroed is fine. */
void measurement_end(struct measurement *measurement);
