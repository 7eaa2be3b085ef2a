/* SPDX-License-Identifier: BSD-3-Clause */
/* Being woken in time on a busy machine. */
#pragma once

struct log;

/* Asks the kernel to run this thread before all ordinary ones as soon as its timer is due (SCHED_FIFO at the lowest priority), but no thread or
 * process that it starts. Needs CAP_SYS_NICE or RLIMIT_RTPRIO; without them nothing changes, which is logged at debug level.
 * Only for work that is short and bounded. */
void real_time_ask(const struct log *log);
