/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: Intel SDM volume 4; AMD PPR, C001_0299 to C001_029B. psys is counted by one package;
 * the others show 0, as on Sapphire Rapids. */
#include "tests/hwsim/msr.h"

#include <errno.h>

#define POWER_UNIT 3 /* 1/8 W */
#define TIME_UNIT 10

static int read_counter(struct energy *energy, enum sim_domain domain, int cpu, uint64_t *ret_value)
{
    uint32_t raw;
    const struct machine *machine = energy->machine;
    struct counter *counter = energy_counter(energy, domain, cpu);
    if (!counter)
        return -EIO;
    if (domain == SIM_PSYS && machine_package_of(machine, cpu) != machine->psys_package) {
        *ret_value = 0;
        return 0;
    }
    int r = energy_read(energy, counter, &raw);
    if (r == 0)
        *ret_value = (uint64_t)(machine->high_bits * (uint32_t)counter->n_reads) << 32 | raw;
    return r;
}

static uint64_t units(const struct machine *machine)
{
    return (uint64_t)TIME_UNIT << 16 | (uint64_t)machine->energy_unit << 8 | POWER_UNIT;
}

static int read_amd(struct energy *energy, int cpu, uint64_t address, uint64_t *ret_value)
{
    switch (address) {
    case 0xc0010299:
        *ret_value = units(energy->machine);
        return 0;
    case 0xc001029a:
        return read_counter(energy, SIM_CORE, cpu, ret_value);
    case 0xc001029b:
        return read_counter(energy, SIM_PACKAGE, cpu, ret_value);
    default:
        return -EIO;
    }
}

static int read_intel(struct energy *energy, int cpu, uint64_t address, uint64_t *ret_value)
{
    switch (address) {
    case 0x606:
        *ret_value = units(energy->machine);
        return 0;
    case 0x614:
        *ret_value = (uint64_t)(energy->machine->max_w * (1 << POWER_UNIT)) & 0x7fff;
        return 0;
    case 0x611:
        return read_counter(energy, SIM_PACKAGE, cpu, ret_value);
    case 0x619:
        return read_counter(energy, SIM_DRAM, cpu, ret_value);
    case 0x639:
        return read_counter(energy, SIM_CORE, cpu, ret_value);
    case 0x641:
        return read_counter(energy, SIM_UNCORE, cpu, ret_value);
    case 0x64d:
        return read_counter(energy, SIM_PSYS, cpu, ret_value);
    default:
        return -EIO;
    }
}

int msr_read(struct energy *energy, int cpu, uint64_t address, uint64_t *ret_value)
{
    uint64_t value = 0;
    int r = energy->machine->is_amd ? read_amd(energy, cpu, address, &value)
                                    : read_intel(energy, cpu, address, &value);
    if (r == 0)
        *ret_value = value;
    return r;
}
