/* SPDX-License-Identifier: BSD-3-Clause */
/* The order of a tick is chosen for a small skew between energy and counts: whatever takes time and
 * measures nothing (topology, the walk over targets, opening counters) comes first; then the
 * sources, a few reads, and right after them the engine. The interval of the counts runs from the
 * middle of one engine reading to the middle of the next, and each energy sample says by how much
 * its own reading lies before that.
 *
 * Nothing here ends the sensor but a lack of memory: what fails is missing from the tick, with a
 * reason, and is logged when it begins to fail. */
#include "sensor/sensor.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "common/powerapi.h"
#include "common/target_record.h"
#include "common/scope.h"
#include "sensor/aligned_reading.h"
#include "sensor/energy_health.h"
#include "sensor/engine_choice.h"
#include "sensor/host_description.h"
#include "sensor/ladder.h"
#include "sensor/outbox.h"
#include "sensor/perf_probe.h"
#include "sensor/recorded_ticks.h"
#include "sensor/store_thread.h"
#include "sensor/target_name.h"
#include "sensor/tick_clock.h"
#include "sensor/tick_energy.h"

/* At most so long without a look at the whole tree of cgroups: a net under what inotify tells, and a
 * wider one under what an engine is told by the kernel, which has been complete: over 100 cgroups a
 * walk costs as much as the tick. */
#define WALK_INTERVAL_NS NS_PER_S
#define WALK_INTERVAL_OF_ENGINE_NS (60 * NS_PER_S)
#define RECORD_INTERVAL_MAX_NS (10 * NS_PER_MS)
#define RUN_MAX ((UINT64_C(1) << 48) - 1) /* 12 hex digits */

struct sensor {
    struct sensor_settings settings;
    const struct host *host;
    struct topology topology;
    int online_fd; /* of topology_is_unchanged */
    struct ladder ladder;
    struct engine *engine;   /* NULL: this machine offers none, or none was asked for */
    struct targets *targets; /* NULL: only energy was asked for */
    struct outbox outbox;
    struct store_thread *store_thread; /* NULL: records are appended between ticks */
    struct tick_clock ticks;
    struct tick_energy energy;
    struct energy_health health;
    bool is_aligned; /* short intervals: readings follow the counters' updates */
    struct aligned_reading aligned;
    uint64_t sent_at_ns;    /* records, to the store or the thread */
    uint64_t looked_at_ns;  /* at the topology, 0: look again */
    uint64_t walked_at_ns;  /* last look at the whole tree of cgroups, 0: none */
    uint64_t counted_at_ns; /* middle of the last engine reading, monotonic clock */
    struct record_key key;  /* of the tick under way, or of the next one */
    uint32_t n_identities;  /* target records of this tick */
    bool host_is_stale;
    bool targets_fail;
    uint64_t n_missed;
    uint64_t n_lost_apart; /* by the thread */
    struct report report;
    struct host_record host_record;
    bson_t scratch;
};

/* ---- opening ---- */

static int start_run(struct sensor *sensor, const char *last_run)
{
    uint64_t run = clock_realtime_ns(sensor->host->clock) / NS_PER_MS;
    char *end;
    uint64_t last = strtoull(last_run, &end, 16);
    if (*last_run && !*end && last >= run && last < RUN_MAX)
        run = last + 1; /* the clock was set back since */
    (void)snprintf(sensor->key.run, sizeof(sensor->key.run), "%012" PRIx64, run & RUN_MAX);
    (void)snprintf(sensor->key.sensor, sizeof(sensor->key.sensor), "%s", sensor->settings.name);
    return 0;
}

static int open_sources(struct sensor *sensor, struct error *err)
{
    const struct sensor_settings *settings = &sensor->settings;
    const struct ladder_settings wanted = {settings->energy, settings->source_settings, NULL};
    int r = ladder_open(&sensor->ladder, &wanted, sensor->host, &sensor->topology, err);
    if (r >= 0)
        r = ladder_check_interval(&sensor->ladder, settings->interval_ns, err);
    if (r >= 0 && sensor->ladder.n_sources == 0)
        log_warning(sensor->host->log, "no energy is measured: %s",
                    sensor->ladder.why[0] ? sensor->ladder.why : "no source could be opened");
    return r;
}

