/* SPDX-License-Identifier: BSD-3-Clause */
/* Neither timer slack nor locked memory would change anything: a timerfd has no slack, and pages
 * that are used a thousand times a second are never those that the kernel takes away. */
#include "sensor/real_time.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "common/log.h"

void real_time_ask(const struct log *log)
{
    struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) < 0)
        log_debug(log, "no real-time priority (%s): on a busy machine ticks may come late",
                  strerror(errno));
}
