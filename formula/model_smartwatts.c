/* SPDX-License-Identifier: BSD-3-Clause */
/* SmartWatts 2.4.1 as it is, for comparison: one model per 100 MHz of the package's mean clock
 * (frequency_layer.h), silent in a layer until that has ten samples. Fed as the original is
 * (--no-close), it says what the original says; fed like every model, it weighs the targets and the
 * balance is closed over its head. What cannot happen to the original, because it ends with an
 * exception, is silence here: another set of events, a clock below the lowest layer. */
#include "formula/model_smartwatts.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "formula/elastic_net.h"
#include "formula/frequency_layer.h"
#include "formula/model.h"
#include "formula/state_io.h"

#define RATIO_MAX 100   /* of the base clock: SmartWatts' highest layer */
#define OTHER_EVENTS 10 /* ticks in a row with another set of events: it is here to stay */

const struct smartwatts_settings smartwatts_defaults = {
    .cpu_tdp_w = 400,
    .base_clock_mhz = 100,
    .base_freq_mhz = 2100,
    .cpu_threshold_w = 2,
    .dram_threshold_w = 2,
    .reports_ms = 1000,
    .min_samples = 10,
    .history_size = 60,
    .errors_size = 60,
    .error_method = (char *)"median",
};

struct smartwatts_model {
    struct model model;
    struct smartwatts_settings settings;
    struct frequency_layer_settings layer_settings;
    bool has_settings;                             /* else a state brings its own */
    struct frequency_layer *layers[RATIO_MAX + 1]; /* by ratio; NULL: never visited */
    char *events[ELASTIC_NET_FEATURES_MAX];        /* the features, in this order */
    size_t n_events;
    unsigned n_foreign; /* ticks in a row with other events */
};

static void set_layers(struct smartwatts_model *self, double threshold_w)
{
    const struct smartwatts_settings *settings = &self->settings;
    self->layer_settings = (struct frequency_layer_settings){
        .min_samples = settings->min_samples,
        .history_size = settings->history_size,
        .errors_size = settings->errors_size,
        .use_mean_error = settings->error_method && strcmp(settings->error_method, "mean") == 0,
        .threshold_w = threshold_w,
        .max_intercept_w = (double)settings->cpu_tdp_w,
    };
}

static int smartwatts_new(struct model **ret_model, enum domain domain, const void *values,
                          struct error *err)
{
    (void)err;
    const struct smartwatts_settings *settings = values ? values : &smartwatts_defaults;
    bool is_dram = domain == DOMAIN_DRAM;
    if (domain == DOMAIN_GPU || (is_dram ? settings->disable_dram : settings->disable_cpu))
        return MODEL_DISABLED; /* the published model knows no GPU */
    struct smartwatts_model *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->model.ops = &model_smartwatts;
    self->settings = *settings;
    self->has_settings = values != NULL;
    set_layers(self, is_dram ? settings->dram_threshold_w : settings->cpu_threshold_w);
    *ret_model = &self->model;
    return 0;
}

/* ---- events ---- */

static void forget(struct smartwatts_model *self)
{
    for (size_t i = 0; i <= RATIO_MAX; i++) {
        frequency_layer_free(self->layers[i]);
        self->layers[i] = NULL;
    }
    for (size_t i = 0; i < self->n_events; i++)
        free(self->events[i]);
    self->n_events = 0;
    self->n_foreign = 0;
}

static bool has_same_events(const struct smartwatts_model *self, const struct scope_tick *tick)
{
    if (self->n_events != tick->n_events)
        return false;
    for (size_t e = 0; e < tick->n_events; e++)
        if (strcmp(self->events[e], tick->events[e]) != 0)
            return false;
    return true;
}

/* The features are the events of the first tick; when others have come to stay, all begins anew.
 * Returns 1 when the tick has the features, 0 when not, -ENOMEM. */
static int follow_events(struct smartwatts_model *self, const struct scope_tick *tick)
{
    if (tick->n_events == 0 || tick->n_events > ELASTIC_NET_FEATURES_MAX)
        return 0;
    if (has_same_events(self, tick)) {
        self->n_foreign = 0;
        return 1;
    }
    if (self->n_events > 0 && ++self->n_foreign < OTHER_EVENTS)
        return 0;
    forget(self);
    for (; self->n_events < tick->n_events; self->n_events++) {
        self->events[self->n_events] = strdup(tick->events[self->n_events]);
        if (!self->events[self->n_events])
            return -ENOMEM;
    }
    return 1;
}

/* ---- one tick ---- */

/* The layer of the tick's clock, made if need be; NULL below the lowest. Where no clock is known
 * all ticks share the lowest. */
