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
    FILE *stream; /* of --output, from measurement_open_output until measurement_report */
};

/* The group for arguments_parse_operands. */
struct option_group measurement_options(struct measurement_values *values);

/* Before anything is measured: a file that cannot be written is better known now than after hours. */
int measurement_open_output(struct measurement_values *values, struct error *err);

/* Writes the report where the options say. words: what was measured. */
int measurement_report(const struct measurement *measurement, struct measurement_values *values, char *const *words, size_t n_words,
                       const struct run_result *results, size_t n_results, struct error *err);

#define COMMAND_TEXT_SIZE 200
/* The words of a command for people and terminals: escaped as names are (common/name_escape.h), "..." at the end where there is more. */
void command_text(char *const *words, size_t n_words, char text[static COMMAND_TEXT_SIZE]);
