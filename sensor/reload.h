/* SPDX-License-Identifier: BSD-3-Clause */
/* What SIGHUP changes in a running sensor: the rules for targets. All else needs a restart, for it would void what was measured. */
#pragma once

#include "sensor/target_rules.h"
#include "sensor/targets.h"

struct error;
struct log;

/* Reads files, environment and argv again. granularity: that of the running sensor. *ret_rules is the caller's; any failure (a file that is broken
 * now) leaves it alone and says why. */
int rules_reload(struct target_rules **ret_rules, int argc, char **argv, enum granularity granularity, struct log *log,
                 struct error *err);
