/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of candidates with rising values: a new value ends every candidate that is not below it,
 * so that each value enters and leaves once. */
#include "formula/lowest.h"

#include <math.h>

#include "formula/state_io.h"

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

void lowest_visit(struct lowest *lowest, struct state_io *io)
{
    double values[LOWEST_WINDOW];
    uint64_t indices[LOWEST_WINDOW], counts[3] = {lowest->first, lowest->n_entries, lowest->n_seen};
    for (size_t i = 0; i < LOWEST_WINDOW; i++) {
        values[i] = lowest->entries[i].value;
        indices[i] = lowest->entries[i].index;
    }
    state_doubles(io, "values", values, LOWEST_WINDOW);
    state_words(io, "indices", indices, LOWEST_WINDOW);
    state_words(io, "counts", counts, 3);
    if (counts[0] >= LOWEST_WINDOW || counts[1] > LOWEST_WINDOW)
        io->is_damaged = true;
    if (io->out || io->is_damaged)
        return;
    for (size_t i = 0; i < LOWEST_WINDOW; i++)
        lowest->entries[i] = (struct lowest_entry){values[i], indices[i]};
    lowest->first = counts[0];
    lowest->n_entries = counts[1];
    lowest->n_seen = counts[2];
}
