/* SPDX-License-Identifier: BSD-3-Clause */
/* One sensor's store, followed tick by tick: joins the watts of a tick with the report they were made from (names, CPU time), and goes on with CPU time
 * alone where there are no watts. */
#pragma once

#include "cli/energy_sum.h"
#include "common/host_record.h"
#include "common/store/store.h"

struct live_settings {
    const char *sensor;     /* NULL: the first that is seen */
    const char *label;      /* NULL: any */
    int64_t from_ms;        /* ticks before are left out */
    uint64_t patience_ns;   /* how long a report waits for its watts before it is shown without */
    bool by_unit;           /* units are added up, too */
};

struct live {
    struct identities *identities;
    struct energy_sum *units;   /* since the start, by container and unit; NULL: not asked for */
    struct energy_sum *targets; /* since the start, by target */
    struct host_record host;
    bool has_host;
    char sensor[SENSOR_NAME_SIZE]; /* "" until one is seen */
    char source[WORD_SIZE];        /* of the tick's energy, "" unknown or none */
    char energy_reason[WORD_SIZE]; /* why its energy is not valid, or what to know of it */
    bool expects_watts;            /* the tick's report had energy */
    uint64_t n_ticks, n_bad;
    int64_t shown_ms;              /* end of the last tick given, real time; only while n_ticks > 0 */
    int64_t before_ms;             /* end of the one before it; only while n_ticks > 1 */
    struct live_input *input;
};

/* store is borrowed. */
int live_open(struct live *live, struct store *store, const struct live_settings *settings, struct error *err);
void live_close(struct live *live); /* zeroed is fine */

enum live_outcome { LIVE_NOTHING = 0, LIVE_TICK = 1 };

/* Takes what is there; never waits. LIVE_TICK: one more tick is in the sums. now_ns: monotonic. Damaged records are counted and left out. */
int live_step(struct live *live, uint64_t now_ns, struct error *err);
