/* SPDX-License-Identifier: BSD-3-Clause */
/* One energy sample in the making: the sum of the counters of one domain and package (dies, cores), as sources that read raw counters need
 * it. It keeps the span, carries what rounding leaves, refuses what no machine uses, and leaves out psys until it has moved: on some
 * servers the counter is there and stands still (only one package has it, or the firmware switched it off).
 *
 * A counter that did not move was not updated, as far as anybody knows: such a reading is none ("no_update"), and the next one covers its span
 * too, so that a counter which is updated more slowly than it is read gives no zeros and no spikes. From ENERGY_METER_STUCK_NS on it is "stuck" in a
 * package, which always draws power; memory, cores and graphics can rest, and psys may count whole joules: of them such a span is 0 J.
 * The first movement after a baseline may hold one update more than its span: nobody knows when the last one was. Where that would make a spike, in a span of some
 * milliseconds, it is the new baseline ("no_update"), taken right after an update. Later, energy that only the lateness of an update explains waits for
 * the next reading ("no_update"): no sample is above the bound. */
#pragma once

#include "common/host_record.h"
#include "common/report.h"

#define ENERGY_METER_STUCK_NS UINT64_C(200000000) /* three times the slowest update known, some 60 ms */

struct energy_meter {
    enum domain domain;
    int32_t package;   /* PACKAGE_NONE for psys */
    double bound_w;    /* more is not energy of this domain's */
    double unit_uj;    /* for the host record; NAN, VALUE_ABSENT: not known */
    int64_t range_uj;
    bool has_moved;    /* set at the start for all but psys */
    double carry_uj;   /* below one microjoule */
    uint64_t last_ns;  /* middle of the reading that the next span begins at */
    bool is_unaligned; /* it may lie anywhere between two updates */
    /* Of the reading under way: */
    uint64_t now_ns;
    double sum_uj;
    const char *reason; /* static; NULL: all is well */
    const char *note;   /* static; what to know of it if it is valid, or NULL */
    bool is_still;      /* a counter did not move that must have */
    bool is_held;       /* a counter could not be read: the next good reading covers this span too */
};

void energy_meter_init(struct energy_meter *meter, enum domain domain, int32_t package, double bound_w);

void energy_meter_begin(struct energy_meter *meter);
/* The most that one counter can have grown by since the last reading, at bound_w, in whole units (unit_uj, NAN: any) and with an update that came late. */
double energy_meter_most_uj(const struct energy_meter *meter, double bound_w, double unit_uj);
/* By how much one counter grew. 0 holds the meter where that cannot be (see above). */
void energy_meter_add(struct energy_meter *meter, double increase_uj);
/* The first reason holds; counters start from a new baseline. */
void energy_meter_fail(struct energy_meter *meter, const char *reason);
/* The same, but the counters keep their baseline. */
void energy_meter_hold(struct energy_meter *meter, const char *reason);

/* What to know of the sample if all is well: a counter "wrapped", which was corrected. */
void energy_meter_note(struct energy_meter *meter, const char *note);

enum { ENERGY_METER_TAKEN = 0, ENERGY_METER_MOVED = 1 };

/* Ends the reading, taken around now_ns: adds a sample (report may be NULL: this was the baseline), with now_ns in its skew_ns. Outcome ENERGY_METER_MOVED: a psys that
 * stood still until now will be in the reports from here on. -ENOMEM. */
int energy_meter_end(struct energy_meter *meter, const char *source, struct report *report);

/* Adds a row, but not for a psys that never moved. -ENOMEM. */
int energy_meter_describe(const struct energy_meter *meter, const char *source, struct host_record *host_record);
