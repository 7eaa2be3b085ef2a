/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of who is charged. Cgroup targets are found by walking the tree of cgroups and keyed by inode, so that a restarted unit is a
 * new life of the same name; process targets are announced by engines that see processes, keyed by (pid, start). A target has a number
 * that engines may index by, and a target record to be written before its first use. Targets never overlap. */
#pragma once

#include "common/target_record.h"
#include "sensor/host.h"
#include "sensor/target_rules.h"
#include "sensor/virtual_machine.h"

enum granularity { GRANULARITY_PROCESS, GRANULARITY_CGROUP };

struct target {
    uint32_t number;       /* of this life; never reused within a run */
    uint32_t index;        /* of targets_at, until the next sweep */
    char *name;            /* as in reports: "/a/b", "/a/b:PID@START", "other"; escaped */
    char *cgroup;          /* path from the mount, raw bytes; NULL for other */
    uint64_t cgroup_inode; /* 0: unknown */
    pid_t pid;             /* 0: not a process */
    pid_t parent_pid;      /* of its birth, or of when it was first seen; 0: unknown */
    uint64_t start_ticks;
    bool is_command;       /* the short-lived processes of one command in one cgroup, "/a/b:COMM" */
    char comm[64];         /* raw bytes */
    uid_t uid;
    bool is_machine;       /* of libvirt, and asked for its name: in the looks numbered 1, 2, 4, 8, ... of those that met it */
    uint32_t n_looks;
    struct virtual_machine *machine; /* NULL: none, or not known yet */
    bool is_announced;     /* its target record was written; set by whoever wrote it */
    uint64_t last_seen;    /* generation in which it was last seen; older: it vanished */
    void *engine_data;     /* the engine's own, freed by the engine before the target goes */
};

/* A process as an engine sees it; comm and cgroup are raw bytes, borrowed for the call. */
struct seen_process {
    pid_t pid, parent_pid; /* parent_pid 0: unknown */
    uint64_t start_ticks;
    const char *comm, *cgroup;
    uid_t uid;
};

struct targets;

int targets_new(struct targets **ret_targets, const struct host *host, enum granularity granularity,
                const struct target_rules *rules /* borrowed */);
void targets_free(struct targets *targets);
enum granularity targets_granularity(const struct targets *targets);
/* Whose cgroups are targets: those of cgroup2 (and so at first), or of the tree that perf events count in (host_perf_tree). Another tree's targets
 * vanish with the next refresh, which has to walk. */
void targets_set_tree(struct targets *targets, bool is_perf_tree);
/* Whether that is a tree of cgroup v1. */
bool targets_are_v1(const struct targets *targets);

/* Which cgroups become targets: those that a rule includes; where no rule includes any, those that directly hold processes and are not
 * excluded (and stay so until they are removed: an emptied one costs nothing and has no row). The root is never one: it holds the
 * whole machine, so what lives in it directly shows as other. Number 0 is other itself; it never vanishes.
 * Begins a new look at the machine: generation + 1; with cgroup granularity walks the tree and adds or refreshes its cgroup targets.
 * A tree that cannot be walked is an error, and then no target counts as vanished; a directory that vanishes on the way is none.
 * What lies deeper than 64 levels is charged to the deepest target above it; by the bpf engine, which knows those cgroups only that were met, to other. */
int targets_refresh(struct targets *targets, struct error *err);
/* Other rules from the next refresh on, which has to walk the tree. A target that they do not select vanishes. */
void targets_set_rules(struct targets *targets, const struct target_rules *rules /* borrowed */);
/* Grows with each change of the rules: what an engine remembers of who is a target is void then. */
uint64_t targets_rules_version(const struct targets *targets);
/* The same when it is known that the tree has not changed since: every cgroup target that was there still is. Where there are no others and nothing has
 * vanished either, this and the sweep after it look at no target, and generation stays as it is. */
void targets_keep(struct targets *targets);
/* Whether the tree may have changed since the previous call, by events of the kernel (cgroup_watch.h), which begin with the first call. To be asked before
 * a refresh, so that what happens during it shows in the next answer. True with process granularity. */
bool targets_tree_has_changed(struct targets *targets);
uint64_t targets_generation(const struct targets *targets);

/* A process was seen. Gives its target, added if new: the process itself with process granularity, the deepest selected cgroup on its path with
 * cgroup granularity, NULL if no rule selects it (charge "other"). A process that changed its cgroup is a new target, one that changed its command (exec) the same,
 * to be announced anew. -ENOMEM. */
int targets_find_process(struct targets *targets, const struct seen_process *process, struct target **ret_target);

/* The target of a process that was announced since the last refresh, for those who know of it by another way: paths that two of them see may differ (cgroup name
 * spaces). NULL: none, or cgroup granularity. */
struct target *targets_find_announced(const struct targets *targets, pid_t pid, uint64_t start_ticks);

/* A process that was born and ended between two looks was seen: identities stay bounded because all of one command in one cgroup are one
 * target, "PATH:COMM". NULL if no rule selects it. -ENOMEM. */
int targets_find_command(struct targets *targets, const struct seen_process *process, struct target **ret_target);

/* Cgroup granularity: who is charged for what happens in that very cgroup, be it a target or not: itself or the nearest target above, NULL
 * for "other". False if it is not in the tree; one that vanished since the last refresh still is. */
bool targets_find_cgroup(const struct targets *targets, uint64_t inode, struct target **ret_target);
/* Calls take for every cgroup of the tree that was not taken before, the root left out; take returns whether it took it. */
void targets_each_new_cgroup(struct targets *targets, bool (*take)(uint64_t inode, void *context), void *context);

/* All targets, vanished ones of this generation included, in order of number. */
size_t targets_count(const struct targets *targets);
struct target *targets_at(struct targets *targets, size_t index);
bool target_has_vanished(const struct targets *targets, const struct target *target);

/* Opens the cgroup's directory below the root of its tree: a descriptor, -ESTALE if that path is another life by now, or the errno of open. */
int target_open_cgroup(const struct target *target, const char *root);

/* Whether some target may not be announced; who has announced them all says so. */
bool targets_have_unannounced(const struct targets *targets);
void targets_all_announced(struct targets *targets);
/* From here on no target is announced. */
void targets_announce_anew(struct targets *targets);

/* Drops targets that vanished, after their last sample was taken. released is called for each first (may be NULL). */
void targets_sweep(struct targets *targets, void (*released)(struct target *target, void *context), void *context);

/* The record that says who this is; strings live in scratch and the target. name, kind, unit, container and pod come from target_name.h. */
struct target_names;
void target_describe(const struct target *target, struct target_record *ret_record, struct target_names *scratch);
