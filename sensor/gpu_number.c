/* SPDX-License-Identifier: BSD-3-Clause */
/* sysfs names a device by its address: "DOMAIN:BUS:DEVICE.FUNCTION", the domain with four digits or
 * more. NVML pads it to eight, so that addresses are compared as numbers. */
#include "sensor/gpu_number.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/record.h"
#include "common/scope.h"

#define CLASS_DISPLAY 0x03 /* the upper of three bytes: PCI Code and ID Assignment Specification \
                            */

/* Between least and most hex digits, and then end ('\0' too); NULL: something else. */
static const char *parse_hex(const char *text, int least, int most, char end, uint32_t *ret_value)
{
    uint32_t value = 0;
    int n = 0;
    for (; n < most; n++) {
        char c = text[n];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            break;
    }
    if (n < least || text[n] != end)
        return NULL;
    *ret_value = value;
    return text + n + (end != '\0');
}

bool pci_address_parse(const char *text, struct pci_address *ret_address)
{
    uint32_t domain, bus, device, function;
    text = parse_hex(text, 4, 8, ':', &domain);
    text = text ? parse_hex(text, 2, 2, ':', &bus) : NULL;
    text = text ? parse_hex(text, 2, 2, '.', &device) : NULL;
    text = text ? parse_hex(text, 1, 1, '\0', &function) : NULL;
    if (!text || device > 31 || function > 7)
        return false;
    *ret_address = (struct pci_address){.domain = domain,
                                        .bus = (uint8_t)bus,
                                        .device = (uint8_t)device,
                                        .function = (uint8_t)function};
    return true;
}

int pci_address_compare(const struct pci_address *a, const struct pci_address *b)
{
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    int left = a->bus << 8 | a->device << 3 | a->function;
    int right = b->bus << 8 | b->device << 3 | b->function;
    return left - right;
}

/* "0x030200" and the like; -1: unreadable. */
static long read_id(const struct host *host, const char *device, const char *file)
{
    char text[16], *end;
    if (host_read_text(text, sizeof(text), "%s/bus/pci/devices/%s/%s", host->sysfs, device, file) <=
        0)
        return -1;
    long value = strtol(text, &end, 16);
    return *end || value < 0 ? -1 : value;
}

/* Calls visit for every display controller, in no order. */
static void each_gpu(const struct host *host,
                     void (*visit)(const char *device, const struct pci_address *address,
                                   void *context),
                     void *context)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/bus/pci/devices", host->sysfs);
    DIR *directory = length < 0 || (size_t)length >= sizeof(path) ? NULL : opendir(path);
    struct dirent *entry;
    struct pci_address address;
    while (directory && (entry = readdir(directory))) {
        if (pci_address_parse(entry->d_name, &address) &&
            read_id(host, entry->d_name, "class") >> 16 == CLASS_DISPLAY)
            visit(entry->d_name, &address, context);
    }
    if (directory)
        (void)closedir(directory);
}

struct position {
    struct pci_address wanted;
    int32_t n_before;
    bool is_found;
};

static void note_position(const char *device, const struct pci_address *address, void *context)
{
    (void)device;
    struct position *position = context;
    int order = pci_address_compare(address, &position->wanted);
    position->n_before += order < 0;
    position->is_found |= order == 0;
}

int32_t gpu_number(const struct host *host, const char *pci_address)
{
    struct position position = {.n_before = 0};
    if (!pci_address_parse(pci_address, &position.wanted))
        return PACKAGE_NONE;
    each_gpu(host, note_position, &position);
    return position.is_found ? position.n_before : PACKAGE_NONE;
}

struct vendor_count {
    const struct host *host;
    uint16_t vendor;
    size_t n;
};

static void note_vendor(const char *device, const struct pci_address *address, void *context)
{
    (void)address;
    struct vendor_count *count = context;
    count->n += read_id(count->host, device, "vendor") == count->vendor;
}

size_t gpu_count(const struct host *host, uint16_t vendor)
{
    struct vendor_count count = {.host = host, .vendor = vendor};
    each_gpu(host, note_vendor, &count);
    return count.n;
}
