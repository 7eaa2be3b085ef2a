/* SPDX-License-Identifier: BSD-3-Clause */
/* What PROCFS/PID/stat says. Source: proc_pid_stat(5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
    pid_t pid, parent_pid;
    char comm[64];         /* raw bytes, without the parentheses */
    bool is_kernel_thread;
    uint64_t cpu_ticks;    /* user and system time of the whole process, in clock ticks */
    uint64_t start_ticks;  /* after boot */
};

/* size bytes of text. The command may hold spaces, newlines and parentheses: the rest begins after the last ')'. -EBADMSG. */
int proc_stat_parse(const char *text, size_t size, struct proc_stat *ret_stat);
