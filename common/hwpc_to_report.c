/* SPDX-License-Identifier: BSD-3-Clause */
/* HWPCReports as reports of ours. PowerAPI counts per CPU and gives RAPL in 2^-32 J; we count per
 * package in whole events and microjoules. An event's name says whether it is energy, a clock or a
 * count, because group names are free to choose in its sensor. */
#include "common/powerapi.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/error.h"
#include "common/events.h"
#include "common/name_escape.h"
#include "common/scope.h"

#define UJ_PER_COUNT (1e6 / 4294967296.0) /* exact in binary: 5^6 / 2^26 */
#define LOST (VALUE_ABSENT + 1) /* while summing: a CPU was not counted, the sum is void */

static const struct energy_name {
    const char *event;
    enum domain domain;
    bool is_estimate;
    bool has_package;
} energy_names[] = {
    {"RAPL_ENERGY_PKG", DOMAIN_PACKAGE, false, true},
    {"RAPL_ENERGY_DRAM", DOMAIN_DRAM, false, true},
    {"RAPL_ENERGY_CORES", DOMAIN_CORE, false, true},
    {"RAPL_ENERGY_GPU", DOMAIN_UNCORE, false, true}, /* the graphics inside the package */
    {"RAPL_ENERGY_UNCORE", DOMAIN_UNCORE, false, true},
    {"RAPL_ENERGY_PSYS", DOMAIN_PSYS, false, true},
    {"ENERGY_GPU", DOMAIN_GPU, false, true},
    {"ENERGY_MACHINE", DOMAIN_MACHINE, false, false},
    {"ENERGY_WALL", DOMAIN_WALL, false, false},
    {"RAPL_ENERGY_PKG_ESTIMATE", DOMAIN_PACKAGE, true, true},
    {"RAPL_ENERGY_DRAM_ESTIMATE", DOMAIN_DRAM, true, true},
    {"RAPL_ENERGY_CORES_ESTIMATE", DOMAIN_CORE, true, true},
    {"RAPL_ENERGY_GPU_ESTIMATE", DOMAIN_UNCORE, true, true},
    {"RAPL_ENERGY_PSYS_ESTIMATE", DOMAIN_PSYS, true, true},
    {"ENERGY_GPU_ESTIMATE", DOMAIN_GPU, true, true},
    {"ENERGY_MACHINE_ESTIMATE", DOMAIN_MACHINE, true, false},
    {"ENERGY_WALL_ESTIMATE", DOMAIN_WALL, true, false},
};

const char *powerapi_energy_event(enum domain domain, bool is_estimate)
{
    for (size_t i = 0; i < ARRAY_SIZE(energy_names); i++) {
        if (energy_names[i].domain == domain && energy_names[i].is_estimate == is_estimate)
            return energy_names[i].event;
    }
    return domain_name(domain);
}

/* ---- from PowerAPI ---- */

/* The values of one group, package and CPU. */
struct leaf {
    const struct hwpc_value *values;
    size_t n_values;
    int32_t package;
    double enabled_ns, running_ns; /* NAN: not said */
    bool was_counted;
    double scale;
};

static bool same_text(const char *a, const char *b)
{
    return a == b || strcmp(a, b) == 0;
}

static bool is_time(const char *event)
{
    return strncmp(event, "time_", 5) == 0 &&
           (strcmp(event, "time_enabled") == 0 || strcmp(event, "time_running") == 0);
}

static int parse_package(const char *text, int32_t *ret_package, struct error *err)
{
    int64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= INT32_MAX; at++)
        value = value * 10 + (*at - '0');
    if (*at != '\0' || at == text || value > INT32_MAX) {
        char shown[80];
        (void)name_escape(text, strlen(text), shown, sizeof(shown));
        return error_set(err, -EBADMSG, "package %s: not a number", shown);
    }
    *ret_package = (int32_t)value;
    return 0;
}

