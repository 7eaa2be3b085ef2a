/* SPDX-License-Identifier: BSD-3-Clause */
/* The bounding set can only be emptied by who holds CAP_SETPCAP; for everybody else no_new_privs
 * makes it meaningless. */
#include "courier/privileges.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <cap-ng.h>
#include <sys/prctl.h>

#include "common/error.h"

int privileges_drop(struct error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(err, -errno, "no_new_privs: %s", strerror(errno));
    if (capng_get_caps_process() != 0)
        return error_set(err, -EPERM, "own capabilities cannot be read");
    bool may_empty_bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_ALL);
    if (may_empty_bounds && capng_apply(CAPNG_SELECT_BOUNDS) != 0)
        return error_set(err, -EPERM, "the bounding set of capabilities cannot be emptied");
    if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) != 0)
        return error_set(err, -EPERM, "capabilities cannot be dropped");
    if (capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
        return error_set(err, -EPERM, "capabilities are still held after dropping them");
    return 0;
}
