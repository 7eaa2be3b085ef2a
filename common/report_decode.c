/* SPDX-License-Identifier: BSD-3-Clause */
/* A report out of BSON. Fields are taken in the order in which they stand, without look-ups; only
 * the arrays wait until the events are known, since a document that a person wrote may have another
 * order. */
#include "common/report.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"

static int out_of_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "no memory for a report");
}

static int read_energy_field(const bson_iter_t *field, struct energy_sample *sample,
                             bool *has_valid, struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "package") == 0)
        return field_package(field, &sample->package, err);
    if (strcmp(key, "source") == 0)
        return field_text(field, sample->source, sizeof(sample->source), word_is_valid, err);
    if (strcmp(key, "dt_ns") == 0)
        return field_amount(field, &sample->dt_ns, err);
    if (strcmp(key, "skew_ns") == 0)
        return field_int64(field, &sample->skew_ns, err);
    if (strcmp(key, "energy_uj") == 0)
        return field_amount(field, &sample->energy_uj, err);
    if (strcmp(key, "low_uj") == 0)
        return field_amount(field, &sample->low_uj, err);
    if (strcmp(key, "high_uj") == 0)
        return field_amount(field, &sample->high_uj, err);
    if (strcmp(key, "estimate") == 0)
        return field_bool(field, &sample->estimate, err);
    if (strcmp(key, "reason") == 0)
        return field_text(field, sample->reason, sizeof(sample->reason), word_is_valid, err);
    if (strcmp(key, "valid") != 0)
        return 0;
    *has_valid = true;
    return field_bool(field, &sample->valid, err);
}

static int read_energy(bson_iter_t *fields, void *record, struct error *err)
{
    struct report *report = record;
    struct energy_sample *sample;
    if (report_add_energy(report, &sample) < 0)
        return out_of_memory(err);
    bool has_domain = false, has_valid = false;
    while (bson_iter_next(fields)) {
        int r;
        if (strcmp(bson_iter_key(fields), "domain") == 0) {
            has_domain = true;
            r = field_domain(fields, &sample->domain, err);
        } else {
            r = read_energy_field(fields, sample, &has_valid, err);
        }
        if (r < 0)
            return r;
    }
    if (!has_domain || !has_valid)
        return error_set(err, -EBADMSG, "%s: missing", has_domain ? "valid" : "domain");
    if (sample->valid && (sample->energy_uj == VALUE_ABSENT || sample->dt_ns == VALUE_ABSENT))
        return error_set(err, -EBADMSG, "valid, but without energy_uj or dt_ns");
    return 0;
}

static int read_clock(bson_iter_t *fields, void *record, struct error *err)
{
    struct report *report = record;
    struct clock_sample *sample;
    if (report_add_clock(report, &sample) < 0)
        return out_of_memory(err);
    int r = 0;
    while (r == 0 && bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "package") == 0)
            r = field_package(fields, &sample->package, err);
        else if (strcmp(key, "tsc") == 0)
            r = field_amount(fields, &sample->tsc, err);
        else if (strcmp(key, "aperf") == 0)
            r = field_amount(fields, &sample->aperf, err);
        else if (strcmp(key, "mperf") == 0)
            r = field_amount(fields, &sample->mperf, err);
    }
    return r;
}

static int read_events(const bson_iter_t *array, struct report *report, struct error *err)
{
    bson_iter_t event;
    int r = field_enter(array, true, &event, err);
    while (r == 0 && bson_iter_next(&event)) {
        const char *name;
        r = field_string(&event, &name, err);
        if (r == 0 && (!name || name[0] == '\0'))
            r = error_set(err, -EBADMSG, "%s: an event needs a name", bson_iter_key(&event));
        if (r < 0)
            return error_wrap(err, r, "events");
        if (report->n_events == REPORT_EVENTS_MAX)
            return error_set(err, -EBADMSG, "events: more than %d", REPORT_EVENTS_MAX);
        if (report_add_event(report, name) < 0)
            return out_of_memory(err);
    }
    return r;
}

static int read_counts(const bson_iter_t *array, struct report *report, const struct count_row *row,
                       struct error *err)
{
    bson_iter_t count;
    int r = field_enter(array, true, &count, err);
    if (r < 0)
        return r;
    int64_t *counts = report_counts(report, row);
    size_t n_counts = 0;
    for (; bson_iter_next(&count); n_counts++) {
        if (n_counts < report->n_events)
            r = field_amount(&count, &counts[n_counts], err);
        if (r < 0)
            return error_wrap(err, r, "counts");
    }
    if (n_counts != report->n_events)
        return error_set(err, -EBADMSG, "counts: %zu of them for %zu events", n_counts,
                         report->n_events);
    return 0;
}

