/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/process_identity.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sensor/proc_stat.h"

static_assert(sizeof(((struct proc_stat *)0)->comm) == sizeof(((struct process_identity *)0)->comm),
              "commands are copied");

const char *process_cgroup(char *text)
{
    static const char removed[] = " (deleted)";
    for (char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        bool is_last = line[size] == '\0';
        line[size] = '\0';
        if (!strncmp(line, "0::/", 4)) {
            if (size > 3 + sizeof(removed) && !strcmp(line + size - sizeof(removed) + 1, removed))
                line[size - sizeof(removed) + 1] = '\0';
            return line + 3;
        }
        line += size + !is_last;
    }
    return "/";
}

int process_identity_read(const struct host *host, pid_t pid, struct process_identity *ret_identity)
{
    struct proc_stat process;
    struct stat status;
    char text[8192], path[PATH_MAX];
    ssize_t length = host_read_text(text, sizeof(text), "%s/%d/stat", host->procfs, (int)pid);
    int r = length < 0 ? (int)length : proc_stat_parse(text, (size_t)length, &process);
    if (r < 0)
        return r;
    length = host_read_text(text, sizeof(text), "%s/%d/cgroup", host->procfs, (int)pid);
    if (length < 0)
        return (int)length;
    (void)snprintf(path, sizeof(path), "%s/%d", host->procfs, (int)pid);
    if (stat(path, &status) < 0)
        return -errno;
    const char *cgroup = process_cgroup(text);
    if (strlen(cgroup) >= sizeof(ret_identity->cgroup))
        return -ENAMETOOLONG;
    ret_identity->start_ticks = process.start_ticks;
    ret_identity->parent_pid = process.parent_pid;
    ret_identity->uid = status.st_uid;
    memcpy(ret_identity->comm, process.comm, sizeof(process.comm));
    (void)snprintf(ret_identity->cgroup, sizeof(ret_identity->cgroup), "%s", cgroup);
    return 0;
}
