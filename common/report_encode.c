/* SPDX-License-Identifier: BSD-3-Clause */
/* A report into BSON, at every tick of a sensor: up to a thousand times a second, or with a row for
 * each of thousands of targets. So the bytes are written straight into the reused buffer, which is
 * made large enough before; from the same bounds follows how many parts there will be. */
#include "common/report.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bson_bytes.h"
#include "common/error.h"

#define NAME(text) text, sizeof(text)

/* At least what one of each takes, with all that is optional: a row without its name and counts, an
 * event without its name. */
#define ENERGY_BYTES 256
#define CLOCK_BYTES 96
#define ROW_BYTES 160
#define COUNT_BYTES 16
#define EVENT_BYTES 24
#define REASON_BYTES (16 + WORD_SIZE)
#define REST_BYTES 192

static uint8_t *write_amount(uint8_t *to, const char *key, size_t key_size, int64_t value)
{
    return value == VALUE_ABSENT ? to : bson_bytes_int64(to, key, key_size, value);
}

static uint8_t *write_word(uint8_t *to, const char *key, size_t key_size, const char *word)
{
    return word[0] == '\0' ? to : bson_bytes_text(to, key, key_size, word, strlen(word));
}

static uint8_t *write_package(uint8_t *to, int32_t package)
{
    return package == PACKAGE_NONE ? to : bson_bytes_int32(to, NAME("package"), package);
}

static uint8_t *write_energy(uint8_t *to, const struct energy_sample *sample)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    to = write_word(to, NAME("domain"), domain_name(sample->domain));
    to = write_package(to, sample->package);
    to = write_word(to, NAME("source"), sample->source);
    to = write_amount(to, NAME("dt_ns"), sample->dt_ns);
    to = write_amount(to, NAME("skew_ns"), sample->skew_ns);
    to = write_amount(to, NAME("energy_uj"), sample->energy_uj);
    to = write_amount(to, NAME("low_uj"), sample->low_uj);
    to = write_amount(to, NAME("high_uj"), sample->high_uj);
    if (sample->estimate)
        to = bson_bytes_bool(to, NAME("estimate"), true);
    to = bson_bytes_bool(to, NAME("valid"), sample->valid);
    to = write_word(to, NAME("reason"), sample->reason);
    return bson_bytes_end(begin, to);
}

static uint8_t *write_clock(uint8_t *to, const struct clock_sample *sample)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    to = write_package(to, sample->package);
    to = write_amount(to, NAME("tsc"), sample->tsc);
    to = write_amount(to, NAME("aperf"), sample->aperf);
    to = write_amount(to, NAME("mperf"), sample->mperf);
    return bson_bytes_end(begin, to);
}

static uint8_t *write_counts(uint8_t *to, const int64_t *counts, size_t n_counts)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    for (size_t i = 0; i < n_counts; i++) {
        bool is_absent = counts[i] == VALUE_ABSENT;
        to = bson_bytes_index(to, is_absent ? BSON_TYPE_NULL : BSON_TYPE_INT64, i);
        if (!is_absent)
            to = bson_bytes_word(to, &counts[i]);
    }
    return bson_bytes_end(begin, to);
}

static uint8_t *write_row(uint8_t *to, const struct report *report, const struct count_row *row)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    to = write_word(to, NAME("target"), row->target);
    to = write_package(to, row->package);
    if (row->has_counts) {
        to = bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("counts"));
        to = write_counts(to, report->counts + row->first_count, report->n_events);
    }
    to = write_amount(to, NAME("enabled_ns"), row->enabled_ns);
    to = write_amount(to, NAME("running_ns"), row->running_ns);
    to = write_word(to, NAME("reason"), row->reason);
    return bson_bytes_end(begin, to);
}

static uint8_t *write_rows(uint8_t *to, const struct report *report, const struct count_row *rows,
                           size_t n_rows)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    for (size_t i = 0; i < n_rows; i++)
        to = write_row(bson_bytes_index(to, BSON_TYPE_DOCUMENT, i), report, &rows[i]);
    return bson_bytes_end(begin, to);
}

