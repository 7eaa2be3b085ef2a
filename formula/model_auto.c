/* SPDX-License-Identifier: BSD-3-Clause */
/* The default model. Mixed regressions say what each target costs. They view the same ticks in
 * different ways, because nobody knows of a machine how its voltage follows its clock or what its
 * programs share; those that explain the machine better say more, and what they disagree in is
 * doubt of each target's watts. Experts, the regressions among them, predict the scope's watts.
 * Prediction may use whatever is right lately, signs and all; attribution may not, because a price
 * that is right only in sum says nothing of one target. Unmonitored load has its row "other", so
 * that it is priced and not charged to the rest. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
#define DEVIATIONS 24
#define HEADROOM 1.3 /* a prediction stays below so much of the largest power seen */
#define SHARED_BY_COST                                                         \
    0.5 /* of what is shared goes by what targets cost, the rest by their work \
         */
#define SIGMA_TIMES 0.7    /* the posterior does not know this tick's own watts, which pin the sum */
#define SIGMA_SHARE 0.15   /* what no price can express is doubt that no number of ticks mends */
#define MIXTURE_SHARE 0.15 /* the same of "other", behind which stands now this, now that */
#define FIT_NOISE_W2 0.01 /* fits this near are equal */

/* The ways to view a tick. Memory has no clock of its own here, and nothing shared: one is enough.
 */
static const struct view {
    enum clock_curve curve;
    enum shared_shape shape;
    const char *name;
} views[] = {
    {CLOCK_LINEAR, SHARED_ROOT, "clock^1, root"},   {CLOCK_SQUARE, SHARED_ROOT, "clock^2, root"},
    {CLOCK_FLOOR, SHARED_ROOT, "floor, root"},      {CLOCK_LINEAR, SHARED_AWAKE, "clock^1, awake"},
    {CLOCK_SQUARE, SHARED_AWAKE, "clock^2, awake"}, {CLOCK_FLOOR, SHARED_AWAKE, "floor, awake"},
};
#define VIEWS (sizeof(views) / sizeof(*views))
enum { VIEW_PLAIN }; /* what has no views of its own sees the first */
enum { EXPERT_MIXED, EXPERT_POOLED, EXPERT_SLOW, EXPERT_FAST, BASIC_EXPERTS };
static_assert(BASIC_EXPERTS <= RECENT_EXPERTS && 2 * BASIC_EXPERTS <= EXPERTS_MAX, "room");

struct auto_settings {
    uint64_t deviations;
};

/* What a row of the tick is made of. */
struct priced {
    double x[FEATURE_COUNT]; /* unviewed */
    double viewed[VIEWS][FEATURE_COUNT];
    size_t slot[VIEWS];
};

struct auto_model {
    struct model model;
    struct features features;
    bool has_settings; /* else a state brings its own */
    uint64_t deviations;
    size_t n_fits; /* of the views, in their order */
    struct mixed fits[VIEWS];
    struct mixed pooled;
    struct free_fit free_fits[2];
    struct recent recent;
    struct experts experts;
    struct robust robust;
    struct lowest lowest;
    double largest_w, previous_w;
    uint64_t n_learned, last_seq; /* of the last tick learned from */
    /* Of the current tick. */
    double *sums; /* [n_events] */
    struct priced *priced;
    size_t sums_capacity, priced_capacity;
    double all_x[FEATURE_COUNT], all_viewed[VIEWS][FEATURE_COUNT];
    double predictions_w[2 * BASIC_EXPERTS];
};

