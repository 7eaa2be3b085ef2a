/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters per cgroup and CPU take many descriptors; the usual soft limit of 1024 is for programs
 * that use select(2). */
#include "sensor/descriptor_limit.h"

#include <sys/resource.h>

size_t descriptor_limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit.rlim_cur = limit.rlim_max;
    return limit.rlim_cur;
}
