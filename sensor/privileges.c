/* SPDX-License-Identifier: BSD-3-Clause */
/* Who runs without rights has none to drop. */
#include "sensor/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

#define CAPABILITIES 64 /* as many as the mask has bits */

static void append_name(unsigned capability, char *names)
{
    const char *name = capng_capability_to_name(capability);
    size_t length = strlen(names);
    (void)snprintf(names + length, PRIVILEGES_NAMES_SIZE - length, "%scap_%s", length ? " " : "",
                   name ? name : "?");
}

int privileges_drop(uint64_t needed, char ret_names[static PRIVILEGES_NAMES_SIZE],
                    struct error *err)
{
    bool had[CAPABILITIES] = {false};
    if (capng_get_caps_process() != 0)
        return error_set(err, -EPERM, "own capabilities cannot be read");
    for (unsigned i = 0; i < CAPABILITIES; i++)
        had[i] = (needed >> i & 1) && capng_have_capability(CAPNG_PERMITTED, i);
    ret_names[0] = '\0';
    capng_clear(CAPNG_SELECT_CAPS);
    for (unsigned i = 0; i < CAPABILITIES; i++) {
        if (!had[i])
            continue;
        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i);
        append_name(i, ret_names);
    }
    if (capng_apply(CAPNG_SELECT_CAPS) < 0)
        return error_set(err, -EPERM, "capabilities cannot be dropped");
    return 0;
}