static int auto_new(struct model **ret_model, enum domain domain, const void *values,
                    struct error *err)
{
    const struct auto_settings *settings = values;
    if (settings && settings->deviations > MIXED_SLOTS_MAX)
        return error_set(err, -EINVAL, "deviations: %" PRIu64 " is above %d", settings->deviations,
                         MIXED_SLOTS_MAX);
    struct auto_model *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->model.ops = &model_auto;
    self->has_settings = settings != NULL;
    self->deviations = settings ? settings->deviations : DEVIATIONS;
    self->n_fits = domain == DOMAIN_DRAM ? 1 : VIEWS;
    features_init(&self->features, domain);
    for (size_t k = 0; k < self->n_fits; k++)
        mixed_init(&self->fits[k], domain, self->deviations, MEMORY);
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

/* What is shared is everybody's by work, until it is viewed. */
static void divide_shared(struct auto_model *self, size_t n)
{
    double work = self->all_x[FEATURE_WORK];
    if (!(work > 0))
        return;
    self->all_x[FEATURE_SHARED] = 1;
    for (size_t i = 0; i < n; i++)
        self->priced[i].x[FEATURE_SHARED] = self->priced[i].x[FEATURE_WORK] / work;
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
    divide_shared(self, tick->n_activities);
    double work = self->all_x[FEATURE_WORK];
    for (size_t k = 0; k < self->n_fits; k++) {
        const struct view *view = &views[k];
        features_view(&self->features, view->curve, view->shape, work, self->all_x,
                      self->all_viewed[k]);
        for (size_t i = 0; i < tick->n_activities; i++)
            features_view(&self->features, view->curve, view->shape, work, self->priced[i].x,
                          self->priced[i].viewed[k]);
    }
}

static void find_slots(struct auto_model *self, const struct scope_tick *tick)
{
    for (size_t k = 0; k < self->n_fits; k++) {
        mixed_begin(&self->fits[k]);
        for (size_t i = 0; i < tick->n_activities; i++) {
            struct priced *priced = &self->priced[i];
            priced->slot[k] = mixed_find(&self->fits[k], tick->activities[i].kin);
            mixed_add(&self->fits[k], priced->slot[k], priced->viewed[k]);
        }
    }
}

/* ---- prediction ---- */

/* How much each fit says: the one that explains the machine better says more. */
static void weigh_fits(const struct auto_model *self, double *ret_weights)
{
    double sum = 0, best_w2 = INFINITY;
    for (size_t k = 0; k < self->n_fits; k++)
        best_w2 = fmin(best_w2, self->fits[k].mean_miss_w2);
    for (size_t k = 0; k < self->n_fits; k++) {
        double ratio = (best_w2 + FIT_NOISE_W2) / (self->fits[k].mean_miss_w2 + FIT_NOISE_W2);
        ret_weights[k] = ratio * ratio * ratio * ratio;
        sum += ret_weights[k];
    }
    for (size_t k = 0; k < self->n_fits; k++)
        ret_weights[k] /= sum;
}

static double bounded(const struct auto_model *self, double watts)
{
    return fmin(fmax(watts, 0), HEADROOM * self->largest_w);
}

static double predict(struct auto_model *self, double dt_s)
{
    double guess_w[BASIC_EXPERTS], weights[VIEWS], *said_w = self->predictions_w;
    weigh_fits(self, weights);
    said_w[EXPERT_MIXED] = 0;
    for (size_t k = 0; k < self->n_fits; k++)
        said_w[EXPERT_MIXED] +=
            weights[k] * mixed_predict(&self->fits[k], self->all_viewed[k], dt_s);
    said_w[EXPERT_POOLED] = mixed_predict(&self->pooled, self->all_viewed[VIEW_PLAIN], dt_s);
    said_w[EXPERT_SLOW] = free_fit_predict(&self->free_fits[0], self->all_viewed[VIEW_PLAIN]);
    said_w[EXPERT_FAST] = free_fit_predict(&self->free_fits[1], self->all_viewed[VIEW_PLAIN]);
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

/* One tick alone is not believed: a late energy counter shows half a tick, and the lowest of many
 * noisy ones is lower than any truth. */
static void note_lowest(struct auto_model *self, double measured_w)
{
    if (self->previous_w > 0)
        lowest_add(&self->lowest, fmax(measured_w, self->previous_w));
    self->previous_w = measured_w;
}

/* What idle cannot exceed: the lowest watts that two ticks in a row confirm; NAN before the first.
 */
static double idle_bound_w(const struct auto_model *self)
{
    double lowest_w = lowest_get(&self->lowest);
    return isnan(lowest_w) && self->previous_w > 0 ? self->previous_w : lowest_w;
}

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
            double watts = mixed_price(fit, MIXED_NO_SLOT, self->priced[i].viewed[k]);
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
            mixed_add(fit, self->priced[i].slot[k], self->priced[i].viewed[k]);
        }
        if (was_full)
            return;
    }
}

