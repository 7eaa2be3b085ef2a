/* SPDX-License-Identifier: BSD-3-Clause */
/* The models this build knows: one row each, the first is the default. */
#include "formula/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"

const struct model_ops *const model_table[] = {
    &model_auto,
    &model_share,
    &model_smartwatts,
    NULL,
};

#define N_MODELS (ARRAY_SIZE(model_table) - 1)

struct model_settings {
    struct option_group groups[N_MODELS];
};

const struct model_ops *model_find(const char *name)
{
    for (size_t i = 0; model_table[i]; i++)
        if (strcmp(model_table[i]->name, name) == 0)
            return model_table[i];
    return NULL;
}

int model_settings_new(struct model_settings **ret_settings)
{
    struct model_settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    for (size_t i = 0; i < N_MODELS; i++) {
        const struct model_ops *ops = model_table[i];
        if (ops->n_options == 0)
            continue;
        void *values = calloc(1, ops->settings_size);
        if (!values) {
            model_settings_free(settings);
            return -ENOMEM;
        }
        settings->groups[i] =
            (struct option_group){ops->name, ops->options, ops->n_options, values, NULL};
    }
    *ret_settings = settings;
    return 0;
}

void model_settings_free(struct model_settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < N_MODELS; i++)
        free(settings->groups[i].values);
    free(settings);
}

int model_settings_add(struct model_settings *settings, struct options *options)
{
    int r = 0;
    for (size_t i = 0; i < N_MODELS && r >= 0; i++)
        if (settings->groups[i].values)
            r = options_add(options, &settings->groups[i]);
    return r;
}

const void *model_settings_of(const struct model_settings *settings, const struct model_ops *ops)
{
    size_t i = 0;
    while (i < N_MODELS && model_table[i] != ops)
        i++;
    return i < N_MODELS ? settings->groups[i].values : NULL;
}
