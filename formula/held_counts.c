/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets are kept by name: a number may be given to another while its name is away, and a saved
 * state has none. Sums stay where they were begun while the names before them are sorted. */
#include "formula/held_counts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "formula/names.h"
#include "formula/state_io.h"

void held_counts_deinit(struct held_counts *held)
{
    free(held->targets);
    free(held->sums);
    name_arena_deinit(&held->names);
}

void held_counts_clear(struct held_counts *held)
{
    held->is_lost = false;
    held->may_learn = true;
    held->n_ticks = 0;
    held->span_ns = 0;
    held->n_targets = 0;
    name_arena_clear(&held->names);
}

void held_counts_lose(struct held_counts *held)
{
    held_counts_clear(held);
    held->is_lost = true;
}

void held_counts_follow(struct held_counts *held, uint64_t seq)
{
    if (seq == 0)
        held_counts_clear(held);
    else if (held->n_ticks > 0 && seq != held->next_seq)
        held_counts_lose(held);
}

/* ---- adding ---- */

static uint64_t hash_events(const struct scope_tick *tick)
{
    uint64_t hash = 0;
    for (size_t e = 0; e < tick->n_events; e++)
        hash = hash * 31 + names_hash(tick->events[e]);
    return hash;
}

static void begin(struct held_counts *held, const struct scope_tick *tick)
{
    held->events = hash_events(tick);
    held->n_events = tick->n_events;
    held->aperf = held->mperf = 0;
    for (size_t e = 0; e < tick->n_events; e++)
        held->totals[e] = 0;
}

static int compare_targets(const void *a, const void *b)
{
    return strcmp(((const struct held_target *)a)->name, ((const struct held_target *)b)->name);
}

/* Behind the sorted ones, with sums of 0. */
static int append_target(struct held_counts *held, const char *name,
                         struct held_target **ret_target)
{
    size_t n = held->n_targets, n_events = held->n_events;
    int r = array_reserve(&held->targets, &held->targets_capacity, n + 1, sizeof(*held->targets));
    if (r >= 0)
        r = array_reserve(&held->sums, &held->sums_capacity, (n + 1) * n_events + 1,
                          sizeof(*held->sums));
    const char *copy = r < 0 ? NULL : name_arena_copy(&held->names, name);
    if (!copy)
        return -ENOMEM;
    held->targets[n] = (struct held_target){.name = copy, .first = n * n_events};
    for (size_t e = 0; e < n_events; e++)
        held->sums[n * n_events + e] = 0;
    *ret_target = &held->targets[held->n_targets++];
    return 0;
}

static int add_activities(struct held_counts *held, const struct scope_tick *tick, double dt_s)
{
    size_t n_sorted = held->n_targets;
    for (size_t i = 0; i < tick->n_activities; i++) {
        const struct activity *activity = &tick->activities[i];
        struct held_target key = {.name = activity->name};
        struct held_target *target = NULL;
        if (n_sorted > 0)
            target = bsearch(&key, held->targets, n_sorted, sizeof(key), compare_targets);
        if (!target && held->n_targets >= HELD_TARGETS_MAX) {
            held_counts_lose(held);
            return 0;
        }
        int r = target ? 0 : append_target(held, activity->name, &target);
        if (r < 0)
            return r;
        target->number = activity->target;
        for (size_t e = 0; e < held->n_events; e++)
            held->sums[target->first + e] += activity->rates[e] * dt_s;
    }
    if (held->n_targets > n_sorted)
        qsort(held->targets, held->n_targets, sizeof(*held->targets), compare_targets);
    return 0;
}

int held_counts_add(struct held_counts *held, const struct scope *scope, int64_t dt_ns,
                    bool may_learn)
{
    const struct scope_tick *tick = &scope->tick;
    int64_t span_ns;
    if (held->is_lost)
        return 0;
    if (held->n_ticks == 0)
        begin(held, tick);
    if (dt_ns <= 0 || held->n_ticks >= HELD_TICKS_MAX || held->n_events != tick->n_events ||
        held->events != hash_events(tick) ||
        __builtin_add_overflow(held->span_ns, dt_ns, &span_ns)) {
        held_counts_lose(held);
        return 0;
    }
    double dt_s = (double)dt_ns * 1e-9;
    int r = add_activities(held, tick, dt_s);
    if (r < 0 || held->is_lost)
        return r;
    for (size_t e = 0; e < held->n_events; e++)
        held->totals[e] += tick->total_rates[e] * dt_s;
    held->aperf += tick->aperf;
    held->mperf += tick->mperf;
    held->may_learn &= may_learn;
    held->span_ns = span_ns;
    held->n_ticks++;
    held->next_seq = tick->seq + 1;
    return 0;
}

