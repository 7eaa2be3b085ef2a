/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's clocks. */
#include "common/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* cannot fail for these clocks and a valid address */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t system_monotonic_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t system_boottime_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_BOOTTIME);
}

static uint64_t system_realtime_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_REALTIME);
}

const struct clock clock_system = {
    .monotonic_ns = system_monotonic_ns,
    .boottime_ns = system_boottime_ns,
    .realtime_ns = system_realtime_ns,
    .context = NULL,
};
