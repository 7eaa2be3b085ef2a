/* SPDX-License-Identifier: BSD-3-Clause */
/* Forgets processes that have ended, so that what is kept grows with how many live and not with how many have lived. Who lives is looked up in /proc: a
 * machine elsewhere has none that live here, and its processes are kept for as long as ticks name them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/live.h"

#define SWEEP_MIN 4096 /* new identities that are worth a look at all */

struct sweep {
    int64_t keep_ms;      /* so long behind the last tick that named it a process is kept, ended or not */
    size_t n_kept_lines;  /* of live->targets those with most joules stay */
    size_t n_next;        /* identities at which the next sweep is due; 0: SWEEP_MIN */
};

/* Where as many identities are new as the last sweep found alive, at least SWEEP_MIN: drops processes that an earlier one found
 * ended, when all ticks up to that moment, and two that do not name them, have come. Their lines are handed to fold (NULL: to nobody). now_ms: real time. Whether one was due. */
bool sweep_processes(struct sweep *sweep, struct live *live, int64_t now_ms,
                     void (*fold)(const struct energy_entry *entry, void *context), void *context);
