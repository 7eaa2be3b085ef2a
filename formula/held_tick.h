/* SPDX-License-Identifier: BSD-3-Clause */
/* A tick being put together from several reports, with its own copies of every name. */
#pragma once

#include "common/report.h"
#include "formula/name_arena.h"

struct held_row {
    struct count_row row;  /* first_count: in held->counts */
    size_t n_counts;       /* events known when it came */
};

struct held_tick {
    struct report report;  /* energy, clock and events as they come; rows only once closed */
    bool is_powerapi;
    bool has_all;          /* PowerAPI: the machine's own report came */
    bool *has_part;        /* native: [parts] */
    size_t has_part_capacity;
    struct name_arena names;
    struct held_row *targets, *total;
    size_t n_targets, targets_capacity, n_total, total_capacity;
    int64_t *counts;
    size_t n_counts, counts_capacity;
    uint64_t n_doubles;    /* reports left out because they came twice */
};

void held_tick_init(struct held_tick *held);
void held_tick_deinit(struct held_tick *held);
/* Empties it for the next tick and keeps its memory. */
void held_tick_clear(struct held_tick *held);

/* Copies one report of the tick in. Events are matched by name (at most 64 different ones are kept). -ENOMEM. */
int held_tick_add(struct held_tick *held, const struct report *report, bool is_powerapi);
/* All its parts are here (never known of PowerAPI's). */
bool held_tick_is_complete(const struct held_tick *held);
/* Makes held->report whole: events and rows sorted, doubles dropped, what is missing among its reasons. -ENOMEM. */
int held_tick_close(struct held_tick *held);
