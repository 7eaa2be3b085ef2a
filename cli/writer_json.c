/* SPDX-License-Identifier: BSD-3-Clause */
/* One object {"rows":[...]}, a row per line: whole files parse as JSON, and a person can still read
 * them. Each row is a BSON document given to the one JSON printer of the project, so that numbers
 * and stamps look as they do in JSON lines. */
#include <errno.h>

#include "cli/writer_format.h"
#include "common/error.h"
#include "common/json_text.h"

struct json_writer {
    struct writer writer;
    size_t n_rows;
};

static bool append_cell(bson_t *row, const struct column *column, const union cell *cell)
{
    if (cell_is_absent(column->type, cell))
        return bson_append_null(row, column->name, -1);
    switch (column->type) {
    case COLUMN_TEXT:
        return bson_append_utf8(row, column->name, -1, cell->text, -1);
    case COLUMN_INTEGER:
        return bson_append_int64(row, column->name, -1, cell->integer);
    case COLUMN_REAL:
        return bson_append_double(row, column->name, -1, cell->real);
    case COLUMN_TIME:
        return bson_append_date_time(row, column->name, -1, cell->time_ms);
    }
    return false;
}

static int json_begin(struct writer *writer, struct error *err)
{
    (void)err;
    (void)fputs("{\"rows\":[", writer->stream);
    return 0;
}

static int json_row(struct writer *writer, const union cell *cells, struct error *err)
{
    struct json_writer *json = (struct json_writer *)writer;
    bson_t row = BSON_INITIALIZER;
    int r = 0;
    for (size_t i = 0; i < writer->n_columns && r == 0; i++)
        if (!append_cell(&row, &writer->columns[i], &cells[i]))
            r = error_set(err, -ENOMEM, "row %zu does not fit in memory", json->n_rows);
    if (r == 0) {
        (void)fputs(json->n_rows ? ",\n" : "\n", writer->stream);
        json->n_rows++;
        r = json_write(writer->stream, &row, err);
    }
    bson_destroy(&row);
    return r;
}

static int json_end(struct writer *writer, struct error *err)
{
    (void)err;
    (void)fputs("\n]}\n", writer->stream);
    return 0;
}

const struct writer_format writer_json = {
    .name = "json",
    .state_size = sizeof(struct json_writer),
    .begin = json_begin,
    .row = json_row,
    .end = json_end,
};
