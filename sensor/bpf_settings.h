/* SPDX-License-Identifier: BSD-3-Clause */
/* What a user may set of the bpf engine. */
#pragma once

#include <stdint.h>

struct counters_bpf_settings {
    uint64_t n_slots;  /* a power of two, 0: the granularity's own default */
    char *short_lived; /* "folded" into their command, or "each" by itself */
};