static int open_engine(struct sensor *sensor, struct error *err)
{
    const struct sensor_settings *settings = &sensor->settings;
    bool is_asked_for = strcmp(settings->engine, "auto") != 0 || settings->n_events > 0;
    struct error why = {0};
    int r = engine_open(&sensor->engine, settings, 0, sensor->host, &sensor->topology, &why);
    if (r == ENGINE_NONE)
        return 0;
    if (r >= 0) {
        log_info(sensor->host->log, "%s counts%s%s%s", engine_table[r]->name,
                 why.text[0] ? "; not used, see watt doctor (" : "", why.text,
                 why.text[0] ? ")" : "");
        return 0;
    }
    if (is_asked_for || r == -ENOMEM)
        return error_set(err, r, "%s", why.text);
    log_warning(sensor->host->log, "no target is counted: %s", why.text);
    return 0;
}

/* The tree in which the engine counts; without one, in which one would. */
static void choose_tree(struct sensor *sensor)
{
    const struct engine *engine = sensor->engine;
    if (sensor->targets)
        targets_set_tree(sensor->targets, !engine || engine->ops->is_in_perf_tree);
    sensor->walked_at_ns = 0;
}

static void close_engine(struct sensor *sensor)
{
    size_t n_targets = sensor->targets ? targets_count(sensor->targets) : 0;
    for (size_t i = 0; i < n_targets && sensor->engine; i++)
        sensor->engine->ops->release_target(sensor->engine, targets_at(sensor->targets, i));
    if (sensor->engine)
        sensor->engine->ops->close(sensor->engine);
    sensor->engine = NULL;
}

/* The running engine cannot count any more: the next of the table that can takes over, with a
 * baseline of its own in this tick. */
static int step_down(struct sensor *sensor, const struct error *why)
{
    const char *failed = sensor->engine->ops->name;
    int index = 0;
    while (engine_table[index] != sensor->engine->ops)
        index++;
    close_engine(sensor);
    sensor->host_is_stale = true;
    reasons_add(&sensor->report.reasons, "engine_changed");
    struct sensor_settings any = sensor->settings;
    any.engine = "auto";
    any.n_events = 0; /* what it counts by itself */
    if (engine_open(&sensor->engine, &any, index + 1, sensor->host, &sensor->topology, NULL) ==
        -ENOMEM)
        return -ENOMEM;
    choose_tree(sensor);
    log_warning(sensor->host->log, "engine %s: %s; %s%s from here on", failed, why->text,
                sensor->engine ? sensor->engine->ops->name : "no engine", " counts");
    return 0;
}

/* ---- what a tick consists of ---- */

/* What need not be done at every short tick is done about every SENSOR_STORE_INTERVAL_NS. */
static bool is_due(const struct sensor *sensor, uint64_t last_ns, uint64_t now_ns)
{
    return last_ns == 0 ||
           now_ns - last_ns + sensor->settings.interval_ns / 2 >= SENSOR_STORE_INTERVAL_NS;
}

static void look_at_topology(struct sensor *sensor)
{
    struct topology topology = {0};
    uint64_t now_ns = clock_monotonic_ns(sensor->host->clock);
    if (!is_due(sensor, sensor->looked_at_ns, now_ns))
        return;
    sensor->looked_at_ns = now_ns;
    if (topology_is_unchanged(&sensor->topology, sensor->host, &sensor->online_fd) ||
        topology_has_changed(&sensor->topology, sensor->host) != 1 ||
        topology_read(&topology, sensor->host, NULL) < 0)
        return;
    topology_deinit(&sensor->topology);
    sensor->topology = topology;
    sensor->host_is_stale = true;
    reasons_add(&sensor->report.reasons, "topology");
}

/* Logs the first failure of a row; true while it fails. */
static bool complain(const struct sensor *sensor, bool was_failing, int r, const char *what,
                     const struct error *err)
{
    if (r < 0 && !was_failing)
        log_warning(sensor->host->log, "%s: %s", what, err->text[0] ? err->text : strerror(-r));
    return r < 0;
}

