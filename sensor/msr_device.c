/* SPDX-License-Identifier: BSD-3-Clause */
/* The offset in the device is the register's number, and a read gives eight bytes of that one
 * register: addresses above 2^31 need the 64-bit off_t. */
#include "sensor/msr_device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sensor/host.h"

static_assert(sizeof(off_t) == 8, "AMD's registers lie above 2^31");

static int device_open(void *context, int cpu)
{
    const struct host *host = context;
    char path[512];
    int n = snprintf(path, sizeof(path), "%s/cpu/%d/msr", host->devfs, cpu);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int device_read(void *context, int fd, uint32_t address, uint64_t *ret_value)
{
    uint64_t value;
    (void)context;
    ssize_t size = pread(fd, &value, sizeof(value), (off_t)address);
    if (size < 0)
        return -errno;
    if (size != (ssize_t)sizeof(value))
        return -EIO;
    *ret_value = value;
    return 0;
}

static void device_close(void *context, int fd)
{
    (void)context;
    (void)close(fd);
}

struct msr_io msr_device_io(const struct host *host)
{
    return (struct msr_io){device_open, device_read, device_close, (void *)(uintptr_t)host};
}
