/* SPDX-License-Identifier: BSD-3-Clause */
/* The table behind the `curve` source: watts per hardware thread by CPU model (data/cpu-power.csv, or a file of the user's). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct cpu_power {
    double idle_w, full_w;          /* per hardware thread, nothing to do and fully busy */
    double low_factor, high_factor; /* bounds of the estimate: 0 < low <= 1 <= high */
    bool is_fallback;               /* the row of vendor "*": nothing is known of this CPU */
    char source[160];               /* where the figures come from */
};

enum { CPU_POWER_NONE = 0, CPU_POWER_FOUND = 1 };

/* Checks the whole text (file names it in errors) and finds the first row for this CPU. Columns vendor, family, models, idle_w_per_vcpu,
 * full_w_per_vcpu, low_factor, high_factor, source; a header line with these names first; models is "85|106-108"; "*" is any; a row of
 * vendor "*" must be the last. '#' begins a comment line. source runs to the end of the line, commas included.
 * vendor "" and VALUE_ABSENT are unknown and match "*" only. Outcomes: CPU_POWER_FOUND, CPU_POWER_NONE (*ret_power untouched). -EDOM: the
 * text is no such table; err says "file:line: what". */
int cpu_power_find(const char *text, size_t size, const char *file, const char *vendor, int64_t family, int64_t model,
                   struct cpu_power *ret_power, struct error *err);
