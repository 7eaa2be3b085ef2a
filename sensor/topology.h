/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUs and packages, from SYSFS/devices/system/cpu and PROCFS/cpuinfo. Whatever cannot be read is unknown: no package files means that
 * every CPU is in package 0. Re-read when the list of online CPUs changes. */
#pragma once

#include "sensor/host.h"

/* vendor of all ARM CPUs; family is the implementer and model the part of MIDR_EL1. */
#define TOPOLOGY_ARM "ARM"

struct topology {
    int n_cpus;            /* highest possible CPU number + 1 */
    bool *is_online;       /* [n_cpus] */
    char *online;          /* the text that said so, NULL: it could not be read */
    int32_t *package;      /* [n_cpus] physical package id, of offline CPUs as last seen or 0 */
    int32_t *packages;     /* [n_packages] distinct ids of online CPUs, ascending */
    size_t n_packages;
    char vendor[32], name[64]; /* "GenuineIntel"; escaped (name_escape.h), "" unknown */
    int64_t family, model;     /* VALUE_ABSENT unknown */
    bool is_virtual;           /* hypervisor flag */
    int64_t base_hz, max_hz;   /* VALUE_ABSENT unknown */
};

/* Parses "0-3,5,7-8" into is_member[size] (cleared first). Returns the highest number + 1, -EINVAL for text that is no list, -ERANGE for
 * a CPU number >= size. Empty text is the empty list. */
int cpu_list_parse(const char *text, bool *is_member, size_t size);

int topology_read(struct topology *ret_topology, const struct host *host, struct error *err);
/* The lowest online CPU; 0 if none is known. */
int topology_first_online(const struct topology *topology);
/* Makes `to`, zeroed or a topology, a copy of `from`; does nothing where it is one. -ENOMEM leaves it as it was. */
int topology_assign(struct topology *to, const struct topology *from);
void topology_deinit(struct topology *topology);
/* 1 if the online list differs from what topology says (then read it anew), 0 if not, negative errno if it cannot be read. */
int topology_has_changed(const struct topology *topology, const struct host *host);
/* For who asks at every tick: true if that list is the very text that topology was read from, which takes one system call. False: it is not, or could not be
 * read, and topology_has_changed says more. The file stays open between calls (as files of sysfs can: one that is put in its place is not seen);
 * *online_fd: -1 at first, the caller's to close. */
bool topology_is_unchanged(const struct topology *topology, const struct host *host, int *online_fd);
