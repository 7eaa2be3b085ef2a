/* SPDX-License-Identifier: BSD-3-Clause */
/* After opening, a sensor still has to
 *   open counters for new targets and CPUs                      CAP_PERFMON
 *   open zones and cgroups again, whoever owns them, cgroups by
 *   their id too (open_by_handle_at)                             CAP_DAC_READ_SEARCH
 *   see the processes of others where /proc hides them           CAP_SYS_PTRACE
 * and what an open source or engine asks for (its capabilities in source.h, engine.h), such as
 *   open registers of another CPU                                CAP_SYS_RAWIO
 *   ask programs and maps in kernels before 5.19                 CAP_BPF
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

#define CAPABILITIES 64 /* as many as the mask has bits */

static const unsigned kept[] = {CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE};

int privileges_drop(uint64_t also_kept, struct error *err)
{
    bool had[CAPABILITIES] = {false};
    if (capng_get_caps_process() != 0)
        return error_set(err, -EPERM, "own capabilities cannot be read");
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        also_kept |= UINT64_C(1) << kept[i];
    for (unsigned i = 0; i < CAPABILITIES; i++)
        had[i] = (also_kept >> i & 1) && capng_have_capability(CAPNG_PERMITTED, i);
    capng_clear(CAPNG_SELECT_CAPS);
    for (unsigned i = 0; i < CAPABILITIES; i++) {
        if (had[i])
            (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i);
    }
    if (capng_apply(CAPNG_SELECT_CAPS) < 0)
        return error_set(err, -EPERM, "capabilities cannot be dropped");
    return 0;
}
