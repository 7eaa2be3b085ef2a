/* SPDX-License-Identifier: BSD-3-Clause */
/* CSV as RFC 4180 has it, but with LF as every Unix tool expects. An absent value is an empty
 * field; an empty text is "", so that the two can be told apart. */
#include <inttypes.h>
#include <string.h>

#include "cli/writer_format.h"
#include "common/timestamp.h"

static void print_text(FILE *stream, const char *text)
{
    if (*text && !strpbrk(text, ",\"\r\n")) {
        (void)fputs(text, stream);
        return;
    }
    (void)fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            (void)fputc('"', stream);
        (void)fputc(*text, stream);
    }
    (void)fputc('"', stream);
}

static void print_cell(FILE *stream, enum column_type type, const union cell *cell)
{
    char text[64];
    if (cell_is_absent(type, cell))
        return;
    switch (type) {
    case COLUMN_TEXT:
        print_text(stream, cell->text);
        break;
    case COLUMN_INTEGER:
        (void)fprintf(stream, "%" PRId64, cell->integer);
        break;
    case COLUMN_REAL:
        (void)fputs(cell_real_text(cell->real, text), stream);
        break;
    case COLUMN_TIME:
        (void)fputs(timestamp_format(cell->time_ms, text), stream);
        break;
    }
}

static int csv_begin(struct writer *writer, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < writer->n_columns; i++) {
        print_text(writer->stream, writer->columns[i].name);
        (void)fputc(i + 1 < writer->n_columns ? ',' : '\n', writer->stream);
    }
    return 0;
}

static int csv_row(struct writer *writer, const union cell *cells, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < writer->n_columns; i++) {
        print_cell(writer->stream, writer->columns[i].type, &cells[i]);
        (void)fputc(i + 1 < writer->n_columns ? ',' : '\n', writer->stream);
    }
    return 0;
}

static int csv_end(struct writer *writer, struct error *err)
{
    (void)writer;
    (void)err;
    return 0;
}

const struct writer_format writer_csv = {
    .name = "csv",
    .state_size = sizeof(struct writer),
    .begin = csv_begin,
    .row = csv_row,
    .end = csv_end,
};