/* What stands behind "other" changes without a sign, so that its price is right on average only. */
static double mixture_doubt_w(const struct auto_model *self, const struct scope_tick *tick,
                              size_t k)
{
    for (size_t i = 0; i < tick->n_activities; i++)
        if (strcmp(tick->activities[i].name, OTHER_TARGET) == 0)
            return MIXTURE_SHARE * mixed_price(&self->fits[k], self->priced[i].slot[k],
                                               self->priced[i].viewed[k]);
    return 0;
}

static void learn(struct auto_model *self, const struct scope_tick *tick, double predicted_w)
{
    double measured_w = tick->measured_w, weight = 1;
    struct mixed_tick known = {.measured_w = measured_w,
                               .dt_s = tick->dt_s,
                               .floor_w = tick->floor_w,
                               .lowest_w = idle_bound_w(self)};
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
    for (size_t k = 0; k < self->n_fits; k++) {
        admit(self, tick, k);
        known.doubt_w = mixture_doubt_w(self, tick, k);
        mixed_learn(&self->fits[k], self->all_viewed[k], &known);
    }
    known.doubt_w = 0;
    mixed_learn(&self->pooled, self->all_viewed[VIEW_PLAIN], &known);
    for (size_t k = 0; k < 2; k++)
        free_fit_learn(&self->free_fits[k], self->all_viewed[VIEW_PLAIN], measured_w, weight);
    self->n_learned++;
    self->last_seq = tick->seq;
}

/* ---- attribution ---- */

static void attribute_by_work(const struct auto_model *self, const struct scope_tick *tick,
                              bool is_counted, struct model_output *output)
{
    for (size_t i = 0; i < tick->n_activities; i++)
        output->dynamic_w[i] = is_counted ? self->priced[i].x[FEATURE_WORK] : 0;
    output->scale_to_measured = true;
}

/* The features of a row, shared ones divided: half by work, half by what the targets cost beside
 * them. Both are fair, and nothing that can be measured says which is right. */
static void divide_by_cost(const struct auto_model *self, const struct priced *priced, size_t k,
                           double own_w, double all_own_w, double *ret_x)
{
    memcpy(ret_x, priced->viewed[k], FEATURE_COUNT * sizeof(*ret_x));
    if (!(all_own_w > 0))
        return;
    double by_cost = self->all_viewed[k][FEATURE_SHARED] * own_w / all_own_w;
    ret_x[FEATURE_SHARED] += SHARED_BY_COST * (by_cost - ret_x[FEATURE_SHARED]);
}

static double own_cost_w(const struct auto_model *self, const struct priced *priced, size_t k)
{
    double x[FEATURE_COUNT];
    memcpy(x, priced->viewed[k], sizeof(x));
    x[FEATURE_SHARED] = 0;
    return mixed_price(&self->fits[k], priced->slot[k], x);
}

/* Adds what one fit says, weighted: to dynamic_w the watts, to target_sigma_w their variance and
 * square. */
static void add_fit(const struct auto_model *self, size_t k, double weight, size_t n,
                    struct model_output *output)
{
    const struct mixed *fit = &self->fits[k];
    double shared_price_w = fit->theta[MIXED_POOLED + FEATURE_SHARED], all_own_w = 0;
    for (size_t i = 0; i < n; i++)
        all_own_w += own_cost_w(self, &self->priced[i], k);
    for (size_t i = 0; i < n; i++) {
        const struct priced *priced = &self->priced[i];
        double x[FEATURE_COUNT], own_w = own_cost_w(self, priced, k);
        divide_by_cost(self, priced, k, own_w, all_own_w, x);
        double watts = own_w + shared_price_w * x[FEATURE_SHARED];
        double sigma = SIGMA_TIMES * mixed_sigma(fit, priced->slot[k], x);
        output->dynamic_w[i] += weight * watts;
        output->target_sigma_w[i] += weight * (sigma * sigma + watts * watts);
    }
}

