/* SPDX-License-Identifier: BSD-3-Clause */
/* Ownership of locals: SCOPED(f) runs f(&variable) when the variable leaves its scope, STEAL(x) hands the value over
 * and leaves NULL (or -1 with STEAL_FD) behind. A function uses these or `goto out`, never both. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCOPED(free_function) __attribute__((cleanup(free_function)))

#define STEAL(pointer)                                                                              \
    ({                                                                                              \
        __typeof__(pointer) stolen_ = (pointer);                                                    \
        (pointer) = NULL;                                                                           \
        stolen_;                                                                                    \
    })

#define STEAL_FD(fd)                                                                                \
    ({                                                                                              \
        int stolen_ = (fd);                                                                         \
        (fd) = -1;                                                                                  \
        stolen_;                                                                                    \
    })

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* For SCOPED(): frees what a `T *` local points to. */
static inline void scope_free(void *address)
{
    free(*(void **)address);
}

static inline void scope_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static inline void scope_fclose(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}