static bool tree_has_changed(struct sensor *sensor)
{
    const struct engine *engine = sensor->engine;
    if (engine && engine->ops->tree_has_changed)
        return engine->ops->tree_has_changed(sensor->engine);
    return targets_tree_has_changed(sensor->targets);
}

static uint64_t walk_interval_ns(const struct sensor *sensor)
{
    const struct engine *engine = sensor->engine;
    return engine && engine->ops->tree_has_changed ? WALK_INTERVAL_OF_ENGINE_NS : WALK_INTERVAL_NS;
}

/* The tree of cgroups is walked when it has changed, and now and then in any case. */
static int refresh_targets(struct sensor *sensor, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns(sensor->host->clock);
    /* Asked in any case, and before the walk: what changes during it is seen at the next. */
    bool has_changed = tree_has_changed(sensor);
    if (!has_changed && sensor->walked_at_ns &&
        now_ns - sensor->walked_at_ns < walk_interval_ns(sensor)) {
        targets_keep(sensor->targets);
        return 0;
    }
    int r = targets_refresh(sensor->targets, err);
    sensor->walked_at_ns = r < 0 ? 0 : now_ns;
    return r;
}

enum { ENGINE_STEPPED_DOWN = 1 }; /* of hand_targets_over */

static int hand_targets_over(struct sensor *sensor)
{
    struct error err = {0};
    int r =
        sensor->engine->ops->set_targets(sensor->engine, sensor->targets, &sensor->topology, &err);
    sensor->host_is_stale |= r == ENGINE_HAS_CHANGED;
    if (r >= 0 || r == -ENOMEM)
        return r < 0 ? r : 0;
    r = step_down(sensor, &err);
    return r < 0 ? r : ENGINE_STEPPED_DOWN;
}

static int look_at_targets(struct sensor *sensor)
{
    struct error err = {0};
    if (!sensor->targets)
        return 0;
    int r = refresh_targets(sensor, &err);
    if (r == -ENOMEM)
        return r;
    sensor->targets_fail = complain(sensor, sensor->targets_fail, r, "looking for targets", &err);
    if (r < 0)
        reasons_add(&sensor->report.reasons, "targets_unreadable");
    if (!sensor->engine)
        return 0;
    do
        r = hand_targets_over(sensor);
    while (r == ENGINE_STEPPED_DOWN && sensor->engine);
    return r < 0 ? r : 0;
}

/* A source that fails may have lost its CPU. */
static void look_again_after_failure(struct sensor *sensor)
{
    for (size_t i = 0; i < sensor->report.n_energy; i++) {
        const struct energy_sample *sample = &sensor->report.energy[i];
        if (!sample->valid && !sample_is_no_update(sample))
            sensor->looked_at_ns = 0;
    }
}

/* What the kernel has recorded is aligned already. */
static int read_energy(struct sensor *sensor)
{
    struct report *report = &sensor->report;
    if (sensor->is_aligned && !sensor->ladder.is_recorded)
        return aligned_reading_take(&sensor->aligned, &sensor->ladder, &sensor->topology, report);
    int r = ladder_read(&sensor->ladder, &sensor->topology, report);
    return r >= 0 && sensor->is_aligned ? held_spans_fold(&sensor->aligned.held, report, 0) : r;
}

/* Reads energy, then counts; *ret_at_ns is the middle of the counters' reading. */
static int measure(struct sensor *sensor, uint64_t *ret_at_ns)
{
    struct report *report = &sensor->report;
    int r = read_energy(sensor);
    if (r < 0)
        return r;
    sensor->host_is_stale |= sensor->ladder.has_changed;
    sensor->ladder.has_changed = false;
    look_again_after_failure(sensor);
    uint64_t before_ns = clock_monotonic_ns(sensor->host->clock);
    if (sensor->engine)
        r = sensor->engine->ops->read(sensor->engine, sensor->targets, &sensor->topology, report);
    if (r < 0)
        return r;
    uint64_t after_ns = clock_monotonic_ns(sensor->host->clock);
    *ret_at_ns = before_ns + (after_ns - before_ns) / 2;
    return sensor->targets ? ladder_count(&sensor->ladder, sensor->targets, report) : 0;
}

