/* SPDX-License-Identifier: BSD-3-Clause */
/* The host record. Written a few times in a sensor's life, so clearness comes before speed here;
 * its texts come from the kernel and from firmware and are checked on the way in and out. */
#include "common/host_record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"

void host_record_init(struct host_record *host)
{
    *host = (struct host_record){0};
    host_record_clear(host);
}

void host_record_deinit(struct host_record *host)
{
    free(host->packages);
    free(host->sources);
    free(host->events);
    free(host->invalid);
    host_record_init(host);
}

void host_record_clear(struct host_record *host)
{
    host->key = (struct record_key){0};
    host->boot_id[0] = host->version[0] = host->cpu_vendor[0] = host->cpu_name[0] = '\0';
    host->engine[0] = host->granularity[0] = '\0';
    host->cpu_family = host->cpu_model = host->interval_ns = VALUE_ABSENT;
    host->n_packages = host->n_sources = host->n_events = host->n_invalid = 0;
}

int host_record_add_package(struct host_record *host, struct host_package **ret_package)
{
    int r = array_reserve(&host->packages, &host->packages_capacity, host->n_packages + 1,
                          sizeof(*host->packages));
    if (r < 0)
        return r;
    *ret_package = &host->packages[host->n_packages++];
    **ret_package = (struct host_package){
        .package = PACKAGE_NONE,
        .cpus = VALUE_ABSENT,
        .base_hz = VALUE_ABSENT,
        .max_hz = VALUE_ABSENT,
        .max_w = (double)NAN,
    };
    return 0;
}

int host_record_add_source(struct host_record *host, struct host_source **ret_source)
{
    int r = array_reserve(&host->sources, &host->sources_capacity, host->n_sources + 1,
                          sizeof(*host->sources));
    if (r < 0)
        return r;
    *ret_source = &host->sources[host->n_sources++];
    **ret_source = (struct host_source){
        .package = PACKAGE_NONE,
        .unit_uj = (double)NAN,
        .range_uj = VALUE_ABSENT,
        .peak_w = (double)NAN,
        .floor_w = (double)NAN,
    };
    return 0;
}

int host_record_add_event(struct host_record *host, struct host_event **ret_event)
{
    int r = array_reserve(&host->events, &host->events_capacity, host->n_events + 1,
                          sizeof(*host->events));
    if (r < 0)
        return r;
    *ret_event = &host->events[host->n_events++];
    **ret_event = (struct host_event){0};
    return 0;
}

int host_record_add_invalid(struct host_record *host, struct host_invalid **ret_invalid)
{
    int r = array_reserve(&host->invalid, &host->invalid_capacity, host->n_invalid + 1,
                          sizeof(*host->invalid));
    if (r < 0)
        return r;
    *ret_invalid = &host->invalid[host->n_invalid++];
    **ret_invalid = (struct host_invalid){.package = PACKAGE_NONE, .count = VALUE_ABSENT};
    return 0;
}

/* ---- encoding ---- */

static int check_text(const char *name, const char *text, struct error *err)
{
    if (!text_is_utf8(text, strlen(text)))
        return error_set(err, -EINVAL, "%s: not UTF-8 (escape it first)", name);
    return 0;
}

static int check(const struct host_record *host, struct error *err)
{
    int r = check_text("cpu.name", host->cpu_name, err);
    if (r == 0)
        r = check_text("cpu.vendor", host->cpu_vendor, err);
    if (r == 0)
        r = check_text("boot_id", host->boot_id, err);
    for (size_t i = 0; r == 0 && i < host->n_packages; i++) {
        if (isinf(host->packages[i].max_w))
            r = error_set(err, -ERANGE, "packages.%zu.max_w: infinite", i);
    }
    for (size_t i = 0; r == 0 && i < host->n_sources; i++) {
        const struct host_source *source = &host->sources[i];
        const char *infinite = isinf(source->unit_uj)   ? "unit_uj"
                               : isinf(source->peak_w)  ? "peak_w"
                               : isinf(source->floor_w) ? "floor_w"
                                                        : NULL;
        if (infinite)
            r = error_set(err, -ERANGE, "sources.%zu.%s: infinite", i, infinite);
    }
    for (size_t i = 0; r == 0 && i < host->n_events; i++) {
        r = check_text("event", host->events[i].event, err);
        if (r == 0)
            r = check_text("name", host->events[i].name, err);
    }
    return r;
}

static void append_cpu(bson_t *document, const struct host_record *host)
{
    bson_t cpu;
    (void)bson_append_document_begin(document, "cpu", -1, &cpu);
    append_text(&cpu, "vendor", host->cpu_vendor);
    append_int64(&cpu, "family", host->cpu_family);
    append_int64(&cpu, "model", host->cpu_model);
    append_text(&cpu, "name", host->cpu_name);
    (void)bson_append_document_end(document, &cpu);
}

