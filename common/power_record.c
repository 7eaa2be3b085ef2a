/* SPDX-License-Identifier: BSD-3-Clause */
/* The power record in memory and its way into BSON: the formula's twin of report.c. A record of
 * many targets is split like a report, with the balance in part 1. */
#include "common/power_record.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/bson_bytes.h"
#include "common/error.h"

#define KEY(text) text, (int)sizeof(text) - 1
#define NAME(text) text, sizeof(text)
#define ROW_BYTES 192 /* no target's row is larger, its name aside */

void power_record_init(struct power_record *power)
{
    *power = (struct power_record){.valid = true, .dt_ns = VALUE_ABSENT};
}

void power_record_deinit(struct power_record *power)
{
    free(power->balance);
    free(power->targets);
    power_record_init(power);
}

void power_record_clear(struct power_record *power)
{
    power->key = (struct record_key){0};
    power->dt_ns = VALUE_ABSENT;
    power->label[0] = power->model[0] = '\0';
    power->valid = true;
    power->reasons.n_words = 0;
    power->part = power->parts = 0;
    power->n_balance = power->n_targets = 0;
}

int power_record_add_balance(struct power_record *power, struct balance_row **ret_row)
{
    int r = array_reserve(&power->balance, &power->balance_capacity, power->n_balance + 1,
                          sizeof(*power->balance));
    if (r < 0)
        return r;
    const double absent = (double)NAN;
    *ret_row = &power->balance[power->n_balance++];
    **ret_row = (struct balance_row){
        .package = PACKAGE_NONE,
        .dt_ns = VALUE_ABSENT,
        .measured_uj = VALUE_ABSENT,
        .measured_w = absent,
        .measured_low_w = absent,
        .measured_high_w = absent,
        .predicted_w = absent,
        .idle_w = absent,
        .dynamic_w = absent,
        .unattributed_w = absent,
        .sigma_w = absent,
    };
    return 0;
}

int power_record_add_target(struct power_record *power, struct power_row **ret_row)
{
    int r = array_reserve(&power->targets, &power->targets_capacity, power->n_targets + 1,
                          sizeof(*power->targets));
    if (r < 0)
        return r;
    *ret_row = &power->targets[power->n_targets++];
    **ret_row = (struct power_row){
        .target = "",
        .package = PACKAGE_NONE,
        .dynamic_w = (double)NAN,
        .static_w = (double)NAN,
        .dynamic_uj = VALUE_ABSENT,
        .share = (double)NAN,
        .sigma_w = (double)NAN,
    };
    return 0;
}

/* ---- encoding ---- */

static void append_balance(bson_t *document, const struct balance_row *row)
{
    (void)bson_append_utf8(document, KEY("domain"), domain_name(row->domain), -1);
    append_package(document, row->package);
    append_int64(document, "dt_ns", row->dt_ns);
    append_int64(document, "measured_uj", row->measured_uj);
    append_double(document, "measured_w", row->measured_w);
    append_double(document, "measured_low_w", row->measured_low_w);
    append_double(document, "measured_high_w", row->measured_high_w);
    append_double(document, "predicted_w", row->predicted_w);
    append_double(document, "idle_w", row->idle_w);
    append_double(document, "dynamic_w", row->dynamic_w);
    append_double(document, "unattributed_w", row->unattributed_w);
    append_double(document, "sigma_w", row->sigma_w);
    (void)bson_append_bool(document, KEY("estimate"), row->estimate);
    append_text(document, "reason", row->reason);
}

static int check_balance(const struct balance_row *row, size_t index, struct error *err)
{
    const double values[] = {row->measured_w,     row->measured_low_w, row->measured_high_w,
                             row->predicted_w,    row->idle_w,         row->dynamic_w,
                             row->unattributed_w, row->sigma_w};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (isinf(values[i]))
            return error_set(err, -ERANGE, "balance.%zu: a value is infinite (%s)", index,
                             domain_name(row->domain));
    }
    return 0;
}

static int check_target(const struct power_row *row, size_t index, struct error *err)
{
    if (isinf(row->dynamic_w) || isinf(row->static_w) || isinf(row->share) || isinf(row->sigma_w))
        return error_set(err, -ERANGE, "targets.%zu: a value is infinite", index);
    if (row->target[0] == '\0' || !text_is_utf8(row->target, strlen(row->target)))
        return error_set(err, -EINVAL, "targets.%zu: a name in UTF-8 is needed", index);
    return 0;
}

static int check(const struct power_record *power, struct error *err)
{
    int r = 0;
    if (!sensor_name_is_valid(power->label))
        return error_set(err, -EINVAL,
                         "label: 1 to 63 letters, digits, '.', '_' or '-' are needed");
    for (size_t i = 0; r == 0 && i < power->n_balance; i++)
        r = check_balance(&power->balance[i], i, err);
    for (size_t i = 0; r == 0 && i < power->n_targets; i++)
        r = check_target(&power->targets[i], i, err);
    return r;
}

struct part {
    int32_t number, of; /* 0 of 0: the whole */
    size_t first, end;  /* its targets */
};

/* The end of the rows, starting at first, that fit in one part: at least one row. */
static size_t part_end(const struct power_record *power, size_t first)
{
    size_t size = 8192;
    size_t end = first;
    while (end < power->n_targets) {
        size += ROW_BYTES + strlen(power->targets[end].target);
        if (size > RECORD_PART_BYTES && end > first)
            break;
        end++;
    }
    return end;
}

