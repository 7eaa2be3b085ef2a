/* SPDX-License-Identifier: BSD-3-Clause */
/* The lowest of the last values seen: what a machine draws when it does least. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct state_io;

#define LOWEST_WINDOW 600 /* values */

/* Zeroed is empty. */
struct lowest {
    struct lowest_entry {
        double value;
        uint64_t index;
    } entries[LOWEST_WINDOW]; /* rising values, oldest first, in a ring */
    size_t first, n_entries;
    uint64_t n_seen;
};

void lowest_add(struct lowest *lowest, double value);
/* NAN while empty. */
double lowest_get(const struct lowest *lowest);
void lowest_visit(struct lowest *lowest, struct state_io *io);
