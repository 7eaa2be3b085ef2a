/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/energy_filter.h"

#include <string.h>

#define ARCH_CAPABILITIES 0x10a
#define HAS_PACKAGE_CTLS (UINT64_C(1) << 10)
#define HAS_FILTERING (UINT64_C(1) << 11)
#define PACKAGE_CTLS 0xbc
#define IS_FILTERING UINT64_C(1)

enum energy_filter energy_filter_read(const struct msr_io *io, const struct topology *topology)
{
    uint64_t capabilities = 0, controls = 0;
    if (strcmp(topology->vendor, "GenuineIntel") != 0)
        return ENERGY_FILTER_UNKNOWN;
    int fd = io->open(io->context, topology_first_online(topology));
    if (fd < 0)
        return ENERGY_FILTER_UNKNOWN;
    int r = io->read(io->context, fd, ARCH_CAPABILITIES, &capabilities);
    bool has_both = r >= 0 && (capabilities & HAS_PACKAGE_CTLS) && (capabilities & HAS_FILTERING);
    if (has_both)
        r = io->read(io->context, fd, PACKAGE_CTLS, &controls);
    io->close(io->context, fd);
    if (!has_both || r < 0)
        return ENERGY_FILTER_UNKNOWN;
    return controls & IS_FILTERING ? ENERGY_FILTER_ON : ENERGY_FILTER_OFF;
}
