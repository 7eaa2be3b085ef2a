/* SPDX-License-Identifier: BSD-3-Clause */
/* Within a tick a sensor's documents come as host, targets, raw; so one id, read as (tick, kind),
 * says where all three stand. Power records are later than their tick by however long the formula
 * takes, and have a mark of their own. */
#include "common/remote/mongodb_position.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

/* Before each id; the ids' own endings are not for us to read. */
static const char kind_letters[RECORD_KIND_COUNT] = {
    [RECORD_HOST] = 'h',
    [RECORD_TARGET] = 't',
    [RECORD_RAW] = 'r',
    [RECORD_POWER] = 'p',
};

static enum record_kind letter_kind(char letter)
{
    for (enum record_kind kind = RECORD_UNKNOWN; letter && kind < RECORD_KIND_COUNT; kind++)
        if (kind_letters[kind] == letter)
            return kind;
    return RECORD_UNKNOWN;
}

int mongodb_position_add(char position[static POSITION_SIZE], enum record_kind kind, const char *id,
                         struct error *err)
{
    size_t length = strlen(position);
    int added = snprintf(position + length, POSITION_SIZE - length, "%s%c%s", length ? " " : "",
                         kind_letters[kind], id);
    if (added >= 0 && (size_t)added < POSITION_SIZE - length)
        return 0;
    position[length] = '\0';
    return error_set(
        err, -EOVERFLOW,
        "mongodb: too many sensors to remember how far each was read: read them one by "
        "one, with --sensor NAME");
}

/* Where the third of the id's parts ends; NULL if it has fewer. */
static const char *tick_end(const char *id)
{
    const char *colon = strchr(id, ':');
    colon = colon ? strchr(colon + 1, ':') : NULL;
    return colon ? colon + 1 + strcspn(colon + 1, ":") : NULL;
}

static int mark_parse(const char *token, size_t length, struct mongodb_mark *ret_mark)
{
    struct mongodb_mark mark = {.kind = letter_kind(*token)};
    if (mark.kind == RECORD_UNKNOWN || length - 1 >= sizeof(mark.id))
        return -EINVAL;
    memcpy(mark.id, token + 1, length - 1);
    const char *end = tick_end(mark.id);
    size_t sensor_length = strcspn(mark.id, ":");
    if (!end || sensor_length >= sizeof(mark.sensor))
        return -EINVAL;
    memcpy(mark.sensor, mark.id, sensor_length);
    memcpy(mark.tick, mark.id, (size_t)(end - mark.id));
    if (!sensor_name_is_valid(mark.sensor))
        return -EINVAL;
    *ret_mark = mark;
    return 0;
}

int mongodb_position_find(const char *position, const char *sensor, bool is_power,
                          struct mongodb_mark *ret_mark, struct error *err)
{
    int found = 0;
    while (*position) {
        size_t length = strcspn(position, " ");
        struct mongodb_mark mark;
        if (length == 0 || mark_parse(position, length, &mark) < 0)
            return error_set(err, -EINVAL,
                             "mongodb: \"%.80s\" is not a position in a MongoDB store", position);
        if ((mark.kind == RECORD_POWER) == is_power && !strcmp(mark.sensor, sensor)) {
            *ret_mark = mark;
            found = 1;
        }
        position += length;
        position += strspn(position, " ");
    }
    return found;
}

void mongodb_mark_bound(const struct mongodb_mark *mark, enum record_kind kind, bool is_reversed,
                        char bound[static RECORD_ID_SIZE + 1], bool *ret_is_inclusive)
{
    bool is_given = is_reversed ? kind > mark->kind : kind < mark->kind;
    *ret_is_inclusive = false;
    if (kind == mark->kind) {
        (void)snprintf(bound, RECORD_ID_SIZE + 1, "%s", mark->id);
    } else if (is_given != is_reversed) {
        /* Everything of this kind up to the end of the tick lies behind (or, reversed, ahead). */
        (void)snprintf(bound, RECORD_ID_SIZE + 1, "%s;", mark->tick);
    } else {
        (void)snprintf(bound, RECORD_ID_SIZE + 1, "%s", mark->tick);
        *ret_is_inclusive = !is_reversed;
    }
}
