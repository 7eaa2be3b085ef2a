/* SPDX-License-Identifier: BSD-3-Clause */
/* The options that every verb with a private measurement of its own has, and the report that they shape. */
#pragma once

#include "cli/measurement.h"
#include "cli/run_report.h"
#include "common/options.h"

struct measurement_values {
    char *energy, *store, *output;
    uint64_t interval_ns;
    bool csv, json;
};

/* The group for arguments_parse_operands. */
struct option_group measurement_options(struct measurement_values *values);
/* What no single option can tell: -EINVAL. */
int measurement_values_check(const struct measurement_values *values, struct error *err);

/* Writes the report where the options say. */
int measurement_report(const struct measurement *measurement, const struct measurement_values *values, const char *command,
                       const struct run_result *results, size_t n_results, struct error *err);