/* Takes the leaf that begins at the value; returns how many values it has. */
static int find_leaf(const struct hwpc_report *hwpc, size_t first, struct leaf *leaf,
                     struct error *err)
{
    const struct hwpc_value *head = &hwpc->values[first];
    *leaf = (struct leaf){.values = head, .enabled_ns = (double)NAN, .running_ns = (double)NAN};
    for (size_t at = first; at < hwpc->n_values; at++, leaf->n_values++) {
        const struct hwpc_value *value = &hwpc->values[at];
        if (!same_text(value->cpu, head->cpu) || !same_text(value->package, head->package) ||
            !same_text(value->group, head->group))
            break;
        if (strcmp(value->event, "time_enabled") == 0)
            leaf->enabled_ns = value->value;
        else if (strcmp(value->event, "time_running") == 0)
            leaf->running_ns = value->value;
    }
    leaf->was_counted =
        !(leaf->enabled_ns > 0 && !(leaf->running_ns > 0)) || isnan(leaf->running_ns);
    leaf->scale = 1;
    if (leaf->was_counted && leaf->enabled_ns > leaf->running_ns)
        leaf->scale = leaf->enabled_ns / leaf->running_ns;
    return parse_package(head->package, &leaf->package, err);
}

/* "RAPL_ENERGY_PKG", also behind a PMU's prefix. */
static const struct energy_name *find_energy(const char *event)
{
    const char *colons = strstr(event, "::");
    const char *name = colons ? colons + 2 : event;
    if (strncasecmp(name, "RAPL_", 5) != 0 && strncasecmp(name, "ENERGY_", 7) != 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(energy_names); i++) {
        if (strcasecmp(name, energy_names[i].event) == 0)
            return &energy_names[i];
    }
    return NULL;
}

/* The events of one HWPCReport, by the name they have in it, in the order of the report's events.
 */
struct event_index {
    const char *names[REPORT_EVENTS_MAX];
    size_t n_names;
    bool as_counted; /* keep the names */
};

enum value_role { ROLE_NONE, ROLE_ENERGY, ROLE_CLOCK, ROLE_COUNT };

static enum value_role role_of(const struct hwpc_value *value)
{
    const char *event = value->event;
    if (is_time(event))
        return ROLE_NONE;
    if (find_energy(event))
        return ROLE_ENERGY;
    if (strcasecmp(event, "TSC") == 0 || strcasecmp(event, "APERF") == 0 ||
        strcasecmp(event, "MPERF") == 0)
        return ROLE_CLOCK;
    if (strcmp(value->group, "rapl") == 0 || strcmp(value->group, "msr") == 0)
        return ROLE_NONE;
    return ROLE_COUNT;
}

/* Where the event stands, looked for from hint on (CPUs list their events in one order); n_names if
 * it is new. */
static size_t find_event(const struct event_index *index, const char *event, size_t hint)
{
    for (size_t i = 0; i < index->n_names; i++) {
        size_t at = (hint + i) % index->n_names;
        if (same_text(index->names[at], event))
            return at;
    }
    return index->n_names;
}

static int add_event(struct event_index *index, const char *event, struct report *report,
                     struct error *err)
{
    if (index->n_names == REPORT_EVENTS_MAX)
        return error_set(err, -EBADMSG, "more than %d events", REPORT_EVENTS_MAX);
    const char *name = index->as_counted ? event : event_canonical(event);
    for (size_t i = 0; i < report->n_events; i++) {
        if (strcmp(report->events[i], name) == 0)
            name = event; /* two spellings of one event: they must not be added up */
    }
    index->names[index->n_names++] = event;
    return report_add_event(report, name) < 0 ? error_set(err, -ENOMEM, "no memory for a report")
                                              : 0;
}

static int collect_events(const struct hwpc_report *hwpc, struct event_index *index,
                          struct report *report, struct error *err)
{
    size_t hint = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < hwpc->n_values; i++) {
        const struct hwpc_value *value = &hwpc->values[i];
        size_t at = find_event(index, value->event, hint);
        if (at < index->n_names)
            hint = at + 1;
        else if (role_of(value) == ROLE_COUNT)
            r = add_event(index, value->event, report, err);
    }
    return r;
}

