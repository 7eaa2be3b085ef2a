/* SPDX-License-Identifier: BSD-3-Clause */
/* One tick of a live store as a page of text: the machine's balance, then containers and units, then processes. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "cli/live.h"

struct top_view {
    enum energy_order order;
    size_t max_units, max_processes; /* lines of the two tables */
    const char *advice;              /* shown while there are no watts: what unlocks them; NULL: nothing known */
};

/* "watts", "joules", "cpu", "name". -EINVAL. */
int top_view_order(const char *name, enum energy_order *ret_order);

int top_view_print(const struct top_view *view, const struct live *live, FILE *stream, struct error *err);

/* The whole run in a line or two, for the end. */
void top_view_summary(const struct live *live, FILE *stream);
