/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy of several ticks: a tick without energy keeps its rates as counts, and the energy that
 * covers it is split by what was done in all of its ticks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "formula/names.h"
#include "formula/scope_inside.h"
#include "formula/state_io.h"

void scopes_free_held(struct scopes *scopes)
{
    for (size_t i = 0; i < scopes->n_held; i++)
        held_counts_deinit(&scopes->held[i]);
    free(scopes->held);
}

static struct held_counts *find_held(struct scopes *scopes, enum domain domain, int32_t package)
{
    for (size_t i = 0; i < scopes->n_held; i++)
        if (scopes->held[i].domain == domain && scopes->held[i].package == package)
            return &scopes->held[i];
    return NULL;
}

static int add_held(struct scopes *scopes, enum domain domain, int32_t package,
                    struct held_counts **ret_held)
{
    int r = array_reserve(&scopes->held, &scopes->held_capacity, scopes->n_held + 1,
                          sizeof(*scopes->held));
    if (r < 0)
        return r;
    struct held_counts *held = &scopes->held[scopes->n_held++];
    *held = (struct held_counts){.domain = domain, .package = package};
    held_counts_clear(held);
    *ret_held = held;
    return 0;
}

/* Its energy is that of the ticks kept and of this one. */
static bool is_explained(const struct held_counts *held, const struct scope *scope,
                         const struct report *tick)
{
    return scope->measured_uj != VALUE_ABSENT &&
           held_counts_explain(held, scope->dt_ns, tick->dt_ns);
}

int scopes_list_held_targets(struct scopes *scopes, const struct report *tick)
{
    int r = 0;
    for (size_t i = 0; i < scopes->n_asked && r >= 0; i++) {
        struct held_counts *held =
            find_held(scopes, scopes->scopes[i].domain, scopes->scopes[i].package);
        bool is_listed = held && is_explained(held, &scopes->scopes[i], tick);
        for (size_t t = 0; is_listed && t < held->n_targets && r >= 0; t++)
            r = scopes_add_slot(scopes, held->targets[t].name, &held->targets[t].number);
    }
    return r;
}

int scopes_list_absent(struct scopes *scopes, uint64_t seq)
{
    int r = 0;
    scopes->n_asked = scopes->n_scopes;
    for (size_t i = 0; i < scopes->n_held && r >= 0; i++) {
        struct held_counts *held = &scopes->held[i];
        held_counts_follow(held, seq);
        bool is_asked = held->is_lost;
        for (size_t j = 0; j < scopes->n_asked && !is_asked; j++)
            is_asked = scopes->scopes[j].domain == held->domain &&
                       scopes->scopes[j].package == held->package;
        r = is_asked ? 0 : scopes_insert(scopes, scopes->n_scopes, held->domain, held->package);
    }
    return r;
}

/* Instead of the tick's own rates, those of all the ticks that its energy is of. */
static void take_held(struct scopes *scopes, size_t index, const struct held_counts *held)
{
    struct scope *scope = &scopes->scopes[index];
    double *rates = scopes->rates + index * (scopes->n_slots + 1) * scopes->events.n;
    double *totals = rates + scopes->n_slots * held->n_events;
    double span_s = (double)held->span_ns * 1e-9;
    memset(scopes->is_present, 0, scopes->n_slots * sizeof(*scopes->is_present));
    for (size_t i = 0; i < held->n_targets; i++) {
        const struct held_target *target = &held->targets[i];
        size_t slot = names_at(scopes->names, target->number)->slot;
        for (size_t e = 0; e < held->n_events; e++)
            rates[slot * held->n_events + e] = held->sums[target->first + e] / span_s;
        scopes->is_present[slot] = true;
    }
    for (size_t e = 0; e < held->n_events; e++)
        totals[e] = held->totals[e] / span_s;
    scope->tick.n_activities = scopes_list_activities(
        scopes, held->n_events, rates, scopes->activities + index * scopes->n_slots);
    scope->tick.aperf = held->aperf;
    scope->tick.mperf = held->mperf;
    scope->tick.clock_ratio = held->aperf / held->mperf;
}

int scopes_hold(struct scopes *scopes, size_t index, const struct report *tick)
{
    struct scope *scope = &scopes->scopes[index];
    struct held_counts *held = find_held(scopes, scope->domain, scope->package);
    if (scopes->original_interval_s > 0 || domain_has_own_event(scope->domain))
        return 0; /* GPUs' time comes with their energy */
    int r = held ? 0 : add_held(scopes, scope->domain, scope->package, &held);
    if (r < 0)
        return r;
    bool is_measured = scope->measured_uj != VALUE_ABSENT;
    bool is_of_all = is_explained(held, scope, tick);
    if (!scopes->has_counts)
        held_counts_lose(held);
    else if (!is_measured || is_of_all)
        r = held_counts_add(held, scope, tick->dt_ns, tick->valid && scopes->are_counts_good);
    if (r >= 0 && is_of_all && !held->is_lost) {
        take_held(scopes, index, held);
        scope->tick.learn = scope->tick.learn_idle && held->may_learn &&
                            scope_spans_agree(scope, true, tick, held->span_ns);
    }
    if (is_measured || scope->begins_anew)
        held_counts_clear(held);
    return r;
}

/* ---- state ---- */

static int visit_held(struct held_counts *held, uint64_t number, struct state_io *io)
{
    struct state_io inner;
    bson_t room;
    char name[32];
    (void)snprintf(name, sizeof(name), "held%" PRIu64, number);
    state_enter(io, name, &inner, &room);
    int r = inner.out || inner.in ? held_counts_visit(held, &inner) : 0;
    state_leave(io, &inner, &room);
    return r;
}

int scopes_visit_held(struct scopes *scopes, struct state_io *io)
{
    uint64_t n_held = scopes->n_held;
    int r = 0;
    if (io->out || (io->in && bson_has_field(io->in, "n_held"))) /* older states have none */
        state_words(io, "n_held", &n_held, 1);
    for (uint64_t i = 0; i < n_held && !io->is_damaged; i++) {
        struct held_counts *held = NULL;
        r = i < scopes->n_held ? 0 : add_held(scopes, 0, PACKAGE_NONE, &held);
        if (r >= 0)
            r = visit_held(&scopes->held[i], i, io);
        if (r < 0)
            return r;
        held = &scopes->held[i];
        io->is_damaged |= !domain_is_attributed(held->domain) ||
                          domain_has_own_event(held->domain) ||
                          find_held(scopes, held->domain, held->package) != held;
    }
    return r;
}
