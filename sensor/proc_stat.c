/* SPDX-License-Identifier: BSD-3-Clause */
/* The one line of a process. Its command is chosen by the process, so nothing before the last
 * parenthesis but the number is believed. */
#include "sensor/proc_stat.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of the fields in proc_pid_stat(5). */
enum {
    FIELD_STATE = 3,
    FIELD_PARENT = 4,
    FIELD_FLAGS = 9,
    FIELD_UTIME = 14,
    FIELD_STIME = 15,
    FIELD_START = 22
};

#define KERNEL_THREAD_FLAG 0x00200000 /* PF_KTHREAD, linux/sched.h */

static int parse_numbers(const char *text, int64_t numbers[static FIELD_START + 1])
{
    for (int field = FIELD_STATE + 1; field <= FIELD_START; field++) {
        if (*text != ' ' || (!isdigit((unsigned char)text[1]) && text[1] != '-'))
            return -EBADMSG;
        char *end;
        errno = 0;
        numbers[field] = strtoll(text + 1, &end, 10);
        if (errno || end == text + 1)
            return -EBADMSG;
        text = end;
    }
    return *text == '\0' || isspace((unsigned char)*text) ? 0 : -EBADMSG;
}

int proc_stat_parse(const char *text, size_t size, struct proc_stat *ret_stat)
{
    char line[4096];
    if (size >= sizeof(line))
        return -EBADMSG;
    memcpy(line, text, size);
    line[size] = '\0';
    char *end;
    errno = 0;
    long pid = isdigit((unsigned char)line[0]) ? strtol(line, &end, 10) : 0;
    if (pid <= 0 || pid > INT_MAX || errno || end[0] != ' ' || end[1] != '(')
        return -EBADMSG;
    const char *comm = end + 2;
    const char *close = memrchr(comm, ')', size - (size_t)(comm - line));
    if (!close || close[1] != ' ' || !close[2])
        return -EBADMSG;
    int64_t numbers[FIELD_START + 1];
    int r = parse_numbers(close + 3, numbers);
    if (r < 0 || numbers[FIELD_PARENT] < 0 || numbers[FIELD_PARENT] > INT_MAX ||
        numbers[FIELD_UTIME] < 0 || numbers[FIELD_STIME] < 0 || numbers[FIELD_START] < 0 ||
        numbers[FIELD_UTIME] > INT64_MAX / 2 || numbers[FIELD_STIME] > INT64_MAX / 2)
        return -EBADMSG;
    *ret_stat = (struct proc_stat){
        .pid = (pid_t)pid,
        .parent_pid = (pid_t)numbers[FIELD_PARENT],
        .is_kernel_thread = (numbers[FIELD_FLAGS] & KERNEL_THREAD_FLAG) != 0,
        .cpu_ticks = (uint64_t)numbers[FIELD_UTIME] + (uint64_t)numbers[FIELD_STIME],
        .start_ticks = (uint64_t)numbers[FIELD_START],
    };
    size_t comm_size = (size_t)(close - comm);
    if (comm_size >= sizeof(ret_stat->comm))
        comm_size = sizeof(ret_stat->comm) - 1;
    memcpy(ret_stat->comm, comm, comm_size);
    return 0;
}
