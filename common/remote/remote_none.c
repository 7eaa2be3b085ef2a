/* SPDX-License-Identifier: BSD-3-Clause */
/* The remote stores of a build without libmongoc: none. */
#include "common/remote/remote.h"

const struct store_ops *const store_table_remote[] = {NULL};

void remote_init(const struct log *log)
{
    (void)log;
}

void remote_cleanup(void)
{
}
