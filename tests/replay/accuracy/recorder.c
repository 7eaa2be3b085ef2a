/* SPDX-License-Identifier: BSD-3-Clause */
/* RAPL as it is: a counter in units of 2^-14 J that is read a little early or late, with noise.
 * The raw records have system-wide totals, so that what has no target can be seen; HWPCReports have
 * none and no CPU time, as PowerAPI's sensor is usually set up. Truth is written as watts of our
 * own schema, so that whoever compares needs no second format; its measured energy is what the
 * meter should have shown, also where an outlier was recorded instead. */
#include "tests/replay/accuracy/recorder.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/error.h"
#include "common/events.h"
#include "common/host_record.h"
#include "common/json_text.h"
#include "common/powerapi.h"
#include "common/target_record.h"

#define START_MS INT64_C(1767225600000) /* 2026-01-01 */
#define PERIOD_NS 1000000000
#define UNIT_J 0x1p-14
#define MAX_W 250.0

enum { CPU_NS, CYCLES, INSTRUCTIONS, LLC_MISSES, REF_CYCLES, N_EVENTS };
static const char *const event_names[N_EVENTS] = {EVENT_CPU_NS, EVENT_CYCLES, EVENT_INSTRUCTIONS,
                                                  EVENT_LLC_MISSES, EVENT_REF_CYCLES};
static const enum domain domains[2] = {DOMAIN_PACKAGE, DOMAIN_DRAM};

static int write_line(const struct document *document, void *context)
{
    FILE *stream = context;
    bson_t bson;
    if (!bson_init_static(&bson, document->bytes, document->size_bytes))
        return -EBADMSG;
    int r = json_write(stream, &bson, NULL);
    return r < 0 ? r : fputc('\n', stream) == EOF ? -EIO : 0;
}

/* ---- the machine ---- */

static int describe_host(const struct recorder *recorder, struct host_record *host)
{
    unsigned n_packages = recorder->world->machine.n_packages;
    host->key = recorder->key;
    (void)snprintf(host->version, sizeof(host->version), "generated");
    (void)snprintf(host->engine, sizeof(host->engine), "bpf");
    (void)snprintf(host->granularity, sizeof(host->granularity), "process");
    (void)snprintf(host->cpu_vendor, sizeof(host->cpu_vendor), "generated");
    (void)snprintf(host->cpu_name, sizeof(host->cpu_name), "generated");
    host->interval_ns = PERIOD_NS;
    for (unsigned p = 0; p < n_packages; p++) {
        struct host_package *package;
        if (host_record_add_package(host, &package) < 0)
            return -ENOMEM;
        *package =
            (struct host_package){(int32_t)p, 2 * CORES, (int64_t)BASE_HZ, (int64_t)MAX_HZ, MAX_W};
    }
    for (unsigned i = 0; i < 2 * n_packages; i++) {
        struct host_source *source;
        if (host_record_add_source(host, &source) < 0)
            return -ENOMEM;
        *source = (struct host_source){.domain = domains[i / n_packages],
                                       .package = (int32_t)(i % n_packages),
                                       .source = "powercap",
                                       .unit_uj = UNIT_J * 1e6,
                                       .range_uj = VALUE_ABSENT,
                                       .peak_w = NAN,
                                       .floor_w = NAN};
    }
    for (unsigned e = 0; e < N_EVENTS; e++) {
        struct host_event *event;
        if (host_record_add_event(host, &event) < 0)
            return -ENOMEM;
        memset(event, 0, sizeof(*event));
        (void)snprintf(event->name, sizeof(event->name), "%s", event_names[e]);
    }
    return 0;
}

static int write_host(struct recorder *recorder, struct error *err)
{
    struct host_record host;
    struct document document;
    host_record_init(&host);
    int r = describe_host(recorder, &host);
    if (r >= 0)
        r = host_record_encode(&host, &recorder->scratch, &document, err);
    if (r >= 0 && recorder->raw)
        r = write_line(&document, recorder->raw);
    host_record_deinit(&host);
    return r;
}

