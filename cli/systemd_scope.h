/* SPDX-License-Identifier: BSD-3-Clause */
/* A transient scope: the cgroup that systemd makes for processes it did not start.
 * Source: org.freedesktop.systemd1(5), StartTransientUnit and JobRemoved. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* Whether systemd is the machine's init and so the only one who may write to the tree (sd_booted(3)). */
bool systemd_rules(void);

/* Starts the scope NAME.scope with two processes in it and waits until it is there: root asks the system's manager, others ask their own
 * session's. The scope ends with its last process. -ECANCELED when systemd refused, with its words. */
int systemd_scope_start(const char *name, const pid_t pids[static 2], struct error *err);
