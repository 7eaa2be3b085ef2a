/* SPDX-License-Identifier: BSD-3-Clause */
/* The probe of a source whose driver may never answer, or end the program that asks: taken by a child process, which can be left behind. So a broken GPU
 * does not keep the sensor from starting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sensor/source.h"

/* Starting NVIDIA's library takes a second or two per GPU. Three sources are slow: `watt doctor` waits for all of them. */
#define PROBE_APART_LIMIT_NS (15 * NS_PER_S)

/* As source_ops.probe; of a source that is_slow in a process of its own, limit_ns at most. False: it did not answer, and *ret_probe says so (SOURCE_UNREADABLE, of no domain):
 * do not open it. A SIGTERM or SIGINT that the caller has blocked, and that is pending, ends the wait as the limit does. The caller must have no other threads.
 * The child keeps all of the caller's capabilities, but none of its descriptors; one that is not ended by SIGKILL within a second is left behind, and a zombie later, until the
 * caller ends. Only the probe is taken apart: a driver that answers it and hangs when it is opened right after does hold up the caller. */
bool probe_apart(const struct source_ops *ops, const struct host *host, const struct topology *topology, const void *settings,
                 uint64_t limit_ns, struct source_probe *ret_probe);
