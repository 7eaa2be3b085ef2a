/* SPDX-License-Identifier: BSD-3-Clause */
/* One sensor: on each tick it looks at the targets, reads the sources and the engine, and hands encoded records to a store. It knows the
 * machine only through host, the time only through host->clock; main() owns the timer. */
#pragma once

#include "common/store/store.h"
#include "sensor/engine.h"
#include "sensor/source.h"

struct recorded_ticks;

struct sensor_settings {
    const char *name;             /* valid sensor name */
    uint64_t interval_ns;
    const char *energy;           /* "auto" or a source's name */
    const char *engine;           /* "auto", an engine's name, or "none": no targets, no counts, only energy */
    enum granularity granularity;
    const struct target_rules *rules;
    const char *const *events;
    size_t n_events;
    bool write_powerapi;          /* HWPCReports instead of native records */
    bool is_unaligned;            /* never wait for a counter's update */
    const void *const *source_settings; /* [row of source_table], as parsed */
    const void *const *engine_settings; /* [row of engine_table] */
};

struct sensor;

/* Opens everything (the last place to fail visibly) and takes the baselines. run: start in ms, forced above last_run (the newest one stored,
 * "" if none). store is borrowed, already open for writing. No usable energy source is not a failure: reports then carry no energy. */
int sensor_new(struct sensor **ret_sensor, const struct sensor_settings *settings, const struct host *host,
               struct store *store, const char *last_run, struct error *err);
/* One tick: n_periods timer periods have passed (1; more: the surplus counts as missed). Never waits for the store: what it does not take stays
 * in a bounded queue. Returns 0 or a negative errno that ends the sensor (-ENOMEM). */
int sensor_tick(struct sensor *sensor, uint64_t n_periods, struct error *err);
/* Other rules from the next tick on; they replace settings.rules and are borrowed like them. */
void sensor_set_rules(struct sensor *sensor, const struct target_rules *rules);
/* When the next tick is best taken, ns after its period's boundary or (negative) before: 0, or at short intervals just after the counter's
 * update. */
int64_t sensor_offset_ns(const struct sensor *sensor);
/* From here on energy sources that may block are read by threads (slow_source.h), with the capabilities of the caller. 0 or negative errno. */
int sensor_start_source_threads(struct sensor *sensor);
/* From here on a thread appends, so that a slow store delays no tick; what appended(context) does is done there, after every append. At intervals
 * below SENSOR_STORE_INTERVAL_NS, with a thread or without, the store is given what has come once in so long. */
#define SENSOR_STORE_INTERVAL_NS (100 * NS_PER_MS)
int sensor_start_store_thread(struct sensor *sensor, void (*appended)(void *context), void *context);
/* Ends the thread and hands the queue to the store once more; -errno says how much was left. */
int sensor_flush(struct sensor *sensor, struct error *err);
/* Lets the kernel take the readings, as of the period that ends at first_ns of the monotonic clock, if it can: energy alone is recorded at short intervals, from one source that can be,
 * and nothing else needs to be read beside it. Else ticks are taken as ever: -EAGAIN: it may be asked again; others: it never will. The host's clock must be that of ticks. */
int sensor_record(struct sensor *sensor, struct recorded_ticks *ticks, uint64_t first_ns);
/* After a row of recorded ticks: the store gets them. */
int sensor_hand_over(struct sensor *sensor);
/* True: ticks should be taken as ever again, since another source has to be opened. */
bool sensor_wants_to_read(const struct sensor *sensor);
/* Ticks are taken as ever again; returns the periods that have passed since the last one. */
uint64_t sensor_end_recording(struct sensor *sensor, struct recorded_ticks *ticks);
/* What it needs while it runs, all of it: 1 << CAP_... */
uint64_t sensor_capabilities(const struct sensor *sensor);
/* Timer periods that had no tick of their own since the start. */
uint64_t sensor_missed(const struct sensor *sensor);
/* Documents lost to a full queue since the start; those of a thread only after sensor_flush. */
uint64_t sensor_lost(const struct sensor *sensor);
void sensor_free(struct sensor *sensor);