static int take_energy(const struct leaf *leaf, const struct hwpc_value *value,
                       struct report *report)
{
    const struct energy_name *name = find_energy(value->event);
    int32_t package = name->has_package ? leaf->package : PACKAGE_NONE;
    for (size_t i = 0; i < report->n_energy; i++) {
        if (report->energy[i].domain == name->domain && report->energy[i].package == package &&
            report->energy[i].estimate == name->is_estimate)
            return 0; /* every CPU of a package reads the same counter: the first one speaks */
    }
    struct energy_sample *sample;
    int r = report_add_energy(report, &sample);
    if (r < 0)
        return r;
    sample->domain = name->domain;
    sample->package = package;
    sample->estimate = name->is_estimate;
    (void)snprintf(sample->source, sizeof(sample->source), "%s",
                   name->is_estimate ? "estimate" : "rapl");
    sample->valid = leaf->was_counted;
    if (!sample->valid) {
        (void)snprintf(sample->reason, sizeof(sample->reason), "not_counted");
        return 0;
    }
    sample->energy_uj = llround(value->value * UJ_PER_COUNT);
    if (leaf->enabled_ns > 0)
        sample->dt_ns = llround(leaf->enabled_ns);
    return 0;
}

/* Adds to a sum; a value that would carry it beyond what can be is refused. */
static int add_up(int64_t *sum, double value, struct error *err)
{
    int64_t before = *sum == VALUE_ABSENT ? 0 : *sum;
    if (!(value < (double)(AMOUNT_MAX - before)))
        return error_set(err, -EBADMSG, "the sum over CPUs is absurd (above 2^62)");
    *sum = before + llround(value);
    return 0;
}

static int take_clock(const struct leaf *leaf, const struct hwpc_value *value,
                      struct report *report, struct error *err)
{
    struct clock_sample *sample = NULL;
    for (size_t i = 0; i < report->n_clock && !sample; i++) {
        if (report->clock[i].package == leaf->package)
            sample = &report->clock[i];
    }
    if (!sample) {
        if (report_add_clock(report, &sample) < 0)
            return error_set(err, -ENOMEM, "no memory for a report");
        sample->package = leaf->package;
    }
    int64_t *sum = strcasecmp(value->event, "TSC") == 0     ? &sample->tsc
                   : strcasecmp(value->event, "APERF") == 0 ? &sample->aperf
                                                            : &sample->mperf;
    return add_up(sum, value->value, err);
}

static int find_row(const struct leaf *leaf, const char *target, struct report *report,
                    struct count_row **ret_row)
{
    struct count_row *rows = target ? report->targets : report->total;
    size_t n_rows = target ? report->n_targets : report->n_total;
    for (size_t i = n_rows; i > 0; i--) {
        if (rows[i - 1].package == leaf->package) {
            *ret_row = &rows[i - 1];
            return 0;
        }
    }
    int r = target ? report_add_target(report, ret_row) : report_add_total(report, ret_row);
    if (r < 0)
        return r;
    (*ret_row)->target = target ? target : "";
    (*ret_row)->package = leaf->package;
    (*ret_row)->has_counts = true;
    return 0;
}

static int take_count(const struct leaf *leaf, double value, struct count_row *row, int64_t *sum,
                      struct error *err)
{
    if (!leaf->was_counted) {
        (void)snprintf(row->reason, sizeof(row->reason), "not_counted");
        *sum = LOST;
    }
    return *sum == LOST ? 0 : add_up(sum, value * leaf->scale, err);
}

