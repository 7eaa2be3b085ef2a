/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the formula share, and nobody else. */
#pragma once

#include "common/host_record.h"
#include "common/powerapi.h"
#include "formula/assembly.h"
#include "formula/formula.h"
#include "formula/notices.h"
#include "formula/origin.h"
#include "formula/scope.h"
#include "formula/training.h"

#define MODELLED_MAX 32
#define MODELLED_REASON "modelled" /* of a balance: the watts are what a model file says, nothing was measured */

struct scope_state {
    enum domain domain;
    int32_t package;
    struct model *model; /* NULL: the model wants nothing of this scope */
    bool was_seen;
    struct training training;
};

struct sensor_state {
    char name[SENSOR_NAME_SIZE];
    struct assembly *assembly;
    struct scopes *scopes;
    struct host_record host;
    bson_t *host_document;  /* as it came; NULL: none */
    bool has_host;
    struct origin origin;   /* of what the models know */
    struct notices notices;
    enum model_file_use { MODEL_FILE_UNDECIDED, MODEL_FILE_TAKEN, MODEL_FILE_REFUSED } model_file_use;
    struct energy_sample modelled[MODELLED_MAX]; /* formula_may_model */
    size_t n_modelled;
    struct scope_state *states;
    size_t n_states, states_capacity;
    struct record_key last; /* attributed before we started */
    bool has_last;
    struct record_key learned; /* the last tick the restored state knows */
    bool has_learned;
};

struct formula {
    struct formula_settings settings;
    char label[LABEL_SIZE];
    double original_interval_s; /* scope.h */
    const struct log *log;
    int (*emit)(const struct power_record *power, void *context);
    void *context;
    struct sensor_state **sensors;
    size_t n_sensors, sensors_capacity;
    struct sensor_state *current; /* the one of the last document */
    struct report report;
    struct hwpc_report hwpc;
    struct power_record power;
    double *dynamic_w, *target_sigma_w;
    size_t dynamic_w_capacity, target_sigma_w_capacity;
    bool is_modelled;       /* the tick at hand: formula_may_model */
    struct formula_health health;
    bson_t *model_file;     /* formula_use_models: what a new scope begins with; NULL: nothing */
};

int formula_find_sensor(struct formula *formula, const char *name, struct sensor_state **ret_sensor);
/* Begins an empty state for a scope; state->model is NULL where the model wants nothing of it. */
int formula_add_state(struct formula *formula, struct sensor_state *sensor, enum domain domain, int32_t package,
                      struct scope_state **ret_state, struct error *err);
/* Decodes a host record and notes what models learned under it rest on; models that rest on something else are forgotten. -EBADMSG. */
int formula_set_host(struct formula *formula, struct sensor_state *sensor, const struct document *document, struct error *err);
int formula_add_host(struct formula *formula, struct sensor_state *sensor, const struct document *document);
int formula_add_target(struct formula *formula, struct sensor_state *sensor, const struct document *document);
/* Before a tick: what waited for it, and whether its events are those of the models. */
int formula_begin_tick(struct formula *formula, struct sensor_state *sensor, const struct report *tick);
void formula_forget_models(struct formula *formula, struct sensor_state *sensor, const char *why);
/* Counts and logs a damaged record. Returns 0. */
int formula_refuse(struct formula *formula, const struct document *document, const struct error *damage);
/* Begins a new scope with the model of the same domain and package in formula->model_file. */
void formula_begin_model(struct formula *formula, struct sensor_state *sensor, struct scope_state *state);
/* Whether the tick's watts are to come from the model file alone, because nothing measures: then sensor->modelled stands for its energy. */
bool formula_may_model(struct formula *formula, struct sensor_state *sensor, const struct report *tick);
/* Is it a state of this model and these settings? -EBADMSG. */
int formula_check_state(const struct formula *formula, const bson_t *state, struct error *err);
/* As if the sensor had never been seen. -ENOMEM. */
int formula_renew_sensor(struct formula *formula, struct sensor_state *sensor);
