/* SPDX-License-Identifier: BSD-3-Clause */
/* Comparisons that name the first field in which two records differ. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/random_records.h"

/* Where the difference is written, and the path to the field: "targets.3." */
struct comparison {
    char *difference;
    char path[64];
};

static void enter(struct comparison *at, const char *array, size_t index)
{
    (void)snprintf(at->path, sizeof(at->path), "%s.%zu.", array, index);
}

static bool differ(const struct comparison *at, const char *field, const char *a, const char *b)
{
    (void)snprintf(at->difference, DIFFERENCE_SIZE, "%s%s: %s != %s", at->path, field, a, b);
    return false;
}

static bool same_int(const struct comparison *at, const char *field, int64_t a, int64_t b)
{
    if (a == b)
        return true;
    char text[2][32];
    (void)snprintf(text[0], sizeof(text[0]), "%" PRId64, a);
    (void)snprintf(text[1], sizeof(text[1]), "%" PRId64, b);
    return differ(at, field, text[0], text[1]);
}

static bool same_double(const struct comparison *at, const char *field, double a, double b)
{
    if (memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b)))
        return true;
    char text[2][48];
    (void)snprintf(text[0], sizeof(text[0]), "%.17g", a);
    (void)snprintf(text[1], sizeof(text[1]), "%.17g", b);
    return differ(at, field, text[0], text[1]);
}

static bool same_text(const struct comparison *at, const char *field, const char *a, const char *b)
{
    if (a == b || (a && b && strcmp(a, b) == 0))
        return true;
    return differ(at, field, a ? a : "(absent)", b ? b : "(absent)");
}

#define INT(FIELD) same_int(&at, #FIELD, (int64_t)a->FIELD, (int64_t)b->FIELD)
#define DOUBLE(FIELD) same_double(&at, #FIELD, a->FIELD, b->FIELD)
#define TEXT(FIELD) same_text(&at, #FIELD, a->FIELD, b->FIELD)

static bool same_key(struct comparison at, const struct record_key *a, const struct record_key *b)
{
    return TEXT(sensor) && TEXT(run) && INT(seq) && INT(timestamp_ms);
}

static bool same_reasons(struct comparison at, const struct reasons *a, const struct reasons *b)
{
    if (!INT(n_words))
        return false;
    for (size_t i = 0; i < a->n_words; i++) {
        enter(&at, "reasons", i);
        if (!TEXT(words[i]))
            return false;
    }
    return true;
}

static bool same_energy(struct comparison at, const struct energy_sample *a,
                        const struct energy_sample *b)
{
    return INT(domain) && INT(package) && TEXT(source) && INT(valid) && TEXT(reason) &&
           INT(estimate) && INT(dt_ns) && INT(skew_ns) && INT(energy_uj) && INT(low_uj) &&
           INT(high_uj);
}

static bool same_clock(struct comparison at, const struct clock_sample *a,
                       const struct clock_sample *b)
{
    return INT(package) && INT(tsc) && INT(aperf) && INT(mperf);
}

static bool same_row(struct comparison at, const struct report *of_a, const struct count_row *a,
                     const struct report *of_b, const struct count_row *b)
{
    if (!TEXT(target) || !INT(package) || !INT(has_counts) || !INT(enabled_ns) ||
        !INT(running_ns) || !TEXT(reason))
        return false;
    for (size_t i = 0; i < of_a->n_events; i++) {
        char field[32];
        (void)snprintf(field, sizeof(field), "counts.%zu", i);
        if (!same_int(&at, field, of_a->counts[a->first_count + i],
                      of_b->counts[b->first_count + i]))
            return false;
    }
    return true;
}

