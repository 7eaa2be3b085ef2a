/* SPDX-License-Identifier: BSD-3-Clause */
/* One pass gives every target of the tick a slot in order of its name; then each scope sums the
 * rows that belong to it into a table of rates by slot. Sums run in the order of rows of one
 * target, which the sensor or the assembly fixed, so that the same tick always gives the same bits.
 */
#include "formula/scope.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/events.h"
#include "formula/gate.h"
#include "formula/kin.h"
#include "formula/names.h"
#include "formula/scope_energy.h"
#include "formula/scope_inside.h"

#define RUNNING_SHARE_MIN 0.01 /* a count seen for less than this of its time is no count */
#define HIDDEN_SHARE_MAX 0.01  /* of the tick: so little time hides nothing worth a doubt */

int scopes_new(struct scopes **ret_scopes, double original_interval_s)
{
    struct scopes *scopes = calloc(1, sizeof(*scopes));
    if (!scopes)
        return -ENOMEM;
    scopes->original_interval_s = original_interval_s;
    int r = names_new(&scopes->names);
    if (r < 0) {
        free(scopes);
        return r;
    }
    *ret_scopes = scopes;
    return 0;
}

void scopes_free(struct scopes *scopes)
{
    if (!scopes)
        return;
    names_free(scopes->names);
    free(scopes->order);
    free(scopes->row_number);
    free(scopes->scopes);
    scopes_free_held(scopes);
    free(scopes->rates);
    free(scopes->activities);
    free(scopes->is_present);
    free(scopes);
}

/* ---- targets ---- */

int scopes_add_slot(struct scopes *scopes, const char *name, uint32_t *ret_number)
{
    bool was_seen;
    int r = names_number(scopes->names, name, ret_number, &was_seen);
    if (r < 0 || was_seen)
        return r;
    r = array_reserve(&scopes->order, &scopes->order_capacity, scopes->n_slots + 1,
                      sizeof(*scopes->order));
    if (r < 0)
        return r;
    scopes->order[scopes->n_slots++] = *ret_number;
    return 0;
}

static int compare_names(const void *a, const void *b, void *context)
{
    struct names *names = context;
    return strcmp(names_at(names, *(const uint32_t *)a)->text,
                  names_at(names, *(const uint32_t *)b)->text);
}

static void sort_slots(struct scopes *scopes)
{
    bool is_sorted = true;
    for (size_t i = 1; i < scopes->n_slots && is_sorted; i++)
        is_sorted = compare_names(&scopes->order[i - 1], &scopes->order[i], scopes->names) < 0;
    if (!is_sorted)
        qsort_r(scopes->order, scopes->n_slots, sizeof(*scopes->order), compare_names,
                scopes->names);
    for (size_t i = 0; i < scopes->n_slots; i++)
        names_at(scopes->names, scopes->order[i])->slot = (uint32_t)i;
}

static int list_targets(struct scopes *scopes, const struct report *tick)
{
    int r = names_begin(scopes->names);
    if (r < 0)
        return r;
    scopes->n_slots = 0;
    r = array_reserve(&scopes->row_number, &scopes->row_number_capacity, tick->n_targets + 1,
                      sizeof(*scopes->row_number));
    for (size_t i = 0; i < tick->n_targets && r >= 0; i++)
        r = scopes_add_slot(scopes, tick->targets[i].target, &scopes->row_number[i]);
    if (r >= 0 && tick->n_total > 0) {
        uint32_t other;
        r = scopes_add_slot(scopes, OTHER_TARGET, &other);
    }
    if (r >= 0)
        r = scopes_list_held_targets(scopes, tick);
    if (r >= 0)
        sort_slots(scopes);
    return r;
}

/* ---- energy ---- */

static bool rows_know_packages(const struct scopes *scopes, const struct report *tick)
{
    struct columns cpu = scope_events_of(&scopes->events, DOMAIN_PACKAGE);
    for (size_t i = 0; i < tick->n_targets; i++)
        if (tick->targets[i].package != PACKAGE_NONE &&
            scope_events_are_of(&scopes->events, cpu, tick, &tick->targets[i]))
            return true;
    return false;
}

static size_t count_packages(const struct report *tick, enum domain domain)
{
    size_t n = 0;
    for (size_t i = 0; i < tick->n_energy; i++) {
        const struct energy_sample *sample = &tick->energy[i];
        if (sample->domain != domain || sample->package == PACKAGE_NONE)
            continue;
        size_t j = 0;
        while (j < i &&
               (tick->energy[j].domain != domain || tick->energy[j].package != sample->package))
            j++;
        n += j == i;
    }
    return n;
}

