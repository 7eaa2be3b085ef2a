/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/measurement.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "cli/run_report.h"
#include "cli/stores.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/scope.h"
#include "common/store/file_lock.h"
#include "common/store/local.h"

#define LOOK_MS 100
#define FIRST_DATA_NS (20 * NS_PER_S)

int measurement_start(struct measurement *measurement, const struct meter_settings *settings,
                      const struct log *log, struct error *err)
{
    *measurement = (struct measurement){
        .log = log, .interval_ns = settings->interval_ns, .ended = {.static_uj = NAN}};
    measurement->start_ms = (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
    measurement->start_ns = clock_monotonic_ns(&clock_system);
    return meter_start(&measurement->meter, settings, err);
}

/* 1: our sensor has the store. Beside another one ours would keep its ticks to itself, and theirs
 * would be taken for ours. */
static int check_writer(const struct measurement *measurement, struct error *err)
{
    const char *folder = strchr(measurement->meter.uri, ':') + 1;
    char path[PATH_MAX + 32];
    pid_t pid;
    (void)snprintf(path, sizeof(path), "%s/raw.lock",
                   *folder ? folder : store_sqlite.default_directory);
    if (!file_lock_is_held(path, &pid))
        return 0;
    if (pid == measurement->meter.sensor.pid)
        return 1;
    return error_set(err, -EBUSY, "%s: process %d is writing this store: choose another folder",
                     measurement->meter.uri, (int)pid);
}

/* 0 also while the sensor has not made its store yet. */
static int open_live(struct measurement *measurement, struct error *err)
{
    struct error why = {0};
    const struct live_settings settings = {
        .from_ms = measurement->start_ms,
        .patience_ns = 2 * measurement->interval_ns + NS_PER_S,
    };
    int r = check_writer(measurement, err);
    if (r <= 0)
        return r;
    r = store_open(&measurement->store, measurement->meter.uri, STORE_READ, cli_store_tables, NULL,
                   measurement->log, &why);
    if (r < 0)
        return 0;
    if (measurement->meter.formula.pid == 0)
        r = meter_start_formula(&measurement->meter, err);
    if (r >= 0 && live_open(&measurement->live, measurement->store, &settings, &why) >= 0) {
        measurement->is_following = true;
        return 0;
    }
    store_close(measurement->store);
    measurement->store = NULL;
    return r < 0 ? r : 0;
}

uint64_t measurement_elapsed_ns(const struct measurement *measurement)
{
    int64_t behind_first_ms = measurement->live.shown_ms - measurement->first_ms;
    if (measurement->live.n_ticks == 0 || behind_first_ms < 0)
        return 0;
    return (uint64_t)behind_first_ms * NS_PER_MS + measurement->interval_ns;
}

bool measurement_is_full(const struct measurement *measurement)
{
    return measurement->span_ns > 0 && measurement->live.n_ticks > 0 &&
           measurement_elapsed_ns(measurement) + measurement->interval_ns / 2 >=
               measurement->span_ns;
}

static int look(struct measurement *measurement, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    int r = measurement->is_following ? 0 : open_live(measurement, err);
    while (r >= 0 && measurement->is_following && !measurement_is_full(measurement)) {
        r = live_step(&measurement->live, now_ns, err);
        if (r != LIVE_TICK)
            break;
        if (measurement->live.n_ticks == 1)
            measurement->first_ms = measurement->live.shown_ms;
    }
    if (r >= 0)
        r = meter_check(&measurement->meter, &measurement->child_status, err);
    if (r >= 0 && measurement->live.n_ticks == 0 &&
        now_ns - measurement->start_ns > FIRST_DATA_NS + 3 * measurement->interval_ns)
        r = error_set(err, -ENODATA, "no tick has arrived in %s", measurement->meter.uri);
    return r;
}

int measurement_wait(struct measurement *measurement, int fd, struct error *err)
{
    const struct child *formula = &measurement->meter.formula;
    struct pollfd fds[] = {
        {.fd = fd, .events = POLLIN},
        {.fd = measurement->meter.sensor.pidfd, .events = POLLIN},
        {.fd = formula->pid > 0 ? formula->pidfd : -1, .events = POLLIN},
    };
    if (poll(fds, ARRAY_SIZE(fds), LOOK_MS) < 0 && errno != EINTR)
        return error_set(err, -errno, "poll: %s", strerror(errno));
    int r = look(measurement, err);
    return r < 0 ? r : (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

bool measurement_reaches(const struct measurement *measurement, int64_t at_ms)
{
    return measurement->live.n_ticks > 0 && measurement->live.shown_ms >= at_ms;
}

bool measurement_holds(const struct measurement *measurement, int64_t at_ms)
{
    return measurement->live.n_ticks > 1 && measurement->live.before_ms > at_ms;
}

static void add_target(struct target_sum *sum, const struct energy_entry *entry)
{
    sum->n_targets++;
    sum->dynamic_uj += entry->dynamic_uj;
    sum->cpu_ns += entry->cpu_ns;
    if (isfinite(entry->static_uj))
        sum->static_uj = (isfinite(sum->static_uj) ? sum->static_uj : 0) + entry->static_uj;
}

struct chosen {
    struct target_sum *sum;
    bool (*is_chosen)(const struct identity *identity, void *context);
    void *context;
};

static void fold(const struct energy_entry *entry, void *context)
{
    const struct chosen *chosen = context;
    if (chosen->is_chosen(entry->identity, chosen->context))
        add_target(chosen->sum, entry);
}

bool measurement_sweep(struct measurement *measurement, int64_t now_ms,
                       bool (*is_chosen)(const struct identity *identity, void *context),
                       void *context)
{
    struct chosen chosen = {&measurement->ended, is_chosen, context};
    return sweep_processes(&measurement->sweep, &measurement->live, now_ms, fold, &chosen);
}

void measurement_add_up(const struct measurement *measurement,
                        bool (*is_chosen)(const struct identity *identity, void *context),
                        void *context, struct usage *ret_usage)
{
    struct energy_entry *const *entries;
    size_t n_entries, n_sensors;
    struct target_sum sum = measurement->ended;
    *ret_usage = (struct usage){.energy_j = NAN, .static_j = NAN, .cpu_s = NAN};
    if (!measurement->is_following || measurement->live.n_ticks == 0)
        return;
    energy_sum_sort(measurement->live.targets, ENERGY_BY_NAME, &entries, &n_entries);
    for (size_t i = 0; i < n_entries; i++)
        if (is_chosen(entries[i]->identity, context))
            add_target(&sum, entries[i]);
    ret_usage->n_targets = sum.n_targets;
    ret_usage->cpu_s = (double)sum.cpu_ns / 1e9;
    const struct energy_sensor *sensors = energy_sum_sensors(measurement->live.targets, &n_sensors);
    if (n_sensors == 0 || sensors->covered_ns <= 0)
        return;
    ret_usage->energy_j = (double)sum.dynamic_uj / 1e6;
    /* Who did nothing has no row, and no share. */
    ret_usage->static_j = sum.n_targets == 0 ? 0 : sum.static_uj / 1e6;
}

void measurement_machine(const struct measurement *measurement, struct machine_usage *ret_usage)
{
    size_t n_balances = 0, n_bounded = 0;
    const struct energy_balance *balances = NULL;
    double energy_uj = 0, low_uj = 0, high_uj = 0;
    int64_t covered_ns = 0;
    if (measurement->is_following)
        balances = energy_sum_balances(measurement->live.targets, &n_balances);
    for (size_t i = 0; i < n_balances; i++) {
        if (!balances[i].is_counted || balances[i].measured_ns <= 0)
            continue;
        bool has_bounds = isfinite(balances[i].low_uj) && isfinite(balances[i].high_uj);
        double uj = (double)balances[i].measured_uj;
        n_bounded += has_bounds;
        energy_uj += uj;
        low_uj += has_bounds ? balances[i].low_uj : uj;
        high_uj += has_bounds ? balances[i].high_uj : uj;
        if (covered_ns < balances[i].measured_ns)
            covered_ns = balances[i].measured_ns;
    }
    *ret_usage = (struct machine_usage){
        .energy_j = covered_ns > 0 ? energy_uj / 1e6 : NAN,
        .low_j = n_bounded > 0 ? low_uj / 1e6 : NAN,
        .high_j = n_bounded > 0 ? high_uj / 1e6 : NAN,
        .covered_s = (double)covered_ns / 1e9,
    };
}

void measurement_conclude(const struct measurement *measurement, const struct machine_usage *before,
                          bool (*is_chosen)(const struct identity *identity, void *context),
                          void *context, struct run_result *ret_result)
{
    struct usage usage;
    struct machine_usage after;
    measurement_add_up(measurement, is_chosen, context, &usage);
    measurement_machine(measurement, &after);
    double span_s = after.covered_s - before->covered_s;
    double machine_j = after.energy_j - before->energy_j;
    ret_result->energy_j = usage.energy_j;
    ret_result->static_j = usage.static_j;
    ret_result->cpu_s = usage.cpu_s;
    ret_result->covered_s = span_s;
    ret_result->machine_w = span_s > 0 ? machine_j / span_s : NAN;
    ret_result->low = (after.low_j - before->low_j) / machine_j;
    ret_result->high = (after.high_j - before->high_j) / machine_j;
}

void measurement_end(struct measurement *measurement)
{
    if (measurement->is_following)
        live_close(&measurement->live);
    store_close(measurement->store);
    measurement->store = NULL;
    measurement->is_following = false;
    meter_end(&measurement->meter);
}
