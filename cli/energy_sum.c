/* SPDX-License-Identifier: BSD-3-Clause */
/* Integer sums of the records' own microjoules; only what records give as watts alone (idle,
 * unattributed, static) is watts times span. A line's identity is looked up once per row: the tree
 * behind it is small beside reading the store. */
#include "cli/energy_sum.h"

#include <errno.h>
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/events.h"
#include "common/report.h"

struct energy_sum {
    enum energy_by by;
    struct identities *identities;
    void *tree; /* tsearch(3), of struct energy_entry * */
    struct energy_entry **entries;
    size_t n_entries, entries_capacity;
    struct energy_sensor *sensors;
    size_t n_sensors, sensors_capacity;
    struct energy_balance *balances;
    size_t n_balances, balances_capacity;
    uint64_t n_ticks;
};

static int compare_entries(const void *a, const void *b)
{
    const struct energy_entry *left = a, *right = b;
    int order = strcmp(left->key, right->key);
    return order ? order : strcmp(left->sensor, right->sensor);
}

static void entry_free(struct energy_entry *entry)
{
    if (!entry)
        return;
    free(entry->sensor);
    free(entry->key);
    free(entry);
}

int energy_sum_new(struct energy_sum **ret_sum, enum energy_by by, struct identities *identities)
{
    struct energy_sum *sum = calloc(1, sizeof(*sum));
    if (!sum)
        return -ENOMEM;
    sum->by = by;
    sum->identities = identities;
    *ret_sum = sum;
    return 0;
}

void energy_sum_free(struct energy_sum *sum)
{
    if (!sum)
        return;
    for (size_t i = 0; i < sum->n_entries; i++) {
        (void)tdelete(sum->entries[i], &sum->tree, compare_entries);
        entry_free(sum->entries[i]);
    }
    free(sum->entries);
    free(sum->sensors);
    free(sum->balances);
    free(sum);
}

static const char *entry_key(enum energy_by by, const struct identity *identity,
                             char text[static 200])
{
    switch (by) {
    case ENERGY_BY_CGROUP:
        return identity->cgroup ? identity->cgroup : identity->target;
    case ENERGY_BY_COMMAND:
        return identity->command ? identity->command : identity->name;
    case ENERGY_BY_UNIT:
        return identity_group(identity, text);
    case ENERGY_BY_TARGET:
        break;
    }
    return identity->target;
}

static int entry_add(struct energy_sum *sum, const char *sensor, const char *key,
                     struct energy_entry **ret_entry)
{
    if (array_reserve(&sum->entries, &sum->entries_capacity, sum->n_entries + 1,
                      sizeof(struct energy_entry *)) < 0)
        return -ENOMEM;
    struct energy_entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    entry->sensor = strdup(sensor);
    entry->key = strdup(key);
    entry->static_uj = entry->tick_dynamic_w = entry->tick_cpus = NAN;
    if (!entry->sensor || !entry->key || !tsearch(entry, &sum->tree, compare_entries)) {
        entry_free(entry);
        return -ENOMEM;
    }
    sum->entries[sum->n_entries++] = entry;
    *ret_entry = entry;
    return 0;
}

/* The line a target belongs to, made ready for the sensor's current tick, which is charged to it
 * once. */
static int entry_of(struct energy_sum *sum, const struct energy_sensor *sensor, const char *target,
                    int64_t tick_ns, struct energy_entry **ret_entry)
{
    struct identity *identity;
    int r = identities_find(sum->identities, sensor->sensor, target, &identity);
    if (r < 0)
        return r;
    char text[200];
    const char *key = entry_key(sum->by, identity, text);
    const struct energy_entry wanted = {.sensor = (char *)sensor->sensor, .key = (char *)key};
    struct energy_entry **node = tfind(&wanted, &sum->tree, compare_entries);
    struct energy_entry *entry = node ? *node : NULL;
    if (!entry) {
        r = entry_add(sum, sensor->sensor, key, &entry);
        if (r < 0)
            return r;
    }
    entry->identity = identity;
    identity->named_ms = sensor->key.timestamp_ms;
    if (entry->tick != sensor->tick) {
        entry->tick = sensor->tick;
        entry->tick_dynamic_w = entry->tick_cpus = NAN;
        if (tick_ns != VALUE_ABSENT)
            entry->active_ns += tick_ns;
    }
    *ret_entry = entry;
    return 0;
}

