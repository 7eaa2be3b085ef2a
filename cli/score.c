/* SPDX-License-Identifier: BSD-3-Clause */
/* Values are appended to the scope they belong to and only brought together at the end, by sorting:
 * no order of arrival has to be assumed. Names become numbers, so that a value is 32 bytes. */
#include "cli/score.h"

#include <errno.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

/* What one record says of one target. */
struct value {
    uint32_t name;
    bool is_true;
    uint32_t order; /* of arrival within the scope */
    double watts, sigma_w;
};

struct scope {
    char sensor[SENSOR_NAME_SIZE];
    int64_t timestamp_ms;
    enum domain domain;
    int32_t package;
    double dt_s, true_measured_w;
    double measured_w, predicted_w, idle_w, unattributed_w;
    bool contains_idle; /* the targets' watts do */
    bool was_said, was_true;
    struct value *values;
    size_t n_values, values_capacity;
};

struct name {
    char *text;
    uint32_t number;
    bool was_said;
};

struct score {
    void *scope_tree; /* tsearch(3), of struct scope * */
    struct scope **scopes;
    size_t n_scopes, scopes_capacity;
    void *name_tree;
    struct name **names;
    size_t n_names, names_capacity;
    bool has_truth;
    struct sum *sums;
    size_t n_sums, sums_capacity;
    struct score_row *rows;
};

/* What a row is made of. */
struct sum {
    enum domain domain;
    int32_t package;
    uint64_t n_ticks, n_covered, n_predicted, n_sigmas, n_inside_1, n_inside_2;
    double closure_w, model_error_w;
    double true_j, wrong_j, seen_j, seen_wrong_j, abs_j;
    bool contains_idle;
};

