/* SPDX-License-Identifier: BSD-3-Clause */
/* What watt-sensor was told: its own options and those of its sources, engines and local stores. */
#pragma once

#include "common/options.h"
#include "common/store/store.h"
#include "sensor/targets.h"

struct error;
struct log;

#define ARGUMENT_PARTS_MAX 16 /* rows of source_table, of engine_table */

struct arguments {
    char *name, *store, *schema, *energy, *engine, *granularity, *align, *spool;
    char *sysfs, *procfs, *devfs, *cgroupfs;
    uint64_t interval_ns, drain_ns, n_ticks;
    struct option_list targets, events;
    bool probe;
    void *source_settings[ARGUMENT_PARTS_MAX], *engine_settings[ARGUMENT_PARTS_MAX]; /* [row], as the tables */
    struct store_settings *store_settings;
    struct options *options; /* owns the texts */
};

/* The stores this program was linked with. */
extern const struct store_ops *const *const sensor_store_tables[];

/* Outcomes and errors as options_parse; a password in argv is refused. arguments must be zeroed; deinit it in any case. */
int arguments_parse(struct arguments *arguments, int argc, char **argv, struct log *log, struct error *err);
bool arguments_write_powerapi(const struct arguments *arguments);
enum granularity arguments_granularity(const struct arguments *arguments);
void arguments_deinit(struct arguments *arguments);
