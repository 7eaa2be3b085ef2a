/* SPDX-License-Identifier: BSD-3-Clause */
/* What `watt run` and `watt attach` say at the end: joules and watts of each run, and of several their mean and deviation. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;

/* NAN: not known. */
struct run_result {
    double energy_j;     /* what its activity cost */
    double static_j;     /* its share of idling, beside it */
    double cpu_s, elapsed_s;
    double covered_s;    /* of elapsed_s, the part that energy_j is known for */
    double machine_w;    /* mean of the whole machine over the ticks that the run touched */
    double low, high;    /* bounds of an estimate, as factors of machine_w (1 is machine_w itself); NAN: measured */
    int64_t exit_status; /* VALUE_ABSENT: not ours to know */
};

struct run_report {
    const char *format;  /* "table", "csv", "json" */
    const char *command; /* what was measured, for people */
    const char *source;  /* of the energy, "" none */
    const char *advice;  /* what would give watts where there are none, NULL: nothing known */
    const struct run_result *results;
    size_t n_results;    /* at least 1 */
};

int run_report_write(const struct run_report *report, FILE *stream, struct error *err);

/* Mean and sample standard deviation of a value that may be unknown in some runs; NAN for none, the deviation of less than two is NAN too. */
void run_report_statistics(const struct run_result *results, size_t n_results, double (*value)(const struct run_result *result),
                           double *ret_mean, double *ret_deviation);
