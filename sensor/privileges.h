/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running sensor may do. */
#pragma once

#include <stdint.h>

struct error;

/* Gives up every capability but those a running sensor needs (privileges.c says which and what for) and those in also_kept (1 << CAP_...). To be
 * called once everything is open. Needs nothing itself; -EPERM if the kernel refuses. */
int privileges_drop(uint64_t also_kept, struct error *err);
