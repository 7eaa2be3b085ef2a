/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports of ours as HWPCReports: one document for the machine, one per target. Everything of a
 * package stands under one pseudo-CPU "0", because we counted per package. */
#include "common/powerapi.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/events.h"
#include "common/scope.h"
#include "common/typed_names.h"

#define COUNTS_PER_UJ (4294967296.0 / 1e6)
#define CPU "0"
#define CORE_GROUP "core"
#define GPU_GROUP "gpu"
#define PACKAGE_TEXT_SIZE 12

/* What one encoding needs; the HWPCReport and its texts are used again for each document. */
struct encoder {
    const struct report *report;
    struct hwpc_report hwpc;
    char (*packages)[PACKAGE_TEXT_SIZE]; /* one per row or sample of the current document */
    size_t n_packages;
    size_t n_types; /* of CPUs */
    bson_t *scratch;
    int (*emit)(const struct document *document, void *context);
    void *context;
};

/* The texts are as many as the report's rows at most: see report_encode_powerapi. */
static const char *package_text(struct encoder *encoder, int32_t package)
{
    char *text = encoder->packages[encoder->n_packages++];
    (void)snprintf(text, PACKAGE_TEXT_SIZE, "%" PRId32, package == PACKAGE_NONE ? 0 : package);
    return text;
}

static int add(struct encoder *encoder, const char *group, const char *package, const char *event,
               double value)
{
    struct hwpc_value *added;
    int r = hwpc_report_add(&encoder->hwpc, &added);
    if (r == 0)
        *added = (struct hwpc_value){group, package, CPU, event, value};
    return r;
}

static int add_times(struct encoder *encoder, const char *group, const char *package,
                     int64_t enabled_ns, int64_t running_ns)
{
    int64_t span_ns = encoder->report->dt_ns;
    if (enabled_ns == VALUE_ABSENT) /* nothing was multiplexed */
        enabled_ns = running_ns = span_ns;
    if (enabled_ns == VALUE_ABSENT)
        return 0;
    int r = add(encoder, group, package, "time_enabled", (double)enabled_ns);
    if (r == 0)
        r = add(encoder, group, package, "time_running",
                (double)(running_ns == VALUE_ABSENT ? enabled_ns : running_ns));
    return r;
}

/* Samples of one package stand together, whatever their order in the report. */
static int add_energy(struct encoder *encoder, int32_t package)
{
    const struct report *report = encoder->report;
    const char *text = NULL;
    int64_t span_ns = VALUE_ABSENT;
    int r = 0;
    for (size_t i = 0; r == 0 && i < report->n_energy; i++) {
        const struct energy_sample *sample = &report->energy[i];
        int32_t stands_under = sample->package == PACKAGE_NONE ? 0 : sample->package;
        if (stands_under != package || !sample->valid)
            continue;
        if (!text)
            text = package_text(encoder, package);
        if (span_ns == VALUE_ABSENT)
            span_ns = sample->dt_ns;
        r = add(encoder, "rapl", text, powerapi_energy_event(sample->domain, sample->estimate),
                rint((double)sample->energy_uj * COUNTS_PER_UJ));
    }
    return r == 0 && text ? add_times(encoder, "rapl", text, span_ns, span_ns) : r;
}

static int add_all_energy(struct encoder *encoder)
{
    const struct report *report = encoder->report;
    int64_t done = -1; /* packages in ascending order */
    for (;;) {
        int64_t next = INT64_MAX;
        for (size_t i = 0; i < report->n_energy; i++) {
            int32_t package = report->energy[i].package;
            int64_t stands_under = package == PACKAGE_NONE ? 0 : package;
            if (stands_under > done && stands_under < next)
                next = stands_under;
        }
        if (next == INT64_MAX)
            return 0;
        int r = add_energy(encoder, (int32_t)next);
        if (r < 0)
            return r;
        done = next;
    }
}

static int add_clock(struct encoder *encoder, const struct clock_sample *sample)
{
    const char *package = package_text(encoder, sample->package);
    const struct {
        const char *event;
        int64_t value;
    } values[] = {{"TSC", sample->tsc}, {"APERF", sample->aperf}, {"MPERF", sample->mperf}};
    int r = 0;
    size_t before = encoder->hwpc.n_values;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(values); i++) {
        if (values[i].value != VALUE_ABSENT)
            r = add(encoder, "msr", package, values[i].event, (double)values[i].value);
    }
    if (r < 0 || encoder->hwpc.n_values == before)
        return r;
    return add_times(encoder, "msr", package, VALUE_ABSENT, VALUE_ABSENT);
}

/* GPUs have numbers of their own, which a group of their own keeps apart from those of packages. */
static const char *group_of(const char *event)
{
    return strcmp(event, EVENT_GPU_NS) == 0 ? GPU_GROUP : CORE_GROUP;
}

/* PowerAPI knows no types of CPUs: what they have counted of one event is added up where the first of
 * them stands. Negative: not counted, or a later part. */
static int64_t whole_count(const struct report *report, const int64_t *counts, size_t n_types,
                           size_t e, const char **ret_name)
{
    size_t n = report->n_events;
    const char *whole = typed_names_whole(report->events, n, n_types, e);
    *ret_name = whole ? whole : report->events[e];
    if (!whole)
        return counts[e];
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (typed_names_whole(report->events, n, n_types, i) != whole)
            continue;
        if (i < e || counts[i] < 0 || __builtin_add_overflow(sum, counts[i], &sum))
            return VALUE_ABSENT;
    }
    return sum;
}

