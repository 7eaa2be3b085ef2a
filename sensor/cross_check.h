/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ways to the same counter should say the same: wrong units and swapped packages show when they do not. Once, at the start, each domain and package
 * that a second source could read is read by both, beside the ticks and without waiting, until enough energy has passed; then the second source is
 * closed. */
#pragma once

#include "sensor/source.h"

#define CROSS_CHECK_SPARES_MAX 8
#define CROSS_CHECK_LIMIT 0.02 /* of the greater figure: more is a disagreement */

struct ladder;
struct log;

enum check_state {
    CHECK_RUNNING,
    CHECK_AGREES,
    CHECK_DIFFERS,
    CHECK_UNDECIDED, /* too little energy passed for a percent to mean something, or one of them failed */
};

struct check_pair {
    enum domain domain;
    int32_t package;
    char source[WORD_SIZE], other[WORD_SIZE]; /* the one in use, and the other one */
    double unit_uj;                           /* of both together */
    enum check_state state;
    double source_uj, other_uj;               /* what each said, over the spans */
    int64_t source_span_ns, other_span_ns;
    int64_t source_start_ns, other_start_ns;  /* when the spans began, 0: not yet */
    double doubt;                             /* by how much they may differ and be the same */
};

struct cross_check {
    struct source *spares[CROSS_CHECK_SPARES_MAX]; /* open while the check runs */
    size_t n_spares;
    struct check_pair *pairs;
    size_t n_pairs, pairs_capacity;
    uint64_t start_ns, read_at_ns; /* of the check; of the spares, 0: not yet */
    struct report report; /* of the spares */
};

/* Finds what can be compared with the open sources of a ladder, and opens the sources that are only needed for it; probes[]: of every row of the table that counts. None is not a failure. -ENOMEM. */
int cross_check_open(struct cross_check *check, const struct ladder *ladder, const struct source_probe *probes,
                     const void *const *source_settings, const struct topology *topology);
/* To be called with all samples of a reading, those of the ladder's sources that are not published too, their moments in skew_ns. Decides what can be
 * decided, logs disagreements, compares from now on what the sources describe only now, and closes the spares at the end. Costs nothing once it is over. -ENOMEM. */
int cross_check_take(struct cross_check *check, const struct ladder *ladder, const struct topology *topology, const struct report *report);
/* Decides with what there is, and closes the spares. */
void cross_check_end(struct cross_check *check, const struct log *log);
/* Some pair is not decided yet. */
bool cross_check_is_running(const struct cross_check *check);
/* |source - other| over the greater, of their mean powers. NAN: nothing was compared. */
double cross_check_difference(const struct check_pair *pair);
/* What a pair has shown, for people: both joules, both spans, the difference. */
void cross_check_sentence(const struct check_pair *pair, char *text, size_t size);
void cross_check_close(struct cross_check *check);
