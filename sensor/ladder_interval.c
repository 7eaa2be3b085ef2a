/* SPDX-License-Identifier: BSD-3-Clause */
/* How long an interval may be, so that no counter in use turns twice in it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "common/error.h"
#include "sensor/ladder.h"

#define LATE_SHARE 0.05 /* of an interval, by which a tick may come late */

uint64_t ladder_longest_ns(const struct host_source *row)
{
    if (row->range_uj == VALUE_ABSENT || isnan(row->peak_w) || row->peak_w <= 0)
        return UINT64_MAX;
    double longest_ns = (double)row->range_uj / row->peak_w * 1e3 * (1 - LATE_SHARE);
    if (longest_ns < (double)NS_PER_MS || longest_ns >= 9e18)
        return UINT64_MAX;
    return (uint64_t)longest_ns;
}

static int refuse_interval(const struct host_source *row, uint64_t interval_ns, struct error *err)
{
    char package[24] = "";
    if (row->package != PACKAGE_NONE)
        (void)snprintf(package, sizeof(package), " %d", (int)row->package);
    return error_set(err, -EDOM,
                     "interval: %.3f s is too long for the energy source %s: domain %s%s counts up "
                     "to %.0f J, which %.0f W use in %.1f s, and two turns of the counter look "
                     "like one; at most %.3f s may be asked for here",
                     (double)interval_ns / 1e9, row->source, domain_name(row->domain), package,
                     (double)row->range_uj / 1e6, row->peak_w,
                     (double)row->range_uj / 1e6 / row->peak_w,
                     (double)ladder_longest_ns(row) / 1e9);
}

int ladder_check_interval(const struct ladder *ladder, uint64_t interval_ns, struct error *err)
{
    struct host_record record;
    const struct host_source *shortest = NULL;
    host_record_init(&record);
    int r = ladder_describe(ladder, &record);
    for (size_t i = 0; i < record.n_sources && r >= 0; i++) {
        const struct host_source *row = &record.sources[i];
        if (!shortest || ladder_longest_ns(row) < ladder_longest_ns(shortest))
            shortest = row;
    }
    if (r >= 0 && shortest && interval_ns > ladder_longest_ns(shortest))
        r = refuse_interval(shortest, interval_ns, err);
    host_record_deinit(&record);
    return r;
}