static uint8_t *write_energies(uint8_t *to, const struct report *report)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    for (size_t i = 0; i < report->n_energy; i++)
        to = write_energy(bson_bytes_index(to, BSON_TYPE_DOCUMENT, i), &report->energy[i]);
    return bson_bytes_end(begin, to);
}

static uint8_t *write_clocks(uint8_t *to, const struct report *report)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    for (size_t i = 0; i < report->n_clock; i++)
        to = write_clock(bson_bytes_index(to, BSON_TYPE_DOCUMENT, i), &report->clock[i]);
    return bson_bytes_end(begin, to);
}

static uint8_t *write_events(uint8_t *to, const struct report *report)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    for (size_t i = 0; i < report->n_events; i++)
        to = bson_bytes_string(bson_bytes_index(to, BSON_TYPE_UTF8, i), report->events[i],
                               strlen(report->events[i]));
    return bson_bytes_end(begin, to);
}

static uint8_t *write_reasons(uint8_t *to, const struct reasons *reasons)
{
    uint8_t *begin = to;
    to = bson_bytes_begin(to);
    for (size_t i = 0; i < reasons->n_words; i++)
        to = bson_bytes_string(bson_bytes_index(to, BSON_TYPE_UTF8, i), reasons->words[i],
                               strlen(reasons->words[i]));
    return bson_bytes_end(begin, to);
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

static size_t row_bound(const struct report *report, const struct count_row *row)
{
    return ROW_BYTES + strlen(row->target) + report->n_events * COUNT_BYTES;
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

/* Of what follows the beginning of the record. */
static size_t part_bound(const struct report *report, const struct part *part)
{
    size_t size = REST_BYTES + report->reasons.n_words * REASON_BYTES +
                  report->n_energy * ENERGY_BYTES + report->n_clock * CLOCK_BYTES;
    for (size_t i = 0; i < report->n_events; i++)
        size += EVENT_BYTES + strlen(report->events[i]);
    for (size_t i = 0; i < report->n_total; i++)
        size += row_bound(report, &report->total[i]);
    for (size_t i = part->first; i < part->end; i++)
        size += row_bound(report, &report->targets[i]);
    return size;
}

/* Energy, clock and totals stand in the first part. */
static uint8_t *write_part(uint8_t *to, const struct report *report, const struct part *part)
{
    size_t n_targets = part->end - part->first;
    bool is_first = part->number <= 1;
    if (part->of > 0) {
        to = bson_bytes_int32(to, NAME("part"), part->number);
        to = bson_bytes_int32(to, NAME("parts"), part->of);
    }
    to = write_amount(to, NAME("dt_ns"), report->dt_ns);
    to = bson_bytes_bool(to, NAME("valid"), report->valid);
    to = write_reasons(bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("reasons")), &report->reasons);
    to = bson_bytes_int64(to, NAME("missed"), report->missed);
    if (is_first) {
        to = write_energies(bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("energy")), report);
        to = write_clocks(bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("clock")), report);
    }
    to = write_events(bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("events")), report);
    if (is_first)
        to = write_rows(bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("total")), report, report->total,
                        report->n_total);
    return write_rows(bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("targets")), report,
                      n_targets ? &report->targets[part->first] : NULL, n_targets);
}

static int encode_part(const struct report *report, const struct part *part, bson_t *scratch,
                       int (*emit)(const struct document *document, void *context), void *context,
                       struct error *err)
{
    char id[RECORD_ID_SIZE], suffix[16] = "";
    if (part->of > 0)
        (void)snprintf(suffix, sizeof(suffix), "p%" PRId32, part->number);
    record_id(&report->key, part->of > 0 ? suffix : NULL, id);
    int r = record_begin(scratch, RECORD_RAW, &report->key, id, err);
    if (r < 0)
        return error_wrap(err, r, "raw record");
    size_t bound = part_bound(report, part);
    uint8_t *begin = bson_bytes_open(scratch, bound);
    if (!begin)
        return error_set(err, -ENOMEM, "raw record: out of memory");
    uint8_t *to = write_part(begin, report, part);
    assert((size_t)(to - begin) <= bound);
    bson_bytes_close(scratch, to);
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
