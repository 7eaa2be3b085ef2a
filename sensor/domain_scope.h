/* SPDX-License-Identifier: BSD-3-Clause */
/* What a domain's energy includes and what it does not, in words for people: half of the wrong conclusions about energy come from reading a package's
 * counter as a machine's. Sources: Intel SDM volume 3B, 15.10; kernel documentation, power/powercap and hwmon; Raffin and Trystram 2024 (psys). */
#pragma once

#include "common/record.h"

struct topology;

struct domain_scope {
    const char *includes, *leaves_out; /* phrases without capital and full stop; static */
};

/* is_estimate: of the curve, and not measured. */
struct domain_scope domain_scope_of(enum domain domain, const struct topology *topology, bool is_estimate);
