/* SPDX-License-Identifier: BSD-3-Clause */
/* The default model: one price per event, pooled over all targets, learned from the machine's own
 * watts (regression.h). Before the first tick is learned it splits by CPU time. Unmonitored load
 * has its row "other", so that it is priced and not charged to the rest. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/array.h"
#include "formula/lowest.h"
#include "formula/model.h"
#include "formula/regression.h"

struct auto_model {
    struct model model;
    struct regression regression;
    struct lowest lowest;
    double *sums;    /* [n_events] */
    size_t *feature; /* [n_events] */
    size_t sums_capacity, feature_capacity;
};

static int auto_new(struct model **ret_model, enum domain domain, const void *settings,
                    struct error *err)
{
    (void)domain;
    (void)settings;
    (void)err;
    struct auto_model *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->model.ops = &model_auto;
    regression_init(&self->regression);
    *ret_model = &self->model;
    return 0;
}

/* What the whole machine did; NAN for an event that no row counted. */
static void sum_rates(struct auto_model *self, const struct scope_tick *tick)
{
    for (size_t e = 0; e < tick->n_events; e++) {
        double sum = 0;
        bool is_counted = tick->n_activities == 0 && !isnan(tick->total_rates[e]);
        for (size_t i = 0; i < tick->n_activities; i++) {
            double rate = tick->activities[i].rates[e];
            if (isnan(rate))
                continue;
            sum += rate;
            is_counted = true;
        }
        if (tick->total_rates[e] > sum)
            sum = tick->total_rates[e];
        self->sums[e] = is_counted ? sum : NAN;
    }
}

static bool has_counts(const struct auto_model *self, const struct scope_tick *tick)
{
    for (size_t e = 0; e < tick->n_events; e++)
        if (!isnan(self->sums[e]))
            return true;
    return false;
}

static void attribute_by_cpu(const struct scope_tick *tick, struct model_output *output)
{
    for (size_t i = 0; i < tick->n_activities; i++)
        output->dynamic_w[i] =
            tick->cpu_event < tick->n_events ? tick->activities[i].rates[tick->cpu_event] : 0;
    output->scale_to_measured = true;
}

static void attribute(const struct auto_model *self, const struct scope_tick *tick,
                      struct model_output *output)
{
    const struct regression *regression = &self->regression;
    double x[REGRESSION_FEATURES_MAX], sum_w = 0;
    for (size_t i = 0; i < tick->n_activities; i++) {
        regression_features(regression, tick->n_events, self->feature, tick->activities[i].rates,
                            x);
        output->dynamic_w[i] = regression_dynamic(regression, x);
        sum_w += output->dynamic_w[i];
    }
    output->scale_to_measured = false;
    if (!(sum_w > 0)) /* every price is 0 so far */
        attribute_by_cpu(tick, output);
}

static int auto_step(struct model *model, const struct scope_tick *tick,
                     struct model_output *output)
{
    struct auto_model *self = (struct auto_model *)model;
    struct regression *regression = &self->regression;
    int r = array_reserve(&self->sums, &self->sums_capacity, tick->n_events + 1, sizeof(double));
    if (r >= 0)
        r = array_reserve(&self->feature, &self->feature_capacity, tick->n_events + 1,
                          sizeof(size_t));
    if (r < 0)
        return r;
    sum_rates(self, tick);
    bool is_counted = has_counts(self, tick);
    double x[REGRESSION_FEATURES_MAX];
    regression_map(regression, tick->n_events, tick->events, self->sums, tick->cpu_event,
                   self->feature);
    regression_features(regression, tick->n_events, self->feature, self->sums, x);
    output->predicted_w = is_counted ? regression_predict(regression, x) : NAN;
    output->sigma_w = residual_sigma_w(&regression->residual);
    for (size_t i = 0; i < tick->n_activities; i++)
        output->target_sigma_w[i] = NAN;
    if (tick->learn) {
        lowest_add(&self->lowest, tick->measured_w);
        if (is_counted)
            regression_learn(regression, x, tick->measured_w, tick->floor_w,
                             lowest_get(&self->lowest));
    }
    output->idle_w = regression->is_primed ? regression->theta[0] : lowest_get(&self->lowest);
    attribute(self, tick, output);
    return 0;
}

static void auto_free(struct model *model)
{
    struct auto_model *self = (struct auto_model *)model;
    if (!self)
        return;
    free(self->sums);
    free(self->feature);
    free(self);
}

const struct model_ops model_auto = {
    .name = "auto",
    .about = "a price per event, learned from the machine's own watts, never negative",
    .new = auto_new,
    .step = auto_step,
    .free = auto_free,
};
