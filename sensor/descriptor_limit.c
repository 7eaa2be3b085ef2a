/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters per cgroup and CPU take many descriptors; the usual soft limit of 1024 is for programs
 * that use select(2). */
#include "sensor/descriptor_limit.h"

#include <sys/resource.h>

#define RESERVE 256 /* of a small limit a quarter */

size_t descriptor_limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        limit = (struct rlimit){1024, 1024};
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit.rlim_cur = limit.rlim_max;
    return limit.rlim_cur - (limit.rlim_cur / 4 < RESERVE ? limit.rlim_cur / 4 : RESERVE);
}
