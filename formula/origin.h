/* SPDX-License-Identifier: BSD-3-Clause */
/* What a model was learned on: a CPU and a set of events. Prices that were learned on another CPU, or of other events, say nothing here. */
#pragma once

#include <stdbool.h>
#include <bson/bson.h>

#include "common/host_record.h"

#define ORIGIN_EVENTS_MAX 64

struct origin {
    char cpu_vendor[32], cpu_name[64];
    int64_t cpu_family, cpu_model; /* VALUE_ABSENT: not known */
    char events[ORIGIN_EVENTS_MAX][64]; /* canonical names, sorted */
    size_t n_events;
    bool is_told;                  /* the events come from a host record; else they are gathered from ticks */
};

void origin_init(struct origin *origin);
void origin_of_host(const struct host_record *host, struct origin *ret_origin);

/* Where both know a CPU, is it another? Else, where both were told their events, are these others? Then true and a sentence in why. A CPU is its vendor, family and
 * model; its name counts only where one of these is not known. */
bool origin_differs(const struct origin *known, const struct origin *now, char *ret_why, size_t why_size);
/* May a model of known be used where now is what is known? Like origin_differs; where events were not told, those gathered must be the same set as origin_gather sees it. */
bool origin_fits(const struct origin *known, const struct origin *now, char *ret_why, size_t why_size);
/* Replaces what now knows; the rest of known stays. */
void origin_update(struct origin *known, const struct origin *now);

/* Without a host record: adds a tick's events to those gathered. True and a sentence in why if the tick has new ones while it lacks known ones: another set. A missing event
 * alone, or a new one alone, is the same set. */
bool origin_gather(struct origin *known, size_t n_events, const char *const *events, char *ret_why, size_t why_size);

/* "Intel 6/85 (NAME), events cycles instructions" for people. */
void origin_print(const struct origin *origin, char *ret_text, size_t size);

void origin_save(const struct origin *origin, bson_t *document);
/* -EBADMSG. */
int origin_load(struct origin *origin, const bson_t *document);
