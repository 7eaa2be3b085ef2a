/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running sensor may do. */
#pragma once

struct error;

/* Gives up every capability but those a running sensor needs (privileges.c says which and what for). To be
 * called once everything is open. Needs nothing itself; -EPERM if the kernel refuses. */
int privileges_drop(struct error *err);
