/* SPDX-License-Identifier: BSD-3-Clause */
/* Who the targets in the watts are, from target records; where a store holds none (PowerAPI's, a store of watts only), as much as the
 * target's own name says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target_record;

struct identity {
    char *sensor, *target;
    char *name;      /* for people; never NULL */
    char *cgroup;    /* path from the mount; NULL: unknown ("other", "all") */
    char *command;   /* NULL: not a process */
    char *unit, *container, *pod; /* NULL: none */
    int64_t pid;     /* VALUE_ABSENT: not a process */
    int64_t parent_pid, start_ticks; /* of a process, VALUE_ABSENT: unknown */
    bool is_derived; /* from the target's name alone */
    int64_t named_ms; /* end of the last tick that was added up and named it, VALUE_ABSENT: none has */
    int64_t gone_ms;  /* when a sweep (sweep.h) first found the process ended, VALUE_ABSENT: none has */
    bool is_dropped;  /* by the sweep in hand */
};

struct identities;

int identities_new(struct identities **ret_identities);
void identities_free(struct identities *identities);

/* Remembers what the record says; a later record of the same sensor and target replaces it. -ENOMEM. */
int identities_add(struct identities *identities, const struct target_record *record);
/* Never fails for want of a record. The identity lives until it is dropped; its texts until the next add of the same target. -ENOMEM. */
int identities_find(struct identities *identities, const char *sensor, const char *target, struct identity **ret_identity);

/* All that are known, in no order; they hold until the next add or drop. */
struct identity *const *identities_all(const struct identities *identities, size_t *ret_n_identities);

/* Frees those with is_dropped, to which nothing may point any more (energy_sum_drop). The number of those that stay. */
size_t identities_drop(struct identities *identities);

/* Whether it lives in this cgroup or below it. */
bool identity_is_inside(const struct identity *identity, const char *cgroup);

/* What the target is part of, for people: its container (long hex ids cut to 12 digits), else its unit, else the last part of its cgroup's path, else its
 * name. Returns text. */
const char *identity_group(const struct identity *identity, char text[static 200]);
