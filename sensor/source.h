/* SPDX-License-Identifier: BSD-3-Clause */
/* Where an energy figure comes from. A source is one file ending in one `const struct source_ops`, one row in sensor/sources.c, one line in
 * sensor/CMakeLists.txt. Which sources are opened is the ladder's choice (sensor/ladder.h). After open a source degrades sample by sample, it never stops the sensor. */
#pragma once

#include "common/host_record.h"
#include "common/options.h"
#include "common/report.h"
#include "sensor/host.h"
#include "sensor/topology.h"

enum source_availability {
    SOURCE_USABLE = 0,
    SOURCE_ABSENT,     /* this machine has nothing of the kind */
    SOURCE_UNREADABLE, /* it is there, but we may not read it: advice says what to type */
    SOURCE_MISCONFIGURED, /* its settings are wrong: reason says where; choosing fails with it */
};

#define DOMAIN_BIT(domain) (1u << (domain))

struct source_probe {
    enum source_availability availability;
    unsigned domains;        /* DOMAIN_BITs of what it would give, also when unreadable */
    bool is_energy_counter;  /* it counts energy of the machine (not an estimate): if one is UNREADABLE, the curve stays away */
    char reason[160];        /* one sentence for doctor; also when usable: which domains */
    char advice[256];        /* a command or two that would change it; "" if nothing would */
};

struct recorded_reading; /* recorded_reading.h */
struct source_ops;
struct targets;

/* Readings that the kernel takes by itself. */
struct recording_plan {
    uint64_t first_ns;    /* when the first one is due, monotonic clock; what is past by the time that the kernel is ready is left out */
    uint64_t interval_ns;
    bool is_aligned;      /* they follow the counter's updates */
};

struct source {
    const struct source_ops *ops; /* embedded first in each source's own struct */
    bool has_changed;             /* set by read when describe has something new to say; the sensor clears it */
    uint64_t due_ns;              /* a read before this moment of the monotonic clock adds nothing; 0: any may (what is_slow only) */
};

struct source_ops {
    const char *name;    /* "powercap": --energy NAME, section [powercap], "source" in records */
    const char *about;
    bool is_estimate;    /* of last resort: used only where no energy counter exists, or when asked for by name */
    bool is_slow;        /* reading takes milliseconds at times, or may block: it is read before the others, so that these stay close to the counts, and
                            by a thread of its own (slow_source.h): read, describe and count are never called at the same time */
    const struct option_spec *options;
    size_t n_options;
    size_t settings_size;
    uint64_t capabilities; /* needed again while it runs, after everything is open: 1 << CAP_... */

    /* Looks without changing anything. settings as in open. */
    void (*probe)(const struct host *host, const struct topology *topology, const void *settings,
                  struct source_probe *ret_probe);
    /* Opens what it can and takes the baseline reading. settings: parsed options, kept by the caller. Fails only when no domain can be
     * read at all. */
    int (*open)(struct source **ret_source, const struct host *host, const struct topology *topology, const void *settings,
                struct error *err);
    /* Adds one host_source per domain and package it gives. */
    int (*describe)(const struct source *source, struct host_record *host_record);
    /* Adds one sample per domain and package for the span since the previous read (since open for the first): valid with its energy and true
     * span, or invalid with a reason ("read_error", "counter_reset", "vanished", ...). energy_uj is rounded so that sums stay exact (carry the
     * rest). skew_ns may hold the moment of the reading, monotonic clock; left absent, it is the middle of this call.
     * Sources that cannot be read at every tick without making it wait (a battery's controller takes milliseconds) have a rate of their own: in the
     * ticks between they add no sample at all, which is neither a failure nor a zero; each sample covers its whole span (dt_ns, many ticks).
     * Returns 0 or -ENOMEM; nothing else: failures are samples. Topology may have changed since open. */
    int (*read)(struct source *source, const struct topology *topology, struct report *report);
    /* May be NULL. Called after the engine's read of the same tick by a source that knows who used its device: adds an event, a row per target that did and a
     * total row for each device of which it is known, their package the device's (a GPU's number, gpu_number.h). What it counts covers the span of the
     * device's sample in the report; no sample, no rows. 0 or -ENOMEM. */
    int (*count)(struct source *source, struct targets *targets, struct report *report); /* never waits: what blocks belongs into read */
    /* May be NULL. Lets the kernel take the readings from now on, as planned; read then gives the one of the moment at which host->clock stands, and opens nothing. plan
     * NULL: read reads again. 0, or why it does not record and read reads: -EAGAIN: it cannot at present; others: it never will. Not while it records already. */
    int (*record)(struct source *source, const struct recording_plan *plan);
    /* Not NULL where record is not. Fetches the next recorded reading of the first package that is not later than until_ns; valid until the next call. NULL: there is none. */
    const struct recorded_reading *(*next)(struct source *source, uint64_t until_ns);
    uint64_t recording_capabilities; /* what record needs: 1 << CAP_... */
    void (*close)(struct source *source);
};

extern const struct source_ops *const source_table[]; /* in the ladder's order, NULL-terminated */
