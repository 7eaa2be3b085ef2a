/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of a verb: one group of options, no operands, no file under /etc. */
#pragma once

#include "common/options.h"

/* program: "watt show", for --help. Returns 0 or OPTIONS_EXIT with *ret_options to be freed by the caller, or what options_parse returned. */
int arguments_parse(struct options **ret_options, const char *program, const char *about, const struct option_group *group,
                    int argc, char **argv, struct log *log, struct error *err);

/* The same for a verb that takes operands, named so in --help; *ret_operands is the index of the first in argv, argc if there is none. */
int arguments_parse_operands(struct options **ret_options, const char *program, const char *about, const char *operands,
                             const struct option_group *groups, size_t n_groups, int argc, char **argv, int *ret_operands,
                             struct log *log, struct error *err);
