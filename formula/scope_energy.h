/* SPDX-License-Identifier: BSD-3-Clause */
/* What a scope measured: a part of scope.c. */
#pragma once

#include "formula/scope.h"

/* Adds one sample to its scope: the first, or one more package of a sum. dt_ns: its span. A sample that cannot be used, or is above what the host record says or any package
 * can draw, makes the scope's energy unknown, with the reason. */
void scope_take_energy(struct scope *scope, bool is_first, const struct energy_sample *sample, int64_t dt_ns, const struct host_record *host);
/* The tick's watts and bounds from the scope's energies. */
void scope_fill_power(struct scope *scope, const struct host_record *host);
