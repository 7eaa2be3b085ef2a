/* SPDX-License-Identifier: BSD-3-Clause */
/* What every verb does first. */
#include "cli/arguments.h"

int arguments_parse(struct options **ret_options, const char *program, const char *about,
                    const struct option_group *group, int argc, char **argv, struct log *log,
                    struct error *err)
{
    struct options *options = NULL;
    int operand = 0;
    int r = options_new(&options, program, about, NULL);
    if (r >= 0)
        r = options_add(options, group);
    if (r >= 0)
        r = options_parse(options, argc, argv, NULL, log, &operand, err);
    if (r < 0) {
        options_free(options);
        return r;
    }
    *ret_options = options;
    return r;
}
