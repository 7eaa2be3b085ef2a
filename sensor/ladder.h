/* SPDX-License-Identifier: BSD-3-Clause */
/* The energy ladder: which sources are in use, and whose sample of a domain and package is published. Measured goes before estimated, and
 * within the measured the order of source_table holds, domain by domain and package by package:
 *   - a source of attributed domains (package, dram, gpu, machine) is opened if it may give one that no source before it gives; GPUs of several
 *     vendors stand side by side;
 *   - a source of measurements only (core, uncore, psys, wall) is opened if it adds one;
 *   - one that does not open leaves its domains to those after it;
 *   - one that gives nothing but failures for LADDER_SLOT_PATIENCE_NS while it runs (it stays open, and may come back) makes the ladder open another that can
 *     give the domain and does not block; the host record names it once it has been used for as long;
 *   - an estimate is used only where there is no energy counter of the CPUs (package, dram, machine), not even a locked one; a GPU's stands beside it. */
#pragma once

#include "sensor/cross_check.h"
#include "sensor/source.h"

#define LADDER_SOURCES_MAX 16

struct ladder_slot;

/* What probes said, by row of source_table; zeroed: nothing yet. */
struct ladder_probes {
    struct source_probe rows[LADDER_SOURCES_MAX];
    bool is_probed[LADDER_SOURCES_MAX];
    bool is_silent[LADDER_SOURCES_MAX]; /* its driver did not answer: it must not be opened */
};

struct ladder_settings {
    const char *energy;                 /* "auto" or a source's name: that one alone, which must open */
    const void *const *source_settings; /* [row of source_table], or NULL */
    struct ladder_probes *probes;       /* or NULL; for opening only, which takes and leaves there what is known */
};

struct ladder {
    const struct host *host;
    struct ladder_settings settings;
    struct source *sources[LADDER_SOURCES_MAX]; /* in the ladder's order */
    unsigned domains[LADDER_SOURCES_MAX];       /* DOMAIN_BITs of each */
    size_t n_sources;    /* 0: no energy, why says so */
    char why[448];       /* why there is an estimate, or no energy of the CPUs; "" otherwise */
    bool has_changed;    /* ladder_describe has something new to say; the caller clears it */
    bool is_recorded;    /* set by the caller: its clock stands at a moment that is past, and no source is opened */
    bool wants_another;  /* one would have been, but for that; the caller clears it */
    struct cross_check check; /* of --energy auto */
    struct ladder_slot *slots;
    size_t n_slots, slots_capacity;
};

/* Whether the name may stand in ladder_settings: 0, or -EINVAL, err names those that may. */
int ladder_check_name(const char *name, struct error *err);

/* Probes a source, unless that was done before: some take seconds, and one that hangs PROBE_APART_LIMIT_NS. Borrowed from *probes. */
const struct source_probe *ladder_probe(struct ladder_probes *probes, const struct ladder_settings *settings, const struct host *host,
                                        const struct topology *topology, int row);

/* Opens what is to be used; what the settings point to is kept. No usable source is not a failure. Errors: -EINVAL for a name that is not in the
 * table, -EDOM for wrong settings of a source, -ENOMEM, and what opening says where one source was asked for. The ladder is then closed. */
int ladder_open(struct ladder *ret_ladder, const struct ladder_settings *settings, const struct host *host,
                const struct topology *topology, struct error *err);

/* Reads all sources, slow ones first (and opens another, where one fails for good), and adds one sample per domain and package: that of the first
 * source in order whose sample is valid, and where none is, of the first. After a source has stood in for another, the first one is back as soon as
 * its span no longer covers what was published meanwhile. skew_ns of the samples is the moment of the reading on the monotonic clock. 0 or -ENOMEM. */
int ladder_read(struct ladder *ladder, const struct topology *topology, struct report *report);

/* From now on what may block is read by threads, which have the capabilities of the caller. 0 or negative errno. */
int ladder_start_threads(struct ladder *ladder, uint64_t interval_ns);

/* Reads one source, and says of every sample when: skew_ns as above. 0 or -ENOMEM. */
int ladder_read_source(struct source *source, const struct host *host, const struct topology *topology, struct report *report);

/* Lets the sources that know who used their devices add rows, after the engine has added its own. 0 or -ENOMEM. */
int ladder_count(struct ladder *ladder, struct targets *targets, struct report *report);

/* One row per domain and package, as the source that has long been used for it describes it, at first the first in order. 0 or -ENOMEM. */
int ladder_describe(const struct ladder *ladder, struct host_record *host_record);

/* -EDOM if the interval is so long that a counter may wrap more than once in it (host_source: range_uj at peak_w); err names the counter and the longest
 * interval. A range that no interval would be short enough for is none. */
int ladder_check_interval(const struct ladder *ladder, uint64_t interval_ns, struct error *err);
/* The longest safe interval of one counter; UINT64_MAX: any. */
uint64_t ladder_longest_ns(const struct host_source *row);

/* The source, if there is one only, and no other is compared with it; else NULL. */
struct source *ladder_sole_source(const struct ladder *ladder);

/* What the sources need while they run, and to let the kernel take their readings: 1 << CAP_... */
uint64_t ladder_capabilities(const struct ladder *ladder, bool may_record);
/* Whether ladder_count() may add anything. */
bool ladder_counts_users(const struct ladder *ladder);
/* Whether row of source_table is in use. */
bool ladder_uses(const struct ladder *ladder, int row);
void ladder_close(struct ladder *ladder);
