/* SPDX-License-Identifier: BSD-3-Clause */
/* How many files we may open. */
#pragma once

#include <stddef.h>

/* Raises the soft limit to the hard one, which needs no right, and returns how many counters may be opened: all but a reserve for the stores,
 * the sources and what the C library opens. */
size_t descriptor_limit_raise(void);