/* ---- what is said of it ---- */

static int send_host(struct sensor *sensor, struct error *err)
{
    struct measuring measuring = {.ladder = &sensor->ladder,
                                  .engine = sensor->engine,
                                  .has_targets = sensor->targets != NULL,
                                  .granularity = sensor->settings.granularity,
                                  .interval_ns = sensor->settings.interval_ns};
    struct host_record *record = &sensor->host_record;
    struct document document;
    host_record_clear(record);
    record->key = sensor->key;
    int r = host_description_fill(record, sensor->host, &sensor->topology, &measuring);
    if (r >= 0)
        r = energy_health_describe(&sensor->health, clock_monotonic_ns(sensor->host->clock),
                                   record);
    if (r >= 0)
        r = host_record_encode(record, &sensor->scratch, &document, err);
    if (r >= 0)
        r = outbox_add(&document, &sensor->outbox);
    if (r >= 0)
        sensor->host_is_stale = false;
    return r;
}

static int send_identity(struct sensor *sensor, struct target_record *identity, struct error *err)
{
    struct document document;
    identity->key = sensor->key;
    identity->ordinal = sensor->n_identities++;
    int r = target_record_encode(identity, &sensor->scratch, &document, err);
    return r < 0 ? r : outbox_add(&document, &sensor->outbox);
}

static int send_identities(struct sensor *sensor, struct error *err)
{
    int r = 0;
    if (!sensor->targets || !targets_have_unannounced(sensor->targets))
        return 0;
    for (size_t i = 0; i < targets_count(sensor->targets) && r >= 0; i++) {
        struct target *target = targets_at(sensor->targets, i);
        struct target_names names;
        struct target_record identity;
        if (target->is_announced)
            continue;
        target_describe(target, &identity, &names);
        r = send_identity(sensor, &identity, err);
        if (r >= 0)
            target->is_announced = true;
    }
    if (r >= 0)
        targets_all_announced(sensor->targets);
    return r;
}

static int queue_tick(struct sensor *sensor, struct error *err)
{
    if (sensor->settings.write_powerapi)
        return report_encode_powerapi(&sensor->report, &sensor->scratch, outbox_add,
                                      &sensor->outbox, err);
    int r = sensor->host_is_stale ? send_host(sensor, err) : 0;
    if (r >= 0)
        r = send_identities(sensor, err);
    if (r >= 0)
        r = report_encode(&sensor->report, &sensor->scratch, outbox_add, &sensor->outbox, err);
    return r;
}

static void announce_anew(struct sensor *sensor)
{
    if (sensor->targets)
        targets_announce_anew(sensor->targets);
    sensor->host_is_stale = true;
}

static int send_queue(struct sensor *sensor, uint64_t now_ns)
{
    struct error why = {0};
    int r = sensor->store_thread ? store_thread_take(sensor->store_thread, sensor->outbox.batch)
                                 : outbox_send(&sensor->outbox, &why);
    if (r == OUTBOX_LOST)
        announce_anew(sensor);
    sensor->sent_at_ns = now_ns;
    return r < 0 ? r : 0;
}

static void release(struct target *target, void *context)
{
    struct sensor *sensor = context;
    if (sensor->engine)
        sensor->engine->ops->release_target(sensor->engine, target);
}

/* ---- the interface ---- */

static int take_baseline(struct sensor *sensor, struct error *err)
{
    struct report *report = &sensor->report;
    report_clear(report);
    int r = look_at_targets(sensor);
    if (r >= 0)
        r = measure(sensor, &sensor->counted_at_ns);
    if (r < 0)
        return error_set(err, r, "the first reading: %s", strerror(-r));
    aligned_reading_forget(&sensor->aligned);
    if (sensor->settings.write_powerapi)
        return 0;
    r = send_host(sensor, err);
    return r < 0 ? r : send_queue(sensor, sensor->counted_at_ns);
}

