/* SPDX-License-Identifier: BSD-3-Clause */
/* Which URI schemes are remote, for programs that must not link the stores themselves. */
#pragma once

#include <stdbool.h>

/* True for "mongodb://...", "mongodb+srv://...". */
bool uri_is_remote(const char *uri_text);
/* True if a remote URI names a host: what else is wrong with it, only the store's driver knows. */
bool uri_has_host(const char *uri_text);
