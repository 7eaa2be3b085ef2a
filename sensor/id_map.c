/* SPDX-License-Identifier: BSD-3-Clause */
/* Open addressing with linear probing; removal shifts followers back, so that there are no
 * tombstones to collect in a daemon that sees processes come and go for months. */
#include "sensor/id_map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct id_slot {
    uint64_t id;
    void *value; /* NULL: free */
};

static size_t home_of(uint64_t id, size_t n_slots)
{
    /* The multiplier of splitmix64 spreads consecutive numbers over the table. */
    id = (id ^ (id >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(id ^ (id >> 31)) & (n_slots - 1);
}

static struct id_slot *find(const struct id_map *map, uint64_t id)
{
    size_t at = home_of(id, map->n_slots);
    while (map->slots[at].value && map->slots[at].id != id)
        at = (at + 1) & (map->n_slots - 1);
    return &map->slots[at];
}

void id_map_deinit(struct id_map *map)
{
    free(map->slots);
    *map = (struct id_map){0};
}

void *id_map_get(const struct id_map *map, uint64_t id)
{
    return map->n_slots ? find(map, id)->value : NULL;
}

static int grow(struct id_map *map)
{
    struct id_map grown = {.n_slots = map->n_slots ? map->n_slots * 2 : 64, .n_used = map->n_used};
    grown.slots = calloc(grown.n_slots, sizeof(*grown.slots));
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->n_slots; i++)
        if (map->slots[i].value)
            *find(&grown, map->slots[i].id) = map->slots[i];
    free(map->slots);
    *map = grown;
    return 0;
}

int id_map_put(struct id_map *map, uint64_t id, void *value)
{
    assert(value);
    if (map->n_used * 2 >= map->n_slots) {
        int r = grow(map);
        if (r < 0)
            return r;
    }
    struct id_slot *slot = find(map, id);
    map->n_used += !slot->value;
    *slot = (struct id_slot){id, value};
    return 0;
}

void id_map_remove(struct id_map *map, uint64_t id)
{
    if (!map->n_slots)
        return;
    struct id_slot *hole = find(map, id);
    if (!hole->value)
        return;
    map->n_used--;
    size_t mask = map->n_slots - 1;
    size_t free_at = (size_t)(hole - map->slots);
    for (size_t at = (free_at + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
        size_t home = home_of(map->slots[at].id, map->n_slots);
        /* It may move back unless its home lies behind the hole, on the way round. */
        if (((at - home) & mask) >= ((at - free_at) & mask)) {
            map->slots[free_at] = map->slots[at];
            free_at = at;
        }
    }
    map->slots[free_at].value = NULL;
}
