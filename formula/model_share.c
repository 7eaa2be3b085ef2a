/* SPDX-License-Identifier: BSD-3-Clause */
/* Watts by CPU time: what is above idle is split by the event that stands for CPU time. Idle is the
 * floor that the host record states (a curve's), else the lowest valid watts of the last 600 ticks,
 * this one included. The prediction uses what earlier ticks cost per unit of that event, so that
 * its miss says how far CPU time alone explains the machine. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/error.h"
#include "formula/lowest.h"
#include "formula/model.h"
#include "formula/residual.h"
#include "formula/state_io.h"

#define DECAY 0.98

struct share_model {
    struct model model;
    struct lowest lowest;
    struct residual residual;
    double dynamic_sum_w, rate_sum; /* decaying sums: their ratio is the price */
};

static int share_new(struct model **ret_model, enum domain domain, const void *settings,
                     struct error *err)
{
    (void)domain;
    (void)settings;
    (void)err;
    struct share_model *share = calloc(1, sizeof(*share));
    if (!share)
        return -ENOMEM;
    share->model.ops = &model_share;
    *ret_model = &share->model;
    return 0;
}

/* Weights in output->dynamic_w; returns their sum. */
static double weigh(const struct scope_tick *tick, struct model_output *output)
{
    double sum = 0;
    for (size_t i = 0; i < tick->n_activities; i++) {
        double rate =
            tick->cpu_event < tick->n_events ? tick->activities[i].rates[tick->cpu_event] : NAN;
        output->dynamic_w[i] = rate > 0 ? rate : 0;
        output->target_sigma_w[i] = NAN;
        sum += output->dynamic_w[i];
    }
    return sum;
}

static double idle_of(const struct share_model *share, const struct scope_tick *tick)
{
    return isnan(tick->floor_w) ? lowest_get(&share->lowest) : tick->floor_w;
}

static void learn(struct share_model *share, const struct scope_tick *tick, double rate,
                  double predicted_w)
{
    if (!isnan(predicted_w))
        residual_add(&share->residual, tick->measured_w - predicted_w);
    double dynamic_w = tick->measured_w - idle_of(share, tick);
    share->dynamic_sum_w = DECAY * share->dynamic_sum_w + fmax(dynamic_w, 0);
    share->rate_sum = DECAY * share->rate_sum + rate;
}

static int share_step(struct model *model, const struct scope_tick *tick,
                      struct model_output *output)
{
    struct share_model *share = (struct share_model *)model;
    double rate = weigh(tick, output);
    double price = share->rate_sum > 0 ? share->dynamic_sum_w / share->rate_sum : 0;
    bool has_counts = tick->cpu_event < tick->n_events;
    output->predicted_w = has_counts ? idle_of(share, tick) + price * rate : NAN;
    output->sigma_w = residual_sigma_w(&share->residual);
    output->scale_to_measured = true;
    if (tick->learn_idle)
        lowest_add(&share->lowest, tick->measured_w);
    if (tick->learn && has_counts)
        learn(share, tick, rate, output->predicted_w);
    output->idle_w = idle_of(share, tick);
    return 0;
}

/* ---- state ---- */

static void visit(struct share_model *share, struct state_io *io)
{
    lowest_visit(&share->lowest, io);
    residual_visit(&share->residual, io);
    state_doubles(io, "dynamic_sum_w", &share->dynamic_sum_w, 1);
    state_doubles(io, "rate_sum", &share->rate_sum, 1);
}

static int share_save(const struct model *model, bson_t *state)
{
    struct state_io io = {.out = state};
    visit((struct share_model *)model, &io);
    return io.is_damaged ? -ENOMEM : 0;
}

static int share_load(struct model *model, const bson_t *state, struct error *err)
{
    struct share_model *share = (struct share_model *)model, loaded = *share;
    struct state_io io = {.in = state};
    visit(&loaded, &io);
    if (io.is_damaged)
        return error_set(err, -EBADMSG, "field '%s' is missing or has another size", io.field);
    *share = loaded;
    return 0;
}

/* The doubt of the price is what its usual miss is worth at the usual load. */
static void share_show(const struct model *model, FILE *out)
{
    const struct share_model *share = (const struct share_model *)model;
    double sigma_w = residual_sigma_w(&share->residual);
    fprintf(out, "  idle %.2f W (the lowest of %d ticks)", lowest_get(&share->lowest),
            LOWEST_WINDOW);
    if (share->rate_sum > 0)
        fprintf(out, ", CPU time %.4g +- %.2g nJ each",
                share->dynamic_sum_w / share->rate_sum * 1e9,
                sigma_w / (share->rate_sum * (1 - DECAY)) * 1e9);
    fprintf(out, "; usual miss %.2f W\n", sigma_w);
}

static void share_free(struct model *model)
{
    free(model);
}

const struct model_ops model_share = {
    .name = "share",
    .about = "CPU time: what is above the lowest watts seen, split by time on the CPU",
    .new = share_new,
    .step = share_step,
    .save = share_save,
    .load = share_load,
    .show = share_show,
    .free = share_free,
};
