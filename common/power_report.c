/* SPDX-License-Identifier: BSD-3-Clause */
/* PowerReports: one target's watts in one scope and socket, as PowerAPI's formulas write them. */
#include "common/powerapi.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"

static int check(const struct power_report *report, struct error *err)
{
    if (!sensor_name_is_valid(report->sensor))
        return error_set(err, -EINVAL,
                         "sensor: a name of 1 to 63 letters, digits, '.', '_' or '-' is needed");
    if (!report->target || report->target[0] == '\0' ||
        !text_is_utf8(report->target, strlen(report->target)))
        return error_set(err, -EINVAL, "target: a name in UTF-8 is needed");
    if (report->timestamp_ms < 0 || report->timestamp_ms > TIMESTAMP_MAX_MS)
        return error_set(err, -EINVAL, "timestamp: not in 1970 to 9999");
    if (!isfinite(report->power_w) || isinf(report->ratio))
        return error_set(err, -ERANGE, "power or ratio: not a finite number");
    return 0;
}

int power_report_encode(const struct power_report *report, bson_t *scratch,
                        struct document *ret_document, struct error *err)
{
    int r = check(report, err);
    if (r < 0)
        return error_wrap(err, r, "PowerReport");
    bson_oid_t oid;
    const char *const parts[] = {report->sensor, report->target, report->scope, report->socket};
    powerapi_id(report->timestamp_ms, parts, ARRAY_SIZE(parts), &oid);
    bson_reinit(scratch);
    (void)bson_append_oid(scratch, "_id", -1, &oid);
    (void)bson_append_date_time(scratch, "timestamp", -1, report->timestamp_ms);
    append_text(scratch, "sensor", report->sensor);
    append_text(scratch, "target", report->target);
    append_double(scratch, "power", report->power_w);
    bson_t metadata;
    (void)bson_append_document_begin(scratch, "metadata", -1, &metadata);
    append_text(&metadata, "scope", report->scope);
    append_text(&metadata, "socket", report->socket);
    append_text(&metadata, "formula", report->formula);
    append_double(&metadata, "ratio", report->ratio);
    (void)bson_append_document_end(scratch, &metadata);
    struct record_key key = {.timestamp_ms = report->timestamp_ms};
    memcpy(key.sensor, report->sensor, sizeof(key.sensor));
    char id[RECORD_ID_SIZE];
    bson_oid_to_string(&oid, id);
    record_end(scratch, RECORD_POWER_REPORT, &key, id, ret_document);
    return 0;
}

/* Metadata may hold whatever PowerAPI's processors added: what is ours is taken if it has our type.
 */
static int read_metadata(const bson_iter_t *metadata, struct power_report *report,
                         struct error *err)
{
    bson_iter_t field;
    int r = field_enter(metadata, false, &field, err);
    while (r == 0 && bson_iter_next(&field)) {
        const char *key = bson_iter_key(&field);
        if (strcmp(key, "scope") == 0)
            r = field_string(&field, &report->scope, err);
        else if (strcmp(key, "socket") == 0)
            r = field_string(&field, &report->socket, err);
        else if (strcmp(key, "formula") == 0)
            r = field_string(&field, &report->formula, err);
        else if (strcmp(key, "ratio") == 0)
            r = field_double(&field, &report->ratio, err);
    }
    return r < 0 ? error_wrap(err, r, "metadata") : r;
}

static int read_report(bson_iter_t *field, struct power_report *report, struct error *err)
{
    int r = 0;
    while (r == 0 && bson_iter_next(field)) {
        const char *key = bson_iter_key(field);
        if (strcmp(key, "target") == 0)
            r = field_string(field, &report->target, err);
        else if (strcmp(key, "power") == 0)
            r = field_double(field, &report->power_w, err);
        else if (strcmp(key, "metadata") == 0)
            r = read_metadata(field, report, err);
    }
    if (r < 0)
        return r;
    if (!report->target || report->target[0] == '\0')
        return error_set(err, -EBADMSG, "target: missing");
    if (isnan(report->power_w))
        return error_set(err, -EBADMSG, "power: missing");
    return 0;
}

