/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/hwsim/counter_truth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/array.h"
#include "common/scope.h"
#include "sensor/host.h"

#define TRUTH_SIZE ((size_t)64 << 20)

struct truth_list {
    struct counter_truth *truths;
    size_t n_truths, capacity;
};

static double number_of(const bson_t *document, const char *name, double missing)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, document, name) ? bson_iter_as_double(&field) : missing;
}

static void take_read(const bson_t *read, struct counter_truth *truth, double *last_raw)
{
    bson_iter_t field, users;
    double sum_j = number_of(read, "idle_j", 0);
    assert_true(bson_iter_init_find(&field, read, "users_j") && bson_iter_recurse(&field, &users));
    while (bson_iter_next(&users))
        sum_j += bson_iter_as_double(&users);
    double raw = number_of(read, "raw", 0);
    truth->n_back += truth->n_reads > 0 && raw < *last_raw;
    *last_raw = raw;
    struct truth_read taken = {.at_ns = (int64_t)number_of(read, "at_ns", 0),
                               .true_j = sum_j,
                               .used_j = number_of(read, "used_j", NAN)};
    bool is_again = truth->n_reads > 0 && truth->reads[truth->n_reads - 1].at_ns == taken.at_ns;
    assert_int_equal(array_reserve(&truth->reads, &truth->reads_capacity, truth->n_reads + 1,
                                   sizeof(*truth->reads)),
                     0);
    truth->n_reads += !is_again;
    truth->reads[truth->n_reads - 1] = taken;
}

static void enter(const bson_iter_t *element, bson_t *ret_document)
{
    const uint8_t *bytes;
    uint32_t size;
    bson_iter_document(element, &size, &bytes);
    assert_true(bson_init_static(ret_document, bytes, size));
}

static void take_counter(const bson_t *counter, struct counter_truth *truth)
{
    bson_iter_t field, reads;
    double last_raw = 0;
    *truth = (struct counter_truth){.n_parts = 1};
    assert_true(bson_iter_init_find(&field, counter, "domain"));
    assert_int_equal(domain_parse(bson_iter_utf8(&field, NULL), &truth->domain), 0);
    truth->package = (int32_t)number_of(counter, "package", PACKAGE_NONE);
    truth->unit_uj = number_of(counter, "unit_nj", 0) / 1e3;
    truth->zone_part = 1 - number_of(counter, "zone_unit_nj", 0) / 1e3 / truth->unit_uj;
    assert_true(bson_iter_init_find(&field, counter, "reads") && bson_iter_recurse(&field, &reads));
    while (bson_iter_next(&reads)) {
        bson_t read;
        enter(&reads, &read);
        take_read(&read, truth, &last_raw);
    }
}

/* Adds another part's joules at the moments when both were read. */
static void add_part(struct counter_truth *truth, struct counter_truth *part)
{
    size_t n_kept = 0;
    for (size_t i = 0, j = 0; i < truth->n_reads; i++) {
        while (j < part->n_reads && part->reads[j].at_ns < truth->reads[i].at_ns)
            j++;
        if (j == part->n_reads || part->reads[j].at_ns != truth->reads[i].at_ns)
            continue;
        truth->reads[n_kept] = truth->reads[i];
        truth->reads[n_kept].used_j += part->reads[j].used_j;
        truth->reads[n_kept++].true_j += part->reads[j].true_j;
    }
    truth->n_reads = n_kept;
    truth->n_parts++;
    truth->n_back += part->n_back;
    free(part->reads);
}

static void add_truth(struct truth_list *list, struct counter_truth *truth)
{
    for (size_t i = 0; i < list->n_truths; i++) {
        if (list->truths[i].domain == truth->domain && list->truths[i].package == truth->package) {
            add_part(&list->truths[i], truth);
            return;
        }
    }
    assert_int_equal(
        array_reserve(&list->truths, &list->capacity, list->n_truths + 1, sizeof(*list->truths)),
        0);
    list->truths[list->n_truths++] = *truth;
}

void counter_truths_read(const char *path, struct counter_truth **ret_truths, size_t *ret_n_truths)
{
    bson_iter_t field, counters;
    struct truth_list list = {0};
    SCOPED(scope_free) char *text = malloc(TRUTH_SIZE);
    assert_non_null(text);
    ssize_t size = host_read_text(text, TRUTH_SIZE, "%s", path);
    assert_true(size > 0);
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)text, size, &error);
    if (!document)
        fail_msg("%s: %s", path, error.message);
    assert_true(bson_iter_init_find(&field, document, "counters") &&
                bson_iter_recurse(&field, &counters));
    while (bson_iter_next(&counters)) {
        bson_t counter;
        struct counter_truth truth;
        enter(&counters, &counter);
        take_counter(&counter, &truth);
        add_truth(&list, &truth);
    }
    bson_destroy(document);
    *ret_truths = list.truths;
    *ret_n_truths = list.n_truths;
}

void counter_truths_free(struct counter_truth *truths, size_t n_truths)
{
    for (size_t i = 0; i < n_truths; i++)
        free(truths[i].reads);
    free(truths);
}

static const struct truth_read *read_at(const struct counter_truth *truth, int64_t at_ns)
{
    for (size_t i = truth->n_reads; i > 0 && truth->reads[i - 1].at_ns >= at_ns; i--) {
        if (truth->reads[i - 1].at_ns == at_ns)
            return &truth->reads[i - 1];
    }
    fail_msg("no read at %" PRId64 " ns", at_ns);
    return NULL;
}

double counter_truth_j(const struct counter_truth *truth, int64_t at_ns)
{
    return read_at(truth, at_ns)->true_j;
}

double counter_truth_used_j(const struct counter_truth *truth, int64_t at_ns)
{
    return read_at(truth, at_ns)->used_j;
}