static int find_layer(struct smartwatts_model *self, const struct scope_tick *tick,
                      struct frequency_layer **ret_layer)
{
    uint64_t base_clock = self->settings.base_clock_mhz;
    uint64_t base_freq = self->settings.base_freq_mhz / base_clock * base_clock;
    double ratio = 1;
    /* In this order, so that a clock on the edge of a layer falls where SmartWatts puts it. */
    if (tick->mperf > 0)
        ratio = floor((double)base_freq * tick->aperf / tick->mperf) / (double)base_clock;
    *ret_layer = NULL;
    if (!(ratio >= 1))
        return 0;
    struct frequency_layer **layer = &self->layers[ratio < RATIO_MAX ? (size_t)ratio : RATIO_MAX];
    self->layer_settings.n_features = self->n_events;
    int r = *layer ? 0 : frequency_layer_new(layer, &self->layer_settings);
    *ret_layer = *layer;
    return r;
}

static void read_features(const double *rates, size_t n_events, double *features)
{
    for (size_t e = 0; e < n_events; e++)
        features[e] = rates[e] > 0 ? rates[e] : 0;
}

/* What all targets did together, which SmartWatts takes for the machine. */
static void sum_targets(const struct scope_tick *tick, double *sums)
{
    memset(sums, 0, tick->n_events * sizeof(*sums));
    for (size_t i = 0; i < tick->n_activities; i++)
        for (size_t e = 0; e < tick->n_events; e++)
            if (tick->activities[i].rates[e] > 0)
                sums[e] += tick->activities[i].rates[e];
}

static void attribute(const struct frequency_layer *layer, const struct scope_tick *tick,
                      const double *sums, struct model_output *output)
{
    double features[ELASTIC_NET_FEATURES_MAX];
    output->is_silent = false;
    output->idle_w = frequency_layer_intercept_w(layer);
    output->predicted_w = output->idle_w + frequency_layer_dynamic_w(layer, sums);
    for (size_t i = 0; i < tick->n_activities; i++) {
        read_features(tick->activities[i].rates, tick->n_events, features);
        output->dynamic_w[i] = frequency_layer_dynamic_w(layer, features);
        output->target_sigma_w[i] = NAN;
    }
}

static int smartwatts_step(struct model *model, const struct scope_tick *tick,
                           struct model_output *output)
{
    struct smartwatts_model *self = (struct smartwatts_model *)model;
    struct frequency_layer *layer = NULL;
    output->is_silent = true;
    output->scale_to_measured = true;
    if (tick->n_activities == 0)
        return 0;
    int r = follow_events(self, tick);
    if (r > 0)
        r = find_layer(self, tick, &layer);
    if (r < 0 || !layer)
        return r;
    double sums[ELASTIC_NET_FEATURES_MAX];
    sum_targets(tick, sums);
    if (frequency_layer_is_fitted(layer))
        attribute(layer, tick, sums, output);
    return tick->learn ? frequency_layer_learn(layer, sums, tick->measured_w) : 0;
}

static double smartwatts_interval_s(const void *values)
{
    const struct smartwatts_settings *settings = values ? values : &smartwatts_defaults;
    return (double)settings->reports_ms / 1000;
}

static void smartwatts_free(struct model *model)
{
    if (!model)
        return;
    forget((struct smartwatts_model *)model);
    free(model);
}

/* ---- state ---- */

/* What a state must agree in; the rest of the settings does not change what is learned. */
struct saved_settings {
    uint64_t base_clock_mhz, base_freq_mhz, cpu_tdp_w, min_samples, history_size, errors_size,
        use_mean_error;
    double threshold_w;
};

static struct saved_settings settings_of(const struct smartwatts_model *self)
{
    const struct smartwatts_settings *settings = &self->settings;
    return (struct saved_settings){settings->base_clock_mhz,
                                   settings->base_freq_mhz,
                                   settings->cpu_tdp_w,
                                   settings->min_samples,
                                   settings->history_size,
                                   settings->errors_size,
                                   self->layer_settings.use_mean_error,
                                   self->layer_settings.threshold_w};
}

static void take_settings(struct smartwatts_model *self, const struct saved_settings *saved)
{
    self->settings.base_clock_mhz = saved->base_clock_mhz;
    self->settings.base_freq_mhz = saved->base_freq_mhz;
    self->settings.cpu_tdp_w = saved->cpu_tdp_w;
    self->settings.min_samples = saved->min_samples;
    self->settings.history_size = saved->history_size;
    self->settings.errors_size = saved->errors_size;
    self->settings.error_method = (char *)(saved->use_mean_error ? "mean" : "median");
    set_layers(self, saved->threshold_w);
}

static void visit_settings(struct saved_settings *settings, struct state_io *io)
{
    uint64_t words[7] = {settings->base_clock_mhz, settings->base_freq_mhz, settings->cpu_tdp_w,
                         settings->min_samples,    settings->history_size,  settings->errors_size,
                         settings->use_mean_error};
    state_words(io, "settings", words, ARRAY_SIZE(words));
    state_doubles(io, "threshold_w", &settings->threshold_w, 1);
    *settings = (struct saved_settings){words[0], words[1], words[2], words[3],
                                        words[4], words[5], words[6], settings->threshold_w};
}

