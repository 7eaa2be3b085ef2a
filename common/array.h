/* SPDX-License-Identifier: BSD-3-Clause */
/* Growing arrays of plain structs. */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Makes room for n_wanted elements of element_size in *array (capacity *capacity elements), doubling; contents are kept, new
 * room is not zeroed. Returns 0 or -ENOMEM, with nothing changed. */
static inline int array_reserve(void *array, size_t *capacity, size_t n_wanted, size_t element_size)
{
    if (n_wanted <= *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted < n_wanted) {
        if (wanted > SIZE_MAX / 2 / element_size)
            return -ENOMEM;
        wanted *= 2;
    }
    void *grown = realloc(*(void **)array, wanted * element_size);
    if (!grown)
        return -ENOMEM;
    *(void **)array = grown;
    *capacity = wanted;
    return 0;
}