/* From the mean of squares and variances of the fits. closing: what closing the balance moves,
 * relative: it divides what the meter, the model and idle miss by what the targets cost. */
static double whole_sigma_w(double watts, double mean_square_w2, double closing)
{
    double variance = mean_square_w2 - watts * watts;
    variance = variance < 0 ? 0 : variance; /* NAN stays */
    double relative = isfinite(closing) ? SIGMA_SHARE * SIGMA_SHARE + closing * closing
                                        : SIGMA_SHARE * SIGMA_SHARE;
    return sqrt(variance + relative * watts * watts);
}

static void attribute(const struct auto_model *self, const struct scope_tick *tick,
                      struct model_output *output)
{
    double sum_w = 0, doubt_w = 0, idle_square_w2 = 0, weights[VIEWS];
    weigh_fits(self, weights);
    output->idle_w = 0;
    for (size_t i = 0; i < tick->n_activities; i++)
        output->dynamic_w[i] = output->target_sigma_w[i] = 0;
    for (size_t k = 0; k < self->n_fits; k++) {
        double idle_w = self->fits[k].theta[MIXED_IDLE];
        double idle_sigma_w = mixed_idle_sigma(&self->fits[k]);
        output->idle_w += weights[k] * idle_w;
        idle_square_w2 += weights[k] * (idle_w * idle_w + idle_sigma_w * idle_sigma_w);
        doubt_w += weights[k] * residual_sigma_w(&self->fits[k].robust.residual);
        add_fit(self, k, weights[k], tick->n_activities, output);
    }
    for (size_t i = 0; i < tick->n_activities; i++)
        sum_w += output->dynamic_w[i];
    double idle_variance_w2 = idle_square_w2 - output->idle_w * output->idle_w;
    double closing = sqrt(doubt_w * doubt_w + fmax(idle_variance_w2, 0)) / sum_w;
    for (size_t i = 0; i < tick->n_activities; i++)
        output->target_sigma_w[i] =
            whole_sigma_w(output->dynamic_w[i], output->target_sigma_w[i], closing);
    double rest_w = tick->measured_w - output->idle_w - sum_w;
    output->scale_to_measured = rest_w <= 2 * doubt_w || self->n_learned < 3;
    if (!(sum_w > 0)) /* every price is 0 so far */
        attribute_by_work(self, tick, true, output);
}

