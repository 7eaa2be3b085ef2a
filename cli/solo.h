/* SPDX-License-Identifier: BSD-3-Clause */
/* A truth known from solo runs: what a target draws above idle when it runs alone. Held for true in every tick that is judged. */
#pragma once

#include "cli/score.h"

struct error;

struct solo {
    const char *target; /* borrowed from the text */
    size_t target_size;
    enum domain domain;
    double watts;
};

/* "TARGET=WATTS", or "DOMAIN:TARGET=WATTS"; without a domain it is the package's. -EINVAL. */
int solo_parse(const char *text, struct solo *ret_solo, struct error *err);
/* Adds to the score that the solos are true in a domain and package of one tick. dt_ns: VALUE_ABSENT: not known. -ENOMEM. */
int solo_add_truth(struct score *score, const struct solo *solos, size_t n, const struct record_key *key, enum domain domain, int32_t package,
                   int64_t dt_ns);
