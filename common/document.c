/* SPDX-License-Identifier: BSD-3-Clause */
/* What any bytes are: first proved to be sound BSON to the last level (libbson's own validation
 * recurses without a bound and a hostile file could exhaust the stack), then recognised by kind or
 * shape. */
#include "common/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

#define DEPTH_MAX 100 /* MongoDB's own limit */

static bool check_text(const bson_iter_t *field)
{
    uint32_t size = 0;
    const char *text = NULL;
    switch ((int)bson_iter_type_unsafe(field)) {
    case BSON_TYPE_UTF8:
        text = bson_iter_utf8(field, &size);
        break;
    case BSON_TYPE_SYMBOL:
        text = bson_iter_symbol(field, &size);
        break;
    default:
        return true;
    }
    return text && text_is_utf8(text, size);
}

static bool check_level(bson_iter_t *level, unsigned depth)
{
    while (bson_iter_next(level)) {
        const char *key = bson_iter_key_unsafe(level);
        if (!text_is_utf8(key, strlen(key)) || !check_text(level))
            return false;
        bson_type_t type = bson_iter_type_unsafe(level);
        if (type != BSON_TYPE_DOCUMENT && type != BSON_TYPE_ARRAY)
            continue;
        bson_iter_t child;
        if (depth == DEPTH_MAX || !bson_iter_recurse(level, &child) ||
            !check_level(&child, depth + 1))
            return false;
    }
    return level->err_off == 0;
}

/* Where the fields stand that decide what a document is. */
struct landmarks {
    bson_iter_t kind, version, id, sensor, run, seq, timestamp, label;
    bool has_kind, has_version, has_id, has_sensor, has_run, has_seq, has_timestamp, has_label;
    bool has_groups, has_power, has_target, has_metadata;
};

#define TAKE(FIELD)                    \
    do {                               \
        landmarks->FIELD = *field;     \
        landmarks->has_##FIELD = true; \
    } while (0)

static void take_landmark(const bson_iter_t *field, const char *key, struct landmarks *landmarks)
{
    if (strcmp(key, "kind") == 0)
        TAKE(kind);
    else if (strcmp(key, "v") == 0)
        TAKE(version);
    else if (strcmp(key, "_id") == 0)
        TAKE(id);
    else if (strcmp(key, "sensor") == 0)
        TAKE(sensor);
    else if (strcmp(key, "run") == 0)
        TAKE(run);
    else if (strcmp(key, "seq") == 0)
        TAKE(seq);
    else if (strcmp(key, "timestamp") == 0)
        TAKE(timestamp);
    else if (strcmp(key, "label") == 0)
        TAKE(label);
    else if (strcmp(key, "groups") == 0)
        landmarks->has_groups = true;
    else if (strcmp(key, "power") == 0)
        landmarks->has_power = true;
    else if (strcmp(key, "target") == 0)
        landmarks->has_target = true;
    else if (strcmp(key, "metadata") == 0)
        landmarks->has_metadata = true;
}

static enum record_kind kind_of_name(const char *name)
{
    for (int kind = RECORD_HOST; kind <= RECORD_MODEL; kind++) {
        if (strcmp(name, record_kind_name((enum record_kind)kind)) == 0)
            return (enum record_kind)kind;
    }
    return RECORD_UNKNOWN;
}

static enum record_kind kind_of_shape(const struct landmarks *landmarks)
{
    if (landmarks->has_groups)
        return RECORD_HWPC;
    if (landmarks->has_power && landmarks->has_target)
        return RECORD_POWER_REPORT;
    if (landmarks->has_timestamp && landmarks->has_sensor && landmarks->has_target &&
        !landmarks->has_metadata)
        return RECORD_HWPC;
    return RECORD_UNKNOWN;
}

static enum record_kind find_kind(const struct landmarks *landmarks)
{
    if (!landmarks->has_kind)
        return kind_of_shape(landmarks);
    const char *name;
    if (field_string(&landmarks->kind, &name, NULL) < 0 || !name)
        return RECORD_UNKNOWN;
    return kind_of_name(name);
}

/* Ids end up in messages: no control bytes. */
static bool id_is_valid(const char *id)
{
    for (; *id != '\0'; id++) {
        if ((unsigned char)*id < 0x20 || *id == 0x7f)
            return false;
    }
    return true;
}

static int read_id(const bson_iter_t *field, char id[static RECORD_ID_SIZE], struct error *err)
{
    if (BSON_ITER_HOLDS_OID(field)) {
        bson_oid_to_string(bson_iter_oid(field), id);
        return 0;
    }
    return field_text(field, id, RECORD_ID_SIZE, id_is_valid, err);
}