int scopes_insert(struct scopes *scopes, size_t place, enum domain domain, int32_t package)
{
    int r = array_reserve(&scopes->scopes, &scopes->scopes_capacity, scopes->n_scopes + 1,
                          sizeof(*scopes->scopes));
    if (r < 0)
        return r;
    memmove(scopes->scopes + place + 1, scopes->scopes + place,
            (scopes->n_scopes - place) * sizeof(*scopes->scopes));
    scopes->n_scopes++;
    scopes->scopes[place] = (struct scope){
        .domain = domain,
        .package = package,
        .dt_ns = VALUE_ABSENT,
        .measured_uj = VALUE_ABSENT,
        .low_uj = VALUE_ABSENT,
        .high_uj = VALUE_ABSENT,
    };
    return 0;
}

/* In order of domain and package. ret_is_new: it was not there yet. */
static int find_scope(struct scopes *scopes, enum domain domain, int32_t package,
                      struct scope **ret_scope, bool *ret_is_new)
{
    size_t place = 0;
    while (place < scopes->n_scopes &&
           (scopes->scopes[place].domain < domain ||
            (scopes->scopes[place].domain == domain && scopes->scopes[place].package < package)))
        place++;
    *ret_is_new = place == scopes->n_scopes || scopes->scopes[place].domain != domain ||
                  scopes->scopes[place].package != package;
    int r = *ret_is_new ? scopes_insert(scopes, place, domain, package) : 0;
    if (r >= 0)
        *ret_scope = &scopes->scopes[place];
    return r;
}

static int64_t span_ns(const struct scopes *scopes, const struct energy_sample *sample,
                       const struct report *tick)
{
    if (scopes->original_interval_s > 0)
        return llround(scopes->original_interval_s * 1e9);
    return sample->dt_ns > 0 ? sample->dt_ns : tick->dt_ns;
}

static bool is_repeated(const struct report *tick, size_t index)
{
    const struct energy_sample *sample = &tick->energy[index];
    for (size_t i = 0; i < index; i++)
        if (tick->energy[i].domain == sample->domain && tick->energy[i].package == sample->package)
            return true;
    return false;
}

static int list_scopes(struct scopes *scopes, const struct report *tick,
                       const struct host_record *host)
{
    scopes->n_scopes = 0;
    bool know_packages = rows_know_packages(scopes, tick);
    for (size_t i = 0; i < tick->n_energy; i++) {
        const struct energy_sample *sample = &tick->energy[i];
        if (!domain_is_attributed(sample->domain) || is_repeated(tick, i))
            continue; /* a domain two sources gave: the first counts */
        bool is_summed = !know_packages && tick->n_targets > 0 &&
                         !domain_has_own_event(sample->domain) &&
                         count_packages(tick, sample->domain) > 1;
        struct scope *scope;
        bool is_new;
        int r = find_scope(scopes, sample->domain, is_summed ? PACKAGE_NONE : sample->package,
                           &scope, &is_new);
        if (r < 0)
            return r;
        scope_take_energy(scope, is_new, sample, span_ns(scopes, sample, tick), host);
    }
    return 0;
}

/* ---- rates ---- */

/* How much larger a row's true counts are. What has a count although nothing could be multiplexed
 * in was counted all the time. */
static double multiplex_factor(const struct count_row *row)
{
    if (row->enabled_ns == VALUE_ABSENT || row->running_ns == VALUE_ABSENT ||
        row->running_ns == 0 || row->running_ns >= row->enabled_ns)
        return 1;
    return (double)row->enabled_ns / (double)row->running_ns;
}

/* Was too little seen of it? That makes the tick doubtful, unless there was next to nothing to see:
 * a target's time is enabled only while it runs. */
static bool is_hidden(struct scopes *scopes, const struct count_row *row, double dt_s)
{
    if (row->enabled_ns == VALUE_ABSENT || row->running_ns == VALUE_ABSENT ||
        (double)row->running_ns >= RUNNING_SHARE_MIN * (double)row->enabled_ns)
        return false;
    scopes->is_multiplexed |= (double)row->enabled_ns * 1e-9 > HIDDEN_SHARE_MAX * dt_s;
    return true;
}

