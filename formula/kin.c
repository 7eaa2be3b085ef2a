/* SPDX-License-Identifier: BSD-3-Clause */
/* A name ends in ":PID@START" only if it is a process; what stands before is its cgroup. A process
 * whose command nobody told is of its cgroup's kind. */
#include "formula/kin.h"

#include <stddef.h>
#include <string.h>

static uint64_t mix(uint64_t hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Length of the part before ":PID@START"; the whole length if the name does not end so. */
static size_t cgroup_size(const char *target)
{
    size_t size = strlen(target), end = size;
    const char *digits = "0123456789";
    while (end > 0 && strchr(digits, target[end - 1]))
        end--;
    if (end == size || end == 0 || target[end - 1] != '@')
        return size;
    size_t at = --end;
    while (end > 0 && strchr(digits, target[end - 1]))
        end--;
    return end == at || end == 0 || target[end - 1] != ':' ? size : end - 1;
}

uint64_t kin_of(const char *target, const char *cgroup, const char *comm)
{
    size_t whole = strlen(target), size = cgroup_size(target);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (size == whole) {
        hash = mix(hash, target, whole);
    } else {
        hash = cgroup ? mix(hash, cgroup, strlen(cgroup)) : mix(hash, target, size);
        hash = mix(hash, ":", 1);
        hash = comm ? mix(hash, comm, strlen(comm)) : hash;
    }
    return hash ? hash : 1;
}
