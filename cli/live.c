/* SPDX-License-Identifier: BSD-3-Clause */
/* Two cursors over one store: what the sensor wrote and what the formula wrote. Watts lead: each
 * complete power record pulls the sensor's side forward to its own tick, so that identities are
 * known before the rows that use them. A report that has no energy, or whose watts do not come in
 * time, is a tick of its own with CPU time only. */
#include "cli/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/report.h"
#include "common/target_record.h"

struct live_input {
    struct cursor *power_cursor, *sensor_cursor;
    struct power_record power;
    struct report report; /* the waiting one, borrowed from sensor_cursor */
    bool has_report;
    bool report_has_energy;
    uint64_t report_since_ns;
    struct record_key shown; /* the last tick given */
    bool has_shown;
    uint64_t patience_ns;
};

int live_open(struct live *live, struct store *store, const struct live_settings *settings,
              struct error *err)
{
    *live = (struct live){0};
    host_record_init(&live->host);
    live->input = calloc(1, sizeof(*live->input));
    if (!live->input || identities_new(&live->identities) < 0 ||
        energy_sum_new(&live->targets, ENERGY_BY_TARGET, live->identities) < 0 ||
        (settings->by_unit &&
         energy_sum_new(&live->units, ENERGY_BY_UNIT, live->identities) < 0)) {
        live_close(live);
        return error_set(err, -ENOMEM, "out of memory");
    }
    if (settings->sensor)
        (void)snprintf(live->sensor, sizeof(live->sensor), "%s", settings->sensor);
    struct live_input *input = live->input;
    input->patience_ns = settings->patience_ns;
    power_record_init(&input->power);
    report_init(&input->report);
    struct store_query query = {
        .kinds = KIND_BIT(RECORD_HOST) | KIND_BIT(RECORD_TARGET) | KIND_BIT(RECORD_RAW),
        .sensor = settings->sensor,
        .from_ms = settings->from_ms,
        .to_ms = VALUE_ABSENT,
        .follow = true,
    };
    int r = store_query(store, &query, &input->sensor_cursor, err);
    query.kinds = KIND_BIT(RECORD_POWER);
    query.label = settings->label;
    if (r >= 0)
        r = store_query(store, &query, &input->power_cursor, err);
    if (r < 0)
        live_close(live);
    return r < 0 ? r : 0;
}

void live_close(struct live *live)
{
    if (live->input) {
        cursor_close(live->input->power_cursor);
        cursor_close(live->input->sensor_cursor);
        power_record_deinit(&live->input->power);
        report_deinit(&live->input->report);
        free(live->input);
    }
    energy_sum_free(live->units);
    energy_sum_free(live->targets);
    identities_free(live->identities);
    host_record_deinit(&live->host);
    *live = (struct live){0};
}

/* True for documents of the one sensor that is followed: the first that reports, if none was asked
 * for. What was kept of a host before that may have been another's. */
static bool is_ours(struct live *live, const struct document *document)
{
    if (!live->sensor[0] && document->kind == RECORD_HOST)
        return true;
    if (!live->sensor[0]) {
        memcpy(live->sensor, document->key.sensor, sizeof(live->sensor));
        live->has_host = live->has_host && strcmp(live->host.key.sensor, live->sensor) == 0;
    }
    return strcmp(live->sensor, document->key.sensor) == 0;
}

static void look_at_energy(struct live *live)
{
    struct live_input *input = live->input;
    const struct report *report = &input->report;
    if (report->part > 1) /* energy stands in the first part */
        return;
    input->report_has_energy = false;
    live->source[0] = live->energy_reason[0] = '\0';
    for (size_t i = 0; i < report->n_energy; i++) {
        const struct energy_sample *sample = &report->energy[i];
        if (!domain_is_attributed(sample->domain) || input->report_has_energy)
            continue;
        memcpy(live->source, sample->source, sizeof(live->source));
        memcpy(live->energy_reason, sample->reason, sizeof(live->energy_reason));
        input->report_has_energy = sample->valid;
    }
}

/* Takes host and target records in; 1 when document is a report, which then waits. */
static int absorb(struct live *live, const struct document *document, uint64_t now_ns,
                  struct error *err)
{
    struct live_input *input = live->input;
    struct target_record target;
    int r = 0;
    if (document->kind == RECORD_TARGET) {
        r = target_record_decode(document, &target, err);
        return r < 0 ? r : identities_add(live->identities, &target);
    }
    if (!is_ours(live, document))
        return 0;
    if (document->kind == RECORD_HOST) {
        host_record_clear(&live->host);
        r = host_record_decode(document, &live->host, err);
        live->has_host = r >= 0;
    } else if (document->kind == RECORD_RAW) {
        report_clear(&input->report);
        r = report_decode(document, &input->report, err);
        if (r >= 0) {
            input->has_report = true;
            input->report_since_ns = now_ns;
            look_at_energy(live);
            return 1;
        }
    }
    return r;
}

