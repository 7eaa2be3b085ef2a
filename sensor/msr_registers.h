/* SPDX-License-Identifier: BSD-3-Clause */
/* Which energy registers a CPU model has and what one count is worth: a table, since the registers do not say it themselves. A model
 * that is not in it is refused: a guessed unit would be a wrong energy for ever. Numbers only; reading is energy_msr.c's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/record.h"

enum msr_scope {
    MSR_SCOPE_DIE,     /* Intel: one counter per die; a package's dies are summed */
    MSR_SCOPE_PACKAGE, /* AMD, Hygon */
    MSR_SCOPE_CORE,    /* AMD, Hygon: the core domain, one counter per physical core */
};

enum msr_unit_rule {
    MSR_UNIT_JOULE,      /* 1/2^ESU J */
    MSR_UNIT_MICROJOULE, /* 2^ESU uJ */
};

struct msr_model {
    const char *vendor;
    int family, model; /* model -1: all of the family */
    const char *name;
    unsigned domains;  /* 1 << DOMAIN_...; each may still be missing, or stand at 0, in a given machine */
    enum msr_unit_rule unit_rule;
    double dram_unit_uj, psys_unit_uj; /* 0: as the unit register says */
    double peak_w;     /* no package of this model draws more; where PKG_POWER_INFO says nothing */
    const char *source;
};

/* NULL: not in the table. */
const struct msr_model *msr_model_find(const char *vendor, int64_t family, int64_t model);

bool msr_model_is_amd(const struct msr_model *model);
enum msr_scope msr_scope(const struct msr_model *model, enum domain domain);
/* The register that counts a domain, 0: none. */
uint32_t msr_energy_register(const struct msr_model *model, enum domain domain);
uint32_t msr_unit_register(const struct msr_model *model);
/* PKG_POWER_INFO, 0: this model has none. */
uint32_t msr_power_register(const struct msr_model *model);

/* Microjoule per count; unit_bits: the unit register. NAN where it is 0, as hypervisors fake it. */
double msr_unit_uj(const struct msr_model *model, enum domain domain, uint64_t unit_bits);
/* The package's thermal power as PKG_POWER_INFO names it, 0: it does not. */
double msr_thermal_w(uint64_t unit_bits, uint64_t power_bits);

/* Counts between two readings of a counter of 32 bits. NULL, or why there are none: "span_too_long" (one wrap more or less would be as plausible within
 * bound_uj), "counter_reset", "implausible". */
const char *msr_increase(uint32_t last, uint32_t now, double unit_uj, double bound_uj, uint32_t *ret_counts);
