/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables for eyes: numbers to the right, text to the left, columns as wide as what they hold. Rows
 * are kept until the end because widths depend on all of them. Names come from stores, and a store
 * is input: control characters are shown as '?', so that no name can drive the terminal. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/writer_format.h"
#include "common/array.h"
#include "common/error.h"

struct text_writer {
    struct writer writer;
    char **cells; /* [n_cells], row by row, owned */
    size_t n_cells, cells_capacity;
    char **notes;
    size_t n_notes, notes_capacity;
};

static void make_harmless(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < 0x20 || *c == 0x7f) {
            *c = '?';
        } else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) { /* C1 controls in UTF-8 */
            c[0] = '?';
            c[1] = '?';
        }
    }
}

/* Characters, not bytes: continuation bytes take no room. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *time_text(int64_t time_ms, char *text, size_t size)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm local;
    if (!localtime_r(&seconds, &local) || !strftime(text, size, "%Y-%m-%dT%H:%M:%S%z", &local))
        (void)snprintf(text, size, "@%lld", (long long)(time_ms / 1000));
    return text;
}

static char *cell_text(const struct column *column, const union cell *cell)
{
    if (cell_is_absent(column->type, cell))
        return strdup("-");
    char text[352]; /* the longest double has 309 digits before the point */
    switch (column->type) {
    case COLUMN_TEXT:
        return strdup(cell->text);
    case COLUMN_INTEGER:
        (void)snprintf(text, sizeof(text), "%lld", (long long)cell->integer);
        break;
    case COLUMN_REAL:
        (void)snprintf(text, sizeof(text), "%.*f", column->decimals, cell->real);
        break;
    case COLUMN_TIME:
        (void)time_text(cell->time_ms, text, sizeof(text));
        break;
    }
    return strdup(text);
}

static int text_begin(struct writer *writer, struct error *err)
{
    (void)writer;
    (void)err;
    return 0;
}

static int text_row(struct writer *writer, const union cell *cells, struct error *err)
{
    struct text_writer *text = (struct text_writer *)writer;
    if (array_reserve(&text->cells, &text->cells_capacity, text->n_cells + writer->n_columns,
                      sizeof(char *)) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < writer->n_columns; i++) {
        char *cell = cell_text(&writer->columns[i], &cells[i]);
        if (!cell)
            return error_set(err, -ENOMEM, "out of memory");
        make_harmless(cell);
        text->cells[text->n_cells++] = cell;
    }
    return 0;
}

static int text_note(struct writer *writer, const char *note, struct error *err)
{
    struct text_writer *text = (struct text_writer *)writer;
    char *copy = strdup(note);
    if (!copy ||
        array_reserve(&text->notes, &text->notes_capacity, text->n_notes + 1, sizeof(char *)) < 0) {
        free(copy);
        return error_set(err, -ENOMEM, "out of memory");
    }
    make_harmless(copy);
    text->notes[text->n_notes++] = copy;
    return 0;
}

static void print_cell(FILE *stream, const struct column *column, const char *cell, size_t width,
                       bool is_last)
{
    size_t own_width = text_width(cell);
    int padding = width > own_width ? (int)(width - own_width) : 0;
    if (column->type == COLUMN_TEXT || column->type == COLUMN_TIME)
        (void)fprintf(stream, "%s%*s", cell, is_last ? 0 : padding, "");
    else
        (void)fprintf(stream, "%*s%s", padding, "", cell);
    (void)fputs(is_last ? "\n" : "  ", stream);
}

static void print_table(const struct text_writer *text, const size_t *widths)
{
    const struct writer *writer = &text->writer;
    size_t n = writer->n_columns;
    for (size_t i = 0; i < n; i++)
        print_cell(writer->stream, &writer->columns[i], writer->columns[i].title, widths[i],
                   i + 1 == n);
    for (size_t i = 0; i < text->n_cells; i++)
        print_cell(writer->stream, &writer->columns[i % n], text->cells[i], widths[i % n],
                   i % n + 1 == n);
}

static int text_end(struct writer *writer, struct error *err)
{
    struct text_writer *text = (struct text_writer *)writer;
    size_t *widths = calloc(writer->n_columns, sizeof(*widths));
    if (!widths)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < writer->n_columns; i++)
        widths[i] = text_width(writer->columns[i].title);
    for (size_t i = 0; i < text->n_cells; i++) {
        size_t width = text_width(text->cells[i]);
        if (widths[i % writer->n_columns] < width)
            widths[i % writer->n_columns] = width;
    }
    print_table(text, widths);
    for (size_t i = 0; i < text->n_notes; i++)
        (void)fprintf(writer->stream, "%s\n", text->notes[i]);
    free(widths);
    return 0;
}

static void text_release(struct writer *writer)
{
    struct text_writer *text = (struct text_writer *)writer;
    for (size_t i = 0; i < text->n_cells; i++)
        free(text->cells[i]);
    for (size_t i = 0; i < text->n_notes; i++)
        free(text->notes[i]);
    free(text->cells);
    free(text->notes);
}

const struct writer_format writer_text = {
    .name = "table",
    .state_size = sizeof(struct text_writer),
    .begin = text_begin,
    .row = text_row,
    .note = text_note,
    .end = text_end,
    .release = text_release,
};
