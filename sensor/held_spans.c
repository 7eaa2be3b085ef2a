/* SPDX-License-Identifier: BSD-3-Clause */
/* A handful of entries: they are searched one by one. */
#include "sensor/held_spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

bool sample_is_no_update(const struct energy_sample *sample)
{
    return !sample->valid && strcmp(sample->reason, "no_update") == 0;
}

/* NULL: out of memory. */
static struct held_span *find(struct held_spans *held, const struct energy_sample *sample)
{
    for (size_t i = 0; i < held->n_spans; i++) {
        if (held->spans[i].domain == sample->domain && held->spans[i].package == sample->package)
            return &held->spans[i];
    }
    if (array_reserve(&held->spans, &held->capacity, held->n_spans + 1, sizeof(*held->spans)) < 0)
        return NULL;
    struct held_span *span = &held->spans[held->n_spans++];
    *span = (struct held_span){.domain = sample->domain, .package = sample->package};
    return span;
}

static bool is_update(struct held_span *span, struct energy_sample *sample, int64_t lag_ns)
{
    if (sample_is_no_update(sample)) /* its source keeps the span */
        return true;
    if (!sample->valid) {
        span->span_ns = span->lag_ns = 0;
        return true;
    }
    int64_t span_ns = sample->dt_ns + span->span_ns;
    if (sample->energy_uj == 0 && !sample->estimate && span_ns < HELD_SPAN_MAX_NS) {
        span->span_ns = span_ns;
        return false;
    }
    if (lag_ns >= span_ns + span->lag_ns)
        lag_ns = 0;
    sample->dt_ns = span_ns + span->lag_ns - lag_ns;
    sample->skew_ns -= lag_ns;
    span->span_ns = 0;
    span->lag_ns = lag_ns;
    return true;
}

int held_spans_fold(struct held_spans *held, struct report *report, uint64_t lag_ns)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < report->n_energy; i++) {
        struct held_span *span = find(held, &report->energy[i]);
        if (!span)
            return -ENOMEM;
        if (is_update(span, &report->energy[i], (int64_t)lag_ns))
            report->energy[n_kept++] = report->energy[i];
    }
    report->n_energy = n_kept;
    return 0;
}

void held_spans_forget(struct held_spans *held)
{
    held->n_spans = 0;
}

void held_spans_deinit(struct held_spans *held)
{
    free(held->spans);
    *held = (struct held_spans){0};
}
