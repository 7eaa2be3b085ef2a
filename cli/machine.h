/* SPDX-License-Identifier: BSD-3-Clause */
/* What this machine offers, as `watt-sensor --probe` says it (docs/records.md, "Probe"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

struct machine_part {
    const char *kind; /* "energy" or "engine" */
    char name[32];
    bool is_usable, is_chosen;
    bool is_estimate;   /* a source of last resort */
    bool is_unreadable; /* it is there, but we may not read it */
    char reason[192];   /* one sentence */
    char advice[256];   /* what to type, "" if nothing would help */
};

struct machine {
    char cpu[128];
    struct machine_part *parts;
    size_t n_parts, parts_capacity;
};

/* Asks the watt-sensor that stands beside this program. */
int machine_probe(struct machine *machine, struct error *err);
/* -EBADMSG for what is no probe's answer. */
int machine_parse(struct machine *machine, const char *json, size_t size, struct error *err);
void machine_deinit(struct machine *machine);

/* The chosen part of a kind, or NULL. */
const struct machine_part *machine_chosen(const struct machine *machine, const char *kind);
/* An energy counter that exists but may not be read, or NULL. */
const struct machine_part *machine_locked(const struct machine *machine);
