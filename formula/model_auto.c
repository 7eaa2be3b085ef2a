/* SPDX-License-Identifier: BSD-3-Clause */
/* The default model. Two mixed regressions say what each target costs: one takes watts to rise with
 * the clock, the other with its square beyond the clock's own part in the counts, and whichever
 * explains the machine better says more. Several experts, those two among them, predict the scope's
 * watts. Prediction may use whatever is right lately, signs and all; attribution may not, because a
 * price that is right only in sum says nothing of one target. Unmonitored load has its row "other",
 * so that it is priced and not charged to the rest. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/array.h"
#include "common/error.h"
#include "formula/experts.h"
#include "formula/free_fit.h"
#include "formula/lowest.h"
#include "formula/mixed.h"
#include "formula/model.h"
#include "formula/recent.h"
#include "formula/state_io.h"

#define MEMORY 0.995
#define SLOTS 16
#define HEADROOM 1.3      /* a prediction stays below so much of the largest power seen */
#define SIGMA_TIMES 1.5   /* the posterior knows nothing of what no price can express, */
#define SIGMA_SHARE 0.1   /* nor does any number of ticks mend it */
#define FIT_NOISE_W2 0.01 /* fits this near are equal */

enum { FIT_LOW, FIT_HIGH, FITS };
static const double exponents[FITS] = {[FIT_LOW] = 1, [FIT_HIGH] = 2};
enum { EXPERT_MIXED, EXPERT_POOLED = FITS, EXPERT_SLOW, EXPERT_FAST, BASIC_EXPERTS };
static_assert(BASIC_EXPERTS <= RECENT_EXPERTS && 2 * BASIC_EXPERTS <= EXPERTS_MAX, "room");

/* What a row of the tick is made of. */
struct priced {
    double x[FEATURE_COUNT];             /* clock left out */
    double boosted[FITS][FEATURE_COUNT]; /* with each fit's exponent */
    size_t slot[FITS];
};

struct auto_model {
    struct model model;
    struct features features;
    struct mixed fits[FITS];
    struct mixed pooled;
    struct free_fit free_fits[2];
    struct recent recent;
    struct experts experts;
    struct robust robust;
    struct lowest lowest;
    double largest_w;
    uint64_t n_learned;
    /* Of the current tick. */
    double *sums; /* [n_events] */
    struct priced *priced;
    size_t sums_capacity, priced_capacity;
    double all_x[FEATURE_COUNT], all_boosted[FITS][FEATURE_COUNT];
    double predictions_w[2 * BASIC_EXPERTS];
};

static int auto_new(struct model **ret_model, enum domain domain, const void *settings,
                    struct error *err)
{
    (void)settings;
    (void)err;
    struct auto_model *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->model.ops = &model_auto;
    features_init(&self->features, domain);
    mixed_init(&self->fits[FIT_LOW], domain, SLOTS, MEMORY);
    mixed_init(&self->fits[FIT_HIGH], domain, SLOTS, MEMORY);
    mixed_init(&self->pooled, domain, 0, MEMORY);
    free_fit_init(&self->free_fits[0], 0.98);
    free_fit_init(&self->free_fits[1], 0.9);
    *ret_model = &self->model;
    return 0;
}

/* ---- features ---- */

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

/* The root is of all work; each row gets its part by work. */
static void share_root(struct auto_model *self, size_t n)
{
    double work = self->all_x[FEATURE_WORK];
    if (!(work > 0) || !features_has(&self->features, FEATURE_ROOT))
        return;
    double root = sqrt(work);
    self->all_x[FEATURE_ROOT] = root;
    for (size_t i = 0; i < n; i++)
        self->priced[i].x[FEATURE_ROOT] = self->priced[i].x[FEATURE_WORK] * root / work;
}

/* The rows' features, and all of them together. */
static void make_features(struct auto_model *self, const struct scope_tick *tick)
{
    for (size_t f = 0; f < FEATURE_COUNT; f++)
        self->all_x[f] = 0;
    for (size_t i = 0; i < tick->n_activities; i++) {
        double *x = self->priced[i].x;
        features_of(&self->features, tick, tick->activities[i].rates, x);
        for (size_t f = 0; f < FEATURE_COUNT; f++)
            self->all_x[f] += x[f];
    }
    if (tick->n_activities == 0)
        features_of(&self->features, tick, tick->total_rates, self->all_x);
    share_root(self, tick->n_activities);
    for (size_t k = 0; k < FITS; k++) {
        features_boost(&self->features, exponents[k], self->all_x, self->all_boosted[k]);
        for (size_t i = 0; i < tick->n_activities; i++)
            features_boost(&self->features, exponents[k], self->priced[i].x,
                           self->priced[i].boosted[k]);
    }
}

