/* SPDX-License-Identifier: BSD-3-Clause */
/* An open-addressing table of numbers over a plain array of names. Forgetting happens when the
 * table is about to grow past a limit, which follows the number of names in use: the longest absent
 * go first. */
#include "formula/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "formula/kin.h"
#include "formula/state_io.h"

#define EMPTY UINT32_MAX
#define LIMIT_MIN 16384      /* names kept without a thought */
#define KEEP_TICKS_MAX 65536 /* absences worth remembering when there are more */

struct names {
    struct name *names;
    size_t n_names, names_capacity; /* numbers given so far, free ones included */
    size_t n_used;
    uint32_t *table;
    size_t table_size; /* a power of two */
    uint64_t tick;
    size_t limit;
    size_t n_free, first_free; /* no free number lies before first_free */
};

int names_new(struct names **ret_names)
{
    struct names *names = calloc(1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    names->limit = LIMIT_MIN;
    *ret_names = names;
    return 0;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->n_names; i++)
        free(names->names[i].text);
    free(names->names);
    free(names->table);
    free(names);
}

uint64_t names_hash(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 29);
}

static void table_insert(struct names *names, uint32_t number)
{
    size_t mask = names->table_size - 1;
    size_t i = names->names[number].hash & mask;
    while (names->table[i] != EMPTY)
        i = (i + 1) & mask;
    names->table[i] = number;
}

static int rebuild(struct names *names, size_t table_size)
{
    if (table_size != names->table_size) {
        uint32_t *table = realloc(names->table, table_size * sizeof(*table));
        if (!table)
            return -ENOMEM;
        names->table = table;
        names->table_size = table_size;
    }
    for (size_t i = 0; i < names->table_size; i++)
        names->table[i] = EMPTY;
    for (size_t i = 0; i < names->n_names; i++)
        if (names->names[i].text)
            table_insert(names, (uint32_t)i);
    return 0;
}

static void forget_before(struct names *names, uint64_t tick)
{
    for (size_t i = 0; i < names->n_names; i++) {
        struct name *name = &names->names[i];
        if (!name->text || name->last_tick >= tick)
            continue;
        free(name->text);
        *name = (struct name){0};
        names->n_used--;
        names->n_free++;
    }
}

int names_begin(struct names *names)
{
    int r = 0;
    if (names->n_used > names->limit) {
        for (uint64_t keep = KEEP_TICKS_MAX; keep > 0 && names->n_used > names->limit / 2;
             keep /= 2)
            if (names->tick >= keep)
                forget_before(names, names->tick - keep + 1);
        names->first_free = 0;
        names->limit = names->n_used * 2 > LIMIT_MIN ? names->n_used * 2 : LIMIT_MIN;
        r = rebuild(names, names->table_size);
    }
    names->tick++;
    return r;
}

uint64_t names_tick(const struct names *names)
{
    return names->tick;
}

/* A number nobody has: a forgotten one while there are any. */
static int new_number(struct names *names, uint32_t *ret_number)
{
    if (names->n_free > 0)
        for (size_t i = names->first_free; i < names->n_names; i++)
            if (!names->names[i].text) {
                names->n_free--;
                names->first_free = i + 1;
                *ret_number = (uint32_t)i;
                return 0;
            }
    if (names->n_names >= EMPTY)
        return -ENOMEM;
    int r = array_reserve(&names->names, &names->names_capacity, names->n_names + 1,
                          sizeof(*names->names));
    if (r < 0)
        return r;
    *ret_number = (uint32_t)names->n_names++;
    names->names[*ret_number] = (struct name){0};
    return 0;
}

static int add(struct names *names, const char *text, uint64_t hash, uint32_t *ret_number)
{
    if (names->table_size == 0 || names->n_used + 1 > names->table_size / 2) {
        int r = rebuild(names, names->table_size ? names->table_size * 2 : 256);
        if (r < 0)
            return r;
    }
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    int r = new_number(names, ret_number);
    if (r < 0) {
        free(copy);
        return r;
    }
    names->names[*ret_number] = (struct name){.text = copy,
                                              .hash = hash,
                                              .last_tick = names->tick,
                                              .kin = kin_of(text, NULL, NULL),
                                              .is_new = true};
    names->n_used++;
    table_insert(names, *ret_number);
    return 0;
}

