/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of any length from a file, pipe or terminal, with their numbers and byte offsets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_reader {
    int fd;                /* borrowed */
    bool is_seekable;      /* reads at offset, not where the descriptor stands */
    size_t max_line_bytes; /* a longer line is skipped */
    uint64_t offset;       /* of the next line's first byte */
    uint64_t n_lines;      /* consumed: the number (from 1) of the line given last */
    char *buffer;          /* [start .. end - 1] not consumed yet */
    size_t start, end, capacity;
    size_t n_searched;     /* bytes after start known to hold no newline */
    bool is_skipping;      /* inside a line that was too long */
};

enum line_outcome {
    LINE_END = 0,      /* nothing whole there now */
    LINE_WHOLE = 1,    /* *ret_text, *ret_size_bytes: without the newline, borrowed until the next call */
    LINE_TOO_LONG = 2, /* reported once, the rest of it is skipped */
    LINE_CUT = 3,      /* the last line, without a newline (only with take_cut) */
    LINE_WAIT = 4,     /* nothing whole there now, but more may come: only without take_cut on a pipe */
};

void line_reader_init(struct line_reader *reader, int fd, bool is_seekable, size_t max_line_bytes);
void line_reader_deinit(struct line_reader *reader);
/* Goes on from offset, before which there are n_lines lines. Seekable input only. */
void line_reader_seek(struct line_reader *reader, uint64_t offset, uint64_t n_lines);

/* take_cut: the end of the file ends the last line too, and reading waits for it. Without, an unfinished line is left until the rest of it
 * is there, and a pipe is not waited for. A line_outcome or a negative errno of read(2), -ENOMEM. */
int line_reader_next(struct line_reader *reader, bool take_cut, const char **ret_text, size_t *ret_size_bytes);
