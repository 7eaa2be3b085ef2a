/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers for the names of targets, one set per sensor, so that everything behind can index instead of compare text. Names that stay away are
 * forgotten, and their numbers given to others, so that memory is bounded by what lives and not by how long we run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;

struct name {
    char *text;         /* owned by the names; NULL: the number is free */
    uint64_t hash;
    uint64_t last_tick; /* names_begin calls up to the last one in which it was asked for */
    uint32_t slot;      /* the caller's, for the current tick */
    uint64_t kin;        /* kin.h */
    bool is_noted;       /* numbered before its first tick, from its target record */
    bool is_new;        /* numbered in the current tick: whatever was kept under this number belonged to another name */
};

/* Of a text, the same on every machine. */
uint64_t names_hash(const char *text);

int names_new(struct names **ret_names);
void names_free(struct names *names);

/* Begins a tick; may forget names that were absent for long. Depends on the names and the number of ticks only. */
int names_begin(struct names *names);
uint64_t names_tick(const struct names *names);
/* Numbers a name. ret_was_seen: asked for before in this tick. -ENOMEM. */
int names_number(struct names *names, const char *text, uint32_t *ret_number, bool *ret_was_seen);
/* Numbers a name between ticks, before its first one. */
int names_note(struct names *names, const char *text, uint32_t *ret_number);
/* Valid until the next names_number or names_begin; its text until the next names_begin. */
struct name *names_at(struct names *names, uint32_t number);
size_t names_count(const struct names *names);
/* Numbers run from 0 to below this; a free one has no text. */
uint32_t names_end(const struct names *names);

struct state_io;
/* Every name with what was noted of it, so that numbering and forgetting go on as if there had been no end; numbers themselves may change. Reading needs empty names; what
 * was read of a damaged state must not be used. -ENOMEM. */
int names_visit(struct names *names, struct state_io *io);
