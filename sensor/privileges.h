/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running sensor may do. */
#pragma once

#include <stdint.h>

struct error;

#define PRIVILEGES_NAMES_SIZE 512

/* Gives up every capability but the needed ones (1 << CAP_...), as far as they are held; ret_names says which those are, with spaces between. To be called
 * once everything is open: from then on files are written as the user that it runs as. Needs nothing itself; -EPERM if the kernel refuses. */
int privileges_drop(uint64_t needed, char ret_names[static PRIVILEGES_NAMES_SIZE], struct error *err);
