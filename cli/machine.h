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
    bool is_attributed; /* it gives energy that targets are charged with, and not only measurements */
    bool is_unreadable; /* it is there, but we may not read it */
    char reason[192];   /* one sentence */
    char advice[256];   /* what to type, "" if nothing would help */
};

#define MACHINE_CHECKS_MAX 4

/* What another source says of the same counter. */
struct machine_check {
    char source[32];
    char state[16];     /* "agrees", "differs", "undecided" */
    double difference;  /* of the greater figure, NAN: nothing was compared */
};

/* One counter that is in use. Numbers are NAN where they are not known. */
struct machine_domain {
    char name[32];      /* "package 0", "psys" */
    char source[32];
    bool is_estimate, is_attributed;
    bool is_filtered;   /* the processor adds noise to it */
    double unit_uj, range_j, peak_w, wrap_s, longest_interval_s;
    double update_ms, reading_ms; /* mean time between changes as seen, and between the looks */
    double power_w;     /* during the look */
    char reason[32];    /* why the last look gave nothing */
    char includes[160], leaves_out[160];
    struct machine_check checks[MACHINE_CHECKS_MAX];
    size_t n_checks;
};

struct machine {
    char cpu[128];
    char energy_why[448]; /* why there is only an estimate, or nothing */
    char granularity[16];                                                 /* "process", "cgroup", "": not said */
    char events[512], events_missing[256]; /* that would be counted, and that would not, names in words */
    char engine_why[512]; /* why no engine counts, or why none that is usable and better; "": not said */
    char events_why[512], events_advice[128]; /* why; "": not said */
    struct machine_part *parts;
    size_t n_parts, parts_capacity;
    struct machine_domain *domains;
    size_t n_domains, domains_capacity;
};

/* Asks the watt-sensor that stands beside this program. */
int machine_probe(struct machine *machine, struct error *err);
/* -EBADMSG for what is no probe's answer. */
int machine_parse(struct machine *machine, const char *json, size_t size, struct error *err);
void machine_deinit(struct machine *machine);

/* The chosen part of a kind, or NULL; of energy, one whose energy is attributed. */
const struct machine_part *machine_chosen(const struct machine *machine, const char *kind);
/* Two sources do not say the same of some counter. */
bool machine_disagrees(const struct machine *machine);
/* An energy counter that exists but may not be read, or NULL. */
const struct machine_part *machine_locked(const struct machine *machine);
