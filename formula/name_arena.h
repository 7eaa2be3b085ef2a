/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of short texts that all go at once. */
#pragma once

#include <stddef.h>

struct name_arena {
    struct name_chunk *chunks; /* the newest first */
};

/* A copy that stays where it is until the arena is cleared; NULL without memory. Zeroed arenas are empty. */
const char *name_arena_copy(struct name_arena *arena, const char *text);
/* Forgets the texts and keeps one chunk. */
void name_arena_clear(struct name_arena *arena);
void name_arena_deinit(struct name_arena *arena);
