/* SPDX-License-Identifier: BSD-3-Clause */
/* The RAPL zones under SYSFS/class/powercap and what each one counts. Zones are known by their `name`, never by their number. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

struct host;

struct powercap_zone {
    char path[512];       /* the zone's folder */
    enum domain domain;   /* PACKAGE, DRAM, CORE, UNCORE, PSYS */
    int32_t package;      /* PACKAGE_NONE for psys */
    int32_t die;          /* 0 where the package is not divided */
    int64_t range_uj;     /* largest value of the counter, VALUE_ABSENT: cannot be read, says 0 or is beyond all amounts */
    int64_t modulus_uj;   /* what a wrap adds: range + one unit, or range where no unit explains it; VALUE_ABSENT as range_uj */
    double unit_uj;       /* NAN: not known */
    double limit_w;       /* the highest power limit or maximum the package's constraints name, NAN: none does */
};

/* Finds the zones, sorted by domain, package, die; free(*ret_zones). Left out: AMD's "core" (one core's energy), dies of AMD
 * packages beyond the first (each shows the whole package), intel-rapl-mmio zones of domains that intel-rapl offers too,
 * and names nobody knows. Returns how many there are (0: none, or no powercap at all) or -ENOMEM.
 * Source: kernel documentation, power/powercap/powercap.rst; drivers/powercap/intel_rapl_common.c. */
int powercap_zones_find(const struct host *host, const char *vendor, struct powercap_zone **ret_zones);

/* Order by domain, package, die: <0, 0, >0. */
int powercap_zone_compare(const struct powercap_zone *a, const struct powercap_zone *b);