static void find_slots(struct auto_model *self, const struct scope_tick *tick)
{
    for (size_t k = 0; k < FITS; k++) {
        mixed_begin(&self->fits[k]);
        for (size_t i = 0; i < tick->n_activities; i++) {
            struct priced *priced = &self->priced[i];
            priced->slot[k] = mixed_find(&self->fits[k], tick->activities[i].kin);
            mixed_add(&self->fits[k], priced->slot[k], priced->boosted[k]);
        }
    }
}

/* ---- prediction ---- */

static double bounded(const struct auto_model *self, double watts)
{
    return fmin(fmax(watts, 0), HEADROOM * self->largest_w);
}

static double predict(struct auto_model *self)
{
    double guess_w[BASIC_EXPERTS], *said_w = self->predictions_w;
    for (size_t k = 0; k < FITS; k++)
        said_w[EXPERT_MIXED + k] = mixed_predict(&self->fits[k], self->all_boosted[k]);
    said_w[EXPERT_POOLED] = mixed_predict(&self->pooled, self->all_boosted[FIT_LOW]);
    said_w[EXPERT_SLOW] = free_fit_predict(&self->free_fits[0], self->all_boosted[FIT_LOW]);
    said_w[EXPERT_FAST] = free_fit_predict(&self->free_fits[1], self->all_boosted[FIT_LOW]);
    if (isnan(said_w[EXPERT_POOLED]))
        return NAN;
    recent_guess(&self->recent, self->all_x, BASIC_EXPERTS, guess_w);
    for (size_t e = 0; e < BASIC_EXPERTS; e++) {
        said_w[BASIC_EXPERTS + e] = bounded(self, said_w[e] + guess_w[e]);
        said_w[e] = bounded(self, said_w[e]);
    }
    return experts_predict(&self->experts, 2 * BASIC_EXPERTS, said_w);
}

/* ---- learning ---- */

/* The costliest rows that have no slot ask for one: all of them while slots are free, then one a
 * tick. */
static void admit(struct auto_model *self, const struct scope_tick *tick, size_t k)
{
    struct mixed *fit = &self->fits[k];
    for (size_t round = 0; round < fit->n_slots; round++) {
        size_t best = tick->n_activities;
        double best_w = 0;
        for (size_t i = 0; i < tick->n_activities; i++) {
            if (self->priced[i].slot[k] != MIXED_NO_SLOT)
                continue;
            double watts = mixed_price(fit, MIXED_NO_SLOT, self->priced[i].boosted[k]);
            if (watts > best_w) {
                best = i;
                best_w = watts;
            }
        }
        bool was_full = mixed_is_full(fit);
        if (best == tick->n_activities ||
            mixed_admit(fit, tick->activities[best].kin, best_w) == MIXED_NO_SLOT)
            return;
        mixed_begin(fit);
        for (size_t i = 0; i < tick->n_activities; i++) {
            self->priced[i].slot[k] = mixed_find(fit, tick->activities[i].kin);
            mixed_add(fit, self->priced[i].slot[k], self->priced[i].boosted[k]);
        }
        if (was_full)
            return;
    }
}

static void learn(struct auto_model *self, const struct scope_tick *tick, double predicted_w)
{
    double measured_w = tick->measured_w, weight = 1, lowest_w = lowest_get(&self->lowest);
    if (!isnan(predicted_w)) {
        double miss_w[BASIC_EXPERTS];
        weight = robust_weight(&self->robust, measured_w - predicted_w, measured_w);
        for (size_t e = 0; e < BASIC_EXPERTS; e++)
            miss_w[e] = measured_w - self->predictions_w[e];
        if (weight > 0) {
            experts_learn(&self->experts, 2 * BASIC_EXPERTS, self->predictions_w, measured_w);
            recent_add(&self->recent, self->all_x, BASIC_EXPERTS, miss_w);
        }
    }
    if (weight > 0)
        self->largest_w = fmax(self->largest_w, measured_w);
    features_learn(&self->features, tick, self->all_x);
    for (size_t k = 0; k < FITS; k++) {
        admit(self, tick, k);
        mixed_learn(&self->fits[k], self->all_boosted[k], measured_w, tick->floor_w, lowest_w);
    }
    mixed_learn(&self->pooled, self->all_boosted[FIT_LOW], measured_w, tick->floor_w, lowest_w);
    for (size_t k = 0; k < 2; k++)
        free_fit_learn(&self->free_fits[k], self->all_boosted[FIT_LOW], measured_w, weight);
    self->n_learned++;
}

