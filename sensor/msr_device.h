/* SPDX-License-Identifier: BSD-3-Clause */
/* Model specific registers of a CPU, read through DEVFS/cpu/N/msr. How they are read is a parameter, so that tests can bring registers of
 * their own. Source: msr(4). */
#pragma once

#include <stdint.h>

struct host;

struct msr_io {
    /* A descriptor (what read and close get), or: -ENOENT no device (module not loaded), -ENXIO the CPU is offline, -EPERM, -EACCES. */
    int (*open)(void *context, int cpu);
    /* -EIO: the CPU has no such register; -ENXIO: it went offline. */
    int (*read)(void *context, int fd, uint32_t address, uint64_t *ret_value);
    void (*close)(void *context, int fd);
    void *context;
};

/* The devices below host->devfs; host is borrowed. */
struct msr_io msr_device_io(const struct host *host);

/* The settings of the source msr. */
struct msr_settings {
    char *like;              /* a model number of the same family, "0x8f"; NULL: the CPU's own */
    const struct msr_io *io; /* NULL: the devices; others are for tests */
};
