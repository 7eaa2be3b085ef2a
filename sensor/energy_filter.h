/* SPDX-License-Identifier: BSD-3-Clause */
/* Intel's energy filtering: against side channels (PLATYPUS) microcode can add noise to the counters of the package, by which short spans are
 * far off. Whether it is on can be read where registers can; where SGX is in use it is on whatever they say.
 * Source: Intel SDM volume 4, IA32_ARCH_CAPABILITIES (10AH) bits 10 and 11, IA32_MISC_PACKAGE_CTLS (BCH) bit 0; Intel SA-00389. */
#pragma once

#include "sensor/msr_device.h"
#include "sensor/topology.h"

enum energy_filter {
    ENERGY_FILTER_UNKNOWN, /* the registers cannot be read, or do not say */
    ENERGY_FILTER_OFF,
    ENERGY_FILTER_ON,
};

enum energy_filter energy_filter_read(const struct msr_io *io, const struct topology *topology);