static size_t find_event(size_t n_events, const char *const *events, const char *name)
{
    size_t e = 0;
    while (e < n_events && strcmp(events[e], name) != 0)
        e++;
    return e;
}

/* A scope's rows, while its rates are made. */
struct rows {
    const struct report *tick;
    const struct scope *scope;
    struct columns columns;
    size_t cpu_ns; /* which column it is, n: none */
    bool is_single; /* its domain has one package in this tick */
    double dt_s;
};

static bool is_in_scope(const struct scopes *scopes, const struct rows *rows,
                        const struct count_row *row)
{
    int32_t package = rows->scope->package;
    return (package == PACKAGE_NONE || row->package == package ||
            (row->package == PACKAGE_NONE && rows->is_single)) &&
           scope_events_are_of(&scopes->events, rows->columns, rows->tick, row);
}

/* Adds a row's rates to a sum. CPU time is known however little was seen of it: it is the time that
 * was enabled. */
static void add_row(struct scopes *scopes, const struct rows *rows, const struct count_row *row,
                    bool is_first, double *rates)
{
    bool is_original = scopes->original_interval_s > 0;
    bool has_hidden = is_original ? row->enabled_ns > 0 && row->running_ns == 0
                                  : row->has_counts && is_hidden(scopes, row, rows->dt_s);
    double factor = is_original ? 1 : multiplex_factor(row) / rows->dt_s;
    for (size_t e = 0; e < rows->columns.n; e++) {
        double rate = NAN;
        if (row->has_counts && (!has_hidden || (e == rows->cpu_ns && !is_original))) {
            int64_t count = scope_events_count(&scopes->events, rows->columns.first + e,
                                               rows->tick->counts + row->first_count);
            rate = count < 0 ? NAN : (double)count * factor;
        }
        rates[e] = is_first ? rate : rates[e] + rate;
    }
    scopes->has_uncounted_row |= !row->has_counts;
}

static bool sum_totals(struct scopes *scopes, const struct rows *rows, double *totals)
{
    bool is_first = true;
    for (size_t i = 0; i < rows->tick->n_total; i++) {
        if (!is_in_scope(scopes, rows, &rows->tick->total[i]))
            continue;
        add_row(scopes, rows, &rows->tick->total[i], is_first, totals);
        is_first = false;
    }
    for (size_t e = 0; e < rows->columns.n && is_first; e++)
        totals[e] = NAN;
    return !is_first;
}

static void sum_targets(struct scopes *scopes, const struct rows *rows, double *rates)
{
    const struct report *tick = rows->tick;
    memset(scopes->is_present, 0, scopes->n_slots * sizeof(*scopes->is_present));
    for (size_t i = 0; i < tick->n_targets; i++) {
        if (!is_in_scope(scopes, rows, &tick->targets[i]))
            continue;
        size_t slot = names_at(scopes->names, scopes->row_number[i])->slot;
        add_row(scopes, rows, &tick->targets[i], !scopes->is_present[slot],
                rates + slot * rows->columns.n);
        scopes->is_present[slot] = true;
    }
}

/* Its CPU time is known, this event is not: what it did is somewhere in what the totals have beyond
 * the targets. */
static bool is_half_counted(const double *rates, size_t n_events, size_t event)
{
    bool has_any = false;
    for (size_t e = 0; e < n_events && isnan(rates[event]); e++)
        has_any |= !isnan(rates[e]);
    return has_any;
}

/* What the totals say beyond the targets is somebody's too. */
static void make_other(struct scopes *scopes, size_t n_events, const double *totals, double *rates)
{
    size_t slot = 0;
    while (slot < scopes->n_slots &&
           strcmp(names_at(scopes->names, scopes->order[slot])->text, OTHER_TARGET) != 0)
        slot++;
    if (slot == scopes->n_slots || scopes->is_present[slot])
        return;
    bool is_active = false;
    for (size_t e = 0; e < n_events; e++) {
        double rest = totals[e];
        for (size_t i = 0; i < scopes->n_slots; i++)
            if (scopes->is_present[i] && is_half_counted(rates + i * n_events, n_events, e))
                rest = NAN;
            else if (scopes->is_present[i] && !isnan(rates[i * n_events + e]))
                rest -= rates[i * n_events + e];
        if (rest <= (double)scopes->n_slots * DBL_EPSILON * totals[e])
            rest = 0; /* a sum's rounding is nobody's */
        rates[slot * n_events + e] = rest;
        is_active |= rest > 0;
    }
    scopes->is_present[slot] = is_active;
}

