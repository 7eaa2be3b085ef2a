/* SPDX-License-Identifier: BSD-3-Clause */
/* Ticks that wait stand in order of their keys. The oldest goes when it is complete and follows the
 * last one released, or when enough later ones stand behind it. What can go at once is not even
 * copied. */
#include "formula/assembly.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "formula/held_tick.h"
#include "formula/state_io.h"

struct assembly {
    unsigned wait_ticks;
    struct held_tick **held; /* by key, oldest first */
    size_t n_held, held_capacity;
    struct held_tick **spare;
    size_t n_spare, spare_capacity;
    struct held_tick *released;  /* what the caller was given last */
    const struct report *direct; /* a whole report that waits for nothing */
    struct record_key last;      /* of the tick released last */
    bool has_last, is_finished, goes_on, leaves_last;
    uint64_t n_late, powerapi_seq;
};

int assembly_new(struct assembly **ret_assembly, unsigned wait_ticks, bool leaves_last)
{
    struct assembly *assembly = calloc(1, sizeof(*assembly));
    if (!assembly)
        return -ENOMEM;
    assembly->wait_ticks = wait_ticks > 0 ? wait_ticks : 1;
    assembly->leaves_last = leaves_last;
    *ret_assembly = assembly;
    return 0;
}

static void free_held(struct held_tick *held)
{
    if (held)
        held_tick_deinit(held);
    free(held);
}

void assembly_free(struct assembly *assembly)
{
    if (!assembly)
        return;
    for (size_t i = 0; i < assembly->n_held; i++)
        free_held(assembly->held[i]);
    for (size_t i = 0; i < assembly->n_spare; i++)
        free_held(assembly->spare[i]);
    free_held(assembly->released);
    free(assembly->held);
    free(assembly->spare);
    free(assembly);
}

static bool begins_run(const struct assembly *assembly, const struct record_key *key)
{
    return !assembly->has_last || strcmp(key->run, assembly->last.run) != 0;
}

/* Nothing that is still to come belongs before it. */
static bool follows_last(const struct assembly *assembly, const struct record_key *key)
{
    return key->seq == (begins_run(assembly, key) ? 0 : assembly->last.seq + 1);
}

static int new_held(struct assembly *assembly, struct held_tick **ret_held)
{
    if (assembly->n_spare > 0) {
        *ret_held = assembly->spare[--assembly->n_spare];
        return 0;
    }
    struct held_tick *held = malloc(sizeof(*held));
    if (!held)
        return -ENOMEM;
    held_tick_init(held);
    held_tick_clear(held);
    *ret_held = held;
    return 0;
}

static int keep_spare(struct assembly *assembly, struct held_tick *held)
{
    int r = array_reserve(&assembly->spare, &assembly->spare_capacity, assembly->n_spare + 1,
                          sizeof(*assembly->spare));
    if (r < 0) {
        free_held(held);
        return r;
    }
    held_tick_clear(held);
    assembly->spare[assembly->n_spare++] = held;
    return 0;
}

/* The held tick of this key, made if there is none. New ticks are usually the newest. */
static int find_held(struct assembly *assembly, const struct record_key *key,
                     struct held_tick **ret_held)
{
    size_t place = assembly->n_held;
    while (place > 0) {
        int order = record_key_compare(&assembly->held[place - 1]->report.key, key);
        if (order == 0) {
            *ret_held = assembly->held[place - 1];
            return 0;
        }
        if (order < 0)
            break;
        place--;
    }
    struct held_tick *held;
    int r = array_reserve(&assembly->held, &assembly->held_capacity, assembly->n_held + 1,
                          sizeof(*assembly->held));
    if (r >= 0)
        r = new_held(assembly, &held);
    if (r < 0)
        return r;
    memmove(assembly->held + place + 1, assembly->held + place,
            (assembly->n_held - place) * sizeof(*assembly->held));
    assembly->held[place] = held;
    assembly->n_held++;
    held->report.key = *key;
    *ret_held = held;
    return 0;
}

int assembly_add(struct assembly *assembly, const struct report *report, bool is_powerapi,
                 struct error *err)
{
    assert(!assembly->direct); /* assembly_next was not called until it gave 0 */
    const struct record_key *key = &report->key;
    if (assembly->has_last && record_key_compare(key, &assembly->last) <= 0) {
        assembly->n_late++;
        return 0;
    }
    if (!is_powerapi && report->parts == 0 && assembly->n_held == 0 &&
        follows_last(assembly, key)) {
        assembly->direct = report;
        return 0;
    }
    struct held_tick *held;
    int r = find_held(assembly, key, &held);
    if (r >= 0)
        r = held_tick_add(held, report, is_powerapi);
    return r < 0 ? error_set(err, r, "assembly: out of memory") : 0;
}

