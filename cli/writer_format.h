/* SPDX-License-Identifier: BSD-3-Clause */
/* For the writers themselves: what a format implements. A format is one file ending in one `const struct writer_format`, one row in
 * writer.c, one line in cli/CMakeLists.txt. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/writer.h"

struct writer_format {
    const char *name;
    size_t state_size; /* the format's own struct, struct writer first; zeroed before begin */
    int (*begin)(struct writer *writer, struct error *err);
    int (*row)(struct writer *writer, const union cell *cells, struct error *err);
    int (*note)(struct writer *writer, const char *text, struct error *err); /* NULL: notes are left out */
    int (*end)(struct writer *writer, struct error *err);
    void (*release)(struct writer *writer); /* NULL: nothing to free */
};

struct writer {
    const struct writer_format *format;
    FILE *stream; /* borrowed */
    const struct column *columns; /* borrowed */
    size_t n_columns;
};

extern const struct writer_format writer_text, writer_csv, writer_json;

bool cell_is_absent(enum column_type type, const union cell *cell);

/* The shortest decimal text that reads back as the same double, always with '.' as the point. Returns text. */
const char *cell_real_text(double value, char text[static 32]);
