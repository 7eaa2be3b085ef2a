/* SPDX-License-Identifier: BSD-3-Clause */
/* A libvirt machine as it is called. Its cgroup has only what of the name systemd allows, and at most 64 bytes of it; the whole name and the UUID stand in the
 * command line of QEMU: "-name guest=NAME,debug-threads=on ... -uuid UUID", commas in the name doubled (QEMU's invocation page; libvirt's
 * qemu_command.c). */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct virtual_machine {
    char name[256]; /* raw bytes */
    char uuid[64];  /* raw bytes; "": unknown */
};

/* From a command line as /proc/PID/cmdline has it: arguments, each ended by NUL. False: none of a named machine. */
bool virtual_machine_parse(FILE *arguments, struct virtual_machine *ret_machine);

/* From QEMU among the processes of a machine's cgroup, which libvirt puts into groups below it. cgroup_fd: the directory. False: none is there that can be
 * read, or not yet: the cgroup is made before QEMU is executed. */
bool virtual_machine_find(int cgroup_fd, const char *procfs, struct virtual_machine *ret_machine);
