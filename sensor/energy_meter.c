/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy is summed as a double: a tick's increase is far below 2^53 units, so that units which are
 * powers of two stay exact, and the part below a microjoule goes into the next tick. */
#include "sensor/energy_meter.h"

#include <math.h>

/* Counters are updated about once a millisecond, and late at times: a short span may show the
 * energy of a longer one. */
#define LATE_UPDATE_NS UINT64_C(10000000)

void energy_meter_init(struct energy_meter *meter, enum domain domain, int32_t package,
                       double bound_w)
{
    *meter = (struct energy_meter){
        .domain = domain,
        .package = package,
        .bound_w = bound_w,
        .unit_uj = NAN,
        .range_uj = VALUE_ABSENT,
        .has_moved = domain != DOMAIN_PSYS,
    };
}

void energy_meter_begin(struct energy_meter *meter)
{
    meter->now_ns = 0;
    meter->sum_uj = 0;
    meter->reason = meter->note = NULL;
    meter->is_still = meter->is_held = false;
}

void energy_meter_fail(struct energy_meter *meter, const char *reason)
{
    if (!meter->reason)
        meter->reason = reason;
}

void energy_meter_hold(struct energy_meter *meter, const char *reason)
{
    energy_meter_fail(meter, reason);
    meter->is_held = true;
}

void energy_meter_note(struct energy_meter *meter, const char *note)
{
    meter->note = note;
}

void energy_meter_add(struct energy_meter *meter, double increase_uj)
{
    meter->is_still |= increase_uj == 0 && meter->domain == DOMAIN_PACKAGE;
    meter->sum_uj += increase_uj;
}

static double most_uj(double bound_w, uint64_t span_ns, double unit_uj)
{
    return bound_w * (double)span_ns / 1e3 + (isnan(unit_uj) ? 0 : unit_uj);
}

double energy_meter_most_uj(const struct energy_meter *meter, double bound_w, double unit_uj)
{
    return most_uj(bound_w, meter->now_ns - meter->last_ns + LATE_UPDATE_NS, unit_uj);
}

static bool is_possible(const struct energy_meter *meter)
{
    return meter->sum_uj >= 0 &&
           meter->sum_uj <= energy_meter_most_uj(meter, meter->bound_w, meter->unit_uj);
}

static void judge_movement(struct energy_meter *meter)
{
    uint64_t span_ns = meter->now_ns - meter->last_ns;
    bool is_long = span_ns >= ENERGY_METER_STUCK_NS;
    if (meter->is_still)
        energy_meter_hold(meter, is_long ? "stuck" : "no_update");
    else if (meter->sum_uj == 0 && !is_long)
        energy_meter_hold(meter, "no_update");
    else if (meter->is_unaligned && span_ns < LATE_UPDATE_NS)
        energy_meter_fail(meter, "no_update");
    else if (meter->sum_uj > most_uj(meter->bound_w, span_ns, meter->unit_uj))
        energy_meter_hold(meter, "no_update");
}

static void fill_energy(struct energy_meter *meter, struct energy_sample *sample)
{
    double energy_uj = meter->sum_uj + meter->carry_uj;
    sample->energy_uj = (int64_t)floor(energy_uj);
    meter->carry_uj = energy_uj - (double)sample->energy_uj;
    sample->dt_ns = (int64_t)(meter->now_ns - meter->last_ns);
    sample->valid = true;
}

static int add_sample(struct energy_meter *meter, const char *source, struct report *report)
{
    struct energy_sample *sample;
    int r = report_add_energy(report, &sample);
    if (r < 0)
        return r;
    sample->domain = meter->domain;
    sample->package = meter->package;
    sample->skew_ns = (int64_t)meter->now_ns;
    sample->valid = false;
    word_copy(sample->source, source);
    const char *word = meter->reason ? meter->reason : meter->note;
    if (word)
        word_copy(sample->reason, word);
    if (!meter->reason)
        fill_energy(meter, sample);
    return 0;
}

int energy_meter_end(struct energy_meter *meter, const char *source, struct report *report)
{
    bool was_moving = meter->has_moved;
    int r = 0;
    if (report && !meter->reason && !is_possible(meter))
        energy_meter_fail(meter, "implausible");
    if (report && !meter->reason && meter->sum_uj > 0)
        meter->has_moved = true;
    bool is_judged = report && !meter->reason;
    if (is_judged)
        judge_movement(meter);
    if (report && meter->has_moved)
        r = add_sample(meter, source, report);
    if (!meter->is_held) {
        meter->last_ns = meter->now_ns;
        meter->is_unaligned = !report || (meter->reason && !is_judged);
    }
    if (r < 0)
        return r;
    return was_moving == meter->has_moved ? ENERGY_METER_TAKEN : ENERGY_METER_MOVED;
}

int energy_meter_describe(const struct energy_meter *meter, const char *source,
                          struct host_record *host_record)
{
    struct host_source *row;
    if (!meter->has_moved)
        return 0;
    int r = host_record_add_source(host_record, &row);
    if (r < 0)
        return r;
    row->domain = meter->domain;
    row->package = meter->package;
    word_copy(row->source, source);
    row->unit_uj = meter->unit_uj;
    row->range_uj = meter->range_uj;
    row->peak_w = meter->bound_w;
    return 0;
}
