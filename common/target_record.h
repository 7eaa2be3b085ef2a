/* SPDX-License-Identifier: BSD-3-Clause */
/* A target record: who a target is. Stands in the store before the target's first use in a report. */
#pragma once

#include "common/record.h"

struct target_record {
    struct record_key key;
    uint32_t ordinal;         /* makes the id unique within a tick: "sensor:run:seq:tORDINAL" */
    const char *target;       /* the name used in reports; all text is borrowed, escaped (name_escape.h) */
    const char *target_kind;  /* "process", "container", "unit", "pod", "vm", "slice", "cgroup", "other" */
    const char *name;         /* for people: the command, the unit, the container's short id */
    const char *cgroup;       /* path from the cgroup mount, NULL: unknown */
    int64_t cgroup_inode;     /* VALUE_ABSENT: unknown */
    int64_t pid, start_ticks; /* processes */
    int64_t parent_pid;       /* who made the process, as far as is known */
    const char *comm, *user;  /* NULL: unknown */
    const char *container, *unit, *pod; /* NULL: none; container: full id or name, of a virtual machine its UUID */
};

int target_record_encode(const struct target_record *target, bson_t *scratch, struct document *ret_document,
                         struct error *err);
/* Strings are borrowed from the document's bytes. */
int target_record_decode(const struct document *document, struct target_record *ret_target, struct error *err);
