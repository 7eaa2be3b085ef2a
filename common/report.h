/* SPDX-License-Identifier: BSD-3-Clause */
/* A report (kind "raw"): what a sensor publishes for one tick. Energy and counts are increases within the tick, counts are raw
 * (only the formula scales them), and every energy carries the span it really covers. One report is filled again and again:
 * its arrays grow and stay, so that a tick allocates nothing once they are large enough. */
#pragma once

#include "common/record.h"

#define REPORT_EVENTS_MAX 256 /* more are refused */

struct energy_sample {
    enum domain domain;
    int32_t package;           /* PACKAGE_NONE: not per package (machine, wall) */
    char source[WORD_SIZE];    /* "powercap" */
    bool valid;
    char reason[WORD_SIZE];    /* why not valid, or what to know of a valid one ("unknown_cpu") */
    bool estimate;             /* not measured: bounds in low_uj, high_uj */
    int64_t dt_ns;             /* the span this energy covers, monotonic clock; VALUE_ABSENT when not valid */
    int64_t skew_ns;           /* by how much its end lies before the counters' reading */
    int64_t energy_uj;         /* VALUE_ABSENT when not valid */
    int64_t low_uj, high_uj;   /* estimates only */
};

/* Increases of one package's clock counters, summed over its CPUs. */
struct clock_sample {
    int32_t package;
    int64_t tsc, aperf, mperf; /* VALUE_ABSENT where the CPU has none */
};

/* Counts of one target (or of everything) in one package. Its counts are report->counts[first_count .. + n_events - 1], in the
 * order of report->events; VALUE_ABSENT: not counted. */
struct count_row {
    const char *target;     /* borrowed until the report is cleared; "" in totals */
    int32_t package;        /* PACKAGE_NONE: the engine cannot tell */
    bool has_counts;        /* false: they could not be read; reason says why */
    size_t first_count;
    int64_t enabled_ns;     /* VALUE_ABSENT: the engine does not multiplex */
    int64_t running_ns;
    char reason[WORD_SIZE];
};

struct report {
    struct record_key key;
    int64_t dt_ns;            /* measured between the ticks, monotonic clock */
    bool valid;               /* the tick as a whole */
    struct reasons reasons;
    int64_t missed;           /* timer periods merged into this tick */
    int32_t part, parts;      /* 1-based; parts is 0 when the record is whole */

    struct energy_sample *energy;
    size_t n_energy, energy_capacity;
    struct clock_sample *clock;
    size_t n_clock, clock_capacity;
    const char **events;      /* canonical names, borrowed */
    size_t n_events, events_capacity;
    struct count_row *total;  /* system-wide, without the idle task */
    size_t n_total, total_capacity;
    struct count_row *targets;
    size_t n_targets, targets_capacity;
    int64_t *counts;
    size_t n_counts, counts_capacity;
};

void report_init(struct report *report);   /* zeroes */
void report_deinit(struct report *report); /* twice is fine */
/* Empties it and keeps its memory; valid is true again, dt_ns absent. */
void report_clear(struct report *report);

/* Append one element; *ret points to it until the next addition, filled with absent values. -ENOMEM. */
int report_add_energy(struct report *report, struct energy_sample **ret_sample);
int report_add_clock(struct report *report, struct clock_sample **ret_sample);
/* Rows that are there already were not counted by it. */
int report_add_event(struct report *report, const char *name);
/* With room for n_events counts, all VALUE_ABSENT. */
int report_add_total(struct report *report, struct count_row **ret_row);
int report_add_target(struct report *report, struct count_row **ret_row);

static inline int64_t *report_counts(struct report *report, const struct count_row *row)
{
    return report->counts + row->first_count;
}

/* Encodes a whole report into one document, or into several of at most about 2 MB, split by target (energy, clock and totals stand
 * in part 1). emit is called once per document, its bytes borrowed for the call; a nonzero return ends the encoding and is
 * forwarded. scratch is reused between calls (bson_init it once). A report that is itself a part (parts > 0) stays that one part.
 * -EINVAL: something that decoding would refuse. */
int report_encode(const struct report *report, bson_t *scratch,
                  int (*emit)(const struct document *document, void *context), void *context, struct error *err);

/* Decodes one document (one part), as document_describe or a store gave it, into a cleared report; strings are borrowed from the
 * document's bytes. -EBADMSG with the field's name; counts that are negative or above 2^62 are refused this way too. */
int report_decode(const struct document *document, struct report *ret_report, struct error *err);
