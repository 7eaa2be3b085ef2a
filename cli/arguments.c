/* SPDX-License-Identifier: BSD-3-Clause */
/* What every verb does first. */
#include "cli/arguments.h"

int arguments_parse_operands(struct options **ret_options, const char *program, const char *about,
                             const char *operands, const struct option_group *groups,
                             size_t n_groups, int argc, char **argv, int *ret_operands,
                             struct log *log, struct error *err)
{
    struct options *options = NULL;
    int r = options_new(&options, program, about, operands);
    for (size_t i = 0; i < n_groups && r >= 0; i++)
        r = options_add(options, &groups[i]);
    if (r >= 0)
        r = options_parse(options, argc, argv, NULL, log, ret_operands, err);
    if (r < 0) {
        options_free(options);
        return r;
    }
    *ret_options = options;
    return r;
}

int arguments_parse(struct options **ret_options, const char *program, const char *about,
                    const struct option_group *group, int argc, char **argv, struct log *log,
                    struct error *err)
{
    int operand;
    return arguments_parse_operands(ret_options, program, about, NULL, group, 1, argc, argv,
                                    &operand, log, err);
}
