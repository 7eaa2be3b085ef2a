/* SPDX-License-Identifier: BSD-3-Clause */
/* What a cgroup path says about who lives there: systemd units, Docker, Podman, containerd, CRI-O, Kubernetes pods, LXC, nspawn, ECS,
 * Nomad, libvirt machines, Slurm.
 * Pure text, walked from the leaf up. Source of the shapes: docs/architecture.md, "Names". */
#pragma once

#include <stdbool.h>

struct virtual_machine;

struct target_names {
    const char *kind;      /* static: "container", "pod", "vm", "unit", "session", "slice", "cgroup" */
    char name[128];        /* short, for people: "nginx.service", "docker 4f5c2a9e1b77", "ssh session 3" */
    char container[128];   /* full id or name, a machine's UUID; "" none */
    char unit[128];        /* systemd unit; "" none */
    char pod[68];          /* Kubernetes pod UID with dashes, Podman pod id; "" none */
    bool is_machine;       /* of libvirt: the path may have but a part of its name */
    char cgroup_text[1024], comm_text[200], user_text[64]; /* escaped copies for target_describe */
};

/* Fills kind, name, container, unit, pod from a cgroup path ("/system.slice/nginx.service"), raw bytes; what it writes is
 * escaped (name_escape.h). */
void target_name_parse(const char *cgroup, struct target_names *ret_names);
/* What the machine itself says instead of what its path says. */
void target_name_use_machine(struct target_names *names, const struct virtual_machine *machine);
