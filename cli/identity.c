/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree by sensor and target. Names are taken apart only when there is no record: a cgroup's name
 * may hold a ':' itself, so only the unmistakable "PATH:PID@START" is read as a process. */
#include "cli/identity.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/record.h"
#include "common/target_record.h"

struct identities {
    void *tree;            /* tsearch(3), of struct identity * */
    struct identity **all; /* owned; the tree's nodes point to the same */
    size_t n_all, all_capacity;
};

static int compare(const void *a, const void *b)
{
    const struct identity *left = a, *right = b;
    int order = strcmp(left->target, right->target);
    return order ? order : strcmp(left->sensor, right->sensor);
}

static void identity_clear(struct identity *identity)
{
    free(identity->name);
    free(identity->cgroup);
    free(identity->command);
    free(identity->unit);
    free(identity->container);
    free(identity->pod);
    identity->name = identity->cgroup = identity->command = NULL;
    identity->unit = identity->container = identity->pod = NULL;
}

static void identity_free(struct identity *identity)
{
    if (!identity)
        return;
    identity_clear(identity);
    free(identity->sensor);
    free(identity->target);
    free(identity);
}

static int copy(char **field, const char *text)
{
    if (!text || !*text)
        return 0;
    *field = strdup(text);
    return *field ? 0 : -ENOMEM;
}

int identities_new(struct identities **ret_identities)
{
    struct identities *identities = calloc(1, sizeof(*identities));
    if (!identities)
        return -ENOMEM;
    *ret_identities = identities;
    return 0;
}

void identities_free(struct identities *identities)
{
    if (!identities)
        return;
    for (size_t i = 0; i < identities->n_all; i++) {
        (void)tdelete(identities->all[i], &identities->tree, compare);
        identity_free(identities->all[i]);
    }
    free(identities->all);
    free(identities);
}

static int add_empty(struct identities *identities, const char *sensor, const char *target,
                     struct identity **ret_identity)
{
    if (array_reserve(&identities->all, &identities->all_capacity, identities->n_all + 1,
                      sizeof(struct identity *)) < 0)
        return -ENOMEM;
    struct identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        return -ENOMEM;
    identity->pid = identity->parent_pid = identity->start_ticks = VALUE_ABSENT;
    identity->named_ms = identity->gone_ms = VALUE_ABSENT;
    identity->sensor = strdup(sensor);
    identity->target = strdup(target);
    if (!identity->sensor || !identity->target || !tsearch(identity, &identities->tree, compare)) {
        identity_free(identity);
        return -ENOMEM;
    }
    identities->all[identities->n_all++] = identity;
    *ret_identity = identity;
    return 0;
}

static struct identity *find(struct identities *identities, const char *sensor, const char *target)
{
    const struct identity key = {.sensor = (char *)sensor, .target = (char *)target};
    struct identity **node = tfind(&key, &identities->tree, compare);
    return node ? *node : NULL;
}

int identities_add(struct identities *identities, const struct target_record *record)
{
    struct identity *identity = find(identities, record->key.sensor, record->target);
    if (!identity) {
        int r = add_empty(identities, record->key.sensor, record->target, &identity);
        if (r < 0)
            return r;
    }
    identity_clear(identity);
    identity->is_derived = false;
    identity->pid = record->pid;
    identity->parent_pid = record->parent_pid;
    identity->start_ticks = record->start_ticks;
    bool is_process = record->target_kind && strcmp(record->target_kind, "process") == 0;
    if (copy(&identity->name, record->name && *record->name ? record->name : record->target) < 0 ||
        copy(&identity->cgroup, record->cgroup) < 0 || copy(&identity->unit, record->unit) < 0 ||
        copy(&identity->container, record->container) < 0 ||
        copy(&identity->pod, record->pod) < 0 ||
        copy(&identity->command, is_process ? (record->comm ? record->comm : record->name) : NULL) <
            0)
        return -ENOMEM;
    return 0;
}

/* Where ":PID@START" begins in a target's name, or NULL. */
static const char *process_suffix(const char *target, int64_t *ret_pid)
{
    const char *colon = strrchr(target, ':');
    if (!colon || !isdigit((unsigned char)colon[1]))
        return NULL;
    errno = 0;
    char *end;
    long long pid = strtoll(colon + 1, &end, 10);
    if (errno || *end != '@' || !end[1] || strspn(end + 1, "0123456789") != strlen(end + 1))
        return NULL;
    *ret_pid = pid;
    return colon;
}

static int derive(struct identity *identity)
{
    const char *target = identity->target;
    identity->is_derived = true;
    if (*target != '/')
        return copy(&identity->name, *target ? target : "-");
    const char *suffix = process_suffix(target, &identity->pid);
    size_t size = suffix ? (size_t)(suffix - target) : strlen(target);
    identity->cgroup = strndup(target, size);
    if (!identity->cgroup)
        return -ENOMEM;
    if (suffix) {
        char text[48];
        (void)snprintf(text, sizeof(text), "pid %" PRId64, identity->pid);
        return copy(&identity->name, text);
    }
    const char *last = strrchr(target, '/');
    return copy(&identity->name, last[1] ? last + 1 : target);
}

int identities_find(struct identities *identities, const char *sensor, const char *target,
                    struct identity **ret_identity)
{
    struct identity *identity = find(identities, sensor, target);
    if (!identity) {
        int r = add_empty(identities, sensor, target, &identity);
        if (r < 0)
            return r;
    }
    if (!identity->name) {
        int r = derive(identity);
        if (r < 0)
            return r;
    }
    *ret_identity = identity;
    return 0;
}

struct identity *const *identities_all(const struct identities *identities,
                                       size_t *ret_n_identities)
{
    *ret_n_identities = identities->n_all;
    return identities->all;
}

size_t identities_drop(struct identities *identities)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < identities->n_all; i++) {
        struct identity *identity = identities->all[i];
        if (!identity->is_dropped) {
            identities->all[n_kept++] = identity;
            continue;
        }
        (void)tdelete(identity, &identities->tree, compare);
        identity_free(identity);
    }
    return identities->n_all = n_kept;
}

bool identity_is_inside(const struct identity *identity, const char *cgroup)
{
    size_t length = strlen(cgroup);
    return identity->cgroup && strncmp(identity->cgroup, cgroup, length) == 0 &&
           (identity->cgroup[length] == '\0' || identity->cgroup[length] == '/');
}

const char *identity_group(const struct identity *identity, char text[static 200])
{
    if (!identity->command && !identity->is_derived && identity->cgroup) {
        (void)snprintf(text, 200, "%s", identity->name); /* a whole cgroup: the sensor named it */
    } else if (identity->container) {
        bool is_long_id = strlen(identity->container) >= 32 &&
                          strspn(identity->container, "0123456789abcdef") >= 32;
        (void)snprintf(text, 200, is_long_id ? "container %.12s" : "container %s",
                       identity->container);
    } else if (identity->unit) {
        (void)snprintf(text, 200, "%s", identity->unit);
    } else if (identity->cgroup && identity->cgroup[0] == '/' && identity->cgroup[1]) {
        (void)snprintf(text, 200, "%s", strrchr(identity->cgroup, '/') + 1);
    } else if (identity->cgroup) {
        (void)snprintf(text, 200, "(no unit)");
    } else {
        (void)snprintf(text, 200, "%s", identity->name);
    }
    return text;
}
