/* SPDX-License-Identifier: BSD-3-Clause */
/* Host and target records that hold from a tick on, kept while older ticks still wait in the assembly: else what a tick is made of would depend on what
 * happened to arrive before it was closed. */
#pragma once

#include "common/record.h"

struct notices {
    bson_t **documents;
    size_t n, capacity;
};

void notices_deinit(struct notices *notices);
/* Copies it in, behind those there are. -ENOMEM. */
int notices_add(struct notices *notices, const struct document *document);
/* Whether a record holds for a tick: it does not come after it. PowerAPI's ticks have no run: there the time decides. */
bool notice_holds(const struct record_key *notice, const struct record_key *tick);
/* Gives every one that holds for the tick to use, in order, and forgets it. What use returns below 0 ends the call. */
int notices_take(struct notices *notices, const struct record_key *tick,
                 int (*use)(const struct document *document, void *context), void *context);
