/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: Intel SDM volume 4; AMD PPR, C001_0299 to C001_029B. AMD's core register has one
 * core's part of its package's cores. psys is counted by package 0; the others show 0, as on
 * Sapphire Rapids. */
#include "tests/hwsim/msr.h"

#include <errno.h>

#define POWER_UNIT 3 /* 1/8 W */
#define TIME_UNIT 10

static int read_counter(struct energy *energy, enum sim_domain domain, int package,
                        uint64_t *ret_value)
{
    uint32_t raw;
    struct counter *counter = energy_counter(energy, domain, package);
    if (!counter)
        return -EIO;
    if (domain == SIM_PSYS && package != 0) {
        *ret_value = 0;
        return 0;
    }
    int r = energy_read(energy, counter, &raw);
    if (r == 0)
        *ret_value = (uint64_t)energy->machine->high_bits << 32 | raw;
    return r;
}

static uint64_t units(const struct machine *machine)
{
    return (uint64_t)TIME_UNIT << 16 | (uint64_t)machine->energy_unit << 8 | POWER_UNIT;
}

/* One core's part, which has 32 bits of its own. */
static int read_core(struct energy *energy, int package, uint64_t *ret_value)
{
    uint64_t n_cores = (uint64_t)(energy->machine->n_cpus / energy->machine->n_packages);
    int r = read_counter(energy, SIM_CORE, package, ret_value);
    if (r < 0)
        return r;
    const struct counter *counter = energy_counter(energy, SIM_CORE, package);
    *ret_value = counter->start + (uint32_t)((counter->shown - counter->base) / n_cores);
    return 0;
}

static int read_amd(struct energy *energy, int cpu, uint64_t address, uint64_t *ret_value)
{
    int package = machine_package_of(energy->machine, cpu);
    switch (address) {
    case 0xc0010299:
        *ret_value = units(energy->machine);
        return 0;
    case 0xc001029a:
        return read_core(energy, package, ret_value);
    case 0xc001029b:
        return read_counter(energy, SIM_PACKAGE, package, ret_value);
    default:
        return -EIO;
    }
}

static int read_intel(struct energy *energy, int cpu, uint64_t address, uint64_t *ret_value)
{
    int package = machine_package_of(energy->machine, cpu);
    switch (address) {
    case 0x606:
        *ret_value = units(energy->machine);
        return 0;
    case 0x614:
        *ret_value = (uint64_t)(energy->machine->max_w * (1 << POWER_UNIT)) & 0x7fff;
        return 0;
    case 0x611:
        return read_counter(energy, SIM_PACKAGE, package, ret_value);
    case 0x619:
        return read_counter(energy, SIM_DRAM, package, ret_value);
    case 0x639:
        return read_counter(energy, SIM_CORE, package, ret_value);
    case 0x64d:
        return read_counter(energy, SIM_PSYS, package, ret_value);
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
