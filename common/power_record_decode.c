/* SPDX-License-Identifier: BSD-3-Clause */
/* A power record out of BSON, fields in the order in which they stand. */
#include "common/power_record.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"

static int read_balance_watts(const bson_iter_t *field, const char *key, struct balance_row *row,
                              struct error *err)
{
    const struct {
        const char *key;
        double *value;
    } watts[] = {
        {"measured_w", &row->measured_w},
        {"measured_low_w", &row->measured_low_w},
        {"measured_high_w", &row->measured_high_w},
        {"predicted_w", &row->predicted_w},
        {"idle_w", &row->idle_w},
        {"dynamic_w", &row->dynamic_w},
        {"unattributed_w", &row->unattributed_w},
        {"sigma_w", &row->sigma_w},
    };
    for (size_t i = 0; i < sizeof(watts) / sizeof(watts[0]); i++) {
        if (strcmp(key, watts[i].key) == 0)
            return field_double(field, watts[i].value, err);
    }
    return 0;
}

static int read_balance_field(const bson_iter_t *field, struct balance_row *row, bool *has_domain,
                              struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "domain") == 0) {
        *has_domain = true;
        return field_domain(field, &row->domain, err);
    }
    if (strcmp(key, "package") == 0)
        return field_package(field, &row->package, err);
    if (strcmp(key, "dt_ns") == 0)
        return field_amount(field, &row->dt_ns, err);
    if (strcmp(key, "measured_uj") == 0)
        return field_amount(field, &row->measured_uj, err);
    if (strcmp(key, "estimate") == 0)
        return field_bool(field, &row->estimate, err);
    if (strcmp(key, "reason") == 0)
        return field_text(field, row->reason, sizeof(row->reason), word_is_valid, err);
    return read_balance_watts(field, key, row, err);
}

static int read_balance(bson_iter_t *fields, void *record, struct error *err)
{
    struct balance_row *row;
    if (power_record_add_balance(record, &row) < 0)
        return error_set(err, -ENOMEM, "no memory for a power record");
    bool has_domain = false;
    while (bson_iter_next(fields)) {
        int r = read_balance_field(fields, row, &has_domain, err);
        if (r < 0)
            return r;
    }
    return has_domain ? 0 : error_set(err, -EBADMSG, "domain: missing");
}

static int read_target_field(const bson_iter_t *field, struct power_row *row, bool *has_domain,
                             struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "target") == 0)
        return field_string(field, &row->target, err);
    if (strcmp(key, "domain") == 0) {
        *has_domain = true;
        return field_domain(field, &row->domain, err);
    }
    if (strcmp(key, "package") == 0)
        return field_package(field, &row->package, err);
    if (strcmp(key, "dynamic_w") == 0)
        return field_double(field, &row->dynamic_w, err);
    if (strcmp(key, "static_w") == 0)
        return field_double(field, &row->static_w, err);
    if (strcmp(key, "dynamic_uj") == 0)
        return field_amount(field, &row->dynamic_uj, err);
    if (strcmp(key, "share") == 0)
        return field_double(field, &row->share, err);
    if (strcmp(key, "sigma_w") == 0)
        return field_double(field, &row->sigma_w, err);
    return 0;
}

static int read_target(bson_iter_t *fields, void *record, struct error *err)
{
    struct power_row *row;
    if (power_record_add_target(record, &row) < 0)
        return error_set(err, -ENOMEM, "no memory for a power record");
    bool has_domain = false;
    while (bson_iter_next(fields)) {
        int r = read_target_field(fields, row, &has_domain, err);
        if (r < 0)
            return r;
    }
    if (!row->target || row->target[0] == '\0')
        return error_set(err, -EBADMSG, "target: missing");
    return has_domain ? 0 : error_set(err, -EBADMSG, "domain: missing");
}

static int read_field(const bson_iter_t *field, struct power_record *power, bool *has_valid,
                      struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "dt_ns") == 0)
        return field_amount(field, &power->dt_ns, err);
    if (strcmp(key, "label") == 0)
        return field_text(field, power->label, sizeof(power->label), sensor_name_is_valid, err);
    if (strcmp(key, "model") == 0)
        return field_text(field, power->model, sizeof(power->model), word_is_valid, err);
    if (strcmp(key, "valid") == 0) {
        *has_valid = true;
        return field_bool(field, &power->valid, err);
    }
    if (strcmp(key, "reasons") == 0)
        return field_reasons(field, &power->reasons, err);
    if (strcmp(key, "part") == 0)
        return field_part(field, &power->part, err);
    if (strcmp(key, "parts") == 0)
        return field_part(field, &power->parts, err);
    if (strcmp(key, "balance") == 0)
        return field_elements(field, read_balance, power, err);
    if (strcmp(key, "targets") == 0)
        return field_elements(field, read_target, power, err);
    return 0;
}

static int read_power(bson_iter_t *fields, struct power_record *power, struct error *err)
{
    bool has_valid = false;
    while (bson_iter_next(fields)) {
        int r = read_field(fields, power, &has_valid, err);
        if (r < 0)
            return r;
    }
    if (!has_valid)
        return error_set(err, -EBADMSG, "valid: missing");
    if (power->label[0] == '\0')
        return error_set(err, -EBADMSG, "label: missing");
    if (power->part > power->parts || (power->part == 0) != (power->parts == 0))
        return error_set(err, -EBADMSG, "part: not one of the parts");
    return 0;
}

int power_record_decode(const struct document *document, struct power_record *ret_power,
                        struct error *err)
{
    bson_t bson;
    bson_iter_t fields;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes) ||
        !bson_iter_init(&fields, &bson))
        return error_set(err, -EBADMSG, "power record %s: no BSON", document->id);
    ret_power->key = document->key;
    int r = read_power(&fields, ret_power, err);
    if (r < 0) {
        power_record_clear(ret_power);
        return error_wrap(err, r, "power record %s", document->id);
    }
    return 0;
}
