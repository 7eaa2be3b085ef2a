/* SPDX-License-Identifier: BSD-3-Clause */
/* After opening, a sensor still has to
 *   open counters for new targets and CPUs                      CAP_PERFMON
 *   open zones and cgroups again, whoever owns them              CAP_DAC_READ_SEARCH
 *   see the processes of others where /proc hides them           CAP_SYS_PTRACE
 * and nothing else: files are written as the user it runs as. */
#include "sensor/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/scope.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif

static const unsigned kept[] = {CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE};

int privileges_drop(struct error *err)
{
    bool had[ARRAY_SIZE(kept)];
    if (capng_get_caps_process() != 0)
        return error_set(err, -EPERM, "own capabilities cannot be read");
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
    capng_clear(CAPNG_SELECT_CAPS);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (had[i])
            (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
    }
    if (capng_apply(CAPNG_SELECT_CAPS) < 0)
        return error_set(err, -EPERM, "capabilities cannot be dropped");
    return 0;
}