static int read_row_field(const bson_iter_t *field, struct report *report, struct count_row *row,
                          struct error *err)
{
    const char *key = bson_iter_key(field);
    switch (key[0]) {
    case 't':
        return strcmp(key, "target") == 0 ? field_string(field, &row->target, err) : 0;
    case 'p':
        return strcmp(key, "package") == 0 ? field_package(field, &row->package, err) : 0;
    case 'c':
        if (strcmp(key, "counts") != 0 || BSON_ITER_HOLDS_NULL(field))
            return 0;
        row->has_counts = true;
        return read_counts(field, report, row, err);
    case 'e':
        return strcmp(key, "enabled_ns") == 0 ? field_amount(field, &row->enabled_ns, err) : 0;
    case 'r':
        if (strcmp(key, "running_ns") == 0)
            return field_amount(field, &row->running_ns, err);
        if (strcmp(key, "reason") == 0)
            return field_text(field, row->reason, sizeof(row->reason), word_is_valid, err);
        return 0;
    default:
        return 0;
    }
}

static int read_row(bson_iter_t *fields, struct report *report, struct count_row *row,
                    struct error *err)
{
    while (bson_iter_next(fields)) {
        int r = read_row_field(fields, report, row, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_total(bson_iter_t *fields, void *record, struct error *err)
{
    struct report *report = record;
    struct count_row *row;
    if (report_add_total(report, &row) < 0)
        return out_of_memory(err);
    int r = read_row(fields, report, row, err);
    row->target = "";
    return r;
}

static int read_target(bson_iter_t *fields, void *record, struct error *err)
{
    struct report *report = record;
    struct count_row *row;
    if (report_add_target(report, &row) < 0)
        return out_of_memory(err);
    int r = read_row(fields, report, row, err);
    if (r == 0 && (!row->target || row->target[0] == '\0'))
        r = error_set(err, -EBADMSG, "target: missing");
    return r;
}

/* The arrays, to be read once the events are known. */
struct arrays {
    bson_iter_t energy, clock, events, total, targets;
    bool has_energy, has_clock, has_events, has_total, has_targets;
};

#define TAKE(ARRAY)                 \
    do {                            \
        arrays->ARRAY = *field;     \
        arrays->has_##ARRAY = true; \
    } while (0)

static int read_field(const bson_iter_t *field, struct report *report, struct arrays *arrays,
                      bool *has_valid, struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "dt_ns") == 0)
        return field_amount(field, &report->dt_ns, err);
    if (strcmp(key, "valid") == 0) {
        *has_valid = true;
        return field_bool(field, &report->valid, err);
    }
    if (strcmp(key, "reasons") == 0)
        return field_reasons(field, &report->reasons, err);
    if (strcmp(key, "missed") == 0)
        return field_amount(field, &report->missed, err);
    if (strcmp(key, "part") == 0)
        return field_part(field, &report->part, err);
    if (strcmp(key, "parts") == 0)
        return field_part(field, &report->parts, err);
    if (strcmp(key, "energy") == 0)
        TAKE(energy);
    else if (strcmp(key, "clock") == 0)
        TAKE(clock);
    else if (strcmp(key, "events") == 0)
        TAKE(events);
    else if (strcmp(key, "total") == 0)
        TAKE(total);
    else if (strcmp(key, "targets") == 0)
        TAKE(targets);
    return 0;
}

static int read_arrays(const struct arrays *arrays, struct report *report, struct error *err)
{
    int r = 0;
    if (arrays->has_events)
        r = read_events(&arrays->events, report, err);
    if (r == 0 && arrays->has_energy)
        r = field_elements(&arrays->energy, read_energy, report, err);
    if (r == 0 && arrays->has_clock)
        r = field_elements(&arrays->clock, read_clock, report, err);
    if (r == 0 && arrays->has_total)
        r = field_elements(&arrays->total, read_total, report, err);
    if (r == 0 && arrays->has_targets)
        r = field_elements(&arrays->targets, read_target, report, err);
    return r;
}

static int read_report(bson_iter_t *fields, struct report *report, struct error *err)
{
    struct arrays arrays;
    arrays.has_energy = arrays.has_clock = arrays.has_events = false;
    arrays.has_total = arrays.has_targets = false;
    bool has_valid = false;
    while (bson_iter_next(fields)) {
        int r = read_field(fields, report, &arrays, &has_valid, err);
        if (r < 0)
            return r;
    }
    if (!has_valid)
        return error_set(err, -EBADMSG, "valid: missing");
    if (report->missed == VALUE_ABSENT)
        report->missed = 0;
    if (report->part > report->parts || (report->part == 0) != (report->parts == 0))
        return error_set(err, -EBADMSG, "part: not one of the parts");
    return read_arrays(&arrays, report, err);
}

int report_decode(const struct document *document, struct report *ret_report, struct error *err)
{
    bson_t bson;
    bson_iter_t fields;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes) ||
        !bson_iter_init(&fields, &bson))
        return error_set(err, -EBADMSG, "raw record %s: no BSON", document->id);
    ret_report->key = document->key;
    int r = read_report(&fields, ret_report, err);
    if (r < 0) {
        report_clear(ret_report);
        return error_wrap(err, r, "raw record %s", document->id);
    }
    return 0;
}
