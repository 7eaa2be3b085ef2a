/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sensor would have recorded of a world, and beside it what it could not know: JSON lines of raw records, of HWPCReports, of the truth. */
#pragma once

#include <stdio.h>

#include "common/power_record.h"
#include "common/report.h"
#include "tests/replay/accuracy/scenario.h"

struct error;

#define TRUTH_LABEL "truth"

struct recorder {
    FILE *raw, *hwpc, *truth; /* borrowed; NULL: not wanted */
    struct world *world;      /* borrowed */
    struct chance chance;     /* of the measuring alone: it does not change what happens */
    struct record_key key;
    struct report report;
    struct power_record power;
    bson_t scratch;
    struct meter {
        double true_j, read_units; /* since the start; what the counter showed last */
        double skew_s;
        int64_t held_back_uj;      /* read as 0 and shown one tick later */
    } meters[2][PACKAGES_MAX];     /* package, dram */
};

int recorder_init(struct recorder *recorder, struct world *world, uint64_t seed, FILE *raw, FILE *hwpc, FILE *truth,
                  struct error *err);
void recorder_deinit(struct recorder *recorder);
/* Lets the world live for one tick and writes it down. -EIO, -ENOMEM. */
int recorder_tick(struct recorder *recorder, struct error *err);