static void append_packages(bson_t *document, const struct host_record *host)
{
    bson_t array, element;
    (void)bson_append_array_begin(document, "packages", -1, &array);
    for (size_t i = 0; i < host->n_packages; i++) {
        const struct host_package *package = &host->packages[i];
        append_element(&array, (uint32_t)i, &element);
        append_package(&element, package->package);
        append_int64(&element, "cpus", package->cpus);
        append_int64(&element, "base_hz", package->base_hz);
        append_int64(&element, "max_hz", package->max_hz);
        append_double(&element, "max_w", package->max_w);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

static void append_sources(bson_t *document, const struct host_record *host)
{
    bson_t array, element;
    (void)bson_append_array_begin(document, "sources", -1, &array);
    for (size_t i = 0; i < host->n_sources; i++) {
        const struct host_source *source = &host->sources[i];
        append_element(&array, (uint32_t)i, &element);
        append_text(&element, "domain", domain_name(source->domain));
        append_package(&element, source->package);
        append_text(&element, "source", source->source);
        append_double(&element, "unit_uj", source->unit_uj);
        append_int64(&element, "range_uj", source->range_uj);
        append_double(&element, "peak_w", source->peak_w);
        append_double(&element, "floor_w", source->floor_w);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

static void append_events(bson_t *document, const struct host_record *host)
{
    bson_t array, element;
    (void)bson_append_array_begin(document, "events", -1, &array);
    for (size_t i = 0; i < host->n_events; i++) {
        const struct host_event *event = &host->events[i];
        append_element(&array, (uint32_t)i, &element);
        append_text(&element, "name", event->name);
        append_text(&element, "event", event->event);
        append_text(&element, "pmu", event->pmu);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

static void append_invalid(bson_t *document, const struct host_record *host)
{
    bson_t array, element;
    if (host->n_invalid == 0)
        return;
    (void)bson_append_array_begin(document, "invalid", -1, &array);
    for (size_t i = 0; i < host->n_invalid; i++) {
        const struct host_invalid *invalid = &host->invalid[i];
        append_element(&array, (uint32_t)i, &element);
        append_text(&element, "domain", domain_name(invalid->domain));
        append_package(&element, invalid->package);
        append_text(&element, "source", invalid->source);
        append_text(&element, "reason", invalid->reason);
        append_int64(&element, "count", invalid->count);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

int host_record_encode(const struct host_record *host, bson_t *scratch,
                       struct document *ret_document, struct error *err)
{
    char id[RECORD_ID_SIZE];
    record_id(&host->key, "host", id);
    int r = check(host, err);
    if (r == 0)
        r = record_begin(scratch, RECORD_HOST, &host->key, id, err);
    if (r < 0)
        return error_wrap(err, r, "host record");
    append_text(scratch, "boot_id", host->boot_id);
    append_text(scratch, "version", host->version);
    append_cpu(scratch, host);
    append_packages(scratch, host);
    append_text(scratch, "engine", host->engine);
    append_text(scratch, "granularity", host->granularity);
    append_int64(scratch, "interval_ns", host->interval_ns);
    append_sources(scratch, host);
    append_events(scratch, host);
    append_invalid(scratch, host);
    record_end(scratch, RECORD_HOST, &host->key, id, ret_document);
    return 0;
}

/* ---- decoding ---- */

static int read_package(bson_iter_t *fields, void *record, struct error *err)
{
    struct host_package *package;
    int r = host_record_add_package(record, &package);
    while (r == 0 && bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "package") == 0)
            r = field_package(fields, &package->package, err);
        else if (strcmp(key, "cpus") == 0)
            r = field_amount(fields, &package->cpus, err);
        else if (strcmp(key, "base_hz") == 0)
            r = field_amount(fields, &package->base_hz, err);
        else if (strcmp(key, "max_hz") == 0)
            r = field_amount(fields, &package->max_hz, err);
        else if (strcmp(key, "max_w") == 0)
            r = field_double(fields, &package->max_w, err);
    }
    return r;
}

static int read_source(bson_iter_t *fields, void *record, struct error *err)
{
    struct host_source *source;
    bool has_domain = false;
    int r = host_record_add_source(record, &source);
    while (r == 0 && bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "domain") == 0) {
            has_domain = true;
            r = field_domain(fields, &source->domain, err);
        } else if (strcmp(key, "package") == 0) {
            r = field_package(fields, &source->package, err);
        } else if (strcmp(key, "source") == 0) {
            r = field_text(fields, source->source, sizeof(source->source), word_is_valid, err);
        } else if (strcmp(key, "unit_uj") == 0) {
            r = field_double(fields, &source->unit_uj, err);
        } else if (strcmp(key, "range_uj") == 0) {
            r = field_amount(fields, &source->range_uj, err);
        } else if (strcmp(key, "peak_w") == 0) {
            r = field_double(fields, &source->peak_w, err);
        } else if (strcmp(key, "floor_w") == 0) {
            r = field_double(fields, &source->floor_w, err);
        }
    }
    if (r == 0 && !has_domain)
        r = error_set(err, -EBADMSG, "domain: missing");
    return r;
}

static int read_event(bson_iter_t *fields, void *record, struct error *err)
{
    struct host_event *event;
    int r = host_record_add_event(record, &event);
    while (r == 0 && bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "name") == 0)
            r = field_text(fields, event->name, sizeof(event->name), NULL, err);
        else if (strcmp(key, "event") == 0)
            r = field_text(fields, event->event, sizeof(event->event), NULL, err);
        else if (strcmp(key, "pmu") == 0)
            r = field_text(fields, event->pmu, sizeof(event->pmu), NULL, err);
    }
    return r;
}

static int read_invalid(bson_iter_t *fields, void *record, struct error *err)
{
    struct host_invalid *invalid;
    bool has_domain = false;
    int r = host_record_add_invalid(record, &invalid);
    while (r == 0 && bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "domain") == 0) {
            has_domain = true;
            r = field_domain(fields, &invalid->domain, err);
        } else if (strcmp(key, "package") == 0) {
            r = field_package(fields, &invalid->package, err);
        } else if (strcmp(key, "source") == 0) {
            r = field_text(fields, invalid->source, sizeof(invalid->source), word_is_valid, err);
        } else if (strcmp(key, "reason") == 0) {
            r = field_text(fields, invalid->reason, sizeof(invalid->reason), word_is_valid, err);
        } else if (strcmp(key, "count") == 0) {
            r = field_amount(fields, &invalid->count, err);
        }
    }
    if (r == 0 && !has_domain)
        r = error_set(err, -EBADMSG, "domain: missing");
    return r;
}

