/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks never move, so that what was handed out stays valid while the arena grows. */
#include "formula/name_arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)64 * 1024)

struct name_chunk {
    struct name_chunk *next;
    size_t size, used;
    char bytes[];
};

const char *name_arena_copy(struct name_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    struct name_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t chunk_size = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = malloc(sizeof(*chunk) + chunk_size);
        if (!chunk)
            return NULL;
        *chunk = (struct name_chunk){.next = arena->chunks, .size = chunk_size};
        arena->chunks = chunk;
    }
    char *copy = chunk->bytes + chunk->used;
    memcpy(copy, text, size);
    chunk->used += size;
    return copy;
}

static void free_chunks(struct name_chunk *chunk)
{
    while (chunk) {
        struct name_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void name_arena_clear(struct name_arena *arena)
{
    if (!arena->chunks)
        return;
    free_chunks(arena->chunks->next);
    arena->chunks->next = NULL;
    arena->chunks->used = 0;
}

void name_arena_deinit(struct name_arena *arena)
{
    free_chunks(arena->chunks);
    arena->chunks = NULL;
}
