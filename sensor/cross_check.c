/* SPDX-License-Identifier: BSD-3-Clause */
/* Powers are compared, each over its own span, since the sources are read one after the other. What
 * remains is doubt: of whole units at both ends, of counters that are updated about once a
 * millisecond, and of the time between the readings, in which the power may be another. The check
 * goes on until all of it together is small, more and more rarely: where little energy passes, that
 * may take hours. */
#include "sensor/cross_check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/log.h"
#include "sensor/ladder.h"
#include "sensor/slow_source.h"

#define DOUBT_MAX 0.01
#define DOUBT_MAX_DIFFERS \
    0.0025 /* a sensor that was kept waiting within a reading sees more than there is */
#define UPDATE_NS (2 * (double)NS_PER_MS)
#define USUAL_UNIT_UJ 61.03515625 /* where a source does not know its own */

/* Between readings of the spares: ticks may be shorter. A thousandth of what has passed means that
 * the readings of a day are some ten thousand. */
#define PAUSE_MIN_NS (50 * NS_PER_MS)
#define PAUSE_SHARE 1000
#define PAUSE_MAX_NS (10 * NS_PER_S)

/* ---- opening ---- */

static bool has_pair(const struct cross_check *check, const struct host_source *used,
                     const struct host_source *other)
{
    for (size_t i = 0; i < check->n_pairs; i++) {
        const struct check_pair *pair = &check->pairs[i];
        if (pair->domain == used->domain && pair->package == used->package &&
            strcmp(pair->source, used->source) == 0 && strcmp(pair->other, other->source) == 0)
            return true;
    }
    return false;
}

static int add_pair(struct cross_check *check, const struct host_source *used,
                    const struct host_source *other)
{
    if (has_pair(check, used, other))
        return 0;
    double used_uj = isnan(used->unit_uj) ? USUAL_UNIT_UJ : used->unit_uj;
    double other_uj = isnan(other->unit_uj) ? USUAL_UNIT_UJ : other->unit_uj;
    int r = array_reserve(&check->pairs, &check->pairs_capacity, check->n_pairs + 1,
                          sizeof(*check->pairs));
    if (r < 0)
        return r;
    struct check_pair *pair = &check->pairs[check->n_pairs++];
    *pair = (struct check_pair){
        .domain = used->domain, .package = used->package, .unit_uj = used_uj + other_uj};
    (void)snprintf(pair->source, sizeof(pair->source), "%s", used->source);
    (void)snprintf(pair->other, sizeof(pair->other), "%s", other->source);
    return 0;
}

/* How many pairs a source makes with what is in use, or -ENOMEM. */
static int pair_up(struct cross_check *check, const struct host_record *used,
                   const struct source *source)
{
    struct host_record own;
    int n_pairs = 0;
    host_record_init(&own);
    int r = source->ops->describe(source, &own);
    for (size_t i = 0; i < used->n_sources && r >= 0; i++) {
        for (size_t j = 0; j < own.n_sources && r >= 0; j++) {
            const struct host_source *row = &used->sources[i], *other = &own.sources[j];
            if (row->domain != other->domain || row->package != other->package ||
                strcmp(row->source, other->source) == 0)
                continue;
            r = add_pair(check, row, other);
            n_pairs++;
        }
    }
    host_record_deinit(&own);
    return r < 0 ? r : n_pairs;
}

/* Sources in use with each other, and with the spares. */
static int pair_all(struct cross_check *check, const struct ladder *ladder,
                    const struct host_record *used)
{
    int r = 0;
    for (size_t i = 0; i < ladder->n_sources && r >= 0; i++)
        r = ladder->sources[i]->ops->is_estimate ? 0 : pair_up(check, used, ladder->sources[i]);
    for (size_t i = 0; i < check->n_spares && r >= 0; i++)
        r = pair_up(check, used, check->spares[i]);
    return r < 0 ? r : 0;
}

static int open_spare(struct cross_check *check, const struct ladder *ladder,
                      const struct host_record *used, int row, const struct source_probe *probe,
                      const void *settings, const struct topology *topology)
{
    const struct source_ops *ops = source_table[row];
    struct source *spare;
    struct error why = {0};
    unsigned domains = 0;
    for (size_t i = 0; i < used->n_sources; i++)
        domains |= DOMAIN_BIT(used->sources[i].domain);
    if (probe->availability != SOURCE_USABLE || !(probe->domains & domains))
        return 0;
    int r = slow_source_open(&spare, ops, ladder->host, topology, settings, &why);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    r = pair_up(check, used, spare);
    if (r > 0)
        check->spares[check->n_spares++] = spare;
    else
        spare->ops->close(spare);
    return r < 0 ? r : 0;
}

