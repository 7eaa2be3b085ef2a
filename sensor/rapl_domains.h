/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of RAPL's domains without reading their energy: the hardware's unit, which the power PMU hides behind one of its own, and the power
 * they can draw. From the powercap tree, whose ranges and limits everybody may read, and from the table of models. */
#pragma once

#include "common/record.h"
#include "sensor/host.h"
#include "sensor/topology.h"

struct rapl_domain {
    double unit_uj; /* one count of the hardware, NAN: not known */
    double peak_w;  /* of one part that has a counter: package or die */
};

void rapl_domains_find(struct rapl_domain ret_domains[static DOMAIN_COUNT], const struct host *host, const struct topology *topology);
