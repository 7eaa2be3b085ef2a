/* SPDX-License-Identifier: BSD-3-Clause */
/* The report in memory and its way into BSON. Encoding runs once per tick in the sensor with a row
 * per target, so it appends straight through with known key lengths and reuses one buffer; how many
 * parts there will be is known beforehand from an upper bound of each row's size. */
#include "common/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"

#define KEY(text) text, (int)sizeof(text) - 1

void report_init(struct report *report)
{
    *report = (struct report){.valid = true, .dt_ns = VALUE_ABSENT};
}

void report_deinit(struct report *report)
{
    free(report->energy);
    free(report->clock);
    free(report->events);
    free(report->total);
    free(report->targets);
    free(report->counts);
    report_init(report);
}

void report_clear(struct report *report)
{
    report->key = (struct record_key){0};
    report->dt_ns = VALUE_ABSENT;
    report->valid = true;
    report->reasons.n_words = 0;
    report->missed = 0;
    report->part = report->parts = 0;
    report->n_energy = report->n_clock = report->n_events = 0;
    report->n_total = report->n_targets = report->n_counts = 0;
}

int report_add_energy(struct report *report, struct energy_sample **ret_sample)
{
    int r = array_reserve(&report->energy, &report->energy_capacity, report->n_energy + 1,
                          sizeof(*report->energy));
    if (r < 0)
        return r;
    *ret_sample = &report->energy[report->n_energy++];
    **ret_sample = (struct energy_sample){
        .package = PACKAGE_NONE,
        .dt_ns = VALUE_ABSENT,
        .skew_ns = VALUE_ABSENT,
        .energy_uj = VALUE_ABSENT,
        .low_uj = VALUE_ABSENT,
        .high_uj = VALUE_ABSENT,
    };
    return 0;
}

int report_add_clock(struct report *report, struct clock_sample **ret_sample)
{
    int r = array_reserve(&report->clock, &report->clock_capacity, report->n_clock + 1,
                          sizeof(*report->clock));
    if (r < 0)
        return r;
    *ret_sample = &report->clock[report->n_clock++];
    **ret_sample = (struct clock_sample){
        .package = PACKAGE_NONE,
        .tsc = VALUE_ABSENT,
        .aperf = VALUE_ABSENT,
        .mperf = VALUE_ABSENT,
    };
    return 0;
}

/* Gives every row one more count. Rows lie in counts in order of their making; without events all
 * of them begin at 0, and any order will do. */
static int widen_rows(struct report *report)
{
    size_t n_old = report->n_events, n_new = n_old + 1;
    size_t n_named = report->n_total + report->n_targets;
    size_t n_rows = n_old ? report->n_counts / n_old : n_named;
    int r = array_reserve(&report->counts, &report->counts_capacity, n_rows * n_new,
                          sizeof(*report->counts));
    if (r < 0)
        return r;
    for (size_t i = n_rows; i-- > 0;) {
        int64_t *to = report->counts + i * n_new;
        memmove(to, report->counts + i * n_old, n_old * sizeof(*to));
        to[n_old] = VALUE_ABSENT;
    }
    for (size_t i = 0; i < n_named; i++) {
        struct count_row *row =
            i < report->n_total ? &report->total[i] : &report->targets[i - report->n_total];
        row->first_count = (n_old ? row->first_count / n_old : i) * n_new;
    }
    report->n_counts = n_rows * n_new;
    return 0;
}

int report_add_event(struct report *report, const char *name)
{
    int r = array_reserve(&report->events, &report->events_capacity, report->n_events + 1,
                          sizeof(*report->events));
    if (r >= 0 && report->n_total + report->n_targets > 0)
        r = widen_rows(report);
    if (r < 0)
        return r;
    report->events[report->n_events++] = name;
    return 0;
}

static int add_row(struct report *report, struct count_row **rows, size_t *n_rows, size_t *capacity,
                   struct count_row **ret_row)
{
    int r = array_reserve(rows, capacity, *n_rows + 1, sizeof(**rows));
    if (r == 0)
        r = array_reserve(&report->counts, &report->counts_capacity,
                          report->n_counts + report->n_events, sizeof(*report->counts));
    if (r < 0)
        return r;
    struct count_row *row = &(*rows)[(*n_rows)++];
    row->target = "";
    row->package = PACKAGE_NONE;
    row->has_counts = false;
    row->first_count = report->n_counts;
    row->enabled_ns = VALUE_ABSENT;
    row->running_ns = VALUE_ABSENT;
    row->reason[0] = '\0';
    for (size_t i = 0; i < report->n_events; i++)
        report->counts[report->n_counts++] = VALUE_ABSENT;
    *ret_row = row;
    return 0;
}