/* The sensor with its current tick, begun anew if key is another one. */
static int sensor_at(struct energy_sum *sum, const struct record_key *key,
                     struct energy_sensor **ret_sensor)
{
    struct energy_sensor *sensor = NULL;
    for (size_t i = 0; i < sum->n_sensors && !sensor; i++)
        if (strcmp(sum->sensors[i].sensor, key->sensor) == 0)
            sensor = &sum->sensors[i];
    if (!sensor) {
        if (array_reserve(&sum->sensors, &sum->sensors_capacity, sum->n_sensors + 1,
                          sizeof(*sensor)) < 0)
            return -ENOMEM;
        sensor = &sum->sensors[sum->n_sensors++];
        *sensor = (struct energy_sensor){0};
        memcpy(sensor->sensor, key->sensor, sizeof(sensor->sensor));
    }
    if (sensor->tick == 0 || record_key_compare(&sensor->key, key) != 0) {
        sensor->key = *key;
        sensor->tick = ++sum->n_ticks;
        sensor->has_watts = sensor->machine_counts = sensor->gpu_counts = false;
        sensor->tick_ns = VALUE_ABSENT;
        sensor->total_cpus = NAN;
        sensor->reasons = (struct reasons){0};
    }
    *ret_sensor = sensor;
    return 0;
}

static int add_uj(int64_t *sum_uj, int64_t uj, struct error *err)
{
    if (uj != VALUE_ABSENT && __builtin_add_overflow(*sum_uj, uj, sum_uj))
        return error_set(err, -ERANGE,
                         "the sum of joules leaves the range of 64 bits: ask for a "
                         "shorter span");
    return 0;
}

static int balance_at(struct energy_sum *sum, const char *sensor, const struct balance_row *row,
                      struct energy_balance **ret_balance)
{
    for (size_t i = 0; i < sum->n_balances; i++) {
        struct energy_balance *balance = &sum->balances[i];
        if (balance->domain == row->domain && balance->package == row->package &&
            strcmp(balance->sensor, sensor) == 0) {
            *ret_balance = balance;
            return 0;
        }
    }
    if (array_reserve(&sum->balances, &sum->balances_capacity, sum->n_balances + 1,
                      sizeof(**ret_balance)) < 0)
        return -ENOMEM;
    struct energy_balance *balance = &sum->balances[sum->n_balances++];
    *balance = (struct energy_balance){.domain = row->domain,
                                       .package = row->package,
                                       .low_uj = NAN,
                                       .high_uj = NAN,
                                       .idle_uj = NAN,
                                       .dynamic_uj = NAN,
                                       .unattributed_uj = NAN};
    (void)snprintf(balance->sensor, sizeof(balance->sensor), "%s", sensor);
    *ret_balance = balance;
    return 0;
}

static void add_known(double *sum, double value)
{
    if (isfinite(value))
        *sum = isfinite(*sum) ? *sum + value : value;
}

/* What a model says where nothing was measured are watts too. */
static bool has_watts(const struct balance_row *row)
{
    return (isfinite(row->measured_w) || isfinite(row->dynamic_w)) && row->dt_ns > 0;
}

/* Whether a domain is part of the current tick's sum. */
static bool counts(const struct energy_sensor *sensor, enum domain domain)
{
    if (domain == DOMAIN_GPU)
        return !sensor->machine_counts || sensor->gpu_counts;
    return (domain == DOMAIN_MACHINE) == sensor->machine_counts;
}

