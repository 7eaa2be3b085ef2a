/* SPDX-License-Identifier: BSD-3-Clause */
/* HWPCReports in and out of BSON. The nesting group, package, CPU, event is flattened in document
 * order; what the values mean is hwpc_to_report.c's business. */
#include "common/powerapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/name_escape.h"

void hwpc_report_init(struct hwpc_report *hwpc)
{
    *hwpc = (struct hwpc_report){0};
}

void hwpc_report_deinit(struct hwpc_report *hwpc)
{
    free(hwpc->values);
    hwpc_report_init(hwpc);
}

int hwpc_report_add(struct hwpc_report *hwpc, struct hwpc_value **ret_value)
{
    int r = array_reserve(&hwpc->values, &hwpc->values_capacity, hwpc->n_values + 1,
                          sizeof(*hwpc->values));
    if (r < 0)
        return r;
    *ret_value = &hwpc->values[hwpc->n_values++];
    **ret_value = (struct hwpc_value){0};
    return 0;
}

void powerapi_id(int64_t timestamp_ms, const char *const *parts, size_t n_parts, bson_oid_t *ret_id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)timestamp_ms; /* FNV-1a, 64 bits */
    for (size_t i = 0; i < n_parts; i++) {
        const char *part = parts[i] ? parts[i] : "";
        for (size_t at = 0; at <= strlen(part); at++) /* the NUL parts the parts */
            hash = (hash ^ (unsigned char)part[at]) * UINT64_C(0x100000001b3);
    }
    uint32_t seconds = (uint32_t)(timestamp_ms / 1000);
    for (int i = 0; i < 4; i++)
        ret_id->bytes[i] = (uint8_t)(seconds >> (24 - 8 * i));
    for (int i = 0; i < 8; i++)
        ret_id->bytes[4 + i] = (uint8_t)(hash >> (56 - 8 * i));
}

/* ---- encoding ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || strcmp(a, b) == 0;
}

/* The end of the values, from first on, that share their group (depth 0), package (1), CPU (2) with
 * it. */
static size_t run_end(const struct hwpc_report *hwpc, size_t first, int depth)
{
    const struct hwpc_value *values = hwpc->values;
    size_t end = first + 1;
    while (end < hwpc->n_values && same_text(values[end].group, values[first].group) &&
           (depth < 1 || same_text(values[end].package, values[first].package)) &&
           (depth < 2 || same_text(values[end].cpu, values[first].cpu)))
        end++;
    return end;
}

static void append_level(bson_t *parent, const struct hwpc_report *hwpc, size_t first, size_t end,
                         int depth)
{
    for (size_t at = first; at < end;) {
        const struct hwpc_value *value = &hwpc->values[at];
        if (depth == 3) {
            (void)bson_append_double(parent, value->event, -1, value->value);
            at++;
            continue;
        }
        const char *const names[] = {value->group, value->package, value->cpu};
        size_t next = run_end(hwpc, at, depth);
        bson_t child;
        (void)bson_append_document_begin(parent, names[depth], -1, &child);
        append_level(&child, hwpc, at, next, depth + 1);
        (void)bson_append_document_end(parent, &child);
        at = next;
    }
}

static int check(const struct hwpc_report *hwpc, struct error *err)
{
    if (!sensor_name_is_valid(hwpc->sensor))
        return error_set(err, -EINVAL,
                         "sensor: a name of 1 to 63 letters, digits, '.', '_' or '-' is needed");
    if (!hwpc->target || hwpc->target[0] == '\0' ||
        !text_is_utf8(hwpc->target, strlen(hwpc->target)))
        return error_set(err, -EINVAL, "target: a name in UTF-8 is needed");
    if (hwpc->timestamp_ms < 0 || hwpc->timestamp_ms > TIMESTAMP_MAX_MS)
        return error_set(err, -EINVAL, "timestamp: not in 1970 to 9999");
    for (size_t i = 0; i < hwpc->n_values; i++) {
        if (!(hwpc->values[i].value >= 0 && hwpc->values[i].value <= (double)AMOUNT_MAX))
            return error_set(err, -ERANGE, "%s: negative, infinite or above 2^62",
                             hwpc->values[i].event);
    }
    return 0;
}

