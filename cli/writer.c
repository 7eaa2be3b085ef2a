/* SPDX-License-Identifier: BSD-3-Clause */
/* Chooses the format and keeps what all formats share. A command learns of a broken stream (a full
 * disk, a closed pipe) once, at the end or at the first row that notices: the formats themselves do
 * not check every character they print. */
#include "cli/writer.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/writer_format.h"
#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"

static const struct writer_format *const formats[] = {&writer_text, &writer_csv, &writer_json};

bool cell_is_absent(enum column_type type, const union cell *cell)
{
    switch (type) {
    case COLUMN_TEXT:
        return cell->text == NULL;
    case COLUMN_INTEGER:
        return cell->integer == VALUE_ABSENT;
    case COLUMN_REAL:
        return !isfinite(cell->real);
    case COLUMN_TIME:
        return cell->time_ms == VALUE_ABSENT;
    }
    return true;
}

const char *cell_real_text(double value, char text[static 32])
{
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    char *comma = strchr(text, ','); /* a caller's locale must not reach the data */
    if (comma)
        *comma = '.';
    return text;
}

static int stream_check(const struct writer *writer, struct error *err)
{
    if (ferror(writer->stream))
        return error_set(err, -EIO, "the output could not be written: %s", strerror(errno));
    return 0;
}

int writer_new(struct writer **ret_writer, const char *format, FILE *stream,
               const struct column *columns, size_t n_columns, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (strcmp(formats[i]->name, format) != 0)
            continue;
        struct writer *writer = calloc(1, formats[i]->state_size);
        if (!writer)
            return error_set(err, -ENOMEM, "out of memory");
        *writer = (struct writer){formats[i], stream, columns, n_columns};
        int r = formats[i]->begin(writer, err);
        if (r < 0) {
            if (formats[i]->release)
                formats[i]->release(writer);
            free(writer);
            return r;
        }
        *ret_writer = writer;
        return 0;
    }
    return error_set(err, -EINVAL, "format \"%s\" is not known: use table, csv or json", format);
}

int writer_row(struct writer *writer, const union cell *cells, struct error *err)
{
    int r = writer->format->row(writer, cells, err);
    return r < 0 ? r : stream_check(writer, err);
}

int writer_note(struct writer *writer, const char *text, struct error *err)
{
    return writer->format->note ? writer->format->note(writer, text, err) : 0;
}

int writer_finish(struct writer *writer, struct error *err)
{
    int r = writer->format->end(writer, err);
    if (r == 0 && (fflush(writer->stream) != 0 || ferror(writer->stream)))
        r = error_set(err, -EIO, "the output could not be written: %s", strerror(errno));
    if (writer->format->release)
        writer->format->release(writer);
    free(writer);
    return r;
}