/* 1 when a report waits, 0 when the sensor has written nothing more. */
static int peek_report(struct live *live, uint64_t now_ns, struct error *err)
{
    struct document document;
    int r = 0;
    while (!live->input->has_report) {
        r = cursor_next(live->input->sensor_cursor, &document, err);
        if (r == CURSOR_DOCUMENT)
            r = absorb(live, &document, now_ns, err);
        else if (r == CURSOR_BAD)
            r = -EBADMSG;
        else
            return r < 0 ? r : 0;
        if (r == -EBADMSG)
            live->n_bad++;
        else if (r < 0)
            return r;
    }
    return 1;
}

/* Adds the CPU time of the tick `key` and drops reports of earlier ticks. */
static int add_reports(struct live *live, const struct record_key *key, uint64_t now_ns,
                       struct error *err)
{
    struct live_input *input = live->input;
    for (;;) {
        int r = peek_report(live, now_ns, err);
        if (r <= 0)
            return r;
        int order = record_key_compare(&input->report.key, key);
        if (order > 0)
            return 0;
        if (order == 0) {
            live->expects_watts = input->report_has_energy;
            r = energy_sum_add_counts(live->targets, &input->report, err);
            if (r >= 0 && live->units)
                r = energy_sum_add_counts(live->units, &input->report, err);
        }
        input->has_report = false;
        if (r < 0)
            return r;
    }
}

/* Drops reports of ticks before key; identities up to key are known then. */
static int advance_to(struct live *live, const struct record_key *key, uint64_t now_ns,
                      struct error *err)
{
    int r;
    while ((r = peek_report(live, now_ns, err)) > 0 &&
           record_key_compare(&live->input->report.key, key) < 0)
        live->input->has_report = false;
    return r < 0 ? r : 0;
}

static int end_tick(struct live *live, const struct record_key *key, uint64_t now_ns,
                    struct error *err)
{
    const struct record_key copy = *key; /* key may lie in the report that is given back */
    int r = add_reports(live, &copy, now_ns, err);
    if (r < 0)
        return r;
    live->input->shown = copy;
    live->input->has_shown = true;
    live->before_ms = live->shown_ms;
    live->shown_ms = copy.timestamp_ms;
    live->n_ticks++;
    return LIVE_TICK;
}

static bool was_shown(const struct live *live, const struct record_key *key)
{
    return live->input->has_shown && record_key_compare(key, &live->input->shown) <= 0;
}

/* LIVE_TICK when the record was the last part of its tick. */
static int add_power(struct live *live, const struct document *document, uint64_t now_ns,
                     struct error *err)
{
    struct power_record *power = &live->input->power;
    if (!is_ours(live, document) || was_shown(live, &document->key))
        return LIVE_NOTHING;
    power_record_clear(power);
    int r = power_record_decode(document, power, err);
    if (r >= 0)
        r = advance_to(live, &power->key, now_ns, err);
    if (r >= 0)
        r = energy_sum_add(live->targets, power, err);
    if (r >= 0 && live->units)
        r = energy_sum_add(live->units, power, err);
    if (r < 0)
        return r;
    return power->part == power->parts ? end_tick(live, &power->key, now_ns, err) : LIVE_NOTHING;
}

static int step_without_watts(struct live *live, uint64_t now_ns, struct error *err)
{
    struct live_input *input = live->input;
    int r;
    while ((r = peek_report(live, now_ns, err)) > 0 && was_shown(live, &input->report.key))
        input->has_report = false;
    if (r <= 0)
        return r;
    if (input->report_has_energy && now_ns - input->report_since_ns < input->patience_ns)
        return LIVE_NOTHING;
    return end_tick(live, &input->report.key, now_ns, err);
}

int live_step(struct live *live, uint64_t now_ns, struct error *err)
{
    struct document document;
    for (;;) {
        int r = cursor_next(live->input->power_cursor, &document, err);
        if (r == CURSOR_END || r == CURSOR_CLOSED)
            return step_without_watts(live, now_ns, err);
        if (r < 0) /* it cannot be read on */
            return r;
        r = r == CURSOR_BAD ? -EBADMSG : add_power(live, &document, now_ns, err);
        if (r == -EBADMSG)
            live->n_bad++;
        else if (r != LIVE_NOTHING)
            return r;
    }
}