static struct gate_limits limits_of(const struct scope *scope, const struct host_record *host)
{
    struct gate_limits limits = {NAN, NAN};
    for (size_t i = 0; host && i < host->n_packages; i++) {
        const struct host_package *package = &host->packages[i];
        if (scope->package != PACKAGE_NONE && host->n_packages > 1 &&
            package->package != scope->package)
            continue;
        if (package->cpus <= 0)
            return (struct gate_limits){NAN, NAN};
        double cpus = (double)package->cpus;
        double hz = package->max_hz > 0 ? (double)package->max_hz : NAN;
        limits.cpus = isnan(limits.cpus) ? cpus : limits.cpus + cpus;
        limits.cycles_per_s =
            i == 0 || isnan(limits.cycles_per_s) ? cpus * hz : limits.cycles_per_s + cpus * hz;
    }
    return limits;
}

static void fill_clock(const struct report *tick, bool is_cpu, struct scope *scope)
{
    double aperf = 0, mperf = 0;
    for (size_t i = 0; i < tick->n_clock && is_cpu; i++) {
        const struct clock_sample *sample = &tick->clock[i];
        if (scope->package != PACKAGE_NONE && sample->package != scope->package)
            continue;
        if (sample->aperf < 0 || sample->mperf <= 0)
            continue;
        aperf += (double)sample->aperf;
        mperf += (double)sample->mperf;
    }
    scope->tick.aperf = mperf > 0 ? aperf : NAN;
    scope->tick.mperf = mperf > 0 ? mperf : NAN;
    scope->tick.clock_ratio = mperf > 0 ? aperf / mperf : NAN;
}

size_t scopes_list_activities(struct scopes *scopes, size_t n_events, double *rates,
                              struct activity *activities)
{
    size_t n = 0;
    for (size_t slot = 0; slot < scopes->n_slots; slot++) {
        if (!scopes->is_present[slot])
            continue;
        if (n != slot)
            memcpy(rates + n * n_events, rates + slot * n_events, n_events * sizeof(*rates));
        const struct name *name = names_at(scopes->names, scopes->order[slot]);
        activities[n] = (struct activity){
            .target = scopes->order[slot],
            .is_new = name->is_new,
            .name = name->text,
            .kin = name->kin,
            .rates = rates + n * n_events,
        };
        n++;
    }
    return n;
}

/* What cannot be split by its own event is split by nothing: other counts say nothing of it. */
static void doubt_split(struct scope *scope, const struct rows *rows, bool is_known)
{
    if (!rows->columns.is_cpu && !is_known && !scope->reason[0])
        (void)snprintf(scope->reason, sizeof(scope->reason), "no_gpu_time");
}

bool scope_spans_agree(const struct scope *scope, bool is_cpu, const struct report *tick,
                       int64_t counted_ns)
{
    if (tick->dt_ns <= 0 || !is_cpu) /* a GPU's time comes with its energy */
        return true;
    for (size_t i = 0; i < tick->n_energy; i++) {
        const struct energy_sample *sample = &tick->energy[i];
        if (sample->domain == scope->domain && sample->skew_ns != VALUE_ABSENT &&
            llabs(sample->skew_ns) > tick->dt_ns / 10)
            return false;
    }
    return scope->dt_ns <= counted_ns || scope->dt_ns - counted_ns <= tick->dt_ns / 2;
}

