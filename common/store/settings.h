/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of struct store_settings, for store.c alone. */
#pragma once

#include "common/store/store.h"

struct settings_entry {
    const struct store_ops *ops;
    void *values;
    struct option_group group;
};

struct store_settings {
    struct settings_entry *entries;
    size_t n_entries;
};