int cross_check_open(struct cross_check *check, const struct ladder *ladder,
                     const struct source_probe *probes, const void *const *source_settings,
                     const struct topology *topology)
{
    struct host_record used;
    host_record_init(&used);
    report_init(&check->report);
    check->start_ns = clock_monotonic_ns(ladder->host->clock);
    int r = ladder_describe(ladder, &used);
    if (r >= 0)
        r = pair_all(check, ladder, &used);
    for (int row = 0; row < LADDER_SOURCES_MAX && source_table[row] && r >= 0; row++) {
        if (!source_table[row]->is_estimate && !ladder_uses(ladder, row) &&
            check->n_spares < CROSS_CHECK_SPARES_MAX)
            r = open_spare(check, ladder, &used, row, &probes[row],
                           source_settings ? source_settings[row] : NULL, topology);
    }
    host_record_deinit(&used);
    return r < 0 ? r : 0;
}

/* ---- comparing ---- */

static const struct energy_sample *find(const struct report *report, const struct check_pair *pair,
                                        const char *source)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        const struct energy_sample *sample = &report->energy[i];
        if (sample->domain == pair->domain && sample->package == pair->package &&
            strcmp(sample->source, source) == 0)
            return sample;
    }
    return NULL;
}

static double doubt_of(const struct check_pair *pair, int64_t apart_ns)
{
    double energy_uj = fmax(pair->source_uj, pair->other_uj);
    double span_ns = (double)pair->source_span_ns;
    if (energy_uj <= 0 || span_ns <= 0)
        return INFINITY;
    return 2 * pair->unit_uj / energy_uj + (2 * UPDATE_NS + (double)apart_ns) / span_ns;
}

double cross_check_difference(const struct check_pair *pair)
{
    double used_w = pair->source_uj * 1e3 / (double)pair->source_span_ns;
    double other_w = pair->other_uj * 1e3 / (double)pair->other_span_ns;
    double greater_w = fmax(used_w, other_w);
    return greater_w > 0 ? fabs(used_w - other_w) / greater_w : NAN;
}

static void judge(struct check_pair *pair, int64_t apart_ns)
{
    pair->doubt = doubt_of(pair, apart_ns);
    bool differs = cross_check_difference(pair) > CROSS_CHECK_LIMIT;
    if (pair->doubt <= (differs ? DOUBT_MAX_DIFFERS : DOUBT_MAX))
        pair->state = differs ? CHECK_DIFFERS : CHECK_AGREES;
}

/* What there is must do. */
static void judge_late(struct check_pair *pair)
{
    bool is_known = pair->source_span_ns > 0 && pair->doubt <= DOUBT_MAX;
    pair->state = is_known ? CHECK_DIFFERS : CHECK_UNDECIDED;
}

static void begin(struct check_pair *pair, const struct energy_sample *used,
                  const struct energy_sample *other)
{
    pair->source_uj = pair->other_uj = 0;
    pair->source_span_ns = pair->other_span_ns = 0;
    pair->source_start_ns = used->skew_ns;
    pair->other_start_ns = other->skew_ns;
}

/* A failed reading left a hole, unless the next one covered it. */
static bool has_hole(int64_t start_ns, int64_t span_ns, const struct energy_sample *last)
{
    int64_t passed_ns = last->skew_ns - start_ns;
    return llabs(passed_ns - span_ns) > passed_ns / 100;
}

/* It begins at a reading of both. Between two readings of the other one the one in use is added
 * up. */
static void take_pair(struct check_pair *pair, const struct energy_sample *used,
                      const struct energy_sample *other)
{
    bool has_begun = pair->source_start_ns != 0;
    if (used && used->valid && has_begun) {
        pair->source_uj += (double)used->energy_uj;
        pair->source_span_ns += used->dt_ns;
    }
    if (other && other->valid && has_begun) {
        pair->other_uj += (double)other->energy_uj;
        pair->other_span_ns += other->dt_ns;
    }
    if (!used || !other || !used->valid || !other->valid)
        return;
    if (!has_begun || has_hole(pair->source_start_ns, pair->source_span_ns, used) ||
        has_hole(pair->other_start_ns, pair->other_span_ns, other))
        begin(pair, used, other);
    else
        judge(pair, llabs(used->skew_ns - other->skew_ns) +
                        llabs(pair->source_start_ns - pair->other_start_ns));
}

