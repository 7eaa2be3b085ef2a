/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources, by the word in the last column:
 *   rapl      Linux 6.14, arch/x86/events/rapl.c: domains and units per model
 *   powercap  Linux, drivers/powercap/intel_rapl_common.c, intel_rapl_msr.c
 *   turbostat Linux 6.12, tools/power/x86/turbostat/turbostat.c
 *   ppr       AMD, Processor Programming Reference, registers C001_0299, _029A, _029B
 * Bit fields and addresses: Intel SDM volumes 3B (15.10) and 4. Where the kernel's drivers do not
 * agree the row follows the majority: 15.3 uJ for server DRAM is powercap's and turbostat's figure,
 * perf rounds it to 2^-16 J; for Broadwell-D powercap alone takes the unit register. */
#include "sensor/msr_registers.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/scope.h"

#define INTEL "GenuineIntel"
#define AMD "AuthenticAMD"
#define HYGON "HygonGenuine"

#define PKG (1u << DOMAIN_PACKAGE)
#define RAM (1u << DOMAIN_DRAM)
#define CORES (1u << DOMAIN_CORE)
#define GPU (1u << DOMAIN_UNCORE)
#define PSYS (1u << DOMAIN_PSYS)

#define CLIENT2 (CORES | PKG | GPU)
#define SERVER (CORES | PKG | RAM)
#define CLIENT4 (CORES | PKG | RAM | GPU)
#define CLIENT5 (CORES | PKG | RAM | GPU | PSYS)

#define J MSR_UNIT_JOULE
#define UJ MSR_UNIT_MICROJOULE

#define WRAP_COUNTS 4294967296.0

static const struct msr_model models[] = {
    {INTEL, 6, 0x2a, "Sandy Bridge", CLIENT2, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x3a, "Ivy Bridge", CLIENT2, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x2d, "Sandy Bridge-EP", SERVER, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0x3e, "Ivy Bridge-EP", SERVER, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0x3c, "Haswell", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x45, "Haswell-L", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x46, "Haswell-G", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x3f, "Haswell-EP", SERVER, J, 15.3, 0, 600, "rapl, powercap"},
    {INTEL, 6, 0x3d, "Broadwell", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x47, "Broadwell-G", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x4f, "Broadwell-EP", SERVER, J, 15.3, 0, 600, "rapl, powercap"},
    {INTEL, 6, 0x56, "Broadwell-D", SERVER, J, 15.3, 0, 500, "rapl, turbostat"},
    {INTEL, 6, 0x57, "Knights Landing", PKG | RAM, J, 15.3, 0, 900, "rapl, powercap"},
    {INTEL, 6, 0x85, "Knights Mill", PKG | RAM, J, 15.3, 0, 900, "rapl, powercap"},
    {INTEL, 6, 0x4e, "Skylake-L", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x5e, "Skylake", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x55, "Skylake-SP, Cascade Lake", SERVER, J, 15.3, 0, 1200, "rapl, powercap"},
    {INTEL, 6, 0x8e, "Kaby Lake-L", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x9e, "Kaby Lake", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0x66, "Cannon Lake-L", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0xa6, "Comet Lake-L", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0xa5, "Comet Lake", CLIENT5, J, 0, 0, 800, "rapl"},
    {INTEL, 6, 0x7e, "Ice Lake-L", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x7d, "Ice Lake", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x6a, "Ice Lake-SP", SERVER, J, 15.3, 0, 1000, "rapl, powercap"},
    {INTEL, 6, 0x6c, "Ice Lake-D", SERVER, J, 15.3, 0, 600, "rapl, powercap"},
    {INTEL, 6, 0x8c, "Tiger Lake-L", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x8d, "Tiger Lake", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0xa7, "Rocket Lake", CLIENT5, J, 0, 0, 800, "powercap"},
    {INTEL, 6, 0x97, "Alder Lake", CLIENT5, J, 0, 0, 800, "rapl"},
    {INTEL, 6, 0x9a, "Alder Lake-L", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0xbe, "Alder Lake-N", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0xb7, "Raptor Lake", CLIENT5, J, 0, 0, 1000, "rapl"},
    {INTEL, 6, 0xba, "Raptor Lake-P", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0xbf, "Raptor Lake-S", CLIENT5, J, 0, 0, 800, "rapl"},
    {INTEL, 6, 0xaa, "Meteor Lake-L", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0xac, "Meteor Lake", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0xc5, "Arrow Lake-H", CLIENT5, J, 0, 0, 600, "rapl"},
    {INTEL, 6, 0xc6, "Arrow Lake", CLIENT5, J, 0, 0, 800, "rapl"},
    {INTEL, 6, 0xbd, "Lunar Lake", CLIENT5, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x8f, "Sapphire Rapids", SERVER | PSYS, J, 0, 1e6, 1500, "rapl, powercap"},
    {INTEL, 6, 0xcf, "Emerald Rapids", SERVER | PSYS, J, 0, 1e6, 1500, "rapl, powercap"},
    {INTEL, 6, 0x37, "Silvermont", CORES | PKG, UJ, 0, 0, 200, "powercap, turbostat"},
    {INTEL, 6, 0x4a, "Silvermont, Merrifield", CORES | PKG, UJ, 0, 0, 200, "powercap"},
    {INTEL, 6, 0x4d, "Silvermont-D", CORES | PKG, J, 0, 0, 200, "turbostat"},
    {INTEL, 6, 0x4c, "Airmont", CORES | PKG, UJ, 0, 0, 200, "powercap"},
    {INTEL, 6, 0x5a, "Airmont, Moorefield", CORES | PKG, UJ, 0, 0, 200, "powercap"},
    {INTEL, 6, 0x5c, "Goldmont", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x5f, "Goldmont-D", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x7a, "Goldmont Plus", CLIENT4, J, 0, 0, 500, "rapl"},
    {INTEL, 6, 0x86, "Tremont-D", PKG | CORES, J, 0, 0, 500, "powercap"},
    {INTEL, 6, 0x96, "Tremont", CLIENT2, J, 0, 0, 500, "powercap"},
    {INTEL, 6, 0x9c, "Tremont-L", CLIENT2, J, 0, 0, 500, "powercap"},
    {AMD, 0x17, -1, "Zen, Zen 2", PKG | CORES, J, 0, 0, 1000, "rapl, ppr"},
    {HYGON, 0x18, -1, "Dhyana", PKG | CORES, J, 0, 0, 1000, "rapl"},
    {AMD, 0x19, -1, "Zen 3, Zen 4", PKG | CORES, J, 0, 0, 1200, "rapl, ppr"},
    {AMD, 0x1a, -1, "Zen 5", PKG | CORES, J, 0, 0, 1500, "rapl"},
};