static int read_cpu(const bson_iter_t *cpu, struct host_record *host, struct error *err)
{
    bson_iter_t field;
    int r = field_enter(cpu, false, &field, err);
    while (r == 0 && bson_iter_next(&field)) {
        const char *key = bson_iter_key(&field);
        if (strcmp(key, "vendor") == 0)
            r = field_text(&field, host->cpu_vendor, sizeof(host->cpu_vendor), NULL, err);
        else if (strcmp(key, "family") == 0)
            r = field_amount(&field, &host->cpu_family, err);
        else if (strcmp(key, "model") == 0)
            r = field_amount(&field, &host->cpu_model, err);
        else if (strcmp(key, "name") == 0)
            r = field_text(&field, host->cpu_name, sizeof(host->cpu_name), NULL, err);
    }
    return r < 0 ? error_wrap(err, r, "cpu") : r;
}

static int read_field(const bson_iter_t *field, struct host_record *host, struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "boot_id") == 0)
        return field_text(field, host->boot_id, sizeof(host->boot_id), NULL, err);
    if (strcmp(key, "version") == 0)
        return field_text(field, host->version, sizeof(host->version), NULL, err);
    if (strcmp(key, "cpu") == 0)
        return read_cpu(field, host, err);
    if (strcmp(key, "packages") == 0)
        return field_elements(field, read_package, host, err);
    if (strcmp(key, "engine") == 0)
        return field_text(field, host->engine, sizeof(host->engine), word_is_valid, err);
    if (strcmp(key, "granularity") == 0)
        return field_text(field, host->granularity, sizeof(host->granularity), word_is_valid, err);
    if (strcmp(key, "interval_ns") == 0)
        return field_amount(field, &host->interval_ns, err);
    if (strcmp(key, "sources") == 0)
        return field_elements(field, read_source, host, err);
    if (strcmp(key, "events") == 0)
        return field_elements(field, read_event, host, err);
    if (strcmp(key, "invalid") == 0)
        return field_elements(field, read_invalid, host, err);
    return 0;
}

int host_record_decode(const struct document *document, struct host_record *ret_host,
                       struct error *err)
{
    bson_t bson;
    bson_iter_t field;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes) ||
        !bson_iter_init(&field, &bson))
        return error_set(err, -EBADMSG, "host record %s: no BSON", document->id);
    ret_host->key = document->key;
    int r = 0;
    while (r == 0 && bson_iter_next(&field))
        r = read_field(&field, ret_host, err);
    if (r < 0) {
        host_record_clear(ret_host);
        return error_wrap(err, r, "host record %s", document->id);
    }
    return 0;
}
