/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of the smartwatts model, as its options fill them: names, defaults and meaning are those of smartwatts 2.4.1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct smartwatts_settings {
    bool disable_cpu, disable_dram;
    uint64_t cpu_tdp_w;
    uint64_t base_clock_mhz, base_freq_mhz;
    double cpu_threshold_w, dram_threshold_w;
    uint64_t reports_ms;
    uint64_t min_samples, history_size, errors_size;
    char *error_method; /* "median" or "mean" */
};

extern const struct smartwatts_settings smartwatts_defaults;
