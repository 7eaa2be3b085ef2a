/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/probe_domains.h"

#include <math.h>

#include "common/scope.h"
#include "sensor/counter_look.h"
#include "sensor/domain_scope.h"
#include "sensor/energy_filter.h"

static void append_counter(bson_t *row, const struct host_source *what)
{
    uint64_t longest_ns = ladder_longest_ns(what);
    append_text(row, "domain", domain_name(what->domain));
    append_package(row, what->package);
    append_text(row, "source", what->source);
    append_double(row, "unit_uj", what->unit_uj);
    append_int64(row, "range_uj", what->range_uj);
    append_double(row, "peak_w", what->peak_w);
    if (what->range_uj != VALUE_ABSENT && what->peak_w > 0)
        append_double(row, "wrap_s", (double)what->range_uj / 1e6 / what->peak_w);
    append_int64(row, "longest_interval_ns",
                 longest_ns == UINT64_MAX ? VALUE_ABSENT : (int64_t)longest_ns);
}

/* Only the processor's own counters pass through it. */
static void append_filter(bson_t *row, enum domain domain, enum energy_filter filter)
{
    bool is_filtered_domain = domain == DOMAIN_PACKAGE || domain == DOMAIN_CORE ||
                              domain == DOMAIN_UNCORE || domain == DOMAIN_DRAM;
    if (is_filtered_domain && filter != ENERGY_FILTER_UNKNOWN)
        (void)BSON_APPEND_BOOL(row, "filtered", filter == ENERGY_FILTER_ON);
}

static void append_look(bson_t *row, const struct counter_look *look)
{
    append_double(row, "power_w", look->power_w);
    append_int64(row, "update_ns", look->is_estimate ? VALUE_ABSENT : look->update_ns);
    append_int64(row, "reading_ns", look->is_estimate ? VALUE_ABSENT : look->reading_ns);
    append_text(row, "reason", look->reason);
}

static void append_check(bson_t *array, uint32_t index, const struct check_pair *pair)
{
    bson_t row;
    const char *state = pair->state == CHECK_AGREES    ? "agrees"
                        : pair->state == CHECK_DIFFERS ? "differs"
                                                       : "undecided";
    append_element(array, index, &row);
    append_text(&row, "source", pair->other);
    append_text(&row, "state", state);
    if (pair->source_span_ns > 0) {
        append_double(&row, "difference", cross_check_difference(pair));
        append_double(&row, "used_w", pair->source_uj * 1e3 / (double)pair->source_span_ns);
        append_double(&row, "power_w", pair->other_uj * 1e3 / (double)pair->other_span_ns);
    }
    (void)bson_append_document_end(array, &row);
}

static void append_checks(bson_t *row, const struct cross_check *check,
                          const struct host_source *what)
{
    bson_t array;
    uint32_t n = 0;
    (void)bson_append_array_begin(row, "checks", -1, &array);
    for (size_t i = 0; i < check->n_pairs; i++) {
        if (check->pairs[i].domain == what->domain && check->pairs[i].package == what->package)
            append_check(&array, n++, &check->pairs[i]);
    }
    (void)bson_append_array_end(row, &array);
}

int probe_append_domains(bson_t *object, struct ladder *ladder, const struct topology *topology)
{
    SCOPED(scope_free) struct counter_look *looks = NULL;
    bson_t array;
    int n_looks = counter_look(ladder, topology, &looks);
    if (n_looks < 0)
        return n_looks;
    struct msr_io io = msr_device_io(ladder->host);
    enum energy_filter filter = energy_filter_read(&io, topology);
    (void)bson_append_array_begin(object, "domains", -1, &array);
    for (int i = 0; i < n_looks; i++) {
        const struct counter_look *look = &looks[i];
        struct domain_scope scope = domain_scope_of(look->what.domain, topology, look->is_estimate);
        bson_t row;
        append_element(&array, (uint32_t)i, &row);
        append_counter(&row, &look->what);
        (void)BSON_APPEND_BOOL(&row, "estimate", look->is_estimate);
        (void)BSON_APPEND_BOOL(&row, "attributed", domain_is_attributed(look->what.domain));
        append_look(&row, look);
        append_filter(&row, look->what.domain, filter);
        append_text(&row, "includes", scope.includes);
        append_text(&row, "leaves_out", scope.leaves_out);
        append_checks(&row, &ladder->check, &look->what);
        (void)bson_append_document_end(&array, &row);
    }
    (void)bson_append_array_end(object, &array);
    return 0;
}
