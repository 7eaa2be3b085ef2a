/* SPDX-License-Identifier: BSD-3-Clause */
/* How counts are made. An engine is one file ending in one `const struct engine_ops`, one row in sensor/engines.c, one line in
 * sensor/CMakeLists.txt. It adds a row per target and package to each report, and the system-wide totals beside them. */
#pragma once

#include "common/host_record.h"
#include "common/options.h"
#include "common/report.h"
#include "sensor/host.h"
#include "sensor/targets.h"
#include "sensor/topology.h"

struct engine_probe {
    bool is_usable;
    char reason[160]; /* one sentence for doctor */
    char advice[256]; /* a command that would change it; "" if nothing would */
};

struct engine_ops;

enum { ENGINE_HAS_CHANGED = 1 };

struct engine {
    const struct engine_ops *ops; /* embedded first in each engine's own struct */
};

struct engine_ops {
    const char *name; /* "perf" */
    const char *about;
    bool does_process, does_cgroup; /* granularities */
    bool is_in_perf_tree;           /* its cgroups are those of host_perf_tree; else of cgroup2 */
    uint64_t capabilities;          /* 1 << CAP_..., needed also after opening */
    bool does_events;               /* counts more than CPU time: the set of this CPU */
    bool opens_events;              /* perf events, all the time: perf_wants_admin */
    const struct option_spec *options;
    size_t n_options;
    size_t settings_size;

    void (*probe)(const struct host *host, const struct topology *topology, enum granularity granularity,
                  struct engine_probe *ret_probe);
    /* events: what --event asked for ("instructions", "skl::INST_RETIRED:ANY_P", "name=pfm string"), n 0: the machine's default set. An event that
     * this machine cannot count is left out with a warning, unless it was asked for by name: then open fails and says so. */
    int (*open)(struct engine **ret_engine, const struct host *host, const struct topology *topology,
                enum granularity granularity, const char *const *events, size_t n_events, const void *settings,
                struct error *err);
    /* Adds one host_event per event, in the order of its counts. */
    int (*describe)(const struct engine *engine, struct host_record *host_record);
    /* NULL: the engine does not know, and targets_tree_has_changed tells. False: since the last call no cgroup was made or removed, no task moved and none
     * was born in another cgroup than its parent's, so that walking the tree of cgroups would find nothing new. */
    bool (*tree_has_changed)(struct engine *engine);
    /* Targets have come or gone (targets.h). Opens and closes what it needs; a target that cannot be opened keeps a row without counts and with
     * a reason. Called after every targets_refresh, before read. A
     * negative return but -ENOMEM: this engine cannot count any more, err says why; the sensor goes on with the next of the table. Returns 0, or
     * ENGINE_HAS_CHANGED: what describe says holds no more from this tick on. */
    int (*set_targets)(struct engine *engine, struct targets *targets, const struct topology *topology, struct error *err);
    /* Adds events, totals, clock samples and a row per target that did something since the previous read (the first gives a baseline and nothing
     * else). The target of that much activity that no target has is "other": the engine adds it, never below 0; if targets exceed the total by
     * read skew it is 0 and the tick's reasons say "skew". An engine that finds processes adds them to targets here: announce targets after it.
     * Returns 0 or -ENOMEM; failures are rows with reasons. */
    int (*read)(struct engine *engine, struct targets *targets, const struct topology *topology, struct report *report);
    /* A target is about to be dropped (targets_sweep), or the sensor is about to close: every target is released before close. */
    void (*release_target)(struct engine *engine, struct target *target);
    void (*close)(struct engine *engine);
};

extern const struct engine_ops *const engine_table[]; /* in order of preference, NULL-terminated */
