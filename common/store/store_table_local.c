/* SPDX-License-Identifier: BSD-3-Clause */
/* The row that a new local store adds. It stands apart from store.c so that a test may link one
 * without the other. */
#include "common/store/local.h"

const struct store_ops *const store_table_local[] = {
    &store_sqlite,
    &store_jsonl,
    &store_null,
    NULL,
};
