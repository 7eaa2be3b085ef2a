/* SPDX-License-Identifier: BSD-3-Clause */
/* A map from a 64-bit identity (an inode, a process with its start) to a pointer. The zero value is an empty map. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct id_map {
    struct id_slot *slots;
    size_t n_slots; /* 0 or a power of two */
    size_t n_used;
};

void id_map_deinit(struct id_map *map);
/* NULL if the identity is unknown. */
void *id_map_get(const struct id_map *map, uint64_t id);
/* Adds or replaces; value is not NULL. -ENOMEM leaves the map as it was. */
int id_map_put(struct id_map *map, uint64_t id, void *value);
void id_map_remove(struct id_map *map, uint64_t id);
