/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the probe's JSON leniently: a field that is missing leaves its default, so that a newer or
 * older sensor beside this command still gets a useful answer. */
#include "cli/machine.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bson/bson.h>

#include "cli/child.h"
#include "common/array.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/scope.h"

#define PROBE_MAX_BYTES ((size_t)1 << 20)
#define PROBE_WAIT_MS 60000 /* three sources may take 15 s each, whose drivers do not answer */

static void text_field(const bson_iter_t *object, const char *name, char *text, size_t size)
{
    bson_iter_t field;
    if (bson_iter_recurse(object, &field) && bson_iter_find(&field, name) &&
        BSON_ITER_HOLDS_UTF8(&field))
        (void)snprintf(text, size, "%s", bson_iter_utf8(&field, NULL));
}

static bool flag_field(const bson_iter_t *object, const char *name)
{
    bson_iter_t field;
    return bson_iter_recurse(object, &field) && bson_iter_find(&field, name) &&
           BSON_ITER_HOLDS_BOOL(&field) && bson_iter_bool(&field);
}

static double number_field(const bson_iter_t *object, const char *name, double scale)
{
    bson_iter_t field;
    if (!bson_iter_recurse(object, &field) || !bson_iter_find(&field, name) ||
        !BSON_ITER_HOLDS_NUMBER(&field))
        return NAN;
    return bson_iter_as_double(&field) * scale;
}

static bool has_field(const bson_iter_t *object, const char *name)
{
    bson_iter_t field;
    return bson_iter_recurse(object, &field) && bson_iter_find(&field, name);
}

static void parse_checks(struct machine_domain *domain, const bson_iter_t *object)
{
    bson_iter_t list, item;
    if (!bson_iter_recurse(object, &list) || !bson_iter_find(&list, "checks") ||
        !BSON_ITER_HOLDS_ARRAY(&list) || !bson_iter_recurse(&list, &item))
        return;
    while (domain->n_checks < MACHINE_CHECKS_MAX && bson_iter_next(&item)) {
        struct machine_check *check = &domain->checks[domain->n_checks];
        if (!BSON_ITER_HOLDS_DOCUMENT(&item))
            continue;
        text_field(&item, "source", check->source, sizeof(check->source));
        text_field(&item, "state", check->state, sizeof(check->state));
        check->difference = number_field(&item, "difference", 1);
        domain->n_checks++;
    }
}

