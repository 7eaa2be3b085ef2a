/* SPDX-License-Identifier: BSD-3-Clause */
/* A cgroup's books and its processes' clocks are not read at the same moment, so a tick's
 * difference may be too large or too small by what ran meanwhile; the next tick has the opposite.
 * What was given too much is therefore remembered and taken off later. */
#include "sensor/exit_rest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/scope.h"
#include "sensor/cgroup_usage.h"
#include "sensor/host.h"

#define CGROUPS_MAX 256           /* followed at once; others make do with the records */
#define STILL_LOOKS 64            /* then a cgroup in which nobody ends is left */
#define REST_MAX (10 * NS_PER_MS) /* of one process: a scheduler tick and being torn down */
#define DEBT_MAX (100 * (int64_t)NS_PER_MS) /* more was moved here and not used here */

struct followed_cgroup {
    char *path;
    int usage_fd;
    uint64_t usage_us;
    int64_t owed_ns; /* below 0: so much was given too much */
    /* Of this look. */
    uint64_t seen_ns;
    size_t n_ended;
    bool has_baseline, has_others_below;
    unsigned n_still;
};

struct ended_use {
    size_t cgroup;
    uint64_t *use_ns;
};

void exit_rest_begin(struct exit_rest *rest)
{
    rest->n_ends = 0;
    for (size_t i = 0; i < rest->n_cgroups; i++) {
        struct followed_cgroup *cgroup = &rest->cgroups[i];
        cgroup->seen_ns = 0;
        cgroup->n_ended = 0;
        cgroup->has_others_below = false;
    }
}

static struct followed_cgroup *find_cgroup(const struct exit_rest *rest, const char *path)
{
    for (size_t i = 0; i < rest->n_cgroups; i++)
        if (!strcmp(rest->cgroups[i].path, path))
            return &rest->cgroups[i];
    return NULL;
}

static int open_usage(const struct exit_rest *rest, const char *path)
{
    char full[PATH_MAX];
    if (!rest->host->cgroupfs || rest->host->perf_cgroupfs ||
        (size_t)snprintf(full, sizeof(full), "%s%s", rest->host->cgroupfs, path) >= sizeof(full))
        return -ENOENT;
    SCOPED(scope_close) int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : cgroup_usage_open(fd);
}

/* NULL: it is not followed. */
static struct followed_cgroup *follow(struct exit_rest *rest, const char *path)
{
    struct followed_cgroup *found = find_cgroup(rest, path);
    if (found || rest->n_cgroups == CGROUPS_MAX || !strcmp(path, "/") ||
        array_reserve(&rest->cgroups, &rest->cgroups_capacity, rest->n_cgroups + 1,
                      sizeof(*rest->cgroups)) < 0)
        return found;
    struct followed_cgroup *cgroup = &rest->cgroups[rest->n_cgroups];
    *cgroup = (struct followed_cgroup){.usage_fd = open_usage(rest, path)};
    if (cgroup->usage_fd < 0)
        return NULL;
    cgroup->path = strdup(path);
    if (!cgroup->path) {
        (void)close(cgroup->usage_fd);
        return NULL;
    }
    rest->n_cgroups++;
    return cgroup;
}

int exit_rest_add(struct exit_rest *rest, const char *cgroup, uint64_t cpu_ns, uint64_t *use_ns)
{
    struct followed_cgroup *followed = follow(rest, cgroup);
    if (!followed)
        return 0;
    int r = array_reserve(&rest->ends, &rest->ends_capacity, rest->n_ends + 1, sizeof(*rest->ends));
    if (r < 0)
        return r;
    rest->ends[rest->n_ends++] = (struct ended_use){(size_t)(followed - rest->cgroups), use_ns};
    followed->n_ended++;
    followed->seen_ns += cpu_ns;
    return 0;
}

void exit_rest_see(struct exit_rest *rest, const char *cgroup, uint64_t cpu_ns)
{
    for (size_t i = 0; i < rest->n_cgroups; i++) {
        struct followed_cgroup *followed = &rest->cgroups[i];
        size_t length = strlen(followed->path);
        if (strncmp(cgroup, followed->path, length) != 0)
            continue;
        followed->seen_ns += cgroup[length] == '\0' ? cpu_ns : 0;
        followed->has_others_below |= cgroup[length] == '/';
    }
}

/* What each of those that ended is given. */
static uint64_t settle_cgroup(struct followed_cgroup *cgroup)
{
    uint64_t now_us, each_ns = 0;
    bool is_known = cgroup_usage_read(cgroup->usage_fd, &now_us) == 0;
    cgroup->n_still = cgroup->n_ended > 0 && is_known ? 0 : cgroup->n_still + 1;
    if (is_known && cgroup->has_baseline && !cgroup->has_others_below)
        cgroup->owed_ns += (int64_t)((now_us - cgroup->usage_us) * 1000) - (int64_t)cgroup->seen_ns;
    if (is_known)
        cgroup->usage_us = now_us;
    cgroup->has_baseline = is_known;
    if (cgroup->n_ended > 0 && cgroup->owed_ns > 0)
        each_ns = (uint64_t)cgroup->owed_ns / cgroup->n_ended;
    if (each_ns > REST_MAX)
        each_ns = REST_MAX;
    cgroup->owed_ns -= (int64_t)(each_ns * cgroup->n_ended);
    if (cgroup->owed_ns > 0)
        cgroup->owed_ns = 0; /* whose it was nobody knows */
    if (cgroup->owed_ns < -DEBT_MAX)
        cgroup->owed_ns = -DEBT_MAX;
    return each_ns;
}

static void leave(struct exit_rest *rest, size_t index)
{
    (void)close(rest->cgroups[index].usage_fd);
    free(rest->cgroups[index].path);
    rest->cgroups[index] = rest->cgroups[--rest->n_cgroups];
}

void exit_rest_settle(struct exit_rest *rest)
{
    uint64_t each_ns[CGROUPS_MAX];
    for (size_t i = 0; i < rest->n_cgroups; i++)
        each_ns[i] = settle_cgroup(&rest->cgroups[i]);
    for (size_t i = 0; i < rest->n_ends; i++)
        *rest->ends[i].use_ns += each_ns[rest->ends[i].cgroup];
    for (size_t i = rest->n_cgroups; i-- > 0;)
        if (rest->cgroups[i].n_still >= STILL_LOOKS)
            leave(rest, i);
}

void exit_rest_deinit(struct exit_rest *rest)
{
    while (rest->n_cgroups > 0)
        leave(rest, rest->n_cgroups - 1);
    free(rest->cgroups);
    free(rest->ends);
    *rest = (struct exit_rest){0};
}