int recorder_init(struct recorder *recorder, struct world *world, uint64_t seed, FILE *raw,
                  FILE *hwpc, FILE *truth, struct error *err)
{
    memset(recorder, 0, sizeof(*recorder));
    recorder->raw = raw;
    recorder->hwpc = hwpc;
    recorder->truth = truth;
    recorder->world = world;
    recorder->chance.state = seed * 31 + 7;
    (void)snprintf(recorder->key.sensor, SENSOR_NAME_SIZE, "%s", world->scenario->name);
    (void)snprintf(recorder->key.run, RUN_SIZE, "%012llx", (unsigned long long)START_MS);
    recorder->key.timestamp_ms = START_MS;
    report_init(&recorder->report);
    power_record_init(&recorder->power);
    bson_init(&recorder->scratch);
    int r = write_host(recorder, err);
    return r < 0 ? error_wrap(err, r, "host record") : 0;
}

void recorder_deinit(struct recorder *recorder)
{
    report_deinit(&recorder->report);
    power_record_deinit(&recorder->power);
    bson_destroy(&recorder->scratch);
}

/* ---- who ---- */

static int announce(struct recorder *recorder, struct program *program, uint32_t ordinal,
                    struct error *err)
{
    struct document document;
    const struct target_record target = {
        .key = recorder->key,
        .ordinal = ordinal,
        .target = program->target,
        .target_kind = "process",
        .name = program->command,
        .cgroup = program->cgroup,
        .cgroup_inode = VALUE_ABSENT,
        .pid = program->pid,
        .start_ticks = program->start_ticks,
        .comm = program->command,
    };
    program->is_announced = true;
    if (!recorder->raw)
        return 0;
    int r = target_record_encode(&target, &recorder->scratch, &document, err);
    return r < 0 ? r : write_line(&document, recorder->raw);
}

