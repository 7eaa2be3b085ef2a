/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that does nothing as long as we live, and tidies up after us when we were killed. It is no part of our process group, holds none of our
 * open files, and no signal but SIGKILL ends it. */
#pragma once

#include <sys/types.h>

struct error;

/* tidy_up runs in the other process once we are gone, on our memory as it is now, but for what is shared. Not where there are threads.
 * Returns when it has come to rest: from then on it uses no CPU time. */
int keeper_start(pid_t *ret_pid, void (*tidy_up)(void *context), void *context, struct error *err);
/* Ends it without tidying up; *pid is 0 afterwards, and may be before. */
void keeper_end(pid_t *pid);