int report_add_total(struct report *report, struct count_row **ret_row)
{
    return add_row(report, &report->total, &report->n_total, &report->total_capacity, ret_row);
}

int report_add_target(struct report *report, struct count_row **ret_row)
{
    return add_row(report, &report->targets, &report->n_targets, &report->targets_capacity,
                   ret_row);
}

/* ---- encoding ---- */

static void append_energy(bson_t *document, const struct energy_sample *sample)
{
    (void)bson_append_utf8(document, KEY("domain"), domain_name(sample->domain), -1);
    append_package(document, sample->package);
    append_text(document, "source", sample->source);
    append_int64(document, "dt_ns", sample->dt_ns);
    append_int64(document, "skew_ns", sample->skew_ns);
    append_int64(document, "energy_uj", sample->energy_uj);
    append_int64(document, "low_uj", sample->low_uj);
    append_int64(document, "high_uj", sample->high_uj);
    if (sample->estimate)
        (void)bson_append_bool(document, KEY("estimate"), true);
    (void)bson_append_bool(document, KEY("valid"), sample->valid);
    append_text(document, "reason", sample->reason);
}

static void append_clock(bson_t *document, const struct clock_sample *sample)
{
    append_package(document, sample->package);
    append_int64(document, "tsc", sample->tsc);
    append_int64(document, "aperf", sample->aperf);
    append_int64(document, "mperf", sample->mperf);
}

/* One append for the whole array instead of one per count: this is most of what a tick encodes.
 * Source: bsonspec.org, an array is a document (length, elements, NUL) of elements (type, decimal
 * key, value), little-endian. */
static void append_counts(bson_t *document, const int64_t *counts, size_t n_counts)
{
    uint8_t bytes[5 + REPORT_EVENTS_MAX * (1 + sizeof("255") + sizeof(int64_t))];
    size_t at = sizeof(uint32_t);
    for (uint32_t i = 0; i < n_counts; i++) {
        char space[16];
        const char *key;
        size_t key_size = bson_uint32_to_string(i, &key, space, sizeof(space)) + 1;
        bytes[at++] = counts[i] == VALUE_ABSENT ? BSON_TYPE_NULL : BSON_TYPE_INT64;
        memcpy(bytes + at, key, key_size);
        at += key_size;
        if (counts[i] == VALUE_ABSENT)
            continue;
        uint64_t value = BSON_UINT64_TO_LE((uint64_t)counts[i]);
        memcpy(bytes + at, &value, sizeof(value));
        at += sizeof(value);
    }
    bytes[at++] = 0;
    uint32_t size = BSON_UINT32_TO_LE((uint32_t)at);
    memcpy(bytes, &size, sizeof(size));
    bson_t array;
    if (bson_init_static(&array, bytes, at))
        (void)bson_append_array(document, KEY("counts"), &array);
}

static void append_row(bson_t *document, const struct report *report, const struct count_row *row)
{
    if (row->target[0] != '\0')
        (void)bson_append_utf8(document, KEY("target"), row->target, -1);
    append_package(document, row->package);
    if (row->has_counts)
        append_counts(document, report->counts + row->first_count, report->n_events);
    if (row->enabled_ns != VALUE_ABSENT)
        (void)bson_append_int64(document, KEY("enabled_ns"), row->enabled_ns);
    if (row->running_ns != VALUE_ABSENT)
        (void)bson_append_int64(document, KEY("running_ns"), row->running_ns);
    if (row->reason[0] != '\0')
        (void)bson_append_utf8(document, KEY("reason"), row->reason, -1);
}