static bool is_same_settings(const struct saved_settings *a, const struct saved_settings *b)
{
    return a->base_clock_mhz == b->base_clock_mhz && a->base_freq_mhz == b->base_freq_mhz &&
           a->cpu_tdp_w == b->cpu_tdp_w && a->min_samples == b->min_samples &&
           a->history_size == b->history_size && a->errors_size == b->errors_size &&
           a->use_mean_error == b->use_mean_error && a->threshold_w == b->threshold_w;
}

/* The names of the events, each ending in a NUL byte. */
static int visit_events(struct smartwatts_model *self, struct state_io *io)
{
    char joined[ELASTIC_NET_FEATURES_MAX * 256];
    size_t size = 0;
    const void *bytes = joined;
    for (size_t e = 0; e < self->n_events && io->out; e++) {
        size_t length = strlen(self->events[e]) + 1;
        if (size + length > sizeof(joined))
            return -EFBIG;
        memcpy(joined + size, self->events[e], length);
        size += length;
    }
    state_bytes(io, "events", &bytes, &size);
    const char *text = bytes, *end = text + (io->is_damaged ? 0 : size);
    if (io->out || io->is_damaged)
        return 0;
    io->is_damaged = size > 0 && end[-1] != '\0';
    for (; text < end && !io->is_damaged; text += strlen(text) + 1) {
        io->is_damaged = self->n_events == ELASTIC_NET_FEATURES_MAX;
        char *copy = io->is_damaged ? NULL : strdup(text);
        if (!io->is_damaged && !copy)
            return -ENOMEM;
        if (copy)
            self->events[self->n_events++] = copy;
    }
    return 0;
}

static int visit_layer(struct smartwatts_model *self, struct state_io *io, size_t ratio)
{
    char name[16];
    struct state_io inner;
    bson_t room;
    (void)snprintf(name, sizeof(name), "layer%zu", ratio);
    self->layer_settings.n_features = self->n_events;
    int r = 0;
    if (!io->out)
        r = frequency_layer_new(&self->layers[ratio], &self->layer_settings);
    if (r < 0)
        return r;
    state_enter(io, name, &inner, &room);
    r = frequency_layer_visit(self->layers[ratio], &inner);
    state_leave(io, &inner, &room);
    return r;
}

static int visit(struct smartwatts_model *self, struct state_io *io)
{
    uint64_t n_foreign = self->n_foreign, visited[RATIO_MAX + 1] = {0};
    for (size_t i = 0; i <= RATIO_MAX; i++)
        visited[i] = self->layers[i] != NULL;
    int r = visit_events(self, io);
    state_words(io, "n_foreign", &n_foreign, 1);
    state_words(io, "visited", visited, RATIO_MAX + 1);
    self->n_foreign = (unsigned)n_foreign;
    for (size_t i = 0; i <= RATIO_MAX && r >= 0 && !io->is_damaged; i++) {
        if (visited[i] && self->n_events == 0)
            io->is_damaged = true;
        else if (visited[i])
            r = visit_layer(self, io, i);
    }
    return r;
}

static int smartwatts_save(const struct model *model, bson_t *state)
{
    struct smartwatts_model *self = (struct smartwatts_model *)model;
    struct state_io io = {.out = state};
    struct saved_settings settings = settings_of(self);
    visit_settings(&settings, &io);
    int r = visit(self, &io);
    return r >= 0 && io.is_damaged ? -EFBIG : r;
}

static int smartwatts_load(struct model *model, const bson_t *state, struct error *err)
{
    struct smartwatts_model *self = (struct smartwatts_model *)model;
    struct state_io io = {.in = state};
    struct saved_settings ours = settings_of(self), settings = ours;
    visit_settings(&settings, &io);
    if (!io.is_damaged && self->has_settings && !is_same_settings(&ours, &settings))
        return error_set(err, -EBADMSG, "it was learned with other options of smartwatts");
    io.is_damaged |=
        settings.base_clock_mhz == 0 || settings.history_size == 0 || settings.errors_size == 0;
    forget(self);
    if (!io.is_damaged && !self->has_settings)
        take_settings(self, &settings);
    int r = io.is_damaged ? 0 : visit(self, &io);
    if (r >= 0 && !io.is_damaged)
        return 0;
    forget(self);
    return r < 0 ? error_set(err, r, "out of memory")
                 : error_set(err, -EBADMSG, "field '%s' is missing or wrong", io.field);
}

