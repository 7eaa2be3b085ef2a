/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/reload.h"

#include "common/error.h"
#include "sensor/arguments.h"

int rules_reload(struct target_rules **ret_rules, int argc, char **argv,
                 enum granularity granularity, struct log *log, struct error *err)
{
    struct arguments arguments = {0};
    struct target_rules *rules = NULL;
    int r = arguments_parse(&arguments, argc, argv, log, err);
    if (r >= 0)
        r = target_rules_parse(&rules, (const char *const *)arguments.targets.values,
                               arguments.targets.n_values, err);
    if (r >= 0 && granularity == GRANULARITY_CGROUP)
        r = target_rules_fit_cgroups(rules, err);
    arguments_deinit(&arguments);
    if (r < 0) {
        target_rules_free(rules);
        return r;
    }
    *ret_rules = rules;
    return 0;
}
