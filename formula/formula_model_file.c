/* SPDX-License-Identifier: BSD-3-Clause */
/* What another machine has learned: models that a sensor's scopes begin with, and, where a machine
 * has no energy counter at all, the only source of its watts: then every domain the file knows is
 * told to the scopes as one whose energy is not known, and what its model says is published as an
 * estimate, without idle, which is the other machine's. */
#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"
#include "formula/formula_inside.h"
#include "formula/state_io.h"

int formula_use_models(struct formula *formula, const bson_t *state, struct error *err)
{
    int r = formula_check_state(formula, state, err);
    if (r < 0)
        return r;
    formula->model_file = bson_copy(state);
    return formula->model_file ? 0 : error_set(err, -ENOMEM, "state: out of memory");
}

/* The saved sensor of that name, else the first. */
static bool choose_sensor(const bson_t *state, const char *name, bson_t *ret_sensor)
{
    bson_t array, element;
    bson_iter_t iter;
    bool has_any = false;
    if (!state_inner_of(state, "sensors", &array) || !bson_iter_init(&iter, &array))
        return false;
    while (state_next_of(&iter, &element)) {
        const char *saved = state_text_of(&element, "sensor");
        bool is_same = saved && strcmp(saved, name) == 0;
        if (!has_any || is_same)
            (void)bson_init_static(ret_sensor, bson_get_data(&element), element.len);
        has_any = true;
        if (is_same)
            break;
    }
    return has_any;
}

/* Finds what the saved sensor knows of a domain: of this package, else of its first one. */
static bool choose_scope(const bson_t *saved, const struct scope_state *state, bson_t *ret_scope)
{
    bson_t array, element;
    bson_iter_t iter;
    bool has_any = false;
    if (!state_inner_of(saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return false;
    while (state_next_of(&iter, &element)) {
        const char *domain = state_text_of(&element, "domain");
        bool is_same = state_number_of(&element, "package") == state->package;
        if (!domain || strcmp(domain, domain_name(state->domain)) != 0 || (has_any && !is_same))
            continue;
        (void)bson_init_static(ret_scope, bson_get_data(&element), element.len);
        has_any = true;
        if (is_same)
            break;
    }
    return has_any;
}

/* Whether the sensor may use it is decided once, when its first scope begins. */
static bool may_begin(struct formula *formula, struct sensor_state *sensor, const bson_t *saved)
{
    struct origin origin;
    char why[512] = "it does not say of which CPU and events it is";
    if (sensor->model_file_use != MODEL_FILE_UNDECIDED)
        return sensor->model_file_use == MODEL_FILE_TAKEN;
    bool fits =
        origin_load(&origin, saved) >= 0 && origin_fits(&origin, &sensor->origin, why, sizeof(why));
    sensor->model_file_use = fits ? MODEL_FILE_TAKEN : MODEL_FILE_REFUSED;
    formula->health.n_models_taken += fits;
    formula->health.n_models_refused += !fits;
    if (!fits)
        log_error(formula->log, "sensor '%s': the model file is refused: %s; learning without it",
                  sensor->name, why);
    return fits;
}

void formula_begin_model(struct formula *formula, struct sensor_state *sensor,
                         struct scope_state *state)
{
    bson_t saved, scope, model;
    if (!choose_sensor(formula->model_file, sensor->name, &saved) ||
        !may_begin(formula, sensor, &saved) || !choose_scope(&saved, state, &scope) ||
        !state_inner_of(&scope, "model", &model))
        return;
    struct error failure = {0};
    int r = formula->settings.model->load(state->model, &model, &failure);
    if (r >= 0)
        r = training_load(&state->training, &scope, &failure);
    if (r < 0)
        log_error(formula->log, "sensor '%s': model file: %s; learning without it", sensor->name,
                  failure.text);
}

/* ---- machines without energy counters ---- */

static void list_domains(struct sensor_state *sensor, const bson_t *saved)
{
    bson_t array, element;
    bson_iter_t iter;
    if (!state_inner_of(saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return;
    while (state_next_of(&iter, &element) && sensor->n_modelled < MODELLED_MAX) {
        const char *name = state_text_of(&element, "domain");
        int64_t package = state_number_of(&element, "package");
        enum domain domain;
        if (!name || domain_parse(name, &domain) < 0 || package < PACKAGE_NONE ||
            package > INT32_MAX || domain == DOMAIN_GPU || domain == DOMAIN_MACHINE)
            continue;
        sensor->modelled[sensor->n_modelled++] = (struct energy_sample){
            .domain = domain,
            .package = (int32_t)package,
            .dt_ns = VALUE_ABSENT,
            .energy_uj = VALUE_ABSENT,
            .low_uj = VALUE_ABSENT,
            .high_uj = VALUE_ABSENT,
            .skew_ns = VALUE_ABSENT,
            .reason = MODELLED_REASON,
        };
    }
}

static bool has_counter(const struct report *tick)
{
    for (size_t i = 0; i < tick->n_energy; i++)
        if (domain_is_attributed(tick->energy[i].domain) && !tick->energy[i].estimate)
            return true;
    return false;
}

bool formula_may_model(struct formula *formula, struct sensor_state *sensor,
                       const struct report *tick)
{
    bson_t saved;
    if (!formula->model_file || has_counter(tick) ||
        !choose_sensor(formula->model_file, sensor->name, &saved) ||
        !may_begin(formula, sensor, &saved))
        return false;
    if (sensor->n_modelled == 0)
        list_domains(sensor, &saved);
    return sensor->n_modelled > 0;
}
