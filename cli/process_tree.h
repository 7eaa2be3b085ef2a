/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes and all that descend from them, as target records tell of births: also those whose parent has gone since. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/identity.h"

struct error;

struct process_key {
    int64_t pid, start_ticks; /* ticks after boot: a number is used again */
};

bool process_key_lives(const struct process_key *key);

struct process_root {
    struct process_key key;
    int64_t gone_ms; /* when a sweep first found it ended, VALUE_ABSENT: none has */
};

struct process_tree {
    struct process_root *roots;  /* [n_roots]; in the order of adding, after adopt and grow by pid and start */
    size_t n_roots, roots_capacity;
    struct process_key without;  /* it and its descendants are none of them; pid 0: nobody */
    struct process_key *members; /* [n_members], by pid and start */
    size_t n_members, members_capacity;
    struct process_key alive;    /* found by the last process_tree_lives */
};

void process_tree_deinit(struct process_tree *tree); /* zeroed is fine */

/* A process that lives now. -ESRCH: it does not; -EINVAL: a thread of another, or of the kernel, which nothing counts by itself. */
int process_tree_add_pid(struct process_tree *tree, pid_t pid, struct error *err);
/* All processes with this command (comm, at most 15 bytes of a name count, as in the kernel). -ESRCH: none has;
 * -EINVAL: only threads of the kernel have. */
int process_tree_add_name(struct process_tree *tree, const char *name, struct error *err);

/* Leaves a process and all that descend from it out, wherever it stands: who measures is not what is measured. -ESRCH. */
int process_tree_leave_out(struct process_tree *tree, pid_t pid, struct error *err);

/* Calls take for each root and all its descendants that live now; those born meanwhile are found as long as their parent lives. Ends with the first
 * negative return, which is forwarded; a process that has gone (-ESRCH) is none. */
int process_tree_each(const struct process_tree *tree, int (*take)(pid_t pid, void *context, struct error *err), void *context,
                      struct error *err);

/* Makes roots of all that process_tree_each finds: who descends from them is known then, whether records tell of those between or not (who does
 * nothing is in none). -ENOMEM. */
int process_tree_adopt(struct process_tree *tree, struct error *err);

/* Finds the members anew. Puts the roots in order. -ENOMEM. */
int process_tree_grow(struct process_tree *tree, const struct identities *identities);
bool process_tree_has(const struct process_tree *tree, const struct identity *identity);
/* Whether one of the roots or members lives. */
bool process_tree_lives(struct process_tree *tree);
/* Goes on after identities were dropped: those members that are left become roots, as who made them need not be known any more, and roots end that are
 * known to have ended at before_ms (real time; all that was born by then has been told of). Grows. -ENOMEM. */
int process_tree_sweep(struct process_tree *tree, const struct identities *identities, int64_t now_ms, int64_t before_ms);
