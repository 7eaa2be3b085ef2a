/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of lists that this program was linked with. */
#include "cli/stores.h"

#include "common/remote/remote.h"

const struct store_ops *const *const cli_store_tables[] = {store_table_local, store_table_remote,
                                                           NULL};
