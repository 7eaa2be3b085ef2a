/* SPDX-License-Identifier: BSD-3-Clause */
/* How good an attribution is, from records alone: watts that somebody said beside watts that are known to be true. Both are power records, or
 * PowerAPI's PowerReports for what was said. They meet by sensor, timestamp, domain, package and target. Everything is kept until the end, because records of
 * one tick may come in any order. */
#pragma once

#include "common/power_record.h"
#include "common/powerapi.h"

/* Of one domain and package over all ticks. Shares are 0 to 1; NAN: nothing to judge by. */
struct score_row {
    enum domain domain;
    int32_t package;
    uint64_t n_ticks;       /* in which targets truly used energy; without any truth: that were said */
    uint64_t n_covered;     /* of these, with watts for targets (0 W is a saying too) */
    double cover;
    double closure_w;       /* worst |idle + sum of targets + unattributed - measured| of any tick in which more than the measurement was said */
    double model_error_w;   /* mean |predicted - measured|; measured as the truth has it, else as it was said */
    double share_error;     /* energy given to the wrong target over true dynamic energy, what was said being scaled to the true sum of each tick; a
                             * tick with nothing said, or 0 W for everybody, costs half of its energy */
    double seen_error;      /* the same over covered ticks alone */
    double abs_error;       /* |said - true| over true, not scaled; NAN where what was said contains idle (PowerReports) */
    uint64_t n_sigmas;      /* targets that came with a doubt */
    double inside_1_sigma, inside_2_sigma; /* of these, how many truths lay within */
};

struct score;

int score_new(struct score **ret_score);
void score_free(struct score *score);

/* Add one record. Of two that say the same thing the later one counts. -ENOMEM. */
int score_add_truth(struct score *score, const struct power_record *power);
int score_add_said(struct score *score, const struct power_record *power);
int score_add_said_report(struct score *score, const struct power_report *report);
/* Of what it speaks; false: of no package of ours. */
bool score_report_scope(const struct power_report *report, struct record_key *ret_key, enum domain *ret_domain, int32_t *ret_package);

/* Whether any tick, domain and package was both said and true; true also without any truth. */
bool score_meets_truth(const struct score *score);
/* Whether watts were said of a target of this name. */
bool score_names(const struct score *score, const char *target, size_t size);

/* The rows, by domain and package; nothing can be added afterwards. Owned by the score. -ENOMEM. */
int score_rows(struct score *score, const struct score_row **ret_rows, size_t *ret_n_rows);