static void fill_scope(struct scopes *scopes, size_t index, const struct report *tick,
                       const struct host_record *host, struct reasons *reasons)
{
    struct scope *scope = &scopes->scopes[index];
    struct columns columns = scope_events_of(&scopes->events, scope->domain);
    const char *const *events = scopes->events.names + columns.first;
    double *rates = scopes->rates + index * (scopes->n_slots + 1) * scopes->events.n;
    double *totals = rates + scopes->n_slots * columns.n;
    struct activity *activities = scopes->activities + index * scopes->n_slots;
    scope_fill_power(scope, host);
    struct rows rows = {.tick = tick,
                        .scope = scope,
                        .columns = columns,
                        .cpu_ns = find_event(columns.n, events, EVENT_CPU_NS),
                        .is_single = count_packages(tick, scope->domain) <= 1,
                        .dt_s = tick->dt_ns > 0 && columns.is_cpu ? (double)tick->dt_ns * 1e-9
                                                                  : scope->tick.dt_s};
    scopes->is_multiplexed = scopes->has_uncounted_row = false;
    sum_targets(scopes, &rows, rates);
    bool is_uncounted = scopes->has_uncounted_row;
    bool has_totals = sum_totals(scopes, &rows, totals);
    bool is_original = scopes->original_interval_s > 0;
    struct gate_limits limits = limits_of(scope, host);
    size_t n_absurd = 0;
    if (!is_original)
        n_absurd = gate_rates(&limits, columns.n, events, 1, totals);
    if (has_totals && n_absurd == 0 && !is_original)
        make_other(scopes, columns.n, totals, rates);
    size_t n = scopes_list_activities(scopes, columns.n, rates, activities);
    if (!is_original)
        n_absurd += gate_rates(&limits, columns.n, events, n, rates);
    if (n_absurd > 0)
        reasons_add(reasons, "absurd_counts");
    if (scopes->is_multiplexed)
        reasons_add(reasons, "multiplexed");
    if (is_uncounted)
        reasons_add(reasons, "not_counted");
    doubt_split(scope, &rows, has_totals || n > 0);
    scope->tick.seq = tick->key.seq;
    scope->tick.n_events = columns.n;
    scope->tick.events = events;
    scope->tick.cpu_event = scope_events_work(&scopes->events, columns);
    scope->tick.n_activities = n;
    scope->tick.activities = activities;
    scope->tick.total_rates = totals;
    fill_clock(tick, columns.is_cpu, scope);
    scope->tick.learn_idle = is_original ? !isnan(scope->tick.measured_w)
                                         : tick->valid && scope->tick.measured_w > 0;
    scope->tick.learn = scope->tick.learn_idle;
    scopes->has_counts = has_totals || n > 0;
    scopes->are_counts_good =
        n_absurd == 0 && !scopes->is_multiplexed && (!is_uncounted || has_totals);
    if (!is_original)
        scope->tick.learn &=
            scopes->are_counts_good && scope_spans_agree(scope, columns.is_cpu, tick, tick->dt_ns);
}

static int reserve(struct scopes *scopes)
{
    size_t n_rates = scopes->n_scopes * (scopes->n_slots + 1) * scopes->events.n;
    int r = array_reserve(&scopes->rates, &scopes->rates_capacity, n_rates + 1, sizeof(double));
    if (r >= 0)
        r = array_reserve(&scopes->activities, &scopes->activities_capacity,
                          scopes->n_scopes * scopes->n_slots + 1, sizeof(struct activity));
    if (r >= 0)
        r = array_reserve(&scopes->is_present, &scopes->is_present_capacity, scopes->n_slots + 1,
                          sizeof(bool));
    return r;
}

int scopes_note_target(struct scopes *scopes, const char *target, const char *cgroup,
                       const char *comm)
{
    uint32_t number;
    int r = names_note(scopes->names, target, &number);
    if (r >= 0)
        names_at(scopes->names, number)->kin = kin_of(target, cgroup, comm);
    return r;
}

int scopes_build(struct scopes *scopes, const struct report *tick, const struct host_record *host,
                 struct reasons *reasons, const struct scope **ret_scopes, size_t *ret_n_scopes)
{
    scope_events_sort(&scopes->events, tick);
    int r = list_scopes(scopes, tick, host);
    if (r >= 0)
        r = scopes_list_absent(scopes, tick->key.seq);
    if (r >= 0)
        r = list_targets(scopes, tick);
    if (r >= 0)
        r = reserve(scopes);
    for (size_t i = 0; i < scopes->n_scopes && r >= 0; i++) {
        struct reasons unsaid = {0};
        fill_scope(scopes, i, tick, host, i < scopes->n_asked ? reasons : &unsaid);
        r = scopes_hold(scopes, i, tick);
    }
    if (r < 0)
        return r;
    if (scopes->n_asked > 0 && (tick->n_events == 0 || tick->n_targets == 0))
        reasons_add(reasons, "no_counts");
    *ret_scopes = scopes->scopes;
    *ret_n_scopes = scopes->n_asked;
    return 0;
}

int scopes_visit(struct scopes *scopes, struct state_io *io)
{
    int r = names_visit(scopes->names, io);
    return r < 0 ? r : scopes_visit_held(scopes, io);
}
