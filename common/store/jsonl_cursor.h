/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads documents from JSON lines: native records and PowerAPI's reports, told apart line by line. */
#pragma once

#include <stdbool.h>

#include "common/store/store.h"

/* path NULL: standard input, which has no positions ("") and can be read once and forwards only. A file is opened anew, so that cursors do
 * not disturb each other. */
int jsonl_cursor_new(struct cursor **ret_cursor, const char *path, const struct store_query *query, struct error *err);
