/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/process_identity.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sensor/proc_stat.h"

static_assert(sizeof(((struct proc_stat *)0)->comm) == sizeof(((struct process_identity *)0)->comm),
              "commands are copied");

/* ":CONTROLLER,CONTROLLER:" of a line "ID:CONTROLLERS:PATH". */
static bool has_perf_event(const char *line, const char *path)
{
    static const char name[] = "perf_event";
    for (const char *at = strstr(line, name); at && at < path; at = strstr(at + 1, name)) {
        char after = at[sizeof(name) - 1];
        if (at > line && (at[-1] == ':' || at[-1] == ',') && (after == ',' || after == ':'))
            return true;
    }
    return false;
}

/* Where the path of a line begins, NULL: nowhere. */
static char *path_of(char *line)
{
    char *colon = strchr(line, ':');
    colon = colon ? strchr(colon + 1, ':') : NULL;
    return colon && colon[1] == '/' ? colon + 1 : NULL;
}

static const char *without_mark(char *path)
{
    static const char removed[] = " (deleted)";
    size_t size = strlen(path);
    if (size > sizeof(removed) && !strcmp(path + size - sizeof(removed) + 1, removed))
        path[size - sizeof(removed) + 1] = '\0';
    return path;
}

const char *process_cgroup(char *text, bool is_v1)
{
    char *unified = NULL;
    for (char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        bool is_last = line[size] == '\0';
        line[size] = '\0';
        char *path = path_of(line);
        if (path && is_v1 && has_perf_event(line, path))
            return without_mark(path);
        if (path && !unified && !strncmp(line, "0::", 3))
            unified = path;
        line += size + !is_last;
    }
    return unified ? without_mark(unified) : "/";
}

int process_identity_read(const struct host *host, bool is_v1, pid_t pid,
                          struct process_identity *ret_identity)
{
    struct proc_stat process;
    struct stat status;
    char text[8192], path[PATH_MAX];
    ssize_t length = host_read_text(text, sizeof(text), "%s/%d/stat", host->procfs, (int)pid);
    int r = length < 0 ? (int)length : proc_stat_parse(text, (size_t)length, &process);
    if (r < 0)
        return r;
    (void)snprintf(path, sizeof(path), "%s/%d/cgroup", host->procfs, (int)pid);
    length = host_read_as_it_is(text, sizeof(text), AT_FDCWD, path);
    if (length < 0)
        return (int)length;
    (void)snprintf(path, sizeof(path), "%s/%d", host->procfs, (int)pid);
    if (stat(path, &status) < 0)
        return -errno;
    const char *cgroup = process_cgroup(text, is_v1);
    if (strlen(cgroup) >= sizeof(ret_identity->cgroup))
        return -ENAMETOOLONG;
    ret_identity->start_ticks = process.start_ticks;
    ret_identity->parent_pid = process.parent_pid;
    ret_identity->uid = status.st_uid;
    memcpy(ret_identity->comm, process.comm, sizeof(process.comm));
    (void)snprintf(ret_identity->cgroup, sizeof(ret_identity->cgroup), "%s", cgroup);
    return 0;
}
