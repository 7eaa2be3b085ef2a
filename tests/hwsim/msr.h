/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of energy, as Intel and AMD lay them out. */
#pragma once

#include <stdint.h>

#include "tests/hwsim/energy.h"

/* 0; -EIO: the CPU has no such register; or a scripted fault. */
int msr_read(struct energy *energy, int cpu, uint64_t address, uint64_t *ret_value);
