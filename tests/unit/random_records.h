/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of every kind, made from a seed, and comparisons that name the first field in which two differ. For round trips
 * through codecs and stores. Text is borrowed from a pool that lives as long as the program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/host_record.h"
#include "common/power_record.h"
#include "common/powerapi.h"
#include "common/report.h"
#include "common/target_record.h"

#define DIFFERENCE_SIZE 256

/* A small generator with good bits; the state is any number. */
uint64_t random_next(uint64_t *state);
/* 0 to limit - 1. */
uint64_t random_below(uint64_t *state, uint64_t limit);
/* Finite, of any magnitude, and hard to print: 0.1, denormals, 17 digits. */
double random_double(uint64_t *state);

/* Each fills a record that was initialised before (init or cleared memory) and stays below the size that is split. Equal seeds give equal
 * records; different seeds different ids. */
void random_report(struct report *report, uint64_t seed);
void random_power(struct power_record *power, uint64_t seed);
void random_host(struct host_record *host, uint64_t seed);
void random_target(struct target_record *target, uint64_t seed);
void random_hwpc(struct hwpc_report *hwpc, uint64_t seed);
void random_power_report(struct power_report *report, uint64_t seed);
/* A report that takes several parts: n_targets rows, each with a name of its own. */
void random_large_report(struct report *report, size_t n_targets, uint64_t seed);

/* True if equal in every field; else difference says which is not ("targets.3.counts.1: 5 != 6"). NAN equals NAN. Parts are compared too. */
bool report_equal(const struct report *a, const struct report *b, char difference[static DIFFERENCE_SIZE]);
bool power_equal(const struct power_record *a, const struct power_record *b, char difference[static DIFFERENCE_SIZE]);
bool host_equal(const struct host_record *a, const struct host_record *b, char difference[static DIFFERENCE_SIZE]);
bool target_equal(const struct target_record *a, const struct target_record *b,
                  char difference[static DIFFERENCE_SIZE]);
bool hwpc_equal(const struct hwpc_report *a, const struct hwpc_report *b, char difference[static DIFFERENCE_SIZE]);
bool power_report_equal(const struct power_report *a, const struct power_report *b,
                        char difference[static DIFFERENCE_SIZE]);