/* Values of a leaf that are counts, added to its package's row. */
static int take_counts(const struct leaf *leaf, const char *target, const struct event_index *index,
                       struct report *report, struct error *err)
{
    struct count_row *row = NULL;
    size_t hint = 0;
    for (size_t i = 0; i < leaf->n_values; i++) {
        size_t at = find_event(index, leaf->values[i].event, hint);
        if (at == index->n_names)
            continue;
        hint = at + 1;
        if (!row && find_row(leaf, target, report, &row) < 0)
            return error_set(err, -ENOMEM, "no memory for a report");
        int r = take_count(leaf, leaf->values[i].value, row, &report_counts(report, row)[at], err);
        if (r < 0)
            return error_wrap(err, r, "%s", report->events[at]);
    }
    if (!row || isnan(leaf->enabled_ns))
        return 0;
    int r = add_up(&row->enabled_ns, leaf->enabled_ns, err);
    row->running_ns = row->enabled_ns;
    return r < 0 ? error_wrap(err, r, "time_enabled") : 0;
}

static int take_machine(const struct leaf *leaf, struct report *report, double *clock_ns,
                        struct error *err)
{
    for (size_t i = 0; i < leaf->n_values; i++) {
        const struct hwpc_value *value = &leaf->values[i];
        enum value_role role = role_of(value);
        int r = 0;
        if (role == ROLE_ENERGY && take_energy(leaf, value, report) < 0)
            r = error_set(err, -ENOMEM, "no memory for a report");
        if (role == ROLE_CLOCK) {
            r = take_clock(leaf, value, report, err);
            if (isnan(*clock_ns) && leaf->enabled_ns > 0)
                *clock_ns = leaf->enabled_ns;
        }
        if (r < 0)
            return error_wrap(err, r, "%s", role == ROLE_CLOCK ? "clock" : "energy");
    }
    return 0;
}

static void forget_lost(struct report *report)
{
    for (size_t i = 0; i < report->n_counts; i++) {
        if (report->counts[i] == LOST)
            report->counts[i] = VALUE_ABSENT;
    }
}

static void choose_span(struct report *report, double clock_ns)
{
    for (size_t i = 0; i < report->n_energy && report->dt_ns == VALUE_ABSENT; i++)
        report->dt_ns = report->energy[i].dt_ns;
    if (report->dt_ns == VALUE_ABSENT && !isnan(clock_ns))
        report->dt_ns = llround(clock_ns);
}

static int convert(const struct hwpc_report *hwpc, bool as_counted, struct report *report,
                   struct error *err)
{
    struct event_index index;
    index.n_names = 0; /* the names are only read below it: no need to zero 2 kB per report */
    index.as_counted = as_counted;
    const char *target = strcmp(hwpc->target, ALL_TARGET) == 0 ? NULL : hwpc->target;
    double clock_ns = (double)NAN;
    int r = collect_events(hwpc, &index, report, err);
    for (size_t first = 0; r == 0 && first < hwpc->n_values;) {
        struct leaf leaf;
        r = find_leaf(hwpc, first, &leaf, err);
        if (as_counted) {
            leaf.was_counted = true;
            leaf.scale = 1;
        }
        if (r == 0)
            r = take_counts(&leaf, target, &index, report, err);
        if (r == 0 && !target)
            r = take_machine(&leaf, report, &clock_ns, err);
        first += leaf.n_values;
    }
    if (r < 0)
        return r;
    forget_lost(report);
    choose_span(report, clock_ns);
    if (target && report->n_targets == 0)
        return error_set(err, -EBADMSG, "no group with counters (a target needs one, as \"core\")");
    if (!target && report->n_energy + report->n_clock + report->n_total == 0)
        return error_set(err, -EBADMSG, "no group with energy, clocks or counters");
    return 0;
}

int hwpc_to_report(const struct hwpc_report *hwpc, bool as_counted, struct report *ret_report,
                   struct error *err)
{
    memcpy(ret_report->key.sensor, hwpc->sensor, sizeof(ret_report->key.sensor));
    ret_report->key.timestamp_ms = hwpc->timestamp_ms;
    int r = convert(hwpc, as_counted, ret_report, err);
    if (r < 0) {
        report_clear(ret_report);
        char target[80];
        (void)name_escape(hwpc->target, strlen(hwpc->target), target, sizeof(target));
        return error_wrap(err, r, "HWPCReport of %s, target %s", hwpc->sensor, target);
    }
    return 0;
}