static int compare_scopes(const void *a, const void *b)
{
    const struct scope *left = a, *right = b;
    if (left->timestamp_ms != right->timestamp_ms)
        return left->timestamp_ms < right->timestamp_ms ? -1 : 1;
    if (left->domain != right->domain)
        return left->domain < right->domain ? -1 : 1;
    if (left->package != right->package)
        return left->package < right->package ? -1 : 1;
    return strcmp(left->sensor, right->sensor);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int compare_values(const void *a, const void *b)
{
    const struct value *left = a, *right = b;
    if (left->name != right->name)
        return left->name < right->name ? -1 : 1;
    if (left->is_true != right->is_true)
        return left->is_true ? 1 : -1;
    return (left->order > right->order) - (left->order < right->order);
}

int score_new(struct score **ret_score)
{
    *ret_score = calloc(1, sizeof(**ret_score));
    return *ret_score ? 0 : -ENOMEM;
}

void score_free(struct score *score)
{
    if (!score)
        return;
    for (size_t i = 0; i < score->n_scopes; i++) {
        (void)tdelete(score->scopes[i], &score->scope_tree, compare_scopes);
        free(score->scopes[i]->values);
        free(score->scopes[i]);
    }
    for (size_t i = 0; i < score->n_names; i++) {
        (void)tdelete(score->names[i], &score->name_tree, compare_names);
        free(score->names[i]->text);
        free(score->names[i]);
    }
    free(score->scopes);
    free(score->names);
    free(score->sums);
    free(score->rows);
    free(score);
}

/* ---- collecting ---- */

static int find_name(struct score *score, const char *text, struct name **ret_name)
{
    const struct name wanted = {.text = (char *)text};
    struct name **node = tfind(&wanted, &score->name_tree, compare_names);
    if (node) {
        *ret_name = *node;
        return 0;
    }
    if (array_reserve(&score->names, &score->names_capacity, score->n_names + 1,
                      sizeof(struct name *)) < 0)
        return -ENOMEM;
    struct name *name = calloc(1, sizeof(*name));
    if (!name)
        return -ENOMEM;
    name->text = strdup(text);
    name->number = (uint32_t)score->n_names;
    if (!name->text || !tsearch(name, &score->name_tree, compare_names)) {
        free(name->text);
        free(name);
        return -ENOMEM;
    }
    score->names[score->n_names++] = name;
    *ret_name = name;
    return 0;
}

static int find_scope(struct score *score, const struct scope *wanted, struct scope **ret_scope)
{
    struct scope **node = tfind(wanted, &score->scope_tree, compare_scopes);
    if (node) {
        *ret_scope = *node;
        return 0;
    }
    if (array_reserve(&score->scopes, &score->scopes_capacity, score->n_scopes + 1,
                      sizeof(struct scope *)) < 0)
        return -ENOMEM;
    struct scope *scope = calloc(1, sizeof(*scope));
    if (!scope)
        return -ENOMEM;
    *scope = *wanted;
    scope->dt_s = scope->true_measured_w = scope->measured_w = scope->predicted_w = NAN;
    scope->idle_w = scope->unattributed_w = NAN;
    if (!tsearch(scope, &score->scope_tree, compare_scopes)) {
        free(scope);
        return -ENOMEM;
    }
    score->scopes[score->n_scopes++] = scope;
    *ret_scope = scope;
    return 0;
}

static int scope_of(struct score *score, const struct record_key *key, enum domain domain,
                    int32_t package, bool is_true, struct scope **ret_scope)
{
    struct scope wanted = {.timestamp_ms = key->timestamp_ms, .domain = domain, .package = package};
    memcpy(wanted.sensor, key->sensor, sizeof(wanted.sensor));
    int r = find_scope(score, &wanted, ret_scope);
    if (r < 0)
        return r;
    (*ret_scope)->was_true |= is_true;
    (*ret_scope)->was_said |= !is_true;
    return 0;
}

static int add_value(struct score *score, struct scope *scope, const char *target, bool is_true,
                     double watts, double sigma_w)
{
    struct name *name;
    int r = find_name(score, target, &name);
    if (r >= 0)
        r = array_reserve(&scope->values, &scope->values_capacity, scope->n_values + 1,
                          sizeof(*scope->values));
    if (r < 0)
        return r;
    name->was_said |= !is_true;
    scope->values[scope->n_values] = (struct value){
        .name = name->number,
        .is_true = is_true,
        .order = (uint32_t)scope->n_values,
        .watts = watts,
        .sigma_w = sigma_w,
    };
    scope->n_values++;
    return 0;
}

static void add_balance(struct scope *scope, const struct balance_row *row, int64_t dt_ns,
                        bool is_true)
{
    if (row->dt_ns > 0)
        dt_ns = row->dt_ns;
    if (dt_ns > 0 && (is_true || isnan(scope->dt_s)))
        scope->dt_s = (double)dt_ns * 1e-9;
    if (is_true) {
        scope->true_measured_w = row->measured_w;
        return;
    }
    scope->measured_w = row->measured_w;
    scope->predicted_w = row->predicted_w;
    scope->idle_w = row->idle_w;
    scope->unattributed_w = row->unattributed_w;
}

static int add_record(struct score *score, const struct power_record *power, bool is_true)
{
    struct scope *scope;
    for (size_t i = 0; i < power->n_balance; i++) {
        const struct balance_row *row = &power->balance[i];
        int r = scope_of(score, &power->key, row->domain, row->package, is_true, &scope);
        if (r < 0)
            return r;
        add_balance(scope, row, power->dt_ns, is_true);
    }
    for (size_t i = 0; i < power->n_targets; i++) {
        const struct power_row *row = &power->targets[i];
        int r = scope_of(score, &power->key, row->domain, row->package, is_true, &scope);
        if (r >= 0 && !isnan(row->dynamic_w))
            r = add_value(score, scope, row->target, is_true, row->dynamic_w, row->sigma_w);
        if (r < 0)
            return r;
    }
    return 0;
}

int score_add_truth(struct score *score, const struct power_record *power)
{
    score->has_truth = true;
    return add_record(score, power, true);
}

int score_add_said(struct score *score, const struct power_record *power)
{
    return add_record(score, power, false);
}

static enum domain report_domain(const char *scope)
{
    enum domain domain = DOMAIN_PACKAGE; /* "cpu" */
    if (scope)
        (void)domain_parse(scope, &domain);
    return domain;
}

bool score_report_scope(const struct power_report *report, struct record_key *ret_key,
                        enum domain *ret_domain, int32_t *ret_package)
{
    char *end = NULL;
    long socket = report->socket ? strtol(report->socket, &end, 10) : PACKAGE_NONE;
    if (end && (end == report->socket || *end != '\0' || socket < 0 || socket > INT32_MAX))
        return false;
    *ret_key = (struct record_key){.timestamp_ms = report->timestamp_ms};
    memcpy(ret_key->sensor, report->sensor, sizeof(ret_key->sensor));
    *ret_domain = report_domain(report->scope);
    *ret_package = (int32_t)socket;
    return true;
}

int score_add_said_report(struct score *score, const struct power_report *report)
{
    struct record_key key;
    struct scope *scope;
    enum domain domain;
    int32_t package;
    if (!score_report_scope(report, &key, &domain, &package))
        return 0;
    int r = scope_of(score, &key, domain, package, false, &scope);
    if (r < 0)
        return r;
    if (strcmp(report->target, "rapl") == 0) {
        scope->measured_w = report->power_w;
    } else if (strcmp(report->target, "global") == 0) {
        scope->predicted_w = report->power_w;
    } else if (strcmp(report->target, "idle") == 0) {
        scope->idle_w = report->power_w;
    } else if (strcmp(report->target, "unattributed") == 0) {
        scope->unattributed_w = report->power_w;
    } else {
        scope->contains_idle = true;
        r = add_value(score, scope, report->target, false, report->power_w, NAN);
    }
    return r;
}

bool score_meets_truth(const struct score *score)
{
    for (size_t i = 0; i < score->n_scopes; i++)
        if (score->scopes[i]->was_said && score->scopes[i]->was_true)
            return true;
    return !score->has_truth;
}

bool score_names(const struct score *score, const char *target, size_t size)
{
    for (size_t i = 0; i < score->n_names; i++) {
        const char *text = score->names[i]->text;
        if (score->names[i]->was_said && strlen(text) == size && memcmp(text, target, size) == 0)
            return true;
    }
    return false;
}

/* ---- judging ---- */

static int sum_of(struct score *score, const struct scope *scope, struct sum **ret_sum)
{
    size_t place = 0;
    while (place < score->n_sums && (score->sums[place].domain < scope->domain ||
                                     (score->sums[place].domain == scope->domain &&
                                      score->sums[place].package < scope->package)))
        place++;
    if (place == score->n_sums || score->sums[place].domain != scope->domain ||
        score->sums[place].package != scope->package) {
        int r = array_reserve(&score->sums, &score->sums_capacity, score->n_sums + 1,
                              sizeof(*score->sums));
        if (r < 0)
            return r;
        memmove(score->sums + place + 1, score->sums + place,
                (score->n_sums - place) * sizeof(*score->sums));
        score->sums[place] =
            (struct sum){.domain = scope->domain, .package = scope->package, .closure_w = NAN};
        score->n_sums++;
    }
    *ret_sum = &score->sums[place];
    return 0;
}

/* Leaves one value per name and side: the last. */
static void settle_values(struct scope *scope)
{
    size_t n = 0;
    if (scope->n_values > 0)
        qsort(scope->values, scope->n_values, sizeof(*scope->values), compare_values);
    for (size_t i = 0; i < scope->n_values; i++) {
        const struct value *next = i + 1 < scope->n_values ? &scope->values[i + 1] : NULL;
        if (!next || next->name != scope->values[i].name ||
            next->is_true != scope->values[i].is_true)
            scope->values[n++] = scope->values[i];
    }
    scope->n_values = n;
}

static double sum_watts(const struct scope *scope, bool is_true)
{
    double sum = 0;
    for (size_t i = 0; i < scope->n_values; i++)
        if (scope->values[i].is_true == is_true)
            sum += scope->values[i].watts;
    return sum;
}

static bool has_values(const struct scope *scope, bool is_true)
{
    for (size_t i = 0; i < scope->n_values; i++)
        if (scope->values[i].is_true == is_true)
            return true;
    return false;
}

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

static void judge_balance(const struct scope *scope, double said_w, struct sum *sum)
{
    bool has_terms =
        has_values(scope, false) || !isnan(scope->idle_w) || !isnan(scope->unattributed_w);
    if (has_terms && !isnan(scope->measured_w)) {
        double miss_w = fabs(or_zero(scope->idle_w) + said_w + or_zero(scope->unattributed_w) -
                             scope->measured_w);
        sum->closure_w = fmax(sum->closure_w, miss_w); /* fmax leaves NAN aside */
    }
    double measured_w = isnan(scope->true_measured_w) ? scope->measured_w : scope->true_measured_w;
    if (isnan(scope->predicted_w) || isnan(measured_w))
        return;
    sum->model_error_w += fabs(scope->predicted_w - measured_w);
    sum->n_predicted++;
}

/* A target's two sides stand behind each other: what was said, then the truth. */
static void judge_targets(const struct scope *scope, double said_w, double true_w, double dt_s,
                          struct sum *sum)
{
    double scale = said_w > 0 ? true_w / said_w : 0, wrong_w = 0, abs_w = 0;
    for (size_t i = 0; i < scope->n_values; i++) {
        const struct value *said = &scope->values[i], *truth = NULL;
        if (said->is_true) {
            truth = said;
            said = NULL;
        } else if (i + 1 < scope->n_values && scope->values[i + 1].name == said->name) {
            truth = &scope->values[++i];
        }
        double is = truth ? truth->watts : 0, claimed = said ? said->watts : 0;
        wrong_w += fabs(claimed * scale - is) / 2;
        abs_w += fabs(claimed - is);
        if (!said || isnan(said->sigma_w))
            continue;
        sum->n_sigmas++;
        sum->n_inside_1 += fabs(claimed - is) <= said->sigma_w;
        sum->n_inside_2 += fabs(claimed - is) <= 2 * said->sigma_w;
    }
    sum->true_j += true_w * dt_s;
    sum->abs_j += abs_w * dt_s;
    double lost_j = (said_w > 0 ? wrong_w : true_w / 2) * dt_s;
    sum->wrong_j += lost_j;
    if (has_values(scope, false)) {
        sum->seen_j += true_w * dt_s;
        sum->seen_wrong_j += lost_j;
    }
}

static int judge_scope(struct score *score, struct scope *scope)
{
    struct sum *sum;
    settle_values(scope);
    double said_w = sum_watts(scope, false), true_w = sum_watts(scope, true);
    if (score->has_truth && !(true_w > 0) && isnan(scope->measured_w) && !(said_w > 0))
        return 0; /* nobody did anything and nobody said so */
    int r = sum_of(score, scope, &sum);
    if (r < 0)
        return r;
    judge_balance(scope, said_w, sum);
    sum->contains_idle |= scope->contains_idle && isnan(scope->idle_w);
    if (score->has_truth && !(true_w > 0))
        return 0;
    sum->n_ticks++;
    sum->n_covered += has_values(scope, false);
    if (true_w > 0)
        judge_targets(scope, said_w, true_w, isnan(scope->dt_s) ? 1 : scope->dt_s, sum);
    return 0;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static void fill_row(const struct sum *sum, struct score_row *row)
{
    *row = (struct score_row){
        .domain = sum->domain,
        .package = sum->package,
        .n_ticks = sum->n_ticks,
        .n_covered = sum->n_covered,
        .cover = ratio((double)sum->n_covered, (double)sum->n_ticks),
        .closure_w = sum->closure_w,
        .model_error_w = ratio(sum->model_error_w, (double)sum->n_predicted),
        .share_error = ratio(sum->wrong_j, sum->true_j),
        .seen_error = ratio(sum->seen_wrong_j, sum->seen_j),
        .abs_error = sum->contains_idle ? NAN : ratio(sum->abs_j, sum->true_j),
        .n_sigmas = sum->n_sigmas,
        .inside_1_sigma = ratio((double)sum->n_inside_1, (double)sum->n_sigmas),
        .inside_2_sigma = ratio((double)sum->n_inside_2, (double)sum->n_sigmas),
    };
}

/* Sums run in order of time, whatever the order of arrival was. */
static int compare_scope_pointers(const void *a, const void *b)
{
    return compare_scopes(*(struct scope *const *)a, *(struct scope *const *)b);
}

int score_rows(struct score *score, const struct score_row **ret_rows, size_t *ret_n_rows)
{
    if (score->n_scopes > 0)
        qsort(score->scopes, score->n_scopes, sizeof(struct scope *), compare_scope_pointers);
    for (size_t i = 0; i < score->n_scopes && !score->rows; i++) {
        int r = judge_scope(score, score->scopes[i]);
        if (r < 0)
            return r;
    }
    if (!score->rows)
        score->rows = calloc(score->n_sums + 1, sizeof(*score->rows));
    if (!score->rows)
        return -ENOMEM;
    for (size_t i = 0; i < score->n_sums; i++)
        fill_row(&score->sums[i], &score->rows[i]);
    *ret_rows = score->rows;
    *ret_n_rows = score->n_sums;
    return 0;
}