static int add_balance(struct energy_sum *sum, struct energy_sensor *sensor,
                       const struct balance_row *row, struct error *err)
{
    struct energy_balance *balance;
    if (balance_at(sum, sensor->sensor, row, &balance) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    balance->latest = *row;
    balance->tick = sensor->tick;
    balance->is_counted = counts(sensor, row->domain);
    if (!has_watts(row))
        return 0;
    double dt_us = (double)row->dt_ns / 1e3; /* W x us = uJ */
    balance->covered_ns += row->dt_ns;
    add_known(&balance->low_uj, row->measured_low_w * dt_us);
    add_known(&balance->high_uj, row->measured_high_w * dt_us);
    add_known(&balance->idle_uj, row->idle_w * dt_us);
    add_known(&balance->dynamic_uj, row->dynamic_w * dt_us);
    add_known(&balance->unattributed_uj, row->unattributed_w * dt_us);
    int64_t measured_uj = row->measured_uj;
    if (!isfinite(row->measured_w))
        return 0;
    balance->measured_ns += row->dt_ns;
    if (measured_uj == VALUE_ABSENT)
        measured_uj = llround(fmin(row->measured_w * dt_us, 9e18));
    return add_uj(&balance->measured_uj, measured_uj, err);
}

/* What the balance rows say of the tick as a whole. */
static void begin_watts(struct energy_sensor *sensor, const struct power_record *power)
{
    bool is_estimated = false;
    for (size_t i = 0; i < power->n_balance; i++) {
        const struct balance_row *row = &power->balance[i];
        if (!has_watts(row))
            continue;
        sensor->machine_counts |= row->domain == DOMAIN_MACHINE;
        sensor->gpu_counts |= row->domain == DOMAIN_MACHINE && row->estimate;
        is_estimated |= row->estimate;
        if (sensor->tick_ns == VALUE_ABSENT || sensor->tick_ns < row->dt_ns)
            sensor->tick_ns = row->dt_ns;
    }
    if (sensor->tick_ns != VALUE_ABSENT)
        sensor->covered_ns += sensor->tick_ns;
    sensor->has_watts = true;
    sensor->reasons = power->reasons;
    sensor->n_ticks++;
    sensor->n_invalid += !power->valid;
    sensor->n_estimated += is_estimated;
}

static double span_ns_of(const struct energy_sum *sum, const struct energy_sensor *sensor,
                         const struct power_row *row)
{
    for (size_t i = 0; i < sum->n_balances; i++) {
        const struct energy_balance *balance = &sum->balances[i];
        if (balance->tick == sensor->tick && balance->domain == row->domain &&
            balance->package == row->package && balance->latest.dt_ns > 0)
            return (double)balance->latest.dt_ns;
    }
    return sensor->tick_ns == VALUE_ABSENT ? NAN : (double)sensor->tick_ns;
}

static int add_row(struct energy_sum *sum, struct energy_sensor *sensor,
                   const struct power_row *row, struct error *err)
{
    if (!counts(sensor, row->domain))
        return 0;
    struct energy_entry *entry;
    if (entry_of(sum, sensor, row->target, sensor->tick_ns, &entry) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    add_known(&entry->tick_dynamic_w, row->dynamic_w);
    add_known(&entry->static_uj, row->static_w * span_ns_of(sum, sensor, row) / 1e3);
    int r = add_uj(&entry->dynamic_uj, row->dynamic_uj, err);
    return r < 0 ? r : add_uj(&sensor->dynamic_uj, row->dynamic_uj, err);
}

int energy_sum_add(struct energy_sum *sum, const struct power_record *power, struct error *err)
{
    struct energy_sensor *sensor;
    if (sensor_at(sum, &power->key, &sensor) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    if (!sensor->has_watts)
        begin_watts(sensor, power);
    for (size_t i = 0; i < power->n_balance; i++) {
        int r = add_balance(sum, sensor, &power->balance[i], err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < power->n_targets; i++) {
        int r = add_row(sum, sensor, &power->targets[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* CPUs a row kept busy, scaled for the time its counter ran; NAN when it was not counted. */
static double row_cpus(const struct report *report, const struct count_row *row, size_t event)
{
    if (!row->has_counts)
        return NAN;
    int64_t count = report->counts[row->first_count + event];
    if (count == VALUE_ABSENT)
        return NAN;
    double scale = 1;
    if (row->enabled_ns > 0 && row->running_ns > 0)
        scale = (double)row->enabled_ns / (double)row->running_ns;
    return (double)count * scale / (double)report->dt_ns;
}

int energy_sum_add_counts(struct energy_sum *sum, const struct report *report, struct error *err)
{
    struct energy_sensor *sensor;
    if (sensor_at(sum, &report->key, &sensor) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    size_t event = 0;
    while (event < report->n_events && strcmp(report->events[event], EVENT_CPU_NS) != 0)
        event++;
    if (event == report->n_events || report->dt_ns <= 0)
        return 0;
    for (size_t i = 0; i < report->n_total; i++)
        add_known(&sensor->total_cpus, row_cpus(report, &report->total[i], event));
    for (size_t i = 0; i < report->n_targets; i++) {
        double cpus = row_cpus(report, &report->targets[i], event);
        if (!isfinite(cpus) || cpus <= 0)
            continue;
        struct energy_entry *entry;
        int64_t tick_ns = sensor->has_watts ? sensor->tick_ns : VALUE_ABSENT;
        if (entry_of(sum, sensor, report->targets[i].target, tick_ns, &entry) < 0)
            return error_set(err, -ENOMEM, "out of memory");
        add_known(&entry->tick_cpus, cpus);
        entry->cpu_ns += llround(cpus * (double)report->dt_ns);
    }
    return 0;
}

void energy_sum_drop(struct energy_sum *sum,
                     void (*fold)(const struct energy_entry *entry, void *context), void *context)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < sum->n_entries; i++) {
        struct energy_entry *entry = sum->entries[i];
        bool is_dropped = entry->identity && entry->identity->is_dropped;
        if (is_dropped && sum->by != ENERGY_BY_TARGET)
            entry->identity = NULL;
        if (!is_dropped || sum->by != ENERGY_BY_TARGET) {
            sum->entries[n_kept++] = entry;
            continue;
        }
        if (fold)
            fold(entry, context);
        (void)tdelete(entry, &sum->tree, compare_entries);
        entry_free(entry);
    }
    sum->n_entries = n_kept;
}

/* Larger first; unknown last. */
static int compare_falling(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (int)isnan(a) - (int)isnan(b);
    return (a < b) - (a > b);
}

static int by_name(const void *a, const void *b)
{
    return compare_entries(*(struct energy_entry *const *)a, *(struct energy_entry *const *)b);
}

static int by_joules(const void *a, const void *b)
{
    const struct energy_entry *left = *(struct energy_entry *const *)a;
    const struct energy_entry *right = *(struct energy_entry *const *)b;
    int order = (left->dynamic_uj < right->dynamic_uj) - (left->dynamic_uj > right->dynamic_uj);
    return order ? order : by_name(a, b);
}

static int by_cpu(const void *a, const void *b)
{
    const struct energy_entry *left = *(struct energy_entry *const *)a;
    const struct energy_entry *right = *(struct energy_entry *const *)b;
    int order = compare_falling(left->tick_cpus, right->tick_cpus);
    return order ? order : by_joules(a, b);
}

static int by_watts(const void *a, const void *b)
{
    const struct energy_entry *left = *(struct energy_entry *const *)a;
    const struct energy_entry *right = *(struct energy_entry *const *)b;
    int order = compare_falling(left->tick_dynamic_w, right->tick_dynamic_w);
    return order ? order : by_cpu(a, b);
}

void energy_sum_sort(struct energy_sum *sum, enum energy_order order,
                     struct energy_entry *const **ret_entries, size_t *ret_n_entries)
{
    static int (*const comparators[])(const void *, const void *) = {
        [ENERGY_BY_JOULES] = by_joules,
        [ENERGY_BY_WATTS] = by_watts,
        [ENERGY_BY_CPU] = by_cpu,
        [ENERGY_BY_NAME] = by_name,
    };
    if (sum->n_entries > 0)
        qsort(sum->entries, sum->n_entries, sizeof(*sum->entries), comparators[order]);
    *ret_entries = sum->entries;
    *ret_n_entries = sum->n_entries;
}

const struct energy_balance *energy_sum_balances(const struct energy_sum *sum,
                                                 size_t *ret_n_balances)
{
    *ret_n_balances = sum->n_balances;
    return sum->balances;
}

const struct energy_sensor *energy_sum_sensors(const struct energy_sum *sum, size_t *ret_n_sensors)
{
    *ret_n_sensors = sum->n_sensors;
    return sum->sensors;
}

const struct energy_sensor *energy_sum_sensor(const struct energy_sum *sum, const char *sensor)
{
    for (size_t i = 0; i < sum->n_sensors; i++)
        if (strcmp(sum->sensors[i].sensor, sensor) == 0)
            return &sum->sensors[i];
    return NULL;
}
