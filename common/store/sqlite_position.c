/* SPDX-License-Identifier: BSD-3-Clause */
/* The origin of the file stands beside the row number, because a file that was removed and made
 * anew counts from 1 again: a courier that went on from the old number would skip ticks. */
#include "common/store/sqlite_position.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

void sqlite_position_format(const struct sqlite_position positions[static SQLITE_FILE_COUNT],
                            char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < SQLITE_FILE_COUNT && length < size; i++) {
        const char *comma = i ? "," : "";
        if (positions[i].origin[0])
            length += (size_t)snprintf(text + length, size - length, "%s%s:%" PRId64, comma,
                                       positions[i].origin, positions[i].position);
        else
            length += (size_t)snprintf(text + length, size - length, "%s-", comma);
    }
}

/* Returns where the part ends, NULL if it is none. */
static const char *parse_part(const char *text, struct sqlite_position *ret_position)
{
    *ret_position = (struct sqlite_position){0};
    if (text[0] == '-')
        return text + 1;
    size_t length = strspn(text, "0123456789abcdef");
    if (length != ORIGIN_SIZE - 1 || text[length] != ':')
        return NULL;
    const char *digits = text + length + 1;
    size_t n_digits = strspn(digits, "0123456789");
    if (n_digits == 0 || n_digits > 18)
        return NULL;
    memcpy(ret_position->origin, text, length);
    for (size_t i = 0; i < n_digits; i++)
        ret_position->position = ret_position->position * 10 + (digits[i] - '0');
    return digits + n_digits;
}

int sqlite_position_parse(const char *text,
                          struct sqlite_position ret_positions[static SQLITE_FILE_COUNT],
                          struct error *err)
{
    struct sqlite_position positions[SQLITE_FILE_COUNT] = {0};
    const char *rest = text && text[0] ? text : NULL;
    for (int i = 0; rest && i < SQLITE_FILE_COUNT; i++) {
        rest = parse_part(rest, &positions[i]);
        bool is_last = i == SQLITE_FILE_COUNT - 1;
        if (!rest || *rest != (is_last ? '\0' : ','))
            return error_set(err, -EINVAL, "\"%.80s\" is not a position in an SQLite store", text);
        rest += is_last ? 0 : 1;
    }
    memcpy(ret_positions, positions, sizeof(positions));
    return 0;
}
