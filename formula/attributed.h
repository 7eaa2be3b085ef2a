/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in an output that knows no ids (a file of JSON lines): there nothing but us keeps the same tick from standing twice under one label. */
#pragma once

#include "common/store/store.h"

struct attributed;

/* label: of the power records looked for; NULL: PowerReports, which have none. store: open for reading, owned by the caller and longer-lived. */
int attributed_new(struct attributed **ret_attributed, struct store *store, const char *label);
void attributed_free(struct attributed *attributed); /* NULL is fine */
/* 0: the tick is new, later than all that stand there of its sensor; 1: it stands there, as what lies between the first and the last is taken to; -EINVAL: all that stand
 * there are later, and a store's order is that of time; -ENOMEM, or why the store cannot be read. */
int attributed_judge(struct attributed *attributed, const struct record_key *key, struct error *err);
