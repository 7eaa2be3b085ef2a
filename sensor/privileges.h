/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running sensor may do. */
#pragma once

struct error;

/* Raises the limit of open files to the hard limit: counters need many. Failing is no error. */
void privileges_raise_files(void);

/* Gives up every capability but those a running sensor needs (privileges.c says which and what for). To be
 * called once everything is open. Needs nothing itself; -EPERM if the kernel refuses. */
int privileges_drop(struct error *err);
