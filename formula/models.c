/* SPDX-License-Identifier: BSD-3-Clause */
/* The models this build knows: one row each, the first is the default. */
#include <string.h>

#include "formula/model.h"

const struct model_ops *const model_table[] = {
    &model_auto,
    &model_share,
    NULL,
};

const struct model_ops *model_find(const char *name)
{
    for (size_t i = 0; model_table[i]; i++)
        if (strcmp(model_table[i]->name, name) == 0)
            return model_table[i];
    return NULL;
}