/* The fields that are there, each checked. */
static int read_key(const struct landmarks *landmarks, struct document *document, struct error *err)
{
    int r = 0;
    struct record_key *key = &document->key;
    if (landmarks->has_id)
        r = read_id(&landmarks->id, document->id, err);
    if (r == 0 && landmarks->has_sensor)
        r = field_text(&landmarks->sensor, key->sensor, sizeof(key->sensor), sensor_name_is_valid,
                       err);
    if (r == 0 && landmarks->has_run)
        r = field_text(&landmarks->run, key->run, sizeof(key->run), run_is_valid, err);
    if (r == 0 && landmarks->has_seq) {
        int64_t seq;
        r = field_amount(&landmarks->seq, &seq, err);
        if (r == 0 && (seq < 0 || seq >= INT64_C(1) << 48))
            r = error_set(err, -EBADMSG, "seq: null or above 2^48 - 1");
        if (r == 0)
            key->seq = (uint64_t)seq;
    }
    if (r == 0 && landmarks->has_timestamp)
        r = field_timestamp(&landmarks->timestamp, &key->timestamp_ms, err);
    if (r == 0 && landmarks->has_label && document->kind == RECORD_POWER)
        r = field_text(&landmarks->label, document->label, sizeof(document->label),
                       sensor_name_is_valid, err);
    return r;
}

static int missing(const char *field, struct error *err)
{
    return error_set(err, -EBADMSG, "%s: missing", field);
}

static int check_native(const struct landmarks *landmarks, const struct document *document,
                        struct error *err)
{
    int64_t version = VALUE_ABSENT;
    int r = landmarks->has_version ? field_amount(&landmarks->version, &version, err) : 0;
    if (r < 0)
        return r;
    if (version < 1)
        return missing("v", err);
    if (document->id[0] == '\0')
        return missing("_id", err);
    bool needs_run = document->kind != RECORD_POWER || landmarks->has_seq;
    if (needs_run && document->key.run[0] == '\0')
        return missing("run", err);
    if (document->key.run[0] != '\0' && !landmarks->has_seq)
        return missing("seq", err);
    if (document->kind == RECORD_POWER && document->label[0] == '\0')
        return missing("label", err);
    return 0;
}

static bool is_powerapi(enum record_kind kind)
{
    return kind == RECORD_HWPC || kind == RECORD_POWER_REPORT;
}

static int read_known(struct landmarks *landmarks, struct document *document, struct error *err)
{
    if (is_powerapi(document->kind)) {
        /* What is no field of PowerAPI's means nothing to us there. */
        landmarks->has_run = landmarks->has_seq = false;
        landmarks->has_id = landmarks->has_id && (BSON_ITER_HOLDS_OID(&landmarks->id) ||
                                                  BSON_ITER_HOLDS_UTF8(&landmarks->id));
    }
    int r = read_key(landmarks, document, err);
    if (r < 0 || (document->kind >= RECORD_SENSOR && document->kind <= RECORD_MODEL))
        return r;
    if (document->key.sensor[0] == '\0')
        return missing("sensor", err);
    if (document->key.timestamp_ms == VALUE_ABSENT)
        return missing("timestamp", err);
    return is_powerapi(document->kind) ? 0 : check_native(landmarks, document, err);
}

int document_describe(const uint8_t *bytes, size_t size_bytes, struct document *ret_document,
                      struct error *err)
{
    bson_t bson;
    bson_iter_t level, field;
    if (!bson_init_static(&bson, bytes, size_bytes) || !bson_iter_init(&level, &bson))
        return error_set(err, -EBADMSG, "damaged document: no BSON of %zu bytes", size_bytes);
    field = level;
    if (!check_level(&level, 0))
        return error_set(err, -EBADMSG, "damaged document: not sound BSON with UTF-8 text");

    struct landmarks landmarks;
    memset(&landmarks.has_kind, 0, sizeof(landmarks) - offsetof(struct landmarks, has_kind));
    while (bson_iter_next(&field))
        take_landmark(&field, bson_iter_key_unsafe(&field), &landmarks);

    struct document document = {
        .kind = find_kind(&landmarks),
        .key.timestamp_ms = VALUE_ABSENT,
        .bytes = bytes,
        .size_bytes = size_bytes,
    };
    if (document.kind != RECORD_UNKNOWN) {
        int r = read_known(&landmarks, &document, err);
        if (r < 0)
            return error_wrap(err, r, "%s record", record_kind_name(document.kind));
    }
    *ret_document = document;
    return 0;
}