void assembly_finish(struct assembly *assembly, bool goes_on)
{
    assembly->is_finished = true;
    assembly->goes_on = goes_on;
}

bool assembly_is_waiting(const struct assembly *assembly)
{
    return assembly->n_held > 0;
}

/* ---- the interval of PowerAPI's ticks ---- */

/* To the previous tick, or to the next where there is no previous one; 0: unknown. */
static int64_t distance_ns(const struct assembly *assembly, const struct held_tick *held)
{
    int64_t now_ms = held->report.key.timestamp_ms;
    int64_t distance_ms = 0;
    if (assembly->has_last && assembly->last.run[0] == '\0')
        distance_ms = now_ms - assembly->last.timestamp_ms;
    else if (assembly->n_held > 0)
        distance_ms = assembly->held[0]->report.key.timestamp_ms - now_ms;
    return distance_ms > 0 && distance_ms < INT64_MAX / 2000000 ? distance_ms * 1000000 : 0;
}

static int64_t true_span_ns(int64_t span_ns, int64_t distance)
{
    if (distance <= 0)
        return span_ns;
    return span_ns <= 0 || span_ns > distance + distance / 2 ? distance : span_ns;
}

static void mend_interval(const struct assembly *assembly, struct held_tick *held)
{
    struct report *report = &held->report;
    int64_t distance = distance_ns(assembly, held);
    report->dt_ns = true_span_ns(report->dt_ns, distance);
    for (size_t i = 0; i < report->n_energy; i++)
        if (report->energy[i].valid)
            report->energy[i].dt_ns = true_span_ns(report->energy[i].dt_ns, distance);
}

/* ---- release ---- */

static bool may_go(const struct assembly *assembly)
{
    const struct held_tick *oldest = assembly->held[0];
    if (assembly->n_held > assembly->wait_ticks)
        return true;
    if (oldest->is_powerapi && assembly->leaves_last)
        return false;
    if (assembly->is_finished)
        return !assembly->goes_on || assembly->has_last || assembly->n_held > 1 ||
               !oldest->is_powerapi;
    return held_tick_is_complete(oldest) && follows_last(assembly, &oldest->report.key);
}

static int release(struct assembly *assembly)
{
    struct held_tick *held = assembly->held[0];
    memmove(assembly->held, assembly->held + 1, --assembly->n_held * sizeof(*assembly->held));
    assembly->released = held;
    int r = held_tick_close(held);
    if (held->is_powerapi) {
        mend_interval(assembly, held);
        held->report.key.seq = 0;
    } else if (!begins_run(assembly, &held->report.key) &&
               !follows_last(assembly, &held->report.key)) {
        reasons_add(&held->report.reasons, "gap");
    }
    assembly->n_late += held->n_doubles;
    assembly->last = held->report.key;
    assembly->has_last = true;
    if (held->is_powerapi)
        held->report.key.seq = assembly->powerapi_seq++;
    return r;
}

int assembly_next(struct assembly *assembly, const struct report **ret_tick, struct error *err)
{
    int r = 0;
    if (assembly->released)
        r = keep_spare(assembly, assembly->released);
    assembly->released = NULL;
    if (assembly->direct) {
        *ret_tick = assembly->direct;
        assembly->last = assembly->direct->key;
        assembly->has_last = true;
        assembly->direct = NULL;
        return 1;
    }
    if (r >= 0 && assembly->n_held > 0 && may_go(assembly)) {
        r = release(assembly);
        *ret_tick = &assembly->released->report;
        r = r < 0 ? r : 1;
    }
    return r < 0 ? error_set(err, r, "assembly: out of memory") : r;
}

uint64_t assembly_late(const struct assembly *assembly)
{
    return assembly->n_late;
}

/* ---- state ---- */

void assembly_visit(struct assembly *assembly, struct state_io *io)
{
    state_words(io, "powerapi_seq", &assembly->powerapi_seq, 1);
}

const struct record_key *assembly_last(const struct assembly *assembly)
{
    return assembly->has_last ? &assembly->last : NULL;
}

void assembly_resume(struct assembly *assembly, const struct record_key *last)
{
    assembly->last = *last;
    assembly->has_last = true;
}