bool held_counts_explain(const struct held_counts *held, int64_t span_ns, int64_t dt_ns)
{
    int64_t both_ns;
    if (held->is_lost || held->n_ticks == 0 || span_ns <= 0 || dt_ns <= 0 ||
        __builtin_add_overflow(held->span_ns, dt_ns, &both_ns))
        return false;
    int64_t off_ns = llabs(both_ns - span_ns);
    return off_ns <= dt_ns / 2 && off_ns < llabs(dt_ns - span_ns);
}

/* ---- state ---- */

/* The names one after the other, each with its NUL byte, and the sums in the same order. */
static int write_targets(struct held_counts *held, struct state_io *io)
{
    size_t size = 0, n_events = held->n_events;
    for (size_t i = 0; i < held->n_targets; i++)
        size += strlen(held->targets[i].name) + 1;
    char *texts = malloc(size + 1), *end = texts;
    double *sums = calloc(held->n_targets * n_events + 1, sizeof(*sums));
    int r = texts && sums ? 0 : -ENOMEM;
    for (size_t i = 0; i < held->n_targets && r == 0; i++) {
        end = stpcpy(end, held->targets[i].name) + 1;
        for (size_t e = 0; e < n_events; e++)
            sums[i * n_events + e] = held->sums[held->targets[i].first + e];
    }
    const void *bytes = texts;
    if (r == 0) {
        state_bytes(io, "names", &bytes, &size);
        state_doubles(io, "sums", sums, held->n_targets * n_events);
    }
    free(texts);
    free(sums);
    return r;
}

static int read_targets(struct held_counts *held, struct state_io *io, size_t n_targets)
{
    const void *bytes = NULL;
    size_t size = 0;
    state_bytes(io, "names", &bytes, &size);
    const char *text = bytes, *last = "";
    if (io->is_damaged || n_targets > size || (size > 0 && text[size - 1] != '\0')) {
        io->is_damaged = true;
        return 0;
    }
    for (const char *end = text + size; held->n_targets < n_targets; text += strlen(text) + 1) {
        struct held_target *target;
        if (text >= end || strcmp(last, text) >= 0) {
            io->is_damaged = true;
            return 0;
        }
        int r = append_target(held, text, &target);
        if (r < 0)
            return r;
        last = text;
    }
    state_doubles(io, "sums", held->sums, n_targets * held->n_events);
    return 0;
}

static void visit_numbers(struct held_counts *held, struct state_io *io, uint64_t *n_targets)
{
    uint64_t words[] = {held->domain,    (uint64_t)held->package, held->is_lost,
                        held->may_learn, held->n_ticks,           (uint64_t)held->span_ns,
                        held->events,    held->n_events,          held->next_seq,
                        *n_targets};
    state_words(io, "numbers", words, sizeof(words) / sizeof(*words));
    int64_t package = (int64_t)words[1];
    /* Room for sums follows the events of the first tick: without ticks there may be no targets. */
    bool is_contradiction =
        words[4] == 0 ? words[5] > 0 || words[9] > 0 : words[2] || words[5] == 0;
    if (words[0] >= DOMAIN_COUNT || package < PACKAGE_NONE || package > INT32_MAX ||
        words[4] > HELD_TICKS_MAX || words[5] > INT64_MAX || words[7] > SCOPE_EVENTS_MAX ||
        words[9] > HELD_TARGETS_MAX || is_contradiction) {
        io->is_damaged = true;
        return;
    }
    held->domain = (enum domain)words[0];
    held->package = (int32_t)package;
    held->is_lost = words[2] != 0;
    held->may_learn = words[3] != 0;
    held->n_ticks = (unsigned)words[4];
    held->span_ns = (int64_t)words[5];
    held->events = words[6];
    held->n_events = words[7];
    held->next_seq = words[8];
    *n_targets = words[9];
}

int held_counts_visit(struct held_counts *held, struct state_io *io)
{
    uint64_t n_targets = held->n_targets;
    visit_numbers(held, io, &n_targets);
    if (io->is_damaged)
        return 0;
    state_doubles(io, "totals", held->totals, held->n_events);
    state_doubles(io, "aperf", &held->aperf, 1);
    state_doubles(io, "mperf", &held->mperf, 1);
    return io->out ? write_targets(held, io) : read_targets(held, io, n_targets);
}
