/* SPDX-License-Identifier: BSD-3-Clause */
/* What a formula knows between two ticks, as one document: per sensor the last tick, the machine,
 * on what its models rest, the names of targets, and each scope's model. Reports that wait in the
 * assembly are not in it; the next start reads them again, because they come after the last tick.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "formula/formula_inside.h"
#include "formula/state_io.h"

/* ---- saving ---- */

static void save_key(bson_t *document, const struct record_key *key)
{
    append_text(document, "run", key->run);
    append_int64(document, "seq", (int64_t)key->seq);
    append_int64(document, "timestamp", key->timestamp_ms);
}

static int save_scope(const struct scope_state *state, bson_t *document)
{
    append_text(document, "domain", domain_name(state->domain));
    append_int64(document, "package", state->package);
    bson_t model;
    (void)bson_append_document_begin(document, "model", -1, &model);
    int r = state->model ? state->model->ops->save(state->model, &model) : 0;
    (void)bson_append_document_end(document, &model);
    training_save(&state->training, document);
    return r;
}

static int save_sensor(const struct sensor_state *sensor, bson_t *document)
{
    append_text(document, "sensor", sensor->name);
    save_key(document, assembly_last(sensor->assembly));
    struct state_io io = {.out = document}, inner;
    bson_t room, array;
    assembly_visit(sensor->assembly, &io);
    origin_save(&sensor->origin, document);
    if (sensor->host_document)
        (void)bson_append_document(document, "host", -1, sensor->host_document);
    state_enter(&io, "targets", &inner, &room);
    int r = scopes_visit(sensor->scopes, &inner);
    state_leave(&io, &inner, &room);
    if (r >= 0 && io.is_damaged)
        r = -EFBIG;
    (void)bson_append_array_begin(document, "scopes", -1, &array);
    for (size_t i = 0; i < sensor->n_states && r >= 0; i++) {
        bson_t element;
        append_element(&array, (uint32_t)i, &element);
        r = save_scope(&sensor->states[i], &element);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(document, &array);
    return r;
}

int formula_save(const struct formula *formula, bson_t *state, struct error *err)
{
    const struct model_ops *ops = formula->settings.model;
    double interval_s = formula->original_interval_s;
    struct state_io io = {.out = state};
    append_text(state, "model", ops->name);
    state_doubles(&io, "original_interval_s", &interval_s, 1);
    bson_t array;
    (void)bson_append_array_begin(state, "sensors", -1, &array);
    int r = 0;
    uint32_t n = 0;
    for (size_t i = 0; i < formula->n_sensors && r >= 0; i++) {
        if (!assembly_last(formula->sensors[i]->assembly))
            continue;
        bson_t element;
        append_element(&array, n++, &element);
        r = save_sensor(formula->sensors[i], &element);
        (void)bson_append_document_end(&array, &element);
    }
    (void)bson_append_array_end(state, &array);
    return r < 0 ? error_set(err, r, "state: %s", strerror(-r)) : 0;
}

/* ---- loading ---- */

static int damaged(struct error *err, const char *what)
{
    return error_set(err, -EBADMSG, "state: '%s' is missing or wrong", what);
}

static int load_key(const bson_t *saved, const char *sensor, struct record_key *ret_key,
                    struct error *err)
{
    const char *run = state_text_of(saved, "run");
    int64_t seq = state_number_of(saved, "seq"), timestamp_ms = state_number_of(saved, "timestamp");
    if ((run && !run_is_valid(run)) || seq < 0 || timestamp_ms < 0)
        return damaged(err, "run, seq, timestamp");
    *ret_key = (struct record_key){.seq = (uint64_t)seq, .timestamp_ms = timestamp_ms};
    (void)snprintf(ret_key->sensor, sizeof(ret_key->sensor), "%s", sensor);
    (void)snprintf(ret_key->run, sizeof(ret_key->run), "%s", run ? run : "");
    return 0;
}

static int load_host(struct formula *formula, struct sensor_state *sensor, const bson_t *saved,
                     struct error *err)
{
    bson_t host;
    struct document document;
    if (!state_inner_of(saved, "host", &host))
        return 0;
    int r = document_describe(bson_get_data(&host), host.len, &document, err);
    return r < 0 ? r : formula_set_host(formula, sensor, &document, err);
}

static int load_scopes(struct formula *formula, struct sensor_state *sensor, const bson_t *saved,
                       struct error *err)
{
    bson_t array, element, model;
    bson_iter_t iter;
    if (!state_inner_of(saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "scopes");
    int r = 0;
    while (r >= 0 && state_next_of(&iter, &element)) {
        enum domain domain;
        struct scope_state *state;
        const char *name = state_text_of(&element, "domain");
        int64_t package = state_number_of(&element, "package");
        if (!name || domain_parse(name, &domain) < 0 || package < PACKAGE_NONE ||
            package > INT32_MAX || !state_inner_of(&element, "model", &model))
            return damaged(err, "scopes");
        r = formula_add_state(formula, sensor, domain, (int32_t)package, &state, err);
        if (r >= 0)
            state->was_seen = true;
        if (r >= 0 && state->model)
            r = formula->settings.model->load(state->model, &model, err);
        if (r >= 0)
            r = training_load(&state->training, &element, err);
    }
    return r;
}

static int load_sensor(struct formula *formula, const bson_t *saved, struct error *err)
{
    const char *name = state_text_of(saved, "sensor");
    struct sensor_state *sensor;
    struct record_key last;
    if (!name || !sensor_name_is_valid(name))
        return damaged(err, "sensor");
    int r = load_key(saved, name, &last, err);
    if (r >= 0)
        r = formula_find_sensor(formula, name, &sensor);
    if (r < 0)
        return r;
    struct state_io io = {.in = saved}, inner;
    bson_t room;
    assembly_visit(sensor->assembly, &io);
    assembly_resume(sensor->assembly, &last);
    sensor->learned = last;
    sensor->has_learned = true;
    state_enter(&io, "targets", &inner, &room);
    r = scopes_visit(sensor->scopes, &inner);
    state_leave(&io, &inner, &room);
    if (r < 0 || io.is_damaged)
        return r < 0 ? r : damaged(err, "targets");
    r = load_host(formula, sensor, saved, err);
    if (r >= 0 && origin_load(&sensor->origin, saved) < 0)
        r = damaged(err, "origin");
    return r < 0 ? r : load_scopes(formula, sensor, saved, err);
}

int formula_check_state(const struct formula *formula, const bson_t *state, struct error *err)
{
    const struct model_ops *ops = formula->settings.model;
    const char *model = state_text_of(state, "model");
    if (!model || strcmp(model, ops->name) != 0)
        return error_set(err, -EBADMSG, "it is a state of model '%s', not of '%s'",
                         model ? model : "?", ops->name);
    double interval_s = 0;
    struct state_io io = {.in = state};
    state_doubles(&io, "original_interval_s", &interval_s, 1);
    if (io.is_damaged || interval_s != formula->original_interval_s)
        return error_set(err, -EBADMSG, "it was learned %s --no-close",
                         interval_s > 0 ? "with" : "without");
    return 0;
}

int formula_load(struct formula *formula, const bson_t *state, struct error *err)
{
    bson_t array, element;
    bson_iter_t iter;
    int r = formula_check_state(formula, state, err);
    if (r < 0)
        return r;
    if (!state_inner_of(state, "sensors", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "sensors");
    while (r >= 0 && state_next_of(&iter, &element))
        r = load_sensor(formula, &element, err);
    return r;
}

/* ---- for people ---- */

static int show_scope(const struct model_ops *ops, const bson_t *saved, FILE *out,
                      struct error *err)
{
    struct model *model = NULL;
    struct training training;
    enum domain domain;
    bson_t saved_model;
    const char *name = state_text_of(saved, "domain");
    int64_t package = state_number_of(saved, "package");
    if (!name || domain_parse(name, &domain) < 0 || !state_inner_of(saved, "model", &saved_model))
        return damaged(err, "scopes");
    int r = training_load(&training, saved, err);
    if (r >= 0 && !bson_empty(&saved_model)) {
        r = ops->new (&model, domain, NULL, err);
        r = r == 0 ? ops->load(model, &saved_model, err) : r;
    }
    if (r >= 0) {
        fprintf(out, package < 0 ? "%s\n" : "%s %" PRId64 "\n", name, package);
        training_print(&training, out);
    }
    if (r >= 0 && model && ops->show)
        ops->show(model, out);
    if (model)
        ops->free(model);
    return r;
}

static int show_sensor(const struct model_ops *ops, const bson_t *saved, FILE *out,
                       struct error *err)
{
    bson_t array, element;
    bson_iter_t iter;
    struct origin origin;
    struct record_key last;
    char text[2048], stamp[TIMESTAMP_TEXT_SIZE];
    const char *name = state_text_of(saved, "sensor");
    if (!name || origin_load(&origin, saved) < 0)
        return damaged(err, "origin");
    int r = load_key(saved, name, &last, err);
    if (r < 0)
        return r;
    origin_print(&origin, text, sizeof(text));
    fprintf(out, "sensor %s, up to %s: %s\n", name, timestamp_format(last.timestamp_ms, stamp),
            text);
    if (!state_inner_of(saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "scopes");
    while (r >= 0 && state_next_of(&iter, &element))
        r = show_scope(ops, &element, out, err);
    return r;
}

int formula_show(const bson_t *state, FILE *out, struct error *err)
{
    const char *name = state_text_of(state, "model");
    const struct model_ops *ops = name ? model_find(name) : NULL;
    bson_t array, element;
    bson_iter_t iter;
    if (!ops)
        return damaged(err, "model");
    if (!state_inner_of(state, "sensors", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "sensors");
    fprintf(out, "model %s\n", name);
    int r = 0;
    while (r >= 0 && state_next_of(&iter, &element))
        r = show_sensor(ops, &element, out, err);
    return r;
}