void cross_check_sentence(const struct check_pair *pair, char *text, size_t size)
{
    char package[16] = "";
    if (pair->package != PACKAGE_NONE)
        (void)snprintf(package, sizeof(package), " %d", (int)pair->package);
    if (pair->state == CHECK_RUNNING || pair->state == CHECK_UNDECIDED)
        (void)snprintf(text, size, "%s%s: too little energy so far to compare %s with %s",
                       domain_name(pair->domain), package, pair->source, pair->other);
    else
        (void)snprintf(text, size,
                       "%s%s: %s says %.3f J in %.3f s, %s says %.3f J in %.3f s: %.1f %%",
                       domain_name(pair->domain), package, pair->source, pair->source_uj / 1e6,
                       (double)pair->source_span_ns / 1e9, pair->other, pair->other_uj / 1e6,
                       (double)pair->other_span_ns / 1e9, 100 * cross_check_difference(pair));
}

static void say(const struct check_pair *pair, const struct log *log)
{
    char text[256];
    cross_check_sentence(pair, text, sizeof(text));
    if (pair->state == CHECK_DIFFERS)
        log_warning(log, "energy sources disagree: %s; %s is used", text, pair->source);
    else
        log_debug(log, "energy sources: %s", text);
}

static void close_spares(struct cross_check *check)
{
    for (size_t i = 0; i < check->n_spares; i++)
        check->spares[i]->ops->close(check->spares[i]);
    check->n_spares = 0;
}

/* A psys is described once it has moved. */
static int pair_what_moved(struct cross_check *check, const struct ladder *ladder)
{
    struct host_record used;
    host_record_init(&used);
    int r = ladder_describe(ladder, &used);
    if (r >= 0)
        r = pair_all(check, ladder, &used);
    host_record_deinit(&used);
    return r;
}

static uint64_t pause_ns(const struct cross_check *check, uint64_t now_ns)
{
    uint64_t share_ns = (now_ns - check->start_ns) / PAUSE_SHARE;
    if (share_ns <= PAUSE_MIN_NS)
        return PAUSE_MIN_NS;
    return share_ns < PAUSE_MAX_NS ? share_ns : PAUSE_MAX_NS;
}

static int read_spares(struct cross_check *check, const struct ladder *ladder,
                       const struct topology *topology)
{
    uint64_t now_ns = clock_monotonic_ns(ladder->host->clock);
    int r = 0;
    report_clear(&check->report);
    if (check->read_at_ns && now_ns - check->read_at_ns < pause_ns(check, now_ns))
        return 0;
    check->read_at_ns = now_ns;
    for (size_t i = 0; i < check->n_spares && r >= 0; i++)
        r = ladder_read_source(check->spares[i], ladder->host, topology, &check->report);
    return r < 0 ? r : pair_what_moved(check, ladder);
}

bool cross_check_is_running(const struct cross_check *check)
{
    for (size_t i = 0; i < check->n_pairs; i++) {
        if (check->pairs[i].state == CHECK_RUNNING)
            return true;
    }
    return false;
}

void cross_check_end(struct cross_check *check, const struct log *log)
{
    for (size_t i = 0; i < check->n_pairs; i++) {
        struct check_pair *pair = &check->pairs[i];
        if (pair->state != CHECK_RUNNING)
            continue;
        judge_late(pair);
        say(pair, log);
    }
    close_spares(check);
}

int cross_check_take(struct cross_check *check, const struct ladder *ladder,
                     const struct topology *topology, const struct report *report)
{
    if (!cross_check_is_running(check))
        return 0;
    const struct host *host = ladder->host;
    int r = read_spares(check, ladder, topology);
    if (r < 0)
        return r;
    for (size_t i = 0; i < check->n_pairs; i++) {
        struct check_pair *pair = &check->pairs[i];
        if (pair->state != CHECK_RUNNING)
            continue;
        const struct energy_sample *other = find(&check->report, pair, pair->other);
        take_pair(pair, find(report, pair, pair->source),
                  other ? other : find(report, pair, pair->other));
        if (pair->state != CHECK_RUNNING)
            say(pair, host->log);
    }
    if (!cross_check_is_running(check))
        cross_check_end(check, host->log);
    return 0;
}

void cross_check_close(struct cross_check *check)
{
    close_spares(check);
    free(check->pairs);
    report_deinit(&check->report);
    *check = (struct cross_check){0};
}