static void break_fits(struct auto_model *self)
{
    for (size_t k = 0; k < self->n_fits; k++)
        mixed_break(&self->fits[k]);
    mixed_break(&self->pooled);
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
    if (tick->seq != self->last_seq + 1)
        break_fits(self);
    output->predicted_w = is_counted ? predict(self, tick->dt_s) : NAN;
    output->sigma_w = residual_sigma_w(&self->robust.residual);
    for (size_t i = 0; i < tick->n_activities; i++)
        output->target_sigma_w[i] = NAN;
    if (tick->learn_idle)
        note_lowest(self, tick->measured_w);
    if (tick->learn && is_counted)
        learn(self, tick, output->predicted_w);
    if (self->n_learned > 0) {
        attribute(self, tick, output);
    } else {
        output->idle_w = idle_bound_w(self);
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
    static const char *const free_names[] = {"slow", "fast"};
    state_words(io, "deviations", &self->deviations, 1);
    for (size_t k = 0; k < self->n_fits && io->in; k++)
        self->fits[k].n_slots =
            self->deviations < MIXED_SLOTS_MAX ? self->deviations : MIXED_SLOTS_MAX;
    state_enter(io, "features", &inner, &room);
    features_visit(&self->features, &inner);
    state_leave(io, &inner, &room);
    for (size_t k = 0; k <= self->n_fits; k++) {
        char name[16];
        (void)snprintf(name, sizeof(name), k < self->n_fits ? "view%zu" : "pooled", k);
        state_enter(io, name, &inner, &room);
        mixed_visit(k < self->n_fits ? &self->fits[k] : &self->pooled, &inner);
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
    state_doubles(&inner, "previous_w", &self->previous_w, 1);
    state_words(&inner, "n_learned", &self->n_learned, 1);
    state_words(&inner, "last_seq", &self->last_seq, 1);
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
    else if (self->has_settings && self->deviations != loaded->deviations)
        r = error_set(err, -EBADMSG, "it has %" PRIu64 " deviations, not %" PRIu64,
                      loaded->deviations, self->deviations);
    else
        *self = *loaded;
    free(loaded);
    return r;
}

static void auto_show(const struct model *model, FILE *out)
{
    const struct auto_model *self = (const struct auto_model *)model;
    static const char *const names[FEATURE_SHARED] = {"work", "instructions", "misses"};
    double units[FEATURE_SHARED] = {0, self->features.instructions_unit, 0}, weights[VIEWS];
    for (size_t i = FEATURE_MISS_SOURCES; i-- > 0;)
        if (self->features.misses_unit[i] > 0)
            units[FEATURE_MISSES] = self->features.misses_unit[i];
    weigh_fits(self, weights);
    for (size_t i = FEATURE_SOURCES; i-- > 0;) /* the event that stood for work */
        if (self->features.work_unit[i] > 0)
            units[FEATURE_WORK] = self->features.work_unit[i];
    fprintf(out, "  learned from %" PRIu64 " ticks; usual miss %.2f W\n", self->n_learned,
            residual_sigma_w(&self->robust.residual));
    for (size_t k = 0; k < self->n_fits; k++) {
        const struct mixed *fit = &self->fits[k];
        fprintf(out, "  view %s, weight %.2f: idle %.2f +- %.2f W", views[k].name, weights[k],
                fit->theta[MIXED_IDLE], mixed_idle_sigma(fit));
        for (size_t f = 0; f < FEATURE_SHARED; f++) {
            double x[FEATURE_COUNT] = {0};
            x[f] = 1;
            if (units[f] > 0)
                fprintf(out, ", %s %.4g +- %.2g nJ each", names[f],
                        fit->theta[MIXED_POOLED + f] / units[f] * 1e9,
                        mixed_sigma(fit, MIXED_NO_SLOT, x) / units[f] * 1e9);
        }
        double root = sqrt(fmax(self->features.mean[FEATURE_WORK], 0));
        double of_all[FEATURE_COUNT] = {0};
        of_all[FEATURE_SHARED] = views[k].shape == SHARED_ROOT ? root : 1;
        fprintf(out, ", shared %.2f +- %.2f W\n",
                fit->theta[MIXED_POOLED + FEATURE_SHARED] * of_all[FEATURE_SHARED],
                mixed_sigma(fit, MIXED_NO_SLOT, of_all));
    }
}

#define AT(field) offsetof(struct auto_settings, field)
static const struct option_spec specs[] = {
    {.key = "deviations",
     .type = OPTION_COUNT,
     .offset = AT(deviations),
     .fallback = "24",
     .argument = "N",
     .help = "how many kinds of targets may have prices of their own at a time (0 to 32)"},
};
#undef AT

const struct model_ops model_auto = {
    .name = "auto",
    .about = "prices per event and per target, learned from the machine's own watts",
    .options = specs,
    .n_options = sizeof(specs) / sizeof(*specs),
    .settings_size = sizeof(struct auto_settings),
    .new = auto_new,
    .step = auto_step,
    .save = auto_save,
    .load = auto_load,
    .show = auto_show,
    .free = auto_free,
};