int hwpc_report_encode(const struct hwpc_report *hwpc, bson_t *scratch,
                       struct document *ret_document, struct error *err)
{
    int r = check(hwpc, err);
    if (r < 0)
        return error_wrap(err, r, "HWPCReport");
    bson_oid_t oid;
    const char *const parts[] = {hwpc->sensor, hwpc->target};
    powerapi_id(hwpc->timestamp_ms, parts, 2, &oid);
    bson_reinit(scratch);
    (void)bson_append_oid(scratch, "_id", -1, &oid);
    (void)bson_append_date_time(scratch, "timestamp", -1, hwpc->timestamp_ms);
    append_text(scratch, "sensor", hwpc->sensor);
    append_text(scratch, "target", hwpc->target);
    bson_t groups;
    (void)bson_append_document_begin(scratch, "groups", -1, &groups);
    append_level(&groups, hwpc, 0, hwpc->n_values, 0);
    (void)bson_append_document_end(scratch, &groups);
    struct record_key key = {.timestamp_ms = hwpc->timestamp_ms};
    (void)snprintf(key.sensor, sizeof(key.sensor), "%s", hwpc->sensor);
    char id[RECORD_ID_SIZE];
    bson_oid_to_string(&oid, id);
    record_end(scratch, RECORD_HWPC, &key, id, ret_document);
    return 0;
}

/* ---- decoding ---- */

/* Names in these documents are free text: made safe for a message. */
static int wrap_name(struct error *err, int code, const char *name)
{
    char text[80];
    (void)name_escape(name, strlen(name), text, sizeof(text));
    return error_wrap(err, code, "%s", text);
}

static int read_value(const bson_iter_t *field, double *ret_value, struct error *err)
{
    double value;
    int r = field_double(field, &value, err);
    if (r < 0)
        return r;
    if (value >= 0 && value <= (double)AMOUNT_MAX) {
        *ret_value = value;
        return 0;
    }
    r = error_set(err, -EBADMSG, "%s",
                  value < 0   ? "negative"
                  : value > 0 ? "absurd (above 2^62)"
                              : "null");
    return wrap_name(err, r, bson_iter_key(field));
}

static int read_level(const bson_iter_t *parent, struct hwpc_report *hwpc, const char **path,
                      int depth, struct error *err)
{
    bson_iter_t field;
    int r = field_enter(parent, false, &field, err);
    while (r == 0 && bson_iter_next(&field)) {
        const char *name = bson_iter_key(&field);
        if (depth < 3) {
            path[depth] = name;
            r = read_level(&field, hwpc, path, depth + 1, err);
        } else {
            struct hwpc_value *value;
            if (hwpc_report_add(hwpc, &value) < 0)
                return error_set(err, -ENOMEM, "no memory for an HWPCReport");
            value->group = path[0];
            value->package = path[1];
            value->cpu = path[2];
            value->event = name;
            r = read_value(&field, &value->value, err);
        }
        if (r < 0 && depth < 3)
            return wrap_name(err, r, name);
    }
    return r;
}

static int read_report(bson_iter_t *field, struct hwpc_report *hwpc, struct error *err)
{
    bool has_groups = false;
    int r = 0;
    while (r == 0 && bson_iter_next(field)) {
        const char *key = bson_iter_key(field);
        if (strcmp(key, "target") == 0) {
            r = field_string(field, &hwpc->target, err);
        } else if (strcmp(key, "groups") == 0 && !has_groups) {
            const char *path[3];
            has_groups = true;
            r = read_level(field, hwpc, path, 0, err);
            if (r < 0)
                return error_wrap(err, r, "groups");
        }
    }
    if (r < 0)
        return r;
    if (!hwpc->target || hwpc->target[0] == '\0')
        return error_set(err, -EBADMSG, "target: missing");
    if (!has_groups)
        return error_set(err, -EBADMSG, "groups: missing (target %.80s)", hwpc->target);
    return 0;
}

int hwpc_report_decode(const struct document *document, struct hwpc_report *ret_hwpc,
                       struct error *err)
{
    bson_t bson;
    bson_iter_t field;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes) ||
        !bson_iter_init(&field, &bson))
        return error_set(err, -EBADMSG, "HWPCReport: no BSON");
    ret_hwpc->timestamp_ms = document->key.timestamp_ms;
    memcpy(ret_hwpc->sensor, document->key.sensor, sizeof(ret_hwpc->sensor));
    ret_hwpc->target = NULL;
    ret_hwpc->n_values = 0;
    int r = read_report(&field, ret_hwpc, err);
    if (r < 0) {
        ret_hwpc->n_values = 0;
        return error_wrap(err, r, "HWPCReport of %s", document->key.sensor);
    }
    return 0;
}