static int parse_domain(struct machine *machine, const char *unused, const bson_iter_t *object,
                        struct error *err)
{
    (void)unused;
    if (array_reserve(&machine->domains, &machine->domains_capacity, machine->n_domains + 1,
                      sizeof(*machine->domains)) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    struct machine_domain domain = {.name = ""};
    char name[16] = "";
    text_field(object, "domain", name, sizeof(name));
    double package = number_field(object, "package", 1);
    if (package >= 0 && package <= INT32_MAX)
        (void)snprintf(domain.name, sizeof(domain.name), "%s %.0f", name, package);
    else
        (void)snprintf(domain.name, sizeof(domain.name), "%s", name);
    text_field(object, "source", domain.source, sizeof(domain.source));
    domain.is_estimate = flag_field(object, "estimate");
    domain.is_attributed = flag_field(object, "attributed");
    domain.is_filtered = flag_field(object, "filtered");
    domain.unit_uj = number_field(object, "unit_uj", 1);
    domain.range_j = number_field(object, "range_uj", 1e-6);
    domain.peak_w = number_field(object, "peak_w", 1);
    domain.wrap_s = number_field(object, "wrap_s", 1);
    domain.longest_interval_s = number_field(object, "longest_interval_ns", 1e-9);
    domain.update_ms = number_field(object, "update_ns", 1e-6);
    domain.reading_ms = number_field(object, "reading_ns", 1e-6);
    domain.power_w = number_field(object, "power_w", 1);
    text_field(object, "reason", domain.reason, sizeof(domain.reason));
    text_field(object, "includes", domain.includes, sizeof(domain.includes));
    text_field(object, "leaves_out", domain.leaves_out, sizeof(domain.leaves_out));
    parse_checks(&domain, object);
    machine->domains[machine->n_domains++] = domain;
    return 0;
}

static int parse_part(struct machine *machine, const char *kind, const bson_iter_t *object,
                      struct error *err)
{
    if (array_reserve(&machine->parts, &machine->parts_capacity, machine->n_parts + 1,
                      sizeof(*machine->parts)) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    struct machine_part part = {.kind = kind};
    text_field(object, "name", part.name, sizeof(part.name));
    if (!part.name[0])
        return error_set(err, -EBADMSG, "an %s in the probe's answer has no name", kind);
    text_field(object, "reason", part.reason, sizeof(part.reason));
    text_field(object, "advice", part.advice, sizeof(part.advice));
    char availability[32] = "";
    text_field(object, "availability", availability, sizeof(availability));
    part.is_usable = flag_field(object, "usable");
    part.is_chosen = flag_field(object, "chosen");
    part.is_estimate = flag_field(object, "estimate") || strcmp(part.name, "curve") == 0;
    part.is_unreadable = strcmp(availability, "unreadable") == 0;
    part.is_attributed = !has_field(object, "attributed") || flag_field(object, "attributed");
    machine->parts[machine->n_parts++] = part;
    return 0;
}

static int
parse_list(struct machine *machine, const bson_t *document, const char *name, const char *kind,
           int (*parse)(struct machine *, const char *, const bson_iter_t *, struct error *),
           struct error *err)
{
    bson_iter_t list, item;
    if (!bson_iter_init_find(&list, document, name) || !BSON_ITER_HOLDS_ARRAY(&list) ||
        !bson_iter_recurse(&list, &item))
        return error_set(err, -EBADMSG, "the probe's answer has no \"%s\"", name);
    while (bson_iter_next(&item)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&item))
            return error_set(err, -EBADMSG, "\"%s\" in the probe's answer holds no objects", name);
        int r = parse(machine, kind, &item, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void text_of(const bson_t *document, const char *name, char *text, size_t size)
{
    bson_iter_t field;
    if (bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_UTF8(&field))
        (void)snprintf(text, size, "%s", bson_iter_utf8(&field, NULL));
}

/* Texts of a list, as words. */
static void words_of(const bson_t *document, const char *name, char *text, size_t size)
{
    bson_iter_t list, item;
    if (!bson_iter_init_find(&list, document, name) || !BSON_ITER_HOLDS_ARRAY(&list) ||
        !bson_iter_recurse(&list, &item))
        return;
    while (bson_iter_next(&item)) {
        size_t length = strlen(text);
        if (BSON_ITER_HOLDS_UTF8(&item))
            (void)snprintf(text + length, size - length, "%s%s", length ? ", " : "",
                           bson_iter_utf8(&item, NULL));
    }
}

int machine_parse(struct machine *machine, const char *json, size_t size, struct error *err)
{
    *machine = (struct machine){0};
    bson_t document;
    int r = json_parse(json, size, &document, err);
    if (r < 0)
        return r;
    bson_iter_t cpu;
    if (bson_iter_init_find(&cpu, &document, "cpu") && BSON_ITER_HOLDS_DOCUMENT(&cpu))
        text_field(&cpu, "name", machine->cpu, sizeof(machine->cpu));
    text_of(&document, "energy_why", machine->energy_why, sizeof(machine->energy_why));
    text_of(&document, "granularity", machine->granularity, sizeof(machine->granularity));
    words_of(&document, "events", machine->events, sizeof(machine->events));
    words_of(&document, "events_missing", machine->events_missing, sizeof(machine->events_missing));
    text_of(&document, "engine_why", machine->engine_why, sizeof(machine->engine_why));
    text_of(&document, "events_why", machine->events_why, sizeof(machine->events_why));
    text_of(&document, "events_advice", machine->events_advice, sizeof(machine->events_advice));
    r = parse_list(machine, &document, "sources", "energy", parse_part, err);
    if (r >= 0)
        r = parse_list(machine, &document, "engines", "engine", parse_part, err);
    if (r >= 0 && bson_has_field(&document, "domains"))
        r = parse_list(machine, &document, "domains", "domain", parse_domain, err);
    bson_destroy(&document);
    if (r < 0)
        machine_deinit(machine);
    return r;
}

int machine_probe(struct machine *machine, struct error *err)
{
    struct child child;
    char *argv[] = {NULL, "--probe", NULL};
    int r = child_start(&child, "watt-sensor", argv, true, err);
    if (r < 0)
        return r;
    SCOPED(scope_free) char *text = NULL;
    r = child_collect(&child, PROBE_MAX_BYTES, PROBE_WAIT_MS, &text, err);
    if (r >= 0 && child_has_ended(&child) && child_exit_status(&child) != 0) {
        char words[512];
        r = error_set(err, -ENODEV, "watt-sensor --probe: %s",
                      child_last_words(&child, words, sizeof(words)));
    }
    child_end(&child, 1000);
    if (r < 0)
        return r;
    r = machine_parse(machine, text, strlen(text), err);
    return r < 0 ? error_wrap(err, r, "watt-sensor --probe") : 0;
}

void machine_deinit(struct machine *machine)
{
    free(machine->parts);
    free(machine->domains);
    *machine = (struct machine){0};
}

const struct machine_part *machine_chosen(const struct machine *machine, const char *kind)
{
    for (size_t i = 0; i < machine->n_parts; i++)
        if (machine->parts[i].is_chosen && machine->parts[i].is_attributed &&
            strcmp(machine->parts[i].kind, kind) == 0)
            return &machine->parts[i];
    return NULL;
}

bool machine_disagrees(const struct machine *machine)
{
    for (size_t i = 0; i < machine->n_domains; i++) {
        const struct machine_domain *domain = &machine->domains[i];
        for (size_t j = 0; j < domain->n_checks; j++)
            if (strcmp(domain->checks[j].state, "differs") == 0)
                return true;
    }
    return false;
}

const struct machine_part *machine_locked(const struct machine *machine)
{
    for (size_t i = 0; i < machine->n_parts; i++)
        if (machine->parts[i].is_unreadable && strcmp(machine->parts[i].kind, "energy") == 0)
            return &machine->parts[i];
    return NULL;
}
