/* SPDX-License-Identifier: BSD-3-Clause */
/* The stores `watt` can read, local and remote. */
#pragma once

#include "common/store/store.h"

#define DEFAULT_STORE "sqlite:" /* the embedded one in its usual folder */

/* For store_open and store_settings_new. */
extern const struct store_ops *const *const cli_store_tables[];
/* The check of an option: whether the URI can be one of them. */
int cli_check_store(const char *uri, struct error *err);