static void append_balances(bson_t *document, const struct power_record *power)
{
    bson_t array, element;
    (void)bson_append_array_begin(document, KEY("balance"), &array);
    for (size_t i = 0; i < power->n_balance; i++) {
        append_element(&array, (uint32_t)i, &element);
        append_balance(&element, &power->balance[i]);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
}

static uint8_t *write_target(uint8_t *to, const struct power_row *row)
{
    uint8_t *begin = to;
    const char *domain = domain_name(row->domain);
    to = bson_bytes_begin(to);
    to = bson_bytes_text(to, NAME("target"), row->target, strlen(row->target));
    to = bson_bytes_text(to, NAME("domain"), domain, strlen(domain));
    if (row->package != PACKAGE_NONE)
        to = bson_bytes_int32(to, NAME("package"), row->package);
    if (!isnan(row->dynamic_w))
        to = bson_bytes_double(to, NAME("dynamic_w"), row->dynamic_w);
    if (!isnan(row->static_w))
        to = bson_bytes_double(to, NAME("static_w"), row->static_w);
    if (row->dynamic_uj != VALUE_ABSENT)
        to = bson_bytes_int64(to, NAME("dynamic_uj"), row->dynamic_uj);
    if (!isnan(row->share))
        to = bson_bytes_double(to, NAME("share"), row->share);
    if (!isnan(row->sigma_w))
        to = bson_bytes_double(to, NAME("sigma_w"), row->sigma_w);
    return bson_bytes_end(begin, to);
}

static int append_targets(bson_t *document, const struct power_record *power,
                          const struct part *part)
{
    size_t size = BSON_BYTES_ELEMENT + sizeof("targets") + BSON_BYTES_DOCUMENT;
    for (size_t i = part->first; i < part->end; i++)
        size += ROW_BYTES + strlen(power->targets[i].target);
    uint8_t *to = bson_bytes_open(document, size);
    if (!to)
        return -ENOMEM;
    uint8_t *begin = to = bson_bytes_key(to, BSON_TYPE_ARRAY, NAME("targets"));
    to = bson_bytes_begin(to);
    for (size_t i = part->first; i < part->end; i++) {
        to = bson_bytes_index(to, BSON_TYPE_DOCUMENT, i - part->first);
        to = write_target(to, &power->targets[i]);
    }
    bson_bytes_close(document, bson_bytes_end(begin, to));
    return 0;
}

static int encode_part(const struct power_record *power, const struct part *part, bson_t *scratch,
                       int (*emit)(const struct document *document, void *context), void *context,
                       struct error *err)
{
    char id[RECORD_ID_SIZE], suffix[LABEL_SIZE + 16];
    (void)snprintf(suffix, sizeof(suffix), part->of > 0 ? "%s:p%" PRId32 : "%s", power->label,
                   part->number);
    record_id(&power->key, suffix, id);
    int r = record_begin(scratch, RECORD_POWER, &power->key, id, err);
    if (r < 0)
        return error_wrap(err, r, "power record");
    if (part->of > 0) {
        (void)bson_append_int32(scratch, KEY("part"), part->number);
        (void)bson_append_int32(scratch, KEY("parts"), part->of);
    }
    append_int64(scratch, "dt_ns", power->dt_ns);
    append_text(scratch, "label", power->label);
    append_text(scratch, "model", power->model);
    (void)bson_append_bool(scratch, KEY("valid"), power->valid);
    append_reasons(scratch, "reasons", &power->reasons);
    if (part->number <= 1)
        append_balances(scratch, power);
    r = append_targets(scratch, power, part);
    if (r < 0)
        return error_set(err, r, "power record: out of memory");
    struct document document;
    record_end(scratch, RECORD_POWER, &power->key, id, &document);
    (void)snprintf(document.label, sizeof(document.label), "%s", power->label);
    return emit(&document, context);
}

static int count_parts(const struct power_record *power, struct error *err)
{
    int n_parts = 0;
    size_t first = 0;
    do {
        first = part_end(power, first);
        n_parts++;
    } while (first < power->n_targets && n_parts <= RECORD_PARTS_MAX);
    if (n_parts > RECORD_PARTS_MAX)
        return error_set(err, -EINVAL, "power record: %zu targets are more than a tick may hold",
                         power->n_targets);
    return n_parts;
}

int power_record_encode(const struct power_record *power, bson_t *scratch,
                        int (*emit)(const struct document *document, void *context), void *context,
                        struct error *err)
{
    int r = check(power, err);
    if (r < 0)
        return error_wrap(err, r, "power record");
    struct part part = {.number = power->part, .of = power->parts, .end = power->n_targets};
    if (power->parts > 0) /* it was split before: it stays the part it was */
        return encode_part(power, &part, scratch, emit, context, err);
    int n_parts = count_parts(power, err);
    if (n_parts <= 1)
        return n_parts < 0 ? n_parts : encode_part(power, &part, scratch, emit, context, err);
    part.of = n_parts;
    for (part.end = 0; part.number < n_parts;) {
        part.number++;
        part.first = part.end;
        part.end = part_end(power, part.first);
        r = encode_part(power, &part, scratch, emit, context, err);
        if (r != 0)
            return r;
    }
    return 0;
}
