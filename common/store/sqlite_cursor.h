/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads documents from raw.db and power.db of one folder, also while they are written and before they are there. */
#pragma once

#include "common/store/store.h"

/* Kinds that live in power.db: what a formula makes. */
bool sqlite_kind_is_power(enum record_kind kind);

int sqlite_cursor_new(struct cursor **ret_cursor, const char *directory, const struct store_query *query, struct error *err);