/* SmartWatts states no doubt of a coefficient; the usual error of a layer stands for it. */
static void smartwatts_show(const struct model *model, FILE *out)
{
    const struct smartwatts_model *self = (const struct smartwatts_model *)model;
    for (size_t i = 0; i <= RATIO_MAX; i++) {
        struct frequency_layer *layer = self->layers[i];
        if (!layer)
            continue;
        fprintf(out, "  from %" PRIu64 " MHz: ", i * self->settings.base_clock_mhz);
        if (!frequency_layer_is_fitted(layer)) {
            fprintf(out, "not fitted yet, %zu samples\n", frequency_layer_samples(layer));
            continue;
        }
        fprintf(out, "idle %.2f W", frequency_layer_intercept_w(layer));
        for (size_t e = 0; e < self->n_events; e++)
            fprintf(out, ", %s %.4g nJ each", self->events[e],
                    frequency_layer_prices(layer)[e] * 1e9);
        fprintf(out, "; %zu samples", frequency_layer_samples(layer));
        double error_w = frequency_layer_error_w(layer);
        if (!isnan(error_w))
            fprintf(out, ", off by +- %.2f W", error_w);
        fprintf(out, "\n");
    }
}

/* ---- options ---- */

static int refuse_zero(const char *text, struct error *err)
{
    return text[strspn(text, "0")] == '\0' ? error_set(err, -EINVAL, "it must be at least 1") : 0;
}

static const char *const error_methods[] = {"median", "mean", NULL};

#define AT(field) offsetof(struct smartwatts_settings, field)

static const struct option_spec specs[] = {
    {.key = "disable-cpu-formula",
     .type = OPTION_FLAG,
     .offset = AT(disable_cpu),
     .help = "no watts for packages"},
    {.key = "disable-dram-formula",
     .type = OPTION_FLAG,
     .offset = AT(disable_dram),
     .help = "no watts for memory"},
    {.key = "cpu-tdp",
     .type = OPTION_COUNT,
     .offset = AT(cpu_tdp_w),
     .fallback = "400",
     .argument = "WATTS",
     .help = "a fit whose intercept reaches this is not taken"},
    {.key = "cpu-base-clock",
     .type = OPTION_COUNT,
     .offset = AT(base_clock_mhz),
     .fallback = "100",
     .argument = "MHZ",
     .check = refuse_zero,
     .help = "width of a layer"},
    {.key = "cpu-base-freq",
     .type = OPTION_COUNT,
     .offset = AT(base_freq_mhz),
     .fallback = "2100",
     .argument = "MHZ",
     .help = "clock at which APERF equals MPERF"},
    {.key = "cpu-error-threshold",
     .type = OPTION_NUMBER,
     .offset = AT(cpu_threshold_w),
     .fallback = "2.0",
     .argument = "WATTS",
     .help = "error of a package's model above which it is fitted again"},
    {.key = "dram-error-threshold",
     .type = OPTION_NUMBER,
     .offset = AT(dram_threshold_w),
     .fallback = "2.0",
     .argument = "WATTS",
     .help = "the same for memory"},
    {.key = "sensor-reports-frequency",
     .type = OPTION_COUNT,
     .offset = AT(reports_ms),
     .fallback = "1000",
     .argument = "MS",
     .check = refuse_zero,
     .help = "only with --no-close: the interval between reports, in milliseconds, that is taken "
             "for the true one"},
    {.key = "learn-min-samples-required",
     .type = OPTION_COUNT,
     .offset = AT(min_samples),
     .fallback = "10",
     .argument = "N",
     .help = "samples a layer needs before its first fit"},
    {.key = "learn-history-window-size",
     .type = OPTION_COUNT,
     .offset = AT(history_size),
     .fallback = "60",
     .argument = "N",
     .check = refuse_zero,
     .help = "samples a layer keeps; its intercept is 0 until it has so many"},
    {.key = "learn-error-window-size",
     .type = OPTION_COUNT,
     .offset = AT(errors_size),
     .fallback = "60",
     .argument = "N",
     .check = refuse_zero,
     .help = "errors a layer keeps since its last fit"},
    {.key = "learn-error-window-method",
     .type = OPTION_CHOICE,
     .offset = AT(error_method),
     .fallback = "median",
     .argument = "NAME",
     .choices = error_methods,
     .help = "what of these errors is held against the threshold"},
};

const struct model_ops model_smartwatts = {
    .name = "smartwatts",
    .about = "SmartWatts 2.4.1: a model per 100 MHz of the clock, silent while it knows nothing",
    .options = specs,
    .n_options = ARRAY_SIZE(specs),
    .settings_size = sizeof(struct smartwatts_settings),
    .new = smartwatts_new,
    .original_interval_s = smartwatts_interval_s,
    .original_lag_ticks = 5,
    .step = smartwatts_step,
    .save = smartwatts_save,
    .load = smartwatts_load,
    .show = smartwatts_show,
    .free = smartwatts_free,
};
