/* SPDX-License-Identifier: BSD-3-Clause */
/* The energy of a scope: samples judged one by one by what the machine can draw, and added up where
 * a scope has several packages. */
#include "formula/scope_energy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/scope.h"

#define ANY_PACKAGE_W 20000.0 /* above this it is no package of today */

static void set_reason(struct scope *scope, const char *word)
{
    (void)snprintf(scope->reason, sizeof(scope->reason), "%s", word);
}

static double max_w_of(const struct host_record *host, enum domain domain, int32_t package)
{
    double max_w = NAN;
    for (size_t i = 0; host && domain == DOMAIN_PACKAGE && i < host->n_packages; i++) {
        const struct host_package *one = &host->packages[i];
        if (one->package == package)
            return one->max_w;
        if (package == PACKAGE_NONE)
            max_w = i == 0 ? one->max_w : max_w + one->max_w;
    }
    return max_w;
}

/* The first source of the domain that knows its floor; sources that measure do not. */
static double floor_w_of(const struct host_record *host, const struct scope *scope)
{
    for (size_t i = 0; host && scope->tick.is_estimate && i < host->n_sources; i++) {
        const struct host_source *source = &host->sources[i];
        if (source->domain == scope->domain && source->package == scope->package &&
            source->floor_w >= 0)
            return source->floor_w;
    }
    return NAN;
}

/* Why a sample cannot be used, NULL if it can. */
static const char *refuse_sample(const struct energy_sample *sample, int64_t dt_ns,
                                 const struct host_record *host)
{
    if (!sample->valid)
        return sample->reason[0] ? sample->reason : "invalid_energy";
    if (sample->energy_uj == VALUE_ABSENT)
        return "invalid_energy";
    if (sample->energy_uj < 0)
        return "negative_energy";
    if (dt_ns <= 0)
        return "no_interval";
    double power_w = (double)sample->energy_uj / (double)dt_ns * 1e3;
    double max_w = max_w_of(host, sample->domain, sample->package);
    return power_w > (isfinite(max_w) && max_w > 0 ? max_w : ANY_PACKAGE_W) ? "absurd_energy"
                                                                            : NULL;
}

/* A counter that could not be read keeps its baseline; these are a new one, as is energy that is
 * refused only here. */
static bool is_baseline(const struct energy_sample *sample)
{
    static const char *const reasons[] = {
        "reopened", "counter_reset", "no_range", "implausible", "span_too_long", "gap", "suspend",
    };
    bool is = sample->valid;
    for (size_t i = 0; i < ARRAY_SIZE(reasons) && !is; i++)
        is = strcmp(sample->reason, reasons[i]) == 0;
    return is;
}

static int64_t add_or_absent(int64_t a, int64_t b)
{
    int64_t sum;
    if (a == VALUE_ABSENT || b == VALUE_ABSENT || __builtin_add_overflow(a, b, &sum))
        return VALUE_ABSENT;
    return sum;
}

void scope_take_energy(struct scope *scope, bool is_first, const struct energy_sample *sample,
                       int64_t dt_ns, const struct host_record *host)
{
    const char *refusal = refuse_sample(sample, dt_ns, host);
    if (sample->reason[0] || refusal)
        set_reason(scope, refusal ? refusal : sample->reason);
    scope->begins_anew |= refusal && is_baseline(sample);
    scope->tick.is_estimate |= sample->estimate;
    if (is_first) {
        scope->dt_ns = dt_ns > 0 ? dt_ns : VALUE_ABSENT;
        scope->measured_uj = refusal ? VALUE_ABSENT : sample->energy_uj;
        scope->low_uj = sample->estimate && !refusal ? sample->low_uj : VALUE_ABSENT;
        scope->high_uj = sample->estimate && !refusal ? sample->high_uj : VALUE_ABSENT;
        return;
    }
    if (dt_ns > scope->dt_ns)
        scope->dt_ns = dt_ns; /* spans of one tick differ by microseconds */
    scope->measured_uj =
        refusal ? VALUE_ABSENT : add_or_absent(scope->measured_uj, sample->energy_uj);
    if (scope->measured_uj == VALUE_ABSENT && !scope->reason[0])
        set_reason(scope, "absurd_energy");
    scope->low_uj = refusal ? VALUE_ABSENT : add_or_absent(scope->low_uj, sample->low_uj);
    scope->high_uj = refusal ? VALUE_ABSENT : add_or_absent(scope->high_uj, sample->high_uj);
}

void scope_fill_power(struct scope *scope, const struct host_record *host)
{
    struct scope_tick *tick = &scope->tick;
    tick->dt_s = scope->dt_ns > 0 ? (double)scope->dt_ns * 1e-9 : NAN;
    bool is_measured = scope->measured_uj != VALUE_ABSENT && scope->dt_ns > 0;
    tick->measured_w = is_measured ? (double)scope->measured_uj * 1e-6 / tick->dt_s : NAN;
    tick->low_w = scope->low_uj >= 0 ? (double)scope->low_uj * 1e-6 / tick->dt_s : NAN;
    tick->high_w = scope->high_uj >= 0 ? (double)scope->high_uj * 1e-6 / tick->dt_s : NAN;
    tick->max_w = max_w_of(host, scope->domain, scope->package);
    tick->floor_w = floor_w_of(host, scope);
}
