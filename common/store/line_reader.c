/* SPDX-License-Identifier: BSD-3-Clause */
/* One buffer that grows to the longest line seen. getline(3) is not used because it cannot leave an
 * unfinished last line for later, blocks on a pipe, and grows without a limit. */
#include "common/store/line_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"

#define READ_BYTES ((size_t)64 << 10)

void line_reader_init(struct line_reader *reader, int fd, bool is_seekable, size_t max_line_bytes)
{
    *reader = (struct line_reader){
        .fd = fd, .is_seekable = is_seekable, .max_line_bytes = max_line_bytes};
}

void line_reader_deinit(struct line_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
    reader->start = reader->end = reader->capacity = 0;
}

void line_reader_seek(struct line_reader *reader, uint64_t offset, uint64_t n_lines)
{
    reader->offset = offset;
    reader->n_lines = n_lines;
    reader->start = reader->end = reader->n_searched = 0;
    reader->is_skipping = false;
}

static bool is_readable_now(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) > 0;
}

static int make_room(struct line_reader *reader)
{
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    return array_reserve(&reader->buffer, &reader->capacity, reader->end + READ_BYTES, 1);
}

/* Bytes read, 0 at the end of the file, -EAGAIN when there are none yet. */
static ssize_t read_more(struct line_reader *reader, bool may_wait)
{
    int r = make_room(reader);
    if (r < 0)
        return r;
    ssize_t n;
    do {
        char *room = reader->buffer + reader->end;
        size_t size = reader->capacity - reader->end;
        if (reader->is_seekable)
            n = pread(reader->fd, room, size,
                      (off_t)(reader->offset + reader->end - reader->start));
        else if (may_wait || is_readable_now(reader->fd))
            n = read(reader->fd, room, size);
        else
            return -EAGAIN;
    } while (n < 0 && errno == EINTR && reader->is_seekable);
    if (n < 0)
        return errno == EINTR && !may_wait ? -EAGAIN : -errno;
    reader->end += (size_t)n;
    return n;
}

static void consume(struct line_reader *reader, size_t size_bytes)
{
    reader->start += size_bytes;
    reader->offset += size_bytes;
    reader->n_searched = 0;
}

/* Looks for the end of a line in what is buffered. LINE_END: more must be read. */
static int take_line(struct line_reader *reader, const char **ret_text, size_t *ret_size_bytes)
{
    const char *text = reader->buffer + reader->start;
    size_t size = reader->end - reader->start;
    const char *newline = NULL;
    if (size > reader->n_searched)
        newline = memchr(text + reader->n_searched, '\n', size - reader->n_searched);
    size_t length = newline ? (size_t)(newline - text) : size;
    if (reader->is_skipping) {
        consume(reader, newline ? length + 1 : size);
        reader->is_skipping = newline == NULL;
        return newline ? take_line(reader, ret_text, ret_size_bytes) : LINE_END;
    }
    if (length > reader->max_line_bytes) {
        consume(reader, newline ? length + 1 : size);
        reader->is_skipping = newline == NULL;
        reader->n_lines++;
        return LINE_TOO_LONG;
    }
    if (!newline) {
        reader->n_searched = size;
        return LINE_END;
    }
    *ret_text = text;
    *ret_size_bytes = length;
    consume(reader, length + 1);
    reader->n_lines++;
    return LINE_WHOLE;
}

static int take_rest(struct line_reader *reader, const char **ret_text, size_t *ret_size_bytes)
{
    if (reader->start == reader->end)
        return LINE_END;
    *ret_text = reader->buffer + reader->start;
    *ret_size_bytes = reader->end - reader->start;
    consume(reader, *ret_size_bytes);
    reader->n_lines++;
    return LINE_CUT;
}

int line_reader_next(struct line_reader *reader, bool take_cut, const char **ret_text,
                     size_t *ret_size_bytes)
{
    for (;;) {
        int outcome = take_line(reader, ret_text, ret_size_bytes);
        if (outcome != LINE_END)
            return outcome;
        ssize_t n = read_more(reader, take_cut);
        if (n == -EAGAIN && !take_cut)
            return LINE_WAIT;
        if (n < 0)
            return (int)n;
        if (n == 0)
            return take_cut ? take_rest(reader, ret_text, ret_size_bytes) : LINE_END;
    }
}