/* ---- attribution ---- */

static void attribute_by_work(const struct auto_model *self, const struct scope_tick *tick,
                              bool is_counted, struct model_output *output)
{
    for (size_t i = 0; i < tick->n_activities; i++)
        output->dynamic_w[i] = is_counted ? self->priced[i].x[FEATURE_WORK] : 0;
    output->scale_to_measured = true;
}

/* How much each fit says in the attribution: the one that explains the machine better says more. */
static void weigh_fits(const struct auto_model *self, double *ret_weights)
{
    double sum = 0;
    for (size_t k = 0; k < FITS; k++) {
        double square = self->fits[k].robust.residual.mean_square_w2 + FIT_NOISE_W2;
        ret_weights[k] = 1 / (square * square);
        sum += ret_weights[k];
    }
    for (size_t k = 0; k < FITS; k++)
        ret_weights[k] /= sum;
}

static void attribute(const struct auto_model *self, const struct scope_tick *tick,
                      struct model_output *output)
{
    double sum_w = 0, doubt_w = 0, weights[FITS];
    weigh_fits(self, weights);
    output->idle_w = 0;
    for (size_t k = 0; k < FITS; k++) {
        output->idle_w += weights[k] * self->fits[k].theta[MIXED_IDLE];
        doubt_w += weights[k] * residual_sigma_w(&self->fits[k].robust.residual);
    }
    for (size_t i = 0; i < tick->n_activities; i++) {
        const struct priced *priced = &self->priced[i];
        double watts = 0, sigma = 0;
        for (size_t k = 0; k < FITS; k++) {
            const double *x = priced->boosted[k];
            watts += weights[k] * mixed_price(&self->fits[k], priced->slot[k], x);
            sigma += weights[k] * mixed_sigma(&self->fits[k], priced->slot[k], x);
        }
        output->dynamic_w[i] = watts;
        output->target_sigma_w[i] = sqrt(SIGMA_TIMES * SIGMA_TIMES * sigma * sigma +
                                         SIGMA_SHARE * SIGMA_SHARE * watts * watts);
        sum_w += watts;
    }
    double rest_w = tick->measured_w - output->idle_w - sum_w;
    output->scale_to_measured = rest_w <= 2 * doubt_w || self->n_learned < 3;
    if (!(sum_w > 0)) /* every price is 0 so far */
        attribute_by_work(self, tick, true, output);
}

static int auto_step(struct model *model, const struct scope_tick *tick,
                     struct model_output *output)
{
    struct auto_model *self = (struct auto_model *)model;
    int r = array_reserve(&self->sums, &self->sums_capacity, tick->n_events + 1, sizeof(double));
    if (r >= 0)
        r = array_reserve(&self->priced, &self->priced_capacity, tick->n_activities + 1,
                          sizeof(*self->priced));
    if (r < 0)
        return r;
    sum_rates(self, tick);
    bool is_counted = features_begin(&self->features, tick, self->sums);
    make_features(self, tick);
    find_slots(self, tick);
    output->predicted_w = is_counted ? predict(self) : NAN;
    output->sigma_w = residual_sigma_w(&self->robust.residual);
    for (size_t i = 0; i < tick->n_activities; i++)
        output->target_sigma_w[i] = NAN;
    if (tick->learn) {
        lowest_add(&self->lowest, tick->measured_w);
        if (is_counted)
            learn(self, tick, output->predicted_w);
    }
    if (self->n_learned > 0) {
        attribute(self, tick, output);
    } else {
        output->idle_w = lowest_get(&self->lowest);
        attribute_by_work(self, tick, is_counted, output);
    }
    return 0;
}

