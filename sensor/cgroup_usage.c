/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/cgroup_usage.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"
#include "sensor/host.h"
#include "sensor/targets.h"

int cgroup_usage_open(int directory_fd)
{
    int fd = openat(directory_fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cgroup_usage_open_target(const struct target *target, const struct host *host)
{
    char path[PATH_MAX];
    if (host->perf_cgroupfs && !host->cpuacct_cgroupfs)
        return -ENOENT;
    SCOPED(scope_close) int directory_fd = target_open_cgroup(target, host_perf_tree(host));
    if (directory_fd < 0)
        return directory_fd;
    if (!host->perf_cgroupfs)
        return cgroup_usage_open(directory_fd);
    if ((size_t)snprintf(path, sizeof(path), "%s%s/cpuacct.usage", host->cpuacct_cgroupfs,
                         target->cgroup) >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int parse_number(const char *digits, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(digits, &end, 10);
    if (errno || !isdigit((unsigned char)*digits) || (*end && *end != '\n'))
        return -EBADMSG;
    *ret_value = value;
    return 0;
}

static int parse_usage(const char *text, uint64_t *ret_us)
{
    static const char key[] = "usage_usec ";
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, sizeof(key) - 1) == 0)
            return parse_number(line + sizeof(key) - 1, ret_us);
    }
    uint64_t usage_ns; /* cpuacct.usage is a number alone */
    int r = parse_number(text, &usage_ns);
    if (r == 0)
        *ret_us = usage_ns / 1000;
    return r;
}

int cgroup_usage_read(int fd, uint64_t *ret_us)
{
    char text[4096];
    ssize_t length = host_reread(fd, text, sizeof(text));
    return length < 0 ? (int)length : parse_usage(text, ret_us);
}
