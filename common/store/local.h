/* SPDX-License-Identifier: BSD-3-Clause */
/* The stores that need no network, for the table in store_table_local.c and for tests. */
#pragma once

#include "common/store/store.h"

extern const struct store_ops store_sqlite, store_jsonl, store_null;

/* The settings of section [sqlite]. */
struct sqlite_settings {
    uint64_t max_size_bytes; /* per file; 0: 4 GiB */
    uint64_t max_age_ns;     /* before the newest document; 0: keep */
};
