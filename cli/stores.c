/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of lists that this program was linked with. */
#include "cli/stores.h"

#include "common/remote/remote.h"

const struct store_ops *const *const cli_store_tables[] = {store_table_local, store_table_remote,
                                                           NULL};

int cli_check_store(const char *uri, struct error *err)
{
    return store_check_uri(uri, cli_store_tables, err);
}
