/* SPDX-License-Identifier: BSD-3-Clause */
/* Events gathered from ticks only ever grow, so that a stream which changes its events at every
 * tick cannot make a model forget at every tick. */
#include "formula/origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/events.h"

void origin_init(struct origin *origin)
{
    *origin = (struct origin){.cpu_family = VALUE_ABSENT, .cpu_model = VALUE_ABSENT};
}

/* Returns whether it is known already. */
static bool add_event(struct origin *origin, const char *name)
{
    size_t place = origin->n_events;
    while (place > 0 && strncmp(origin->events[place - 1], name, sizeof(origin->events[0]) - 1) > 0)
        place--;
    if (place > 0 && strncmp(origin->events[place - 1], name, sizeof(origin->events[0]) - 1) == 0)
        return true;
    if (origin->n_events == ORIGIN_EVENTS_MAX)
        return false;
    memmove(origin->events[place + 1], origin->events[place],
            (origin->n_events - place) * sizeof(origin->events[0]));
    (void)snprintf(origin->events[place], sizeof(origin->events[0]), "%s", name);
    origin->n_events++;
    return false;
}

void origin_of_host(const struct host_record *host, struct origin *ret_origin)
{
    origin_init(ret_origin);
    (void)snprintf(ret_origin->cpu_vendor, sizeof(ret_origin->cpu_vendor), "%s", host->cpu_vendor);
    (void)snprintf(ret_origin->cpu_name, sizeof(ret_origin->cpu_name), "%s", host->cpu_name);
    ret_origin->cpu_family = host->cpu_family;
    ret_origin->cpu_model = host->cpu_model;
    ret_origin->is_told = host->n_events > 0;
    for (size_t i = 0; i < host->n_events; i++)
        if (strcmp(host->events[i].name, EVENT_GPU_NS) != 0)
            (void)add_event(ret_origin, host->events[i].name);
}

/* ---- comparing ---- */

static bool has_cpu(const struct origin *origin)
{
    return origin->cpu_vendor[0] || origin->cpu_name[0];
}

static bool has_number(const struct origin *origin)
{
    return origin->cpu_vendor[0] && origin->cpu_family != VALUE_ABSENT &&
           origin->cpu_model != VALUE_ABSENT;
}

static bool is_same_cpu(const struct origin *a, const struct origin *b)
{
    if (!has_cpu(a) || !has_cpu(b))
        return true; /* nothing is known against it */
    if (has_number(a) && has_number(b))
        return strcmp(a->cpu_vendor, b->cpu_vendor) == 0 && a->cpu_family == b->cpu_family &&
               a->cpu_model == b->cpu_model;
    return strcmp(a->cpu_vendor, b->cpu_vendor) == 0 && strcmp(a->cpu_name, b->cpu_name) == 0;
}

