/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals as something to poll for: blocked for the whole process, read one by one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

/* A non-blocking signalfd(2) for these signals, but for a SIGHUP that nohup(1) told us to ignore. A SIGINT that a shell ignores for what it starts in
 * the background is taken: scripts end us by it. */
int signals_open(const int *wanted, size_t n_wanted, struct error *err);
/* The next signal, 0 when none waits. *ret_is_group (may be NULL): the terminal sent it to all of its foreground (^C), not somebody to us. */
int signals_next(int signals, bool *ret_is_group);