/* PowerAPI's readers take every event they meet in one report to be in all of them: a row whose
 * hardware events could not be counted is left out. */
static int add_counts(struct encoder *encoder, const struct count_row *row, const char *group)
{
    if (row->enabled_ns > 0 && row->running_ns == 0)
        return 0;
    const struct report *report = encoder->report;
    const int64_t *counts = report->counts + row->first_count;
    const char *package = NULL;
    int r = 0;
    for (size_t i = 0; r == 0 && i < report->n_events; i++) {
        const char *event;
        int64_t count = whole_count(report, counts, encoder->n_types, i, &event);
        if (count == VALUE_ABSENT || strcmp(group_of(event), group) != 0)
            continue;
        if (!package)
            package = package_text(encoder, row->package);
        r = add(encoder, group, package, event_powerapi(event), (double)count);
    }
    return r == 0 && package ? add_times(encoder, group, package, row->enabled_ns, row->running_ns)
                             : r;
}

/* The rows of one target; a group's packages stand together. */
static int add_rows(struct encoder *encoder, const struct count_row *const *rows, size_t n_rows)
{
    static const char *const groups[] = {CORE_GROUP, GPU_GROUP};
    int r = 0;
    for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
        for (size_t i = 0; r == 0 && i < n_rows; i++)
            r = rows[i]->has_counts ? add_counts(encoder, rows[i], groups[g]) : 0;
    return r;
}

static void begin(struct encoder *encoder, const char *target)
{
    encoder->hwpc.target = target;
    encoder->hwpc.n_values = 0;
    encoder->n_packages = 0;
}

static int end(struct encoder *encoder, struct error *err)
{
    if (encoder->hwpc.n_values == 0)
        return 0;
    struct document document;
    int r = hwpc_report_encode(&encoder->hwpc, encoder->scratch, &document, err);
    return r < 0 ? r : encoder->emit(&document, encoder->context);
}

static int encode_machine(struct encoder *encoder, const struct count_row **rows, struct error *err)
{
    const struct report *report = encoder->report;
    for (size_t i = 0; i < report->n_total; i++)
        rows[i] = &report->total[i];
    begin(encoder, ALL_TARGET);
    int r = add_all_energy(encoder);
    for (size_t i = 0; r == 0 && i < report->n_clock; i++)
        r = add_clock(encoder, &report->clock[i]);
    if (r == 0)
        r = add_rows(encoder, rows, report->n_total);
    return r < 0 ? error_set(err, r, "no memory for an HWPCReport") : end(encoder, err);
}

static int compare_rows(const void *a, const void *b)
{
    const struct count_row *first = *(const struct count_row *const *)a;
    const struct count_row *second = *(const struct count_row *const *)b;
    int order = strcmp(first->target, second->target);
    return order != 0 ? order
                      : (first->package > second->package) - (first->package < second->package);
}

static int encode_targets(struct encoder *encoder, const struct count_row **rows, size_t n_rows,
                          struct error *err)
{
    for (size_t first = 0, next; first < n_rows; first = next) {
        begin(encoder, rows[first]->target);
        for (next = first + 1;
             next < n_rows && strcmp(rows[next]->target, rows[first]->target) == 0;)
            next++;
        int r = add_rows(encoder, rows + first, next - first);
        r = r < 0 ? error_set(err, r, "no memory for an HWPCReport") : end(encoder, err);
        if (r != 0)
            return r;
    }
    return 0;
}

static void free_encoder(struct encoder *encoder)
{
    hwpc_report_deinit(&encoder->hwpc);
}

int report_encode_powerapi(const struct report *report, bson_t *scratch,
                           int (*emit)(const struct document *document, void *context),
                           void *context, struct error *err)
{
    size_t n_rows = report->n_targets;
    size_t n_all = n_rows + report->n_total;
    size_t n_texts = report->n_energy + report->n_clock + 2 * n_all + 1;
    SCOPED(scope_free) const struct count_row **rows = calloc(n_all + 1, sizeof(const void *));
    SCOPED(scope_free) char(*packages)[PACKAGE_TEXT_SIZE] = calloc(n_texts, PACKAGE_TEXT_SIZE);
    SCOPED(free_encoder)
    struct encoder encoder = {
        .report = report,
        .n_types = typed_names_types(report->events, report->n_events),
        .packages = packages,
        .scratch = scratch,
        .emit = emit,
        .context = context,
    };
    if (!rows || !packages)
        return error_set(err, -ENOMEM, "no memory for HWPCReports");
    encoder.hwpc.timestamp_ms = report->key.timestamp_ms;
    memcpy(encoder.hwpc.sensor, report->key.sensor, sizeof(encoder.hwpc.sensor));
    int r = encode_machine(&encoder, rows, err);
    for (size_t i = 0; i < n_rows; i++)
        rows[i] = &report->targets[i];
    qsort(rows, n_rows, sizeof(*rows), compare_rows);
    return r != 0 ? r : encode_targets(&encoder, rows, n_rows, err);
}
