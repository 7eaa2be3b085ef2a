/* SPDX-License-Identifier: BSD-3-Clause */
/* What really happened, as one JSON document: joules per counter and per user up to now, and every read with the joules that were true
 * at the update it showed. Fields: clock_ns; counters [domain, package, part (die, or core), unit_nj, zone_unit_nj, energy_j, idle_j, n_reads, reads [at_ns,
 * as_of_ns, error, counts, raw, idle_j, users_j]]; users [name, cpu_s, energy_j by domain]; faults [n_hits]. */
#pragma once

#include <stdio.h>

struct energy;

/* 0 or -EIO. */
int truth_write(struct energy *energy, FILE *file);
