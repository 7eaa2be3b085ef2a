/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of candidates with rising values: a new value ends every candidate that is not below it,
 * so that each value enters and leaves once. */
#include "formula/lowest.h"

#include <math.h>

static struct lowest_entry *entry_at(struct lowest *lowest, size_t index)
{
    return &lowest->entries[(lowest->first + index) % LOWEST_WINDOW];
}

void lowest_add(struct lowest *lowest, double value)
{
    while (lowest->n_entries > 0 && entry_at(lowest, lowest->n_entries - 1)->value >= value)
        lowest->n_entries--;
    if (lowest->n_entries > 0 && entry_at(lowest, 0)->index + LOWEST_WINDOW <= lowest->n_seen) {
        lowest->first = (lowest->first + 1) % LOWEST_WINDOW;
        lowest->n_entries--;
    }
    *entry_at(lowest, lowest->n_entries++) = (struct lowest_entry){value, lowest->n_seen++};
}

double lowest_get(const struct lowest *lowest)
{
    return lowest->n_entries > 0 ? lowest->entries[lowest->first].value : NAN;
}
