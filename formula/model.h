/* SPDX-License-Identifier: BSD-3-Clause */
/* What turns counts into watts. A model is one file ending in one `const struct model_ops`, one row in formula/models.c, one line in
 * formula/CMakeLists.txt. One instance serves one scope (sensor, domain, package). step() is pure: same ticks in the same order, same results bit for bit; its
 * only time is the ticks'. */
#pragma once

#include <stdio.h>

#include "common/options.h"
#include "formula/scope.h"

struct error;

/* What the model says of one tick. Nothing has to add up here: the balance is closed by balance.h. Every number finite, or NAN where nothing is known. */
struct model_output {
    double predicted_w; /* from this tick's counts and earlier ticks' energy only; NAN while nothing is known */
    double sigma_w;     /* doubt of predicted_w, NAN: not known */
    double idle_w;      /* >= 0; NAN: unknown (the balance then takes all of it as dynamic) */
    double *dynamic_w;  /* [n_activities], made by the caller; >= 0 */
    double *target_sigma_w; /* [n_activities], made by the caller, NAN: not known */
    bool is_silent;         /* nothing to say of any target: the tick gets no target rows, and what is above idle is unattributed */
    bool scale_to_measured; /* dynamic_w are weights: scale them to measured - idle whatever their sum; else what the model cannot explain within 2 sigma stays
                             * unattributed */
};

enum { MODEL_DISABLED = 1 }; /* new: the settings want nothing of this domain, which is then left out of the records */

struct model_ops;

struct model {
    const struct model_ops *ops; /* embedded first in each model's own struct */
};

struct model_ops {
    const char *name; /* "share": --model NAME, "model" in records */
    const char *about;
    const struct option_spec *options;
    size_t n_options;
    size_t settings_size;

    /* Returns 0, MODEL_DISABLED, -EINVAL for settings out of range, or -ENOMEM. settings NULL: all defaults. */
    int (*new)(struct model **ret_model, enum domain domain, const void *settings, struct error *err);
    /* NULL, or for a model that repeats another program: with --no-close it is fed as its original is (scope.h), with watts over this interval, whatever was
     * measured. */
    double (*original_interval_s)(const void *settings);
    /* Then every tick of reports that the original reads also waits for so many later ones, and at the end of the input that many are never said anything of. */
    unsigned original_lag_ticks;
    /* Predicts and attributes, then learns from the tick (if tick->learn and measured). Returns 0 or -ENOMEM. */
    int (*step)(struct model *model, const struct scope_tick *tick, struct model_output *output);
    /* State as one BSON document and back, for restarts. load refuses what it did not write, or what other settings wrote: -EBADMSG; with settings NULL in new it takes over
     * those of the state. */
    int (*save)(const struct model *model, bson_t *state);
    int (*load)(struct model *model, const bson_t *state, struct error *err);
    /* Prints what it has learned, for people: coefficients with units and doubt. May be NULL. */
    void (*show)(const struct model *model, FILE *out);
    void (*free)(struct model *model);
};

/* One declaration per model_NAME.c. */
extern const struct model_ops model_auto, model_share, model_smartwatts;

extern const struct model_ops *const model_table[]; /* NULL-terminated; the first is the default */

const struct model_ops *model_find(const char *name); /* NULL if unknown */

/* The options of every model in the table, each under a section of its name. Values live in the settings, their strings in the options. */
struct model_settings;
int model_settings_new(struct model_settings **ret_settings);
void model_settings_free(struct model_settings *settings);
int model_settings_add(struct model_settings *settings, struct options *options);
const void *model_settings_of(const struct model_settings *settings, const struct model_ops *ops); /* NULL if it has none */