static void append_rows(bson_t *document, const char *name, const struct report *report,
                        const struct count_row *rows, size_t n_rows)
{
    bson_t array, element;
    (void)bson_append_array_begin(document, name, -1, &array);
    for (size_t i = 0; i < n_rows; i++) {
        append_element(&array, (uint32_t)i, &element);
        append_row(&element, report, &rows[i]);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

static void append_machine(bson_t *document, const struct report *report)
{
    bson_t array, element;
    (void)bson_append_array_begin(document, KEY("energy"), &array);
    for (size_t i = 0; i < report->n_energy; i++) {
        append_element(&array, (uint32_t)i, &element);
        append_energy(&element, &report->energy[i]);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
    (void)bson_append_array_begin(document, KEY("clock"), &array);
    for (size_t i = 0; i < report->n_clock; i++) {
        append_element(&array, (uint32_t)i, &element);
        append_clock(&element, &report->clock[i]);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

static void append_events(bson_t *document, const struct report *report)
{
    bson_t array;
    (void)bson_append_array_begin(document, KEY("events"), &array);
    for (uint32_t i = 0; i < report->n_events; i++) {
        char space[16];
        const char *key;
        size_t length = bson_uint32_to_string(i, &key, space, sizeof(space));
        (void)bson_append_utf8(&array, key, (int)length, report->events[i], -1);
    }
    (void)bson_append_array_end(document, &array);
}

/* What decoding would refuse must not be written: the tick could never be read again. */
static int check(const struct report *report, struct error *err)
{
    if (report->n_events > REPORT_EVENTS_MAX)
        return error_set(err, -EINVAL, "events: more than %d", REPORT_EVENTS_MAX);
    for (size_t i = 0; i < report->n_energy; i++) {
        const struct energy_sample *sample = &report->energy[i];
        if (sample->valid && (sample->energy_uj == VALUE_ABSENT || sample->dt_ns == VALUE_ABSENT))
            return error_set(err, -EINVAL, "energy.%zu: valid, but without energy_uj or dt_ns (%s)",
                             i, domain_name(sample->domain));
    }
    for (size_t i = 0; i < report->n_targets; i++) {
        const char *target = report->targets[i].target;
        if (target[0] == '\0' || !text_is_utf8(target, strlen(target)))
            return error_set(err, -EINVAL, "targets.%zu: a name in UTF-8 is needed", i);
    }
    return 0;
}

/* At least what the row takes in a document. */
static size_t row_bound(const struct report *report, const struct count_row *row)
{
    return 160 + strlen(row->target) + report->n_events * 16;
}

/* The end of the rows, starting at first, that fit in one part: at least one row. */
static size_t part_end(const struct report *report, size_t first)
{
    size_t size = 4096;
    size_t end = first;
    while (end < report->n_targets) {
        size += row_bound(report, &report->targets[end]);
        if (size > RECORD_PART_BYTES && end > first)
            break;
        end++;
    }
    return end;
}

struct part {
    int32_t number, of; /* 0 of 0: the whole */
    size_t first, end;  /* its targets */
};

static int encode_part(const struct report *report, const struct part *part, bson_t *scratch,
                       int (*emit)(const struct document *document, void *context), void *context,
                       struct error *err)
{
    char id[RECORD_ID_SIZE], suffix[16];
    (void)snprintf(suffix, sizeof(suffix), "p%" PRId32, part->number);
    record_id(&report->key, part->of > 0 ? suffix : NULL, id);
    int r = record_begin(scratch, RECORD_RAW, &report->key, id, err);
    if (r < 0)
        return error_wrap(err, r, "raw record");
    if (part->of > 0) {
        (void)bson_append_int32(scratch, KEY("part"), part->number);
        (void)bson_append_int32(scratch, KEY("parts"), part->of);
    }
    append_int64(scratch, "dt_ns", report->dt_ns);
    (void)bson_append_bool(scratch, KEY("valid"), report->valid);
    append_reasons(scratch, "reasons", &report->reasons);
    (void)bson_append_int64(scratch, KEY("missed"), report->missed);
    if (part->number <= 1)
        append_machine(scratch, report);
    append_events(scratch, report);
    if (part->number <= 1)
        append_rows(scratch, "total", report, report->total, report->n_total);
    size_t n_targets = part->end - part->first;
    append_rows(scratch, "targets", report, n_targets ? &report->targets[part->first] : NULL,
                n_targets);
    struct document document;
    record_end(scratch, RECORD_RAW, &report->key, id, &document);
    return emit(&document, context);
}

static int count_parts(const struct report *report, struct error *err)
{
    int n_parts = 0;
    size_t first = 0;
    do {
        first = part_end(report, first);
        n_parts++;
    } while (first < report->n_targets && n_parts <= RECORD_PARTS_MAX);
    if (n_parts > RECORD_PARTS_MAX)
        return error_set(err, -EINVAL, "raw record: %zu targets are more than a tick may hold",
                         report->n_targets);
    return n_parts;
}

int report_encode(const struct report *report, bson_t *scratch,
                  int (*emit)(const struct document *document, void *context), void *context,
                  struct error *err)
{
    int r = check(report, err);
    if (r < 0)
        return error_wrap(err, r, "raw record");
    struct part part = {.number = report->part, .of = report->parts, .end = report->n_targets};
    if (report->parts > 0) /* it was split before: it stays the part it was */
        return encode_part(report, &part, scratch, emit, context, err);
    int n_parts = count_parts(report, err);
    if (n_parts <= 1)
        return n_parts < 0 ? n_parts : encode_part(report, &part, scratch, emit, context, err);
    part.of = n_parts;
    for (part.end = 0; part.number < n_parts;) {
        part.number++;
        part.first = part.end;
        part.end = part_end(report, part.first);
        r = encode_part(report, &part, scratch, emit, context, err);
        if (r != 0)
            return r;
    }
    return 0;
}