int sensor_new(struct sensor **ret_sensor, const struct sensor_settings *settings,
               const struct host *host, struct store *store, const char *last_run,
               struct error *err)
{
    struct sensor *sensor = calloc(1, sizeof(*sensor));
    if (!sensor)
        return -ENOMEM;
    sensor->settings = *settings;
    sensor->host = host;
    sensor->online_fd = -1;
    report_init(&sensor->report);
    host_record_init(&sensor->host_record);
    bson_init(&sensor->scratch);
    tick_clock_start(&sensor->ticks, host->clock);
    sensor->key.timestamp_ms = sensor->ticks.last_stamp_ms;
    sensor->is_aligned =
        !settings->is_unaligned && settings->interval_ns < UPDATE_PHASE_INTERVAL_MAX_NS;
    aligned_reading_init(&sensor->aligned, settings->interval_ns);
    int r = topology_read(&sensor->topology, host, err);
    if (r >= 0)
        r = start_run(sensor, last_run ? last_run : "");
    if (r >= 0)
        r = outbox_init(&sensor->outbox, store, host->log);
    if (r >= 0)
        r = open_sources(sensor, err);
    if (r >= 0)
        r = open_engine(sensor, err);
    if (r >= 0 && strcmp(settings->engine, "none") != 0)
        r = targets_new(&sensor->targets, host, settings->granularity, settings->rules);
    choose_tree(sensor);
    if (r >= 0)
        r = take_baseline(sensor, err);
    if (r < 0) {
        sensor_free(sensor);
        return r;
    }
    *ret_sensor = sensor;
    return 0;
}

int sensor_tick(struct sensor *sensor, uint64_t n_periods, struct error *err)
{
    struct report *report = &sensor->report;
    uint64_t at_ns;
    report_clear(report);
    sensor->n_identities = 0;
    look_at_topology(sensor);
    int r = look_at_targets(sensor);
    tick_clock_look(&sensor->ticks);
    if (r >= 0)
        r = measure(sensor, &at_ns);
    if (r < 0)
        return error_set(err, r, "reading a tick: %s", strerror(-r));
    bool has_slept =
        tick_clock_stamp(&sensor->ticks, at_ns, &sensor->key.timestamp_ms, &report->reasons);
    if (!sensor->engine && sensor->targets)
        reasons_add(&report->reasons, "no_engine");
    report->key = sensor->key;
    report->dt_ns = (int64_t)(at_ns - sensor->counted_at_ns);
    report->missed = n_periods > 1 ? (int64_t)(n_periods - 1) : 0;
    sensor->n_missed += (uint64_t)report->missed;
    if (report->missed > 0)
        reasons_add(&report->reasons, "merged");
    tick_energy_end(&sensor->energy, report, at_ns, sensor->ticks.slept_until_ns, has_slept);
    if (has_slept)
        aligned_reading_forget(&sensor->aligned);
    r = energy_health_note(&sensor->health, report, at_ns, sensor->host->log);
    sensor->host_is_stale |= energy_health_is_due(&sensor->health, at_ns);
    if (r >= 0)
        r = queue_tick(sensor, err);
    if (r < 0)
        return r;
    if (sensor->targets)
        targets_sweep(sensor->targets, release, sensor);
    sensor->counted_at_ns = at_ns;
    sensor->key.seq++;
    bool is_due_now = !sensor->ladder.is_recorded && is_due(sensor, sensor->sent_at_ns, at_ns);
    return is_due_now ? send_queue(sensor, at_ns) : 0;
}

int64_t sensor_offset_ns(const struct sensor *sensor)
{
    return sensor->is_aligned ? sensor->aligned.phase.offset_ns : 0;
}

int sensor_start_source_threads(struct sensor *sensor)
{
    return ladder_start_threads(&sensor->ladder, sensor->settings.interval_ns);
}

int sensor_start_store_thread(struct sensor *sensor, void (*appended)(void *context), void *context)
{
    return store_thread_start(&sensor->store_thread, sensor->outbox.store, sensor->host->log,
                              appended, context);
}

static bool may_record(const struct sensor *sensor)
{
    return strcmp(sensor->settings.engine, "none") == 0 &&
           sensor->settings.interval_ns <= RECORD_INTERVAL_MAX_NS;
}

