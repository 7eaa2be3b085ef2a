/* SPDX-License-Identifier: BSD-3-Clause */
/* What DIR/truth of watt-hwsim says about the counters: when each was read, and the joules that were true then. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

/* Of one domain and package, over all its dies or cores. */
struct counter_truth {
    enum domain domain;
    int32_t package; /* PACKAGE_NONE for psys */
    double unit_uj;
    double zone_part; /* what a zone's whole nanojoules cut off, of 1 */
    size_t n_parts;
    size_t n_back;    /* reads below the one before, of all parts */
    struct truth_read {
        int64_t at_ns; /* of the simulator's clock, ascending */
        double true_j; /* since the start, as the last read at that moment showed */
        double used_j; /* and until the moment itself: an update later */
    } *reads;
    size_t n_reads, reads_capacity;
};

/* Parses the file of that name; fails the test when it cannot. counter_truths_free() the result. */
void counter_truths_read(const char *path, struct counter_truth **ret_truths, size_t *ret_n_truths);
void counter_truths_free(struct counter_truth *truths, size_t n_truths);

/* Joules up to the last read at a moment; the test fails where nobody read it then. */
double counter_truth_j(const struct counter_truth *truth, int64_t at_ns);
/* And up to the moment. */
double counter_truth_used_j(const struct counter_truth *truth, int64_t at_ns);
