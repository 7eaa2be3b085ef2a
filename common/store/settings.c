/* SPDX-License-Identifier: BSD-3-Clause */
/* One piece of zeroed memory per store, into which the options write what was configured for it. */
#include "common/store/settings.h"

#include <errno.h>
#include <stdlib.h>

static int add_entry(struct store_settings *settings, const struct store_ops *ops)
{
    void *values = calloc(1, ops->settings_size ? ops->settings_size : 1);
    if (!values)
        return -ENOMEM;
    settings->entries[settings->n_entries++] = (struct settings_entry){
        .ops = ops,
        .values = values,
        .group = {.section = ops->section,
                  .specs = ops->options,
                  .n_specs = ops->n_options,
                  .values = values},
    };
    return 0;
}

int store_settings_new(struct store_settings **ret_settings,
                       const struct store_ops *const *const *tables)
{
    size_t n_stores = 0;
    for (size_t i = 0; tables[i]; i++)
        for (size_t j = 0; tables[i][j]; j++)
            n_stores++;
    struct store_settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    settings->entries = calloc(n_stores ? n_stores : 1, sizeof(*settings->entries));
    int r = settings->entries ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && tables[i]; i++)
        for (size_t j = 0; r == 0 && tables[i][j]; j++)
            r = add_entry(settings, tables[i][j]);
    if (r < 0) {
        store_settings_free(settings);
        return r;
    }
    *ret_settings = settings;
    return 0;
}

int store_settings_add(struct store_settings *settings, struct options *options)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < settings->n_entries; i++)
        if (settings->entries[i].group.n_specs > 0)
            r = options_add(options, &settings->entries[i].group);
    return r;
}

void store_settings_free(struct store_settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->n_entries; i++)
        free(settings->entries[i].values);
    free(settings->entries);
    free(settings);
}
