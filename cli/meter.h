/* SPDX-License-Identifier: BSD-3-Clause */
/* A private sensor and formula over one store folder: what `watt run` and `watt attach` measure with, and `watt top` where no service is running. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/child.h"

struct meter_settings {
    const char *store;       /* "sqlite:DIR"; NULL: a temporary folder, removed at the end, also when we are killed */
    uint64_t interval_ns;
    const char *granularity; /* as watt-sensor's options; NULL: its default */
    const char *energy;
    const char *sensor;      /* its name */
    const char *cgroupfs;    /* NULL: as it finds it */
    const char *short_lived; /* as --bpf-short-lived; NULL: its default */
};

struct meter {
    struct child sensor, formula;
    char uri[PATH_MAX + 16]; /* where the records lie */
    char folder[PATH_MAX];   /* the temporary one, "" if none */
    pid_t keeper;            /* of the folder */
};

/* Starts the sensor. The formula follows with meter_start_formula, once the store can be read. */
int meter_start(struct meter *meter, const struct meter_settings *settings, struct error *err);
int meter_start_formula(struct meter *meter, struct error *err);

/* -ECHILD with its last words when a child has ended although nobody asked it to; then ret_status is what a shell would say of it. */
int meter_check(struct meter *meter, int *ret_status, struct error *err);

/* Ends the sensor, then the formula, and removes a temporary folder. Zeroed is fine. */
void meter_end(struct meter *meter);
