/* SPDX-License-Identifier: BSD-3-Clause */
/* A counter shows the energy of a moment just past, while CPU time is known only of now: between
 * two looks the line is straight, by definition, so that what was shown stays true. The kernel
 * books a running task's time in steps of a scheduler tick (some ms), so a look may be late. */
#include "tests/hwsim/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/scope.h"

static int open_cgroup(const char *folder)
{
    char path[sizeof(((struct sim_user *)NULL)->cgroup) + 16];
    (void)snprintf(path, sizeof(path), "%s/cpu.stat", folder);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* 0 where it cannot be read: the curve never falls, so that means "no more than before". */
static uint64_t cgroup_ns(struct usage *usage)
{
    char text[512];
    unsigned long long usec;
    if (usage->fd < 0)
        usage->fd = open_cgroup(usage->user->cgroup);
    ssize_t size = usage->fd < 0 ? -1 : pread(usage->fd, text, sizeof(text) - 1, 0);
    if (size <= 0) {
        scope_close(&usage->fd);
        usage->fd = -1;
        return 0;
    }
    text[size] = '\0';
    const char *at = strstr(text, "usage_usec ");
    return at && sscanf(at, "usage_usec %llu", &usec) == 1 ? usec * 1000 : 0;
}

/* Own time and that of the children it waited for, ns, if the process is of the group. */
static uint64_t process_ns(const char *pid, int pgrp)
{
    char path[300], text[1024];
    int its_pgrp;
    unsigned long user, system, children_user, children_system;
    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    SCOPED(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    const char *rest = strrchr(text, ')'); /* the name before may hold anything */
    if (!rest ||
        sscanf(rest + 1, " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &its_pgrp,
               &user, &system, &children_user, &children_system) != 5 ||
        its_pgrp != pgrp)
        return 0;
    return (user + system + children_user + children_system) *
           (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t pgrp_ns(int pgrp)
{
    uint64_t sum_ns = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            sum_ns += process_ns(entry->d_name, pgrp);
    }
    if (proc)
        (void)closedir(proc);
    return sum_ns;
}

/* A load that swings between 0 and load_cpus. */
static double made_cpu_s(const struct sim_user *user, uint64_t at_ns)
{
    double at_s = (double)at_ns / 1e9, omega = 2 * M_PI / user->period_s;
    return user->load_cpus / 2 * (at_s + (1 - cos(omega * at_s)) / omega);
}

/* Time that a package's CPUs were not idle, of which the host took nothing. */
static uint64_t busy_ns(const struct machine *machine, int package)
{
    char line[512];
    uint64_t sum = 0;
    SCOPED(scope_fclose) FILE *file = fopen("/proc/stat", "re");
    while (file && fgets(line, sizeof(line), file)) {
        int cpu;
        unsigned long long user, nice, system, irq, softirq;
        if (sscanf(line, "cpu%d %llu %llu %llu %*u %*u %llu %llu", &cpu, &user, &nice, &system,
                   &irq, &softirq) == 6 &&
            cpu < machine->n_cpus && machine_package_of(machine, cpu) == package)
            sum += user + nice + system + irq + softirq;
    }
    return sum * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t used_ns(struct usage *usage)
{
    if (usage->user->is_rest)
        return busy_ns(usage->machine, usage->user->package);
    return *usage->user->cgroup ? cgroup_ns(usage) : pgrp_ns(usage->user->pgrp);
}

void usage_init(struct usage *usage, const struct machine *machine, int user)
{
    *usage = (struct usage){.machine = machine, .user = &machine->users[user], .fd = -1};
    if (usage->user->load_cpus > 0)
        return;
    usage->base_ns = used_ns(usage);
    usage->n_points = 1; /* nothing at 0 */
}

void usage_deinit(struct usage *usage)
{
    scope_close(&usage->fd);
    usage->fd = -1;
}

static struct usage_point *last_point(struct usage *usage)
{
    return &usage->points[(usage->n_points - 1) % USAGE_POINTS];
}

/* Adds a point that is not below the last one. */
static void observe(struct usage *usage, uint64_t now_ns, uint64_t others_ns)
{
    uint64_t least_ns = last_point(usage)->cpu_ns;
    uint64_t known_ns = usage->base_ns + others_ns, total_ns = used_ns(usage);
    uint64_t cpu_ns = total_ns > known_ns ? total_ns - known_ns : 0;
    usage->points[usage->n_points++ % USAGE_POINTS] =
        (struct usage_point){now_ns, cpu_ns > least_ns ? cpu_ns : least_ns};
}

void usages_observe(struct usage *usages, int n_usages, uint64_t now_ns)
{
    uint64_t known_ns[PACKAGES_MAX] = {0};
    for (int i = 0; i < n_usages; i++) {
        struct usage *usage = &usages[i];
        int package = usage->user->package;
        if (usage->user->load_cpus > 0)
            continue;
        if (now_ns > last_point(usage)->at_ns)
            observe(usage, now_ns, usage->user->is_rest ? known_ns[package] : 0);
        known_ns[package] += last_point(usage)->cpu_ns;
    }
}

double usage_cpu_s(const struct usage *usage, uint64_t at_ns)
{
    if (usage->user->load_cpus > 0)
        return made_cpu_s(usage->user, at_ns);
    uint64_t n_kept = usage->n_points < USAGE_POINTS ? usage->n_points : USAGE_POINTS;
    const struct usage_point *after = &usage->points[(usage->n_points - 1) % USAGE_POINTS];
    for (uint64_t back = 2; back <= n_kept && at_ns < after->at_ns; back++) {
        const struct usage_point *before = &usage->points[(usage->n_points - back) % USAGE_POINTS];
        if (at_ns >= before->at_ns) {
            double part = (double)(at_ns - before->at_ns) / (double)(after->at_ns - before->at_ns);
            return ((double)before->cpu_ns + part * (double)(after->cpu_ns - before->cpu_ns)) / 1e9;
        }
        after = before;
    }
    return (double)after->cpu_ns / 1e9;
}
