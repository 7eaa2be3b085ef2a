/* SPDX-License-Identifier: BSD-3-Clause */
/* A sample that was held over (its counter failed or stood still) may begin long before the tick:
 * that is why each is judged by its own beginning. */
#include "sensor/tick_energy.h"

#include <stdio.h>
#include <stdlib.h>

#include "sensor/reading.h"

static void void_sample(struct energy_sample *sample)
{
    sample->valid = false;
    sample->energy_uj = sample->low_uj = sample->high_uj = VALUE_ABSENT;
    sample->dt_ns = VALUE_ABSENT;
    (void)snprintf(sample->reason, sizeof(sample->reason), "suspend");
}

static bool contains_sleep(const struct energy_sample *sample, uint64_t slept_until_ns)
{
    return slept_until_ns > 0 && sample->valid &&
           sample->skew_ns - sample->dt_ns < (int64_t)slept_until_ns;
}

/* What GPUs did is counted by the source that reads them, for the span of their sample. */
static bool is_split_by_engine(enum domain domain)
{
    return domain_is_attributed(domain) && domain != DOMAIN_GPU;
}

void tick_energy_end(struct tick_energy *energy, struct report *report, uint64_t counted_at_ns,
                     uint64_t slept_until_ns, bool has_slept)
{
    uint64_t largest_ns = 0;
    for (size_t i = 0; i < report->n_energy; i++) {
        struct energy_sample *sample = &report->energy[i];
        if (has_slept || contains_sleep(sample, slept_until_ns))
            void_sample(sample);
        sample->skew_ns = (int64_t)counted_at_ns - sample->skew_ns;
        uint64_t skew_ns = (uint64_t)llabs(sample->skew_ns);
        if (is_split_by_engine(sample->domain) && skew_ns > largest_ns)
            largest_ns = skew_ns;
    }
    uint64_t bound_ns = reading_bound_ns(report->dt_ns > 0 ? (uint64_t)report->dt_ns : 0);
    if (largest_ns > bound_ns || energy->last_skew_ns > bound_ns)
        reasons_add(&report->reasons, "energy_skew");
    report->valid = report->valid && !has_slept;
    energy->last_skew_ns = largest_ns;
}
