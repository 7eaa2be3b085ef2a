/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands never print data themselves: they hand rows to a writer, and text, CSV and JSON are implementations of it (writer_text.c, writer_csv.c,
 * writer_json.c). Absent values (NAN, VALUE_ABSENT, NULL) are an empty field, "-" in text, null in JSON: never 0. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct error;

enum column_type { COLUMN_TEXT, COLUMN_INTEGER, COLUMN_REAL, COLUMN_TIME };

struct column {
    const char *name;  /* machine name with its unit: "energy_j", "mean_w" */
    const char *title; /* for eyes: "energy J" */
    enum column_type type;
    int decimals;      /* REAL in text; CSV and JSON write all digits */
};

union cell {
    const char *text;
    int64_t integer;
    double real;
    int64_t time_ms;   /* ISO text with offset in text, UTC in CSV and JSON */
};

struct writer;

/* format: "table", "csv", "json". CSV: RFC 4180, LF, header always. JSON: one object {"rows":[...]} unless as_lines. */
int writer_new(struct writer **ret_writer, const char *format, FILE *stream, const struct column *columns, size_t n_columns,
               struct error *err);
int writer_row(struct writer *writer, const union cell *cells, struct error *err);
/* A sentence under the table (text only; CSV and JSON leave it out). */
int writer_note(struct writer *writer, const char *text, struct error *err);
/* Ends the output; -EIO when the stream failed. Frees. */
int writer_finish(struct writer *writer, struct error *err);
