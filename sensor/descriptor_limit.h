/* SPDX-License-Identifier: BSD-3-Clause */
/* How many files we may open. */
#pragma once

#include <stddef.h>

/* Raises the soft limit to the hard one, which needs no right, and returns what holds now. */
size_t descriptor_limit_raise(void);