static bool has_same_events(const struct origin *a, const struct origin *b)
{
    if (!a->is_told || !b->is_told)
        return true;
    for (size_t i = 0; i < a->n_events && a->n_events == b->n_events; i++)
        if (strcmp(a->events[i], b->events[i]) != 0)
            return false;
    return a->n_events == b->n_events;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
                                                         const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static void append_cpu(const struct origin *origin, char *text, size_t size)
{
    append(text, size, "%s", origin->cpu_vendor[0] ? origin->cpu_vendor : "CPU");
    if (has_number(origin))
        append(text, size, " %" PRId64 "/%" PRId64, origin->cpu_family, origin->cpu_model);
    if (origin->cpu_name[0])
        append(text, size, " (%s)", origin->cpu_name);
}

static void append_events(const struct origin *origin, char *text, size_t size)
{
    for (size_t i = 0; i < origin->n_events; i++)
        append(text, size, "%s%s", i > 0 ? " " : "", origin->events[i]);
}

bool origin_differs(const struct origin *known, const struct origin *now, char *ret_why,
                    size_t why_size)
{
    ret_why[0] = '\0';
    if (!is_same_cpu(known, now)) {
        append(ret_why, why_size, "its CPU is ");
        append_cpu(known, ret_why, why_size);
        append(ret_why, why_size, ", this one is ");
        append_cpu(now, ret_why, why_size);
        return true;
    }
    if (!has_same_events(known, now)) {
        append(ret_why, why_size, "its events are ");
        append_events(known, ret_why, why_size);
        append(ret_why, why_size, ", here they are ");
        append_events(now, ret_why, why_size);
        return true;
    }
    return false;
}

void origin_update(struct origin *known, const struct origin *now)
{
    if (has_cpu(now)) {
        memcpy(known->cpu_vendor, now->cpu_vendor, sizeof(known->cpu_vendor));
        memcpy(known->cpu_name, now->cpu_name, sizeof(known->cpu_name));
        known->cpu_family = now->cpu_family;
        known->cpu_model = now->cpu_model;
    }
    if (now->is_told) {
        memcpy(known->events, now->events, sizeof(known->events));
        known->n_events = now->n_events;
        known->is_told = true;
    }
}

bool origin_gather(struct origin *known, size_t n_events, const char *const *events, char *ret_why,
                   size_t why_size)
{
    size_t n_before = known->n_events, n_common = 0;
    for (size_t e = 0; e < n_events; e++)
        if (strcmp(events[e], EVENT_GPU_NS) != 0)
            n_common += add_event(known, events[e]);
    if (n_before == 0 || n_common >= n_before || known->n_events == n_before)
        return false;
    ret_why[0] = '\0';
    append(ret_why, why_size, "events are missing and others came:");
    for (size_t e = 0; e < n_events; e++)
        append(ret_why, why_size, " %s", events[e]);
    return true;
}

bool origin_fits(const struct origin *known, const struct origin *now, char *ret_why,
                 size_t why_size)
{
    if (origin_differs(known, now, ret_why, why_size))
        return false;
    const char *events[ORIGIN_EVENTS_MAX];
    struct origin both = *known;
    for (size_t i = 0; i < now->n_events; i++)
        events[i] = now->events[i];
    return (known->is_told && now->is_told) ||
           !origin_gather(&both, now->n_events, events, ret_why, why_size);
}

void origin_print(const struct origin *origin, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    if (has_cpu(origin))
        append_cpu(origin, ret_text, size);
    else
        append(ret_text, size, "CPU not known");
    append(ret_text, size, "; events: ");
    append_events(origin, ret_text, size);
}

/* ---- state ---- */

void origin_save(const struct origin *origin, bson_t *document)
{
    bson_t inner, array;
    (void)bson_append_document_begin(document, "origin", -1, &inner);
    append_text(&inner, "vendor", origin->cpu_vendor);
    append_text(&inner, "name", origin->cpu_name);
    append_int64(&inner, "family", origin->cpu_family);
    append_int64(&inner, "model", origin->cpu_model);
    (void)bson_append_bool(&inner, "told", -1, origin->is_told);
    (void)bson_append_array_begin(&inner, "events", -1, &array);
    for (size_t i = 0; i < origin->n_events; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%zu", i);
        (void)bson_append_utf8(&array, key, -1, origin->events[i], -1);
    }
    (void)bson_append_array_end(&inner, &array);
    (void)bson_append_document_end(document, &inner);
}

static void copy_text(const bson_t *document, const char *name, char *text, size_t size)
{
    bson_iter_t field;
    if (bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_UTF8(&field))
        (void)snprintf(text, size, "%s", bson_iter_utf8(&field, NULL));
}

static void copy_number(const bson_t *document, const char *name, int64_t *number)
{
    bson_iter_t field;
    if (bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_INT64(&field))
        *number = bson_iter_int64(&field);
}

int origin_load(struct origin *origin, const bson_t *document)
{
    bson_iter_t field, event;
    bson_t inner;
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    if (bson_iter_init_find(&field, document, "origin") && BSON_ITER_HOLDS_DOCUMENT(&field))
        bson_iter_document(&field, &size, &bytes);
    if (!bytes || !bson_init_static(&inner, bytes, size))
        return -EBADMSG;
    origin_init(origin);
    copy_text(&inner, "vendor", origin->cpu_vendor, sizeof(origin->cpu_vendor));
    copy_text(&inner, "name", origin->cpu_name, sizeof(origin->cpu_name));
    copy_number(&inner, "family", &origin->cpu_family);
    copy_number(&inner, "model", &origin->cpu_model);
    origin->is_told = bson_iter_init_find(&field, &inner, "told") && bson_iter_as_bool(&field);
    if (!bson_iter_init_find(&field, &inner, "events") || !bson_iter_recurse(&field, &event))
        return -EBADMSG;
    while (bson_iter_next(&event))
        if (BSON_ITER_HOLDS_UTF8(&event))
            (void)add_event(origin, bson_iter_utf8(&event, NULL));
    return 0;
}
