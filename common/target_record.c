/* SPDX-License-Identifier: BSD-3-Clause */
/* The target record: flat, all of it optional but the name. */
#include "common/target_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"

/* The texts of a target record, in the order in which they stand in the document. */
static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    {"target", offsetof(struct target_record, target)},
    {"target_kind", offsetof(struct target_record, target_kind)},
    {"name", offsetof(struct target_record, name)},
    {"cgroup", offsetof(struct target_record, cgroup)},
    {"comm", offsetof(struct target_record, comm)},
    {"user", offsetof(struct target_record, user)},
    {"container", offsetof(struct target_record, container)},
    {"unit", offsetof(struct target_record, unit)},
    {"pod", offsetof(struct target_record, pod)},
};

static const char *get_text(const struct target_record *target, size_t i)
{
    return *(const char *const *)((const char *)target + texts[i].offset);
}

static int check(const struct target_record *target, struct error *err)
{
    if (!target->target || target->target[0] == '\0')
        return error_set(err, -EINVAL, "target: missing");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *text = get_text(target, i);
        if (text && !text_is_utf8(text, strlen(text)))
            return error_set(err, -EINVAL, "%s: not UTF-8 (escape it first)", texts[i].key);
    }
    return 0;
}

int target_record_encode(const struct target_record *target, bson_t *scratch,
                         struct document *ret_document, struct error *err)
{
    char id[RECORD_ID_SIZE], suffix[16];
    (void)snprintf(suffix, sizeof(suffix), "t%" PRIu32, target->ordinal);
    record_id(&target->key, suffix, id);
    int r = check(target, err);
    if (r == 0)
        r = record_begin(scratch, RECORD_TARGET, &target->key, id, err);
    if (r < 0)
        return error_wrap(err, r, "target record");
    append_int64(scratch, "ordinal", target->ordinal);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        append_text(scratch, texts[i].key, get_text(target, i));
    append_int64(scratch, "cgroup_inode", target->cgroup_inode);
    append_int64(scratch, "pid", target->pid);
    append_int64(scratch, "start_ticks", target->start_ticks);
    append_int64(scratch, "parent_pid", target->parent_pid);
    record_end(scratch, RECORD_TARGET, &target->key, id, ret_document);
    return 0;
}

static int read_ordinal(const bson_iter_t *field, struct target_record *target, struct error *err)
{
    int64_t ordinal;
    int r = field_amount(field, &ordinal, err);
    if (r < 0)
        return r;
    if (ordinal < 0 || ordinal > UINT32_MAX)
        return error_set(err, -EBADMSG, "ordinal: null or above 2^32 - 1");
    target->ordinal = (uint32_t)ordinal;
    return 0;
}

static int read_field(const bson_iter_t *field, struct target_record *target, struct error *err)
{
    const char *key = bson_iter_key(field);
    if (strcmp(key, "ordinal") == 0)
        return read_ordinal(field, target, err);
    if (strcmp(key, "cgroup_inode") == 0)
        return field_int64(field, &target->cgroup_inode, err);
    if (strcmp(key, "pid") == 0)
        return field_amount(field, &target->pid, err);
    if (strcmp(key, "start_ticks") == 0)
        return field_amount(field, &target->start_ticks, err);
    if (strcmp(key, "parent_pid") == 0)
        return field_amount(field, &target->parent_pid, err);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (strcmp(key, texts[i].key) == 0)
            return field_string(field, (const char **)((char *)target + texts[i].offset), err);
    }
    return 0;
}

int target_record_decode(const struct document *document, struct target_record *ret_target,
                         struct error *err)
{
    bson_t bson;
    bson_iter_t field;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes) ||
        !bson_iter_init(&field, &bson))
        return error_set(err, -EBADMSG, "target record %s: no BSON", document->id);
    struct target_record target = {
        .key = document->key,
        .cgroup_inode = VALUE_ABSENT,
        .pid = VALUE_ABSENT,
        .start_ticks = VALUE_ABSENT,
        .parent_pid = VALUE_ABSENT,
    };
    int r = 0;
    while (r == 0 && bson_iter_next(&field))
        r = read_field(&field, &target, err);
    if (r == 0 && (!target.target || target.target[0] == '\0'))
        r = error_set(err, -EBADMSG, "target: missing");
    if (r < 0)
        return error_wrap(err, r, "target record %s", document->id);
    *ret_target = target;
    return 0;
}