int power_report_decode(const struct document *document, struct power_report *ret_report,
                        struct error *err)
{
    bson_t bson;
    bson_iter_t field;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes) ||
        !bson_iter_init(&field, &bson))
        return error_set(err, -EBADMSG, "PowerReport: no BSON");
    struct power_report report = {
        .timestamp_ms = document->key.timestamp_ms,
        .power_w = (double)NAN,
        .ratio = (double)NAN,
    };
    memcpy(report.sensor, document->key.sensor, sizeof(report.sensor));
    int r = read_report(&field, &report, err);
    if (r < 0)
        return error_wrap(err, r, "PowerReport of %s", document->key.sensor);
    *ret_report = report;
    return 0;
}

/* ---- power records as PowerReports ---- */

struct encoder {
    const struct power_record *power;
    bson_t *scratch;
    int (*emit)(const struct document *document, void *context);
    void *context;
    char socket[12];
    struct power_report report; /* scope and socket set by begin_scope */
};

static const char *scope_name(enum domain domain)
{
    return domain == DOMAIN_PACKAGE ? "cpu" : domain_name(domain);
}

static void begin_scope(struct encoder *encoder, enum domain domain, int32_t package)
{
    (void)snprintf(encoder->socket, sizeof(encoder->socket), "%" PRId32, package);
    encoder->report.scope = scope_name(domain);
    encoder->report.socket = package == PACKAGE_NONE ? NULL : encoder->socket;
}

static int encode_one(struct encoder *encoder, const char *target, double power_w, double ratio,
                      const char *formula, struct error *err)
{
    if (isnan(power_w)) /* not known: no report says so */
        return 0;
    encoder->report.target = target;
    encoder->report.power_w = power_w;
    encoder->report.ratio = ratio;
    encoder->report.formula = formula;
    struct document document;
    int r = power_report_encode(&encoder->report, encoder->scratch, &document, err);
    return r < 0 ? r : encoder->emit(&document, encoder->context);
}

static double borne_static_w(const struct power_record *power, const struct balance_row *balance)
{
    double sum_w = 0;
    for (size_t i = 0; i < power->n_targets; i++) {
        const struct power_row *row = &power->targets[i];
        if (row->domain == balance->domain && row->package == balance->package &&
            !isnan(row->static_w))
            sum_w += row->static_w;
    }
    return sum_w;
}

static int encode_balance(struct encoder *encoder, const struct balance_row *row, bool static_share,
                          struct error *err)
{
    const char *model = encoder->power->model;
    double rest_w = row->unattributed_w;
    if (static_share)
        rest_w += fmax(0, row->idle_w - borne_static_w(encoder->power, row));
    begin_scope(encoder, row->domain, row->package);
    int r = encode_one(encoder, "rapl", row->measured_w, 1,
                       powerapi_energy_event(row->domain, row->estimate), err);
    if (r == 0)
        r = encode_one(encoder, "global", row->predicted_w, 1, model, err);
    if (r == 0)
        r = encode_one(encoder, "unattributed", rest_w, (double)NAN, model, err);
    if (r == 0 && !static_share)
        r = encode_one(encoder, "idle", row->idle_w, (double)NAN, model, err);
    return r;
}

int power_record_encode_powerapi(const struct power_record *power, bool static_share,
                                 bson_t *scratch,
                                 int (*emit)(const struct document *document, void *context),
                                 void *context, struct error *err)
{
    struct encoder encoder = {
        .power = power,
        .scratch = scratch,
        .emit = emit,
        .context = context,
        .report.timestamp_ms = power->key.timestamp_ms,
    };
    memcpy(encoder.report.sensor, power->key.sensor, sizeof(encoder.report.sensor));
    int r = 0;
    for (size_t i = 0; r == 0 && i < power->n_balance; i++)
        r = encode_balance(&encoder, &power->balance[i], static_share, err);
    for (size_t i = 0; r == 0 && i < power->n_targets; i++) {
        const struct power_row *row = &power->targets[i];
        double power_w = row->dynamic_w;
        if (static_share && !isnan(row->static_w))
            power_w += row->static_w;
        begin_scope(&encoder, row->domain, row->package);
        r = encode_one(&encoder, row->target, power_w, row->share, power->model, err);
    }
    return r;
}
