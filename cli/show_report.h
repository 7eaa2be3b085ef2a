/* SPDX-License-Identifier: BSD-3-Clause */
/* What `watt show` prints of a sum: a line per target, cgroup or command, then the balance of each domain. CSV and JSON have both in one list, told apart by
 * "row"; tables for eyes are two. */
#pragma once

#include <stdio.h>

#include "cli/energy_sum.h"

struct show_report {
    enum energy_by by; /* what the sum has lines of */
    const char *format;        /* "table", "csv", "json" */
    uint64_t max_lines;        /* per sum, 0: all */
    const char *label;         /* whose watts these are; "" unknown */
    uint64_t n_other_labels;   /* records left out because they have another label */
    uint64_t n_damaged;
};

int show_report_write(const struct show_report *report, struct energy_sum *sum, FILE *stream, struct error *err);