bool report_equal(const struct report *a, const struct report *b,
                  char difference[static DIFFERENCE_SIZE])
{
    struct comparison at = {.difference = difference};
    if (!same_key(at, &a->key, &b->key) || !INT(dt_ns) || !INT(valid) || !INT(missed) ||
        !INT(part) || !INT(parts) || !same_reasons(at, &a->reasons, &b->reasons) ||
        !INT(n_energy) || !INT(n_clock) || !INT(n_events) || !INT(n_total) || !INT(n_targets))
        return false;
    for (size_t i = 0; i < a->n_events; i++) {
        enter(&at, "events", i);
        if (!TEXT(events[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_energy; i++) {
        enter(&at, "energy", i);
        if (!same_energy(at, &a->energy[i], &b->energy[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_clock; i++) {
        enter(&at, "clock", i);
        if (!same_clock(at, &a->clock[i], &b->clock[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_total; i++) {
        enter(&at, "total", i);
        if (!same_row(at, a, &a->total[i], b, &b->total[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_targets; i++) {
        enter(&at, "targets", i);
        if (!same_row(at, a, &a->targets[i], b, &b->targets[i]))
            return false;
    }
    return true;
}

static bool same_balance(struct comparison at, const struct balance_row *a,
                         const struct balance_row *b)
{
    return INT(domain) && INT(package) && INT(dt_ns) && INT(measured_uj) && DOUBLE(measured_w) &&
           DOUBLE(measured_low_w) && DOUBLE(measured_high_w) && DOUBLE(predicted_w) &&
           DOUBLE(idle_w) && DOUBLE(dynamic_w) && DOUBLE(unattributed_w) && DOUBLE(sigma_w) &&
           INT(estimate) && TEXT(reason);
}

static bool same_power_row(struct comparison at, const struct power_row *a,
                           const struct power_row *b)
{
    return TEXT(target) && INT(domain) && INT(package) && DOUBLE(dynamic_w) && DOUBLE(static_w) &&
           INT(dynamic_uj) && DOUBLE(share) && DOUBLE(sigma_w);
}

bool power_equal(const struct power_record *a, const struct power_record *b,
                 char difference[static DIFFERENCE_SIZE])
{
    struct comparison at = {.difference = difference};
    if (!same_key(at, &a->key, &b->key) || !INT(dt_ns) || !TEXT(label) || !TEXT(model) ||
        !INT(valid) || !INT(part) || !INT(parts) || !same_reasons(at, &a->reasons, &b->reasons) ||
        !INT(n_balance) || !INT(n_targets))
        return false;
    for (size_t i = 0; i < a->n_balance; i++) {
        enter(&at, "balance", i);
        if (!same_balance(at, &a->balance[i], &b->balance[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_targets; i++) {
        enter(&at, "targets", i);
        if (!same_power_row(at, &a->targets[i], &b->targets[i]))
            return false;
    }
    return true;
}

static bool same_package(struct comparison at, const struct host_package *a,
                         const struct host_package *b)
{
    return INT(package) && INT(cpus) && INT(base_hz) && INT(max_hz) && DOUBLE(max_w);
}

static bool same_source(struct comparison at, const struct host_source *a,
                        const struct host_source *b)
{
    return INT(domain) && INT(package) && TEXT(source) && DOUBLE(unit_uj) && INT(range_uj) &&
           DOUBLE(peak_w) && DOUBLE(floor_w);
}

static bool same_event(struct comparison at, const struct host_event *a, const struct host_event *b)
{
    return TEXT(name) && TEXT(event) && TEXT(pmu);
}

static bool same_invalid(struct comparison at, const struct host_invalid *a,
                         const struct host_invalid *b)
{
    return INT(domain) && INT(package) && TEXT(source) && TEXT(reason) && INT(count);
}

bool host_equal(const struct host_record *a, const struct host_record *b,
                char difference[static DIFFERENCE_SIZE])
{
    struct comparison at = {.difference = difference};
    if (!same_key(at, &a->key, &b->key) || !TEXT(boot_id) || !TEXT(version) || !TEXT(cpu_vendor) ||
        !TEXT(cpu_name) || !INT(cpu_family) || !INT(cpu_model) || !TEXT(engine) ||
        !TEXT(granularity) || !INT(interval_ns) || !INT(n_packages) || !INT(n_sources) ||
        !INT(n_events) || !INT(n_invalid))
        return false;
    for (size_t i = 0; i < a->n_packages; i++) {
        enter(&at, "packages", i);
        if (!same_package(at, &a->packages[i], &b->packages[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_invalid; i++) {
        enter(&at, "invalid", i);
        if (!same_invalid(at, &a->invalid[i], &b->invalid[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_sources; i++) {
        enter(&at, "sources", i);
        if (!same_source(at, &a->sources[i], &b->sources[i]))
            return false;
    }
    for (size_t i = 0; i < a->n_events; i++) {
        enter(&at, "events", i);
        if (!same_event(at, &a->events[i], &b->events[i]))
            return false;
    }
    return true;
}

bool target_equal(const struct target_record *a, const struct target_record *b,
                  char difference[static DIFFERENCE_SIZE])
{
    struct comparison at = {.difference = difference};
    return same_key(at, &a->key, &b->key) && INT(ordinal) && TEXT(target) && TEXT(target_kind) &&
           TEXT(name) && TEXT(cgroup) && INT(cgroup_inode) && INT(pid) && INT(start_ticks) &&
           TEXT(comm) && TEXT(user) && TEXT(container) && TEXT(unit) && TEXT(pod);
}

static bool same_value(struct comparison at, const struct hwpc_value *a, const struct hwpc_value *b)
{
    return TEXT(group) && TEXT(package) && TEXT(cpu) && TEXT(event) && DOUBLE(value);
}

bool hwpc_equal(const struct hwpc_report *a, const struct hwpc_report *b,
                char difference[static DIFFERENCE_SIZE])
{
    struct comparison at = {.difference = difference};
    if (!INT(timestamp_ms) || !TEXT(sensor) || !TEXT(target) || !INT(n_values))
        return false;
    for (size_t i = 0; i < a->n_values; i++) {
        enter(&at, "values", i);
        if (!same_value(at, &a->values[i], &b->values[i]))
            return false;
    }
    return true;
}

bool power_report_equal(const struct power_report *a, const struct power_report *b,
                        char difference[static DIFFERENCE_SIZE])
{
    struct comparison at = {.difference = difference};
    return INT(timestamp_ms) && TEXT(sensor) && TEXT(target) && DOUBLE(power_w) && TEXT(scope) &&
           TEXT(socket) && TEXT(formula) && DOUBLE(ratio);
}