static int announce_new(struct recorder *recorder, struct error *err)
{
    struct world *world = recorder->world;
    uint32_t ordinal = 0;
    for (size_t i = 0; i < world->n_programs; i++) {
        struct program *program = world->programs[i];
        if (program->is_announced || !program->is_monitored)
            continue;
        int r = announce(recorder, program, ordinal++, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- counts ---- */

/* What the counters showed, scaled as a reader would scale it; running_share below 1 makes it a
 * guess. */
static void observe(struct recorder *recorder, const struct work *work, double running_share,
                    double counts[N_EVENTS])
{
    const double exact[N_EVENTS] = {
        [CPU_NS] = work->cpu_s * 1e9,        [CYCLES] = work->cycles,
        [INSTRUCTIONS] = work->instructions, [LLC_MISSES] = work->misses,
        [REF_CYCLES] = work->ref_cycles,
    };
    double doubt = 0.02 * sqrt((1 - running_share) / running_share);
    double common = 1 + doubt * chance_normal(&recorder->chance);
    for (unsigned e = 0; e < N_EVENTS; e++) {
        double own = 1 + 0.5 * doubt * chance_normal(&recorder->chance);
        counts[e] = fmax(exact[e] * (e == CPU_NS ? 1 : common * own), 0);
    }
}

static void fill_row(struct report *report, struct count_row *row, const double *counts,
                     double running_share, int64_t dt_ns)
{
    int64_t *cells = report_counts(report, row);
    for (unsigned e = 0; e < N_EVENTS; e++)
        cells[e] = llrint(counts[e] * running_share);
    row->has_counts = true;
    row->enabled_ns = dt_ns;
    row->running_ns = llrint((double)dt_ns * running_share);
}

static int add_target(struct recorder *recorder, const struct program *program, unsigned package,
                      double totals[N_EVENTS])
{
    const struct work *work = &program->runner.work[package];
    struct report *report = &recorder->report;
    double share =
        recorder->world->scenario->is_multiplexed ? chance_between(&recorder->chance, 0.2, 0.9) : 1;
    double counts[N_EVENTS];
    observe(recorder, work, share, counts);
    if (work->cpu_s * 1e9 < 1000)
        return 0;
    for (unsigned e = 0; e < N_EVENTS; e++)
        totals[e] += counts[e];
    if (!program->is_monitored)
        return 0;
    struct count_row *row;
    int r = report_add_target(report, &row);
    if (r < 0)
        return r;
    row->target = program->target;
    row->package = (int32_t)package;
    fill_row(report, row, counts, share, report->dt_ns);
    return 0;
}

static int add_counts(struct recorder *recorder, unsigned package)
{
    struct world *world = recorder->world;
    double totals[N_EVENTS] = {0};
    for (size_t i = 0; i < world->n_programs; i++) {
        int r = add_target(recorder, world->programs[i], package, totals);
        if (r < 0)
            return r;
    }
    struct count_row *row;
    int r = report_add_total(&recorder->report, &row);
    if (r < 0)
        return r;
    row->package = (int32_t)package;
    fill_row(&recorder->report, row, totals, 1, recorder->report.dt_ns);
    return 0;
}

static int add_clock(struct recorder *recorder, unsigned index, double seconds)
{
    const struct package *package = &recorder->world->machine.packages[index];
    struct clock_sample *clock;
    int r = report_add_clock(&recorder->report, &clock);
    if (r < 0)
        return r;
    clock->package = (int32_t)index;
    clock->tsc = llrint(TSC_HZ * 2 * CORES * seconds);
    clock->aperf = llrint(package->aperf);
    clock->mperf = llrint(package->mperf);
    return 0;
}

/* ---- energy ---- */

static double dynamic_j(const struct work *work, unsigned d)
{
    return d == 0 ? work->package_j : work->dram_j;
}

static double idle_j(const struct package *package, unsigned d)
{
    return d == 0 ? package->idle_j : package->dram_idle_j;
}

static double spent_j(const struct world *world, unsigned d, unsigned package)
{
    double sum = idle_j(&world->machine.packages[package], d);
    for (size_t i = 0; i < world->n_programs; i++)
        sum += dynamic_j(&world->programs[i]->runner.work[package], d);
    return sum;
}

/* What the counter says was used, in whole units. */
static int64_t read_meter(struct recorder *recorder, unsigned d, unsigned package, double joules,
                          double seconds)
{
    struct meter *meter = &recorder->meters[d][package];
    double power_w = joules / seconds;
    double noise_w = d == 0 ? 0.1 + 0.004 * power_w : 0.03 + 0.008 * power_w;
    meter->true_j += joules;
    meter->skew_s = 0.0005 * chance_normal(&recorder->chance);
    double shown_j = meter->true_j + meter->skew_s * power_w +
                     noise_w * sqrt(seconds) * chance_normal(&recorder->chance);
    double units = fmax(floor(shown_j / UNIT_J), meter->read_units);
    double used_uj = (units - meter->read_units) * UNIT_J * 1e6;
    meter->read_units = units;
    return llrint(used_uj);
}

/* What cannot be right: a reset, a wrapped counter, an update that came one tick late, a burst. */
static void spoil(struct recorder *recorder, struct meter *meter, struct energy_sample *sample)
{
    sample->energy_uj += meter->held_back_uj;
    meter->held_back_uj = 0;
    if (!chance_is(&recorder->chance, recorder->world->scenario->outlier_share))
        return;
    double which = chance_between(&recorder->chance, 0, 1);
    if (which < 0.15) {
        sample->valid = false;
        sample->energy_uj = VALUE_ABSENT;
        (void)snprintf(sample->reason, sizeof(sample->reason), "counter_reset");
    } else if (which < 0.3) {
        sample->energy_uj += INT64_C(262144000000);
    } else if (which < 0.6) {
        meter->held_back_uj = sample->energy_uj / 2;
        sample->energy_uj -= meter->held_back_uj;
    } else {
        sample->energy_uj =
            llrint((double)sample->energy_uj * chance_between(&recorder->chance, 1.6, 4));
    }
}

static int add_balance(struct recorder *recorder, unsigned d, unsigned package, int64_t measured_uj,
                       double seconds)
{
    const struct world *world = recorder->world;
    double dynamic = 0, idle = idle_j(&world->machine.packages[package], d);
    for (size_t i = 0; i < world->n_programs; i++)
        dynamic += dynamic_j(&world->programs[i]->runner.work[package], d);
    struct balance_row *row;
    int r = power_record_add_balance(&recorder->power, &row);
    if (r < 0)
        return r;
    row->domain = domains[d];
    row->package = (int32_t)package;
    row->dt_ns = recorder->report.dt_ns;
    row->measured_uj = measured_uj;
    row->measured_w = (double)measured_uj * 1e-6 / seconds;
    row->idle_w = idle / seconds;
    row->dynamic_w = dynamic / seconds;
    row->unattributed_w =
        row->measured_w - row->idle_w - row->dynamic_w; /* noise, of either sign */
    return 0;
}

static int add_energy(struct recorder *recorder, unsigned d, unsigned package, double seconds)
{
    double joules = spent_j(recorder->world, d, package);
    int64_t clean_uj = read_meter(recorder, d, package, joules, seconds);
    struct energy_sample *sample;
    int r = report_add_energy(&recorder->report, &sample);
    if (r < 0)
        return r;
    sample->domain = domains[d];
    sample->package = (int32_t)package;
    (void)snprintf(sample->source, sizeof(sample->source), "powercap");
    sample->valid = true;
    sample->dt_ns = recorder->report.dt_ns;
    sample->energy_uj = clean_uj;
    spoil(recorder, &recorder->meters[d][package], sample);
    return add_balance(recorder, d, package, clean_uj, seconds);
}

/* ---- truth ---- */

static int add_truth(struct recorder *recorder, const char *target, unsigned d, unsigned package,
                     double joules, double seconds)
{
    const struct balance_row *balance = NULL;
    for (size_t i = 0; i < recorder->power.n_balance; i++)
        if (recorder->power.balance[i].domain == domains[d] &&
            recorder->power.balance[i].package == (int32_t)package)
            balance = &recorder->power.balance[i];
    struct power_row *row;
    int r = power_record_add_target(&recorder->power, &row);
    if (r < 0 || !balance)
        return r;
    double share = joules / seconds / balance->dynamic_w;
    *row = (struct power_row){
        .target = target,
        .domain = domains[d],
        .package = (int32_t)package,
        .dynamic_w = joules / seconds,
        .static_w = balance->idle_w * share,
        .dynamic_uj = llrint(joules * 1e6),
        .share = share,
        .sigma_w = NAN,
    };
    return 0;
}

static int add_truths(struct recorder *recorder, unsigned d, unsigned package, double seconds)
{
    const struct world *world = recorder->world;
    double other_j = 0;
    for (size_t i = 0; i < world->n_programs; i++) {
        const struct program *program = world->programs[i];
        double joules = dynamic_j(&program->runner.work[package], d);
        if (!program->is_monitored)
            other_j += joules;
        if (!program->is_monitored || joules <= 0)
            continue;
        int r = add_truth(recorder, program->target, d, package, joules, seconds);
        if (r < 0)
            return r;
    }
    return other_j > 0 ? add_truth(recorder, OTHER_TARGET, d, package, other_j, seconds) : 0;
}

/* ---- ticks ---- */

static int64_t choose_span_ns(struct recorder *recorder)
{
    struct chance *chance = &recorder->chance;
    double periods = 1, late_s = 0.0002 * chance_normal(chance);
    if (chance_is(chance, recorder->world->scenario->missed_share)) {
        recorder->report.missed = 1 + chance_below(chance, 4);
        periods += (double)recorder->report.missed;
        late_s = chance_between(chance, 0, 0.2);
    }
    return llrint((periods + late_s) * PERIOD_NS);
}

static int begin_tick(struct recorder *recorder)
{
    report_clear(&recorder->report);
    recorder->report.missed = 0;
    recorder->report.dt_ns = choose_span_ns(recorder);
    int r = world_run(recorder->world, (double)recorder->report.dt_ns * 1e-9);
    recorder->key.timestamp_ms = START_MS + (int64_t)(recorder->world->now_s * 1000);
    recorder->key.seq++;
    recorder->report.key = recorder->key;
    power_record_clear(&recorder->power);
    recorder->power.key = recorder->key;
    recorder->power.dt_ns = recorder->report.dt_ns;
    recorder->power.valid = true;
    (void)snprintf(recorder->power.label, LABEL_SIZE, TRUTH_LABEL);
    (void)snprintf(recorder->power.model, WORD_SIZE, TRUTH_LABEL);
    for (unsigned e = 0; e < N_EVENTS && r >= 0; e++)
        r = report_add_event(&recorder->report, event_names[e]);
    return r;
}

static int fill_tick(struct recorder *recorder)
{
    double seconds = (double)recorder->report.dt_ns * 1e-9;
    unsigned n_packages = recorder->world->machine.n_packages;
    int r = 0;
    for (unsigned i = 0; i < 2 * n_packages && r >= 0; i++)
        r = add_energy(recorder, i / n_packages, i % n_packages, seconds);
    for (unsigned p = 0; p < n_packages && r >= 0; p++) {
        r = add_clock(recorder, p, seconds);
        if (r >= 0)
            r = add_counts(recorder, p);
    }
    for (unsigned i = 0; i < 2 * n_packages && r >= 0; i++)
        r = add_truths(recorder, i / n_packages, i % n_packages, seconds);
    return r;
}

/* PowerAPI's sensor has no word for an energy that is not known: a counter that was reset shows 0.
 */
static void swap_unknown_energy(struct report *report, bool hide)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        struct energy_sample *sample = &report->energy[i];
        if (sample->reason[0] == '\0')
            continue;
        sample->valid = hide;
        sample->energy_uj = hide ? 0 : VALUE_ABSENT;
    }
}

/* The same tick without what PowerAPI's sensor does not tell: totals, and CPU time, which is the
 * first count of each row. */
static int write_hwpc(struct recorder *recorder, struct error *err)
{
    struct report view = recorder->report;
    view.n_total = 0;
    view.events++;
    view.n_events--;
    for (size_t i = 0; i < view.n_targets; i++)
        view.targets[i].first_count++;
    swap_unknown_energy(&view, true);
    int r = report_encode_powerapi(&view, &recorder->scratch, write_line, recorder->hwpc, err);
    swap_unknown_energy(&view, false);
    for (size_t i = 0; i < view.n_targets; i++)
        view.targets[i].first_count--;
    return r;
}

static int write_tick(struct recorder *recorder, struct error *err)
{
    int r = announce_new(recorder, err);
    if (r >= 0 && recorder->raw)
        r = report_encode(&recorder->report, &recorder->scratch, write_line, recorder->raw, err);
    if (r >= 0 && recorder->hwpc)
        r = write_hwpc(recorder, err);
    if (r >= 0 && recorder->truth)
        r = power_record_encode(&recorder->power, &recorder->scratch, write_line, recorder->truth,
                                err);
    return r;
}

int recorder_tick(struct recorder *recorder, struct error *err)
{
    int r = begin_tick(recorder);
    if (r >= 0)
        r = fill_tick(recorder);
    if (r < 0)
        return error_set(err, r, "out of memory");
    r = write_tick(recorder, err);
    if (r < 0)
        return error_wrap(err, r, "tick %llu", (unsigned long long)recorder->key.seq);
    world_bury(recorder->world);
    return 0;
}
