/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/typed_names.h"

#include <stdbool.h>
#include <string.h>

#include "common/events.h"

static const char *type_of(const char *name)
{
    return strchr(name, ':') + 1;
}

size_t typed_names_types(const char *const *names, size_t n)
{
    size_t n_types = 0;
    for (size_t e = 0; e < n; e++) {
        size_t earlier = 0;
        if (!event_without_type(names[e]))
            continue;
        while (earlier < e && (!event_without_type(names[earlier]) ||
                               strcmp(type_of(names[earlier]), type_of(names[e])) != 0))
            earlier++;
        n_types += earlier == e;
    }
    return n_types;
}

bool typed_names_is_first(const char *const *names, size_t e)
{
    size_t earlier = 0;
    while (strcmp(names[earlier], names[e]) != 0)
        earlier++;
    return earlier == e;
}

const char *typed_names_whole(const char *const *names, size_t n, size_t n_types, size_t e)
{
    const char *whole = n_types > 0 ? event_without_type(names[e]) : NULL;
    if (!whole || n_types > TYPED_NAMES_MAX || !typed_names_is_first(names, e))
        return NULL;
    size_t n_parts = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], whole) == 0)
            return NULL;
        const char *theirs = event_without_type(names[i]);
        n_parts += theirs && strcmp(theirs, whole) == 0 && typed_names_is_first(names, i);
    }
    return n_parts == n_types ? whole : NULL;
}