int sensor_record(struct sensor *sensor, struct recorded_ticks *ticks, uint64_t first_ns)
{
    struct recording_plan plan = {.first_ns = first_ns,
                                  .interval_ns = sensor->settings.interval_ns,
                                  .is_aligned = sensor->is_aligned};
    struct source *source = ladder_sole_source(&sensor->ladder);
    if (!may_record(sensor))
        return -ENOTSUP;
    if (!source)
        return -EAGAIN;
    int r = source->ops->record ? recorded_ticks_start(ticks, source, &plan) : -ENOTSUP;
    if (r == -EAGAIN)
        return r;
    sensor->ladder.is_recorded = r >= 0;
    log_debug(sensor->host->log, "%s: %s%s", source->ops->name,
              r < 0 ? "each reading wakes the sensor, as the kernel does not take them by itself: "
                    : "the kernel takes the readings",
              r < 0 ? strerror(-r) : "");
    return r;
}

int sensor_hand_over(struct sensor *sensor)
{
    return send_queue(sensor, clock_monotonic_ns(sensor->host->clock));
}

bool sensor_wants_to_read(const struct sensor *sensor)
{
    return sensor->ladder.wants_another;
}

uint64_t sensor_end_recording(struct sensor *sensor, struct recorded_ticks *ticks)
{
    sensor->ladder.is_recorded = sensor->ladder.wants_another = false;
    update_phase_init(&sensor->aligned.phase, sensor->settings.interval_ns);
    return recorded_ticks_end(ticks);
}

void sensor_set_rules(struct sensor *sensor, const struct target_rules *rules)
{
    sensor->settings.rules = rules;
    if (sensor->targets)
        targets_set_rules(sensor->targets, rules);
    sensor->walked_at_ns = 0; /* the tree is walked anew, changed or not */
}

int sensor_flush(struct sensor *sensor, struct error *err)
{
    struct error why = {0};
    if (sensor->health.has_news && !sensor->settings.write_powerapi) {
        int r = send_host(sensor, err);
        if (r < 0)
            return r;
    }
    sensor->n_lost_apart += store_thread_end(STEAL(sensor->store_thread), sensor->outbox.batch);
    if (outbox_send(&sensor->outbox, &why) != OUTBOX_HELD)
        return 0;
    return error_set(err, why.code ? why.code : -EIO, "%zu records were not stored: %s",
                     batch_count(sensor->outbox.batch), why.text);
}

uint64_t sensor_capabilities(const struct sensor *sensor)
{
    uint64_t capabilities = ladder_capabilities(&sensor->ladder, may_record(sensor));
    if (sensor->targets)
        capabilities |= UINT64_C(1) << CAP_DAC_READ_SEARCH; /* cgroups of others, by id too */
    bool sees_processes = sensor->settings.granularity == GRANULARITY_PROCESS ||
                          ladder_counts_users(&sensor->ladder);
    if (sensor->targets && sees_processes)
        capabilities |= UINT64_C(1) << CAP_SYS_PTRACE; /* where /proc hides them (hidepid) */
    if (sensor->engine)
        capabilities |= sensor->engine->ops->capabilities;
    if (sensor->engine && sensor->engine->ops->opens_events && perf_wants_admin(sensor->host))
        capabilities |= UINT64_C(1) << CAP_SYS_ADMIN;
    return capabilities;
}

uint64_t sensor_missed(const struct sensor *sensor)
{
    return sensor->n_missed;
}

uint64_t sensor_lost(const struct sensor *sensor)
{
    return batch_dropped(sensor->outbox.batch) + sensor->n_lost_apart;
}

void sensor_free(struct sensor *sensor)
{
    if (!sensor)
        return;
    close_engine(sensor);
    targets_free(sensor->targets);
    ladder_close(&sensor->ladder);
    topology_deinit(&sensor->topology);
    if (sensor->online_fd >= 0)
        (void)close(sensor->online_fd);
    energy_health_deinit(&sensor->health);
    aligned_reading_deinit(&sensor->aligned);
    (void)store_thread_end(sensor->store_thread, sensor->outbox.batch);
    outbox_deinit(&sensor->outbox);
    report_deinit(&sensor->report);
    host_record_deinit(&sensor->host_record);
    bson_destroy(&sensor->scratch);
    free(sensor);
}
