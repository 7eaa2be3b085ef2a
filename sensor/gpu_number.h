/* SPDX-License-Identifier: BSD-3-Clause */
/* The number of a GPU, which is its `package` in domain gpu: its position among the machine's display controllers (PCI class 0x03xxxx) in order of
 * address, counted from 0. So it does not depend on the driver or the vendor's library, whose own numbers change with both. A server's plain
 * console adapter is one of them: the first accelerator may be number 1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor/host.h"

struct pci_address {
    uint32_t domain; /* 16 bits of a slot's own; Intel's VMD makes domains above */
    uint8_t bus, device, function;
};

/* "0000:01:00.0" as in sysfs, or "00000000:01:00.0" as NVML writes it, in hex digits of either case. False: it is none. */
bool pci_address_parse(const char *text, struct pci_address *ret_address);
/* <0, 0, >0 */
int pci_address_compare(const struct pci_address *a, const struct pci_address *b);

/* The number of the GPU at that address, or PACKAGE_NONE: text is no address, or SYSFS/bus/pci/devices has no display controller there. */
int32_t gpu_number(const struct host *host, const char *pci_address);

/* How many display controllers of a vendor there are (0x10de: NVIDIA); 0 where there is no PCI. */
size_t gpu_count(const struct host *host, uint16_t vendor);
