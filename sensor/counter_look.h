/* SPDX-License-Identifier: BSD-3-Clause */
/* A short look at the counters in use, for --probe: how often they are updated, what they show now, and whether the sources that could read them
 * agree. Bounded: LOOK_NS per source, and up to CHECK_NS more where two sources are compared. */
#pragma once

#include "sensor/ladder.h"

#define LOOK_NS (60 * NS_PER_MS)
#define CHECK_NS (3 * NS_PER_S)

struct counter_look {
    struct host_source what;
    bool is_estimate;
    int64_t n_readings, n_updates; /* readings, and those of them that showed more energy than the one before */
    int64_t update_ns;   /* mean time between updates, VALUE_ABSENT: fewer than three were seen */
    int64_t reading_ns;  /* mean time between the readings: nothing faster can be seen */
    double power_w;      /* over the look, NAN: no valid sample */
    char reason[WORD_SIZE]; /* of the last sample where none was valid, else "" */
    int64_t energy_uj, span_ns, first_update_ns, last_update_ns, first_reading_ns, last_reading_ns;
};

/* Looks at every counter that is published, in the order of ladder_describe; free(*ret_looks). The ladder's cross-check is brought to its end, after
 * CHECK_NS at the latest. Returns how many, or -ENOMEM. */
int counter_look(struct ladder *ladder, const struct topology *topology, struct counter_look **ret_looks);
