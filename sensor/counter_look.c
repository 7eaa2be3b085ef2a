/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources are looked at one after the other, so that each is read as fast as it can be; between two
 * readings there is a pause, because a counter that is updated every millisecond need not be asked
 * a hundred times for each. Time is the machine's own: a look ends, whatever the clock of a
 * simulation does. */
#include "sensor/counter_look.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/scope.h"

#define PAUSE_NS (200 * 1000)
#define CHECK_PAUSE_NS (100 * 1000 * 1000)
#define UPDATES_MIN 3

static void rest(long ns)
{
    const struct timespec pause = {.tv_nsec = ns};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static void take_sample(struct counter_look *look, const struct energy_sample *sample)
{
    if (look->n_readings++ == 0)
        look->first_reading_ns = sample->skew_ns;
    look->last_reading_ns = sample->skew_ns;
    if (!sample->valid) {
        (void)snprintf(look->reason, sizeof(look->reason), "%s", sample->reason);
        return;
    }
    look->energy_uj += sample->energy_uj;
    look->span_ns += sample->dt_ns;
    if (sample->energy_uj == 0)
        return;
    if (look->n_updates++ == 0)
        look->first_update_ns = sample->skew_ns;
    look->last_update_ns = sample->skew_ns;
}

static void take_report(struct counter_look *looks, size_t n_looks, const struct report *report)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        const struct energy_sample *sample = &report->energy[i];
        for (size_t j = 0; j < n_looks; j++) {
            const struct host_source *what = &looks[j].what;
            if (what->domain == sample->domain && what->package == sample->package &&
                strcmp(what->source, sample->source) == 0)
                take_sample(&looks[j], sample);
        }
    }
}

static int look_at_source(struct ladder *ladder, struct source *source,
                          const struct topology *topology, struct counter_look *looks,
                          size_t n_looks)
{
    SCOPED(report_deinit) struct report report;
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + LOOK_NS;
    int r = 0;
    report_init(&report);
    while (r >= 0 && clock_monotonic_ns(&clock_system) < end_ns) {
        rest(PAUSE_NS);
        report_clear(&report);
        r = ladder_read_source(source, ladder->host, topology, &report);
        if (r >= 0)
            take_report(looks, n_looks, &report);
    }
    return r;
}

static void conclude(struct counter_look *look)
{
    look->update_ns = look->reading_ns = VALUE_ABSENT;
    look->power_w = NAN;
    if (look->n_readings > 1)
        look->reading_ns =
            (look->last_reading_ns - look->first_reading_ns) / (look->n_readings - 1);
    if (look->n_updates >= UPDATES_MIN)
        look->update_ns = (look->last_update_ns - look->first_update_ns) / (look->n_updates - 1);
    if (look->span_ns > 0) {
        look->reason[0] = '\0'; /* such as that it was read before it was updated */
        look->power_w = (double)look->energy_uj * 1e3 / (double)look->span_ns;
    }
}

static bool is_estimate(const struct ladder *ladder, const char *source)
{
    for (size_t i = 0; i < ladder->n_sources; i++) {
        if (strcmp(ladder->sources[i]->ops->name, source) == 0)
            return ladder->sources[i]->ops->is_estimate;
    }
    return false;
}

/* The first reading ends the spans of the look, which are not the same for all sources. */
static int compare(struct ladder *ladder, const struct topology *topology)
{
    SCOPED(report_deinit) struct report report;
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + CHECK_NS;
    int r = 0;
    report_init(&report);
    while (r >= 0 && cross_check_is_running(&ladder->check) &&
           clock_monotonic_ns(&clock_system) < end_ns) {
        report_clear(&report);
        r = ladder_read(ladder, topology, &report);
        if (r >= 0)
            rest(CHECK_PAUSE_NS);
    }
    cross_check_end(&ladder->check, ladder->host->log);
    return r;
}

int counter_look(struct ladder *ladder, const struct topology *topology,
                 struct counter_look **ret_looks)
{
    struct host_record record;
    host_record_init(&record);
    int r = ladder_describe(ladder, &record);
    size_t n_looks = record.n_sources;
    struct counter_look *looks = r < 0 ? NULL : calloc(n_looks + 1, sizeof(*looks));
    if (!looks)
        r = -ENOMEM;
    for (size_t i = 0; i < n_looks && r >= 0; i++) {
        looks[i].what = record.sources[i];
        looks[i].is_estimate = is_estimate(ladder, record.sources[i].source);
    }
    host_record_deinit(&record);
    for (size_t i = 0; i < ladder->n_sources && r >= 0; i++)
        r = look_at_source(ladder, ladder->sources[i], topology, looks, n_looks);
    if (r >= 0)
        r = compare(ladder, topology);
    for (size_t i = 0; i < n_looks && r >= 0; i++)
        conclude(&looks[i]);
    if (r < 0) {
        free(looks);
        return r;
    }
    *ret_looks = looks;
    return (int)n_looks;
}