const struct msr_model *msr_model_find(const char *vendor, int64_t family, int64_t model)
{
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        const struct msr_model *row = &models[i];
        if (strcmp(row->vendor, vendor) == 0 && row->family == family &&
            (row->model < 0 || row->model == model))
            return row;
    }
    return NULL;
}

bool msr_model_is_amd(const struct msr_model *model)
{
    return strcmp(model->vendor, INTEL) != 0;
}

enum msr_scope msr_scope(const struct msr_model *model, enum domain domain)
{
    if (!msr_model_is_amd(model))
        return MSR_SCOPE_DIE;
    return domain == DOMAIN_CORE ? MSR_SCOPE_CORE : MSR_SCOPE_PACKAGE;
}

uint32_t msr_energy_register(const struct msr_model *model, enum domain domain)
{
    static const uint32_t intel[DOMAIN_COUNT] = {
        [DOMAIN_PACKAGE] = 0x611, [DOMAIN_DRAM] = 0x619, [DOMAIN_CORE] = 0x639,
        [DOMAIN_UNCORE] = 0x641,  [DOMAIN_PSYS] = 0x64d,
    };
    static const uint32_t amd[DOMAIN_COUNT] = {
        [DOMAIN_PACKAGE] = 0xc001029b,
        [DOMAIN_CORE] = 0xc001029a,
    };
    if (!(model->domains & (1u << domain)))
        return 0;
    return msr_model_is_amd(model) ? amd[domain] : intel[domain];
}

uint32_t msr_unit_register(const struct msr_model *model)
{
    return msr_model_is_amd(model) ? 0xc0010299 : 0x606;
}

/* Silvermont's power unit is another one, and its few watts need no bound of their own. */
uint32_t msr_power_register(const struct msr_model *model)
{
    return msr_model_is_amd(model) || model->unit_rule == MSR_UNIT_MICROJOULE ? 0 : 0x614;
}

double msr_unit_uj(const struct msr_model *model, enum domain domain, uint64_t unit_bits)
{
    int exponent = (int)(unit_bits >> 8 & 0x1f);
    if ((unit_bits & 0xffffffff) == 0)
        return NAN;
    if (domain == DOMAIN_DRAM && model->dram_unit_uj > 0)
        return model->dram_unit_uj;
    if (domain == DOMAIN_PSYS && model->psys_unit_uj > 0)
        return model->psys_unit_uj;
    return model->unit_rule == MSR_UNIT_MICROJOULE ? ldexp(1, exponent) : ldexp(1e6, -exponent);
}

double msr_thermal_w(uint64_t unit_bits, uint64_t power_bits)
{
    return ldexp((double)(power_bits & 0x7fff), -(int)(unit_bits & 0xf));
}

const char *msr_increase(uint32_t last, uint32_t now, double unit_uj, double bound_uj,
                         uint32_t *ret_counts)
{
    uint32_t counts = now - last;
    if (((double)counts + WRAP_COUNTS) * unit_uj <= bound_uj)
        return "span_too_long";
    if ((double)counts * unit_uj > bound_uj)
        return now < last ? "counter_reset" : "implausible";
    *ret_counts = counts;
    return NULL;
}