static void auto_free(struct model *model)
{
    struct auto_model *self = (struct auto_model *)model;
    if (!self)
        return;
    free(self->sums);
    free(self->priced);
    free(self);
}

/* ---- state ---- */

static void visit(struct auto_model *self, struct state_io *io)
{
    struct state_io inner;
    bson_t room;
    static const char *const fit_names[FITS + 1] = {"low", "high", "pooled"};
    static const char *const free_names[] = {"slow", "fast"};
    state_enter(io, "features", &inner, &room);
    features_visit(&self->features, &inner);
    state_leave(io, &inner, &room);
    for (size_t k = 0; k <= FITS; k++) {
        state_enter(io, fit_names[k], &inner, &room);
        mixed_visit(k < FITS ? &self->fits[k] : &self->pooled, &inner);
        state_leave(io, &inner, &room);
    }
    for (size_t k = 0; k < 2; k++) {
        state_enter(io, free_names[k], &inner, &room);
        free_fit_visit(&self->free_fits[k], &inner);
        state_leave(io, &inner, &room);
    }
    state_enter(io, "recent", &inner, &room);
    recent_visit(&self->recent, &inner);
    state_leave(io, &inner, &room);
    state_enter(io, "prediction", &inner, &room);
    experts_visit(&self->experts, &inner);
    robust_visit(&self->robust, &inner);
    lowest_visit(&self->lowest, &inner);
    state_doubles(&inner, "largest_w", &self->largest_w, 1);
    state_words(&inner, "n_learned", &self->n_learned, 1);
    state_leave(io, &inner, &room);
}

static int auto_save(const struct model *model, bson_t *state)
{
    struct state_io io = {.out = state};
    visit((struct auto_model *)model, &io);
    return io.is_damaged ? -ENOMEM : 0;
}

static int auto_load(struct model *model, const bson_t *state, struct error *err)
{
    struct auto_model *self = (struct auto_model *)model;
    struct auto_model *loaded = malloc(sizeof(*loaded));
    if (!loaded)
        return error_set(err, -ENOMEM, "out of memory");
    *loaded = *self;
    struct state_io io = {.in = state};
    visit(loaded, &io);
    int r = 0;
    if (io.is_damaged)
        r = error_set(err, -EBADMSG, "field '%s' is missing or has another size", io.field);
    else
        *self = *loaded;
    free(loaded);
    return r;
}

static void auto_show(const struct model *model, FILE *out)
{
    const struct auto_model *self = (const struct auto_model *)model;
    static const char *const fit_names[FITS] = {"clock^1", "clock^2"};
    static const char *const names[FEATURE_ROOT] = {"work", "instructions", "llc_misses"};
    double units[FEATURE_ROOT] = {0, self->features.unit[FEATURE_INSTRUCTIONS],
                                  self->features.unit[FEATURE_MISSES]};
    for (size_t i = FEATURE_SOURCES; i-- > 0;) /* the event that stood for work */
        if (self->features.work_unit[i] > 0)
            units[FEATURE_WORK] = self->features.work_unit[i];
    fprintf(out, "  learned from %" PRIu64 " ticks; usual miss %.2f W\n", self->n_learned,
            residual_sigma_w(&self->robust.residual));
    for (size_t k = 0; k < FITS; k++) {
        const struct mixed *fit = &self->fits[k];
        fprintf(out, "  %s: idle %.2f W", fit_names[k], fit->theta[MIXED_IDLE]);
        for (size_t f = 0; f < FEATURE_ROOT; f++) {
            double x[FEATURE_COUNT] = {0};
            x[f] = 1;
            if (units[f] > 0)
                fprintf(out, ", %s %.4g +- %.2g nJ each", names[f],
                        fit->theta[MIXED_POOLED + f] / units[f] * 1e9,
                        mixed_sigma(fit, MIXED_NO_SLOT, x) / units[f] * 1e9);
        }
        fprintf(out, ", awake %.2f W\n",
                fit->theta[MIXED_POOLED + FEATURE_ROOT] *
                    sqrt(fmax(self->features.mean[FEATURE_WORK], 0)));
    }
}

const struct model_ops model_auto = {
    .name = "auto",
    .about = "prices per event and per target, learned from the machine's own watts",
    .new = auto_new,
    .step = auto_step,
    .save = auto_save,
    .load = auto_load,
    .show = auto_show,
    .free = auto_free,
};