int names_number(struct names *names, const char *text, uint32_t *ret_number, bool *ret_was_seen)
{
    uint64_t hash = names_hash(text);
    size_t mask = names->table_size - 1;
    for (size_t i = names->table_size ? hash & mask : 0;
         names->table_size && names->table[i] != EMPTY; i = (i + 1) & mask) {
        struct name *name = &names->names[names->table[i]];
        if (name->hash != hash || strcmp(name->text, text) != 0)
            continue;
        *ret_number = names->table[i];
        *ret_was_seen = name->last_tick == names->tick;
        if (!*ret_was_seen)
            name->is_new = name->is_noted;
        name->is_noted = false;
        name->last_tick = names->tick;
        return 0;
    }
    *ret_was_seen = false;
    return add(names, text, hash, ret_number);
}

int names_note(struct names *names, const char *text, uint32_t *ret_number)
{
    size_t n_before = names->n_used;
    bool was_seen;
    int r = names_number(names, text, ret_number, &was_seen);
    if (r >= 0 && names->n_used > n_before)
        names->names[*ret_number].is_noted = true;
    return r;
}

struct name *names_at(struct names *names, uint32_t number)
{
    return &names->names[number];
}

size_t names_count(const struct names *names)
{
    return names->n_used;
}

uint32_t names_end(const struct names *names)
{
    return (uint32_t)names->n_names;
}

/* ---- state ---- */

/* The texts end in NUL bytes; beside each its kin, its last tick and whether it is only noted. */
struct saved_names {
    char *texts;
    uint64_t *kins, *ticks, *noted;
    size_t n, size;
};

static int gather(const struct names *names, struct saved_names *saved)
{
    for (size_t i = 0; i < names->n_names; i++)
        saved->size += names->names[i].text ? strlen(names->names[i].text) + 1 : 0;
    saved->texts = malloc(saved->size + 1);
    saved->kins = calloc(3 * names->n_used + 1, sizeof(uint64_t));
    if (!saved->texts || !saved->kins)
        return -ENOMEM;
    saved->ticks = saved->kins + names->n_used;
    saved->noted = saved->ticks + names->n_used;
    char *end = saved->texts;
    for (size_t i = 0; i < names->n_names; i++) {
        const struct name *name = &names->names[i];
        if (!name->text)
            continue;
        end = stpcpy(end, name->text) + 1;
        saved->kins[saved->n] = name->kin;
        saved->ticks[saved->n] = name->last_tick;
        saved->noted[saved->n++] = name->is_noted;
    }
    return 0;
}

static int write_names(struct names *names, struct state_io *io)
{
    struct saved_names saved = {0};
    int r = gather(names, &saved);
    if (r >= 0) {
        uint64_t counts[3] = {saved.n, names->tick, names->limit};
        const void *texts = saved.texts;
        state_words(io, "counts", counts, 3);
        state_bytes(io, "texts", &texts, &saved.size);
        state_words(io, "names", saved.kins, 3 * saved.n);
    }
    free(saved.texts);
    free(saved.kins);
    return r;
}

static int restore(struct names *names, const char *text, const uint64_t *kin, size_t n)
{
    uint32_t number;
    bool was_seen;
    int r = names_number(names, text, &number, &was_seen);
    if (r < 0)
        return r;
    struct name *name = &names->names[number];
    name->kin = kin[0];
    name->last_tick = kin[n];
    name->is_noted = kin[2 * n] != 0;
    name->is_new = false;
    return 0;
}

static int read_names(struct names *names, struct state_io *io)
{
    uint64_t counts[3] = {0};
    const void *bytes = NULL;
    size_t size = 0;
    state_words(io, "counts", counts, 3);
    state_bytes(io, "texts", &bytes, &size);
    if (io->is_damaged || counts[0] > size ||
        (size > 0 && ((const char *)bytes)[size - 1] != '\0')) {
        io->is_damaged = true;
        return 0;
    }
    size_t n = counts[0];
    uint64_t *kins = calloc(3 * n + 1, sizeof(*kins));
    if (!kins)
        return -ENOMEM;
    state_words(io, "names", kins, 3 * n);
    const char *text = bytes, *end = text + size;
    int r = 0;
    for (size_t i = 0; i < n && r >= 0 && !io->is_damaged; i++) {
        io->is_damaged = text >= end;
        r = io->is_damaged ? 0 : restore(names, text, &kins[i], n);
        text += io->is_damaged ? 0 : strlen(text) + 1;
    }
    names->tick = counts[1];
    names->limit = counts[2];
    free(kins);
    return r;
}

int names_visit(struct names *names, struct state_io *io)
{
    return io->out ? write_names(names, io) : read_names(names, io);
}
