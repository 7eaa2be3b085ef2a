/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples from update to update, instead of from reading to reading. At intervals near the counter's own update period (RAPL: about 1 ms) a reading
 * may show the last value once more: that is no measurement of 0 J, so that the next sample covers its span too. And what a reading shows was
 * true at the update before it. Of packages, which never use 0 J, the sources themselves say so (energy_meter.h: "no_update"). */
#pragma once

#include "common/report.h"

/* So long without an update is 0 J as far as anybody can see. */
#define HELD_SPAN_MAX_NS INT64_C(100000000)

struct held_spans {
    struct held_span {
        enum domain domain;
        int32_t package;
        int64_t span_ns; /* read and not updated */
        int64_t lag_ns;  /* of the reading at which the next sample begins */
    } *spans; /* one per domain and package that ever had one */
    size_t n_spans, capacity;
};

/* Takes measured samples of 0 J out of the report and keeps their spans; gives a kept span to the next sample of its domain and package, whose
 * end (dt_ns, and skew_ns, the moment of its reading) is moved lag_ns back: so long before it was updated. A sample without
 * update changes nothing, any other invalid one ends a kept span without use. -ENOMEM. */
int held_spans_fold(struct held_spans *held, struct report *report, uint64_t lag_ns);
/* All spans end: what comes next is no continuation. */
void held_spans_forget(struct held_spans *held);
void held_spans_deinit(struct held_spans *held);

/* The counter was read, but had not been updated since. */
bool sample_is_no_update(const struct energy_sample *sample);
