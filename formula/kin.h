/* SPDX-License-Identifier: BSD-3-Clause */
/* What is learned of a process is kept under its kind: its cgroup and its command, so that the next process of the same kind inherits it. */
#pragma once

#include <stdint.h>

/* Hash of "CGROUP:COMM" for a process "PATH:PID@START" or the folded "PATH:COMM", of the name for anything else; cgroup and comm from the target's record,
 * NULL: not known. Never 0. */
uint64_t kin_of(const char *target, const char *cgroup, const char *comm);
