/* SPDX-License-Identifier: BSD-3-Clause */
/* What a formula knows between two ticks, as one document: per sensor the last tick, the machine,
 * what target records said, and each scope's model. Reports that wait in the assembly are not in
 * it; the next start reads them again, because they come after the last tick. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"
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
    return r;
}

static int save_sensor(const struct sensor_state *sensor, bson_t *document)
{
    append_text(document, "sensor", sensor->name);
    save_key(document, assembly_last(sensor->assembly));
    struct state_io io = {.out = document};
    assembly_visit(sensor->assembly, &io);
    if (sensor->host_document)
        (void)bson_append_document(document, "host", -1, sensor->host_document);
    bson_t array;
    (void)bson_append_array_begin(document, "kin", -1, &array);
    scopes_save_kin(sensor->scopes, &array);
    (void)bson_append_array_end(document, &array);
    (void)bson_append_array_begin(document, "scopes", -1, &array);
    int r = 0;
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
    if (!ops->save)
        return 1;
    append_text(state, "model", ops->name);
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
    return r < 0 ? error_set(err, r, "state: out of memory") : 0;
}

/* ---- loading ---- */

static int damaged(struct error *err, const char *what)
{
    return error_set(err, -EBADMSG, "state: '%s' is missing or wrong", what);
}

static const char *text_of(const bson_t *document, const char *name)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_UTF8(&field)
               ? bson_iter_utf8(&field, NULL)
               : NULL;
}

static int64_t number_of(const bson_t *document, const char *name)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, document, name) && BSON_ITER_HOLDS_INT64(&field)
               ? bson_iter_int64(&field)
               : VALUE_ABSENT;
}

/* A document within; false if it is not there. */
static bool inner_of(const bson_t *document, const char *name, bson_t *ret_inner)
{
    bson_iter_t field;
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    if (!bson_iter_init_find(&field, document, name))
        return false;
    if (BSON_ITER_HOLDS_DOCUMENT(&field))
        bson_iter_document(&field, &size, &bytes);
    else if (BSON_ITER_HOLDS_ARRAY(&field))
        bson_iter_array(&field, &size, &bytes);
    return bytes && bson_init_static(ret_inner, bytes, size);
}

/* The next document of an array; false at its end. */
static bool next_of(bson_iter_t *iter, bson_t *ret_element)
{
    const uint8_t *bytes = NULL;
    uint32_t size = 0;
    while (bson_iter_next(iter))
        if (BSON_ITER_HOLDS_DOCUMENT(iter)) {
            bson_iter_document(iter, &size, &bytes);
            return bson_init_static(ret_element, bytes, size);
        }
    return false;
}

static int load_key(const bson_t *saved, const char *sensor, struct record_key *ret_key,
                    struct error *err)
{
    const char *run = text_of(saved, "run");
    int64_t seq = number_of(saved, "seq"), timestamp_ms = number_of(saved, "timestamp");
    if ((run && !run_is_valid(run)) || seq < 0 || timestamp_ms < 0)
        return damaged(err, "run, seq, timestamp");
    *ret_key = (struct record_key){.seq = (uint64_t)seq, .timestamp_ms = timestamp_ms};
    (void)snprintf(ret_key->sensor, sizeof(ret_key->sensor), "%s", sensor);
    (void)snprintf(ret_key->run, sizeof(ret_key->run), "%s", run ? run : "");
    return 0;
}

static int load_host(struct sensor_state *sensor, const bson_t *saved, struct error *err)
{
    bson_t host;
    struct document document;
    if (!inner_of(saved, "host", &host))
        return 0;
    int r = document_describe(bson_get_data(&host), host.len, &document, err);
    return r < 0 ? r : formula_set_host(sensor, &document, err);
}

static int load_scopes(struct formula *formula, struct sensor_state *sensor, const bson_t *saved,
                       struct error *err)
{
    bson_t array, element, model;
    bson_iter_t iter;
    if (!inner_of(saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "scopes");
    int r = 0;
    while (r >= 0 && next_of(&iter, &element)) {
        enum domain domain;
        struct scope_state *state;
        const char *name = text_of(&element, "domain");
        int64_t package = number_of(&element, "package");
        if (!name || domain_parse(name, &domain) < 0 || package < PACKAGE_NONE ||
            package > INT32_MAX || !inner_of(&element, "model", &model))
            return damaged(err, "scopes");
        r = formula_add_state(formula, sensor, domain, (int32_t)package, &state, err);
        if (r >= 0)
            state->was_seen = true;
        if (r >= 0 && state->model)
            r = formula->settings.model->load(state->model, &model, err);
    }
    return r;
}

static int load_sensor(struct formula *formula, const bson_t *saved, struct error *err)
{
    const char *name = text_of(saved, "sensor");
    struct sensor_state *sensor;
    struct record_key last;
    bson_iter_t kin;
    if (!name || !sensor_name_is_valid(name))
        return damaged(err, "sensor");
    int r = load_key(saved, name, &last, err);
    if (r >= 0)
        r = formula_find_sensor(formula, name, &sensor);
    if (r < 0)
        return r;
    struct state_io io = {.in = saved};
    assembly_visit(sensor->assembly, &io);
    assembly_resume(sensor->assembly, &last);
    sensor->learned = last;
    sensor->has_learned = true;
    if (io.is_damaged || !bson_iter_init_find(&kin, saved, "kin") ||
        scopes_load_kin(sensor->scopes, &kin) < 0)
        return damaged(err, "kin");
    r = load_host(sensor, saved, err);
    return r < 0 ? r : load_scopes(formula, sensor, saved, err);
}

static int check_model(const struct formula *formula, const bson_t *state, struct error *err)
{
    const struct model_ops *ops = formula->settings.model;
    const char *model = text_of(state, "model");
    if (!ops->load || !model || strcmp(model, ops->name) != 0)
        return error_set(err, -EBADMSG, "it is a state of model '%s', not of '%s'",
                         model ? model : "?", ops->name);
    return 0;
}

int formula_load(struct formula *formula, const bson_t *state, struct error *err)
{
    bson_t array, element;
    bson_iter_t iter;
    int r = check_model(formula, state, err);
    if (r < 0)
        return r;
    if (!inner_of(state, "sensors", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "sensors");
    while (r >= 0 && next_of(&iter, &element))
        r = load_sensor(formula, &element, err);
    return r;
}

/* ---- models for others ---- */

int formula_use_models(struct formula *formula, const bson_t *state, struct error *err)
{
    int r = check_model(formula, state, err);
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
    if (!inner_of(state, "sensors", &array) || !bson_iter_init(&iter, &array))
        return false;
    while (next_of(&iter, &element)) {
        const char *saved = text_of(&element, "sensor");
        bool is_same = saved && strcmp(saved, name) == 0;
        if (!has_any || is_same)
            (void)bson_init_static(ret_sensor, bson_get_data(&element), element.len);
        has_any = true;
        if (is_same)
            break;
    }
    return has_any;
}

static bool is_same_cpu(const struct sensor_state *sensor, const bson_t *saved)
{
    bson_t host;
    struct document document;
    struct host_record other;
    if (!sensor->has_host || !inner_of(saved, "host", &host))
        return true; /* nothing is known against it */
    host_record_init(&other);
    bool is_same = document_describe(bson_get_data(&host), host.len, &document, NULL) >= 0 &&
                   host_record_decode(&document, &other, NULL) >= 0 &&
                   strcmp(other.cpu_vendor, sensor->host.cpu_vendor) == 0 &&
                   other.cpu_family == sensor->host.cpu_family &&
                   other.cpu_model == sensor->host.cpu_model;
    host_record_deinit(&other);
    return is_same;
}

void formula_begin_model(struct formula *formula, struct sensor_state *sensor,
                         struct scope_state *state)
{
    bson_t saved, array, element, model;
    bson_iter_t iter;
    if (!choose_sensor(formula->model_file, sensor->name, &saved))
        return;
    if (!is_same_cpu(sensor, &saved)) {
        log_warning(formula->log, "sensor '%s': the model file is of another CPU: learning anew",
                    sensor->name);
        return;
    }
    if (!inner_of(&saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return;
    while (next_of(&iter, &element)) {
        const char *domain = text_of(&element, "domain");
        if (!domain || strcmp(domain, domain_name(state->domain)) != 0 ||
            number_of(&element, "package") != state->package ||
            !inner_of(&element, "model", &model))
            continue;
        struct error failure = {0};
        if (formula->settings.model->load(state->model, &model, &failure) < 0)
            log_warning(formula->log, "sensor '%s': model file: %s: learning anew", sensor->name,
                        failure.text);
    }
}

/* ---- for people ---- */

static int show_sensor(const struct model_ops *ops, const bson_t *saved, FILE *out,
                       struct error *err)
{
    bson_t array, element, saved_model;
    bson_iter_t iter;
    if (!inner_of(saved, "scopes", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "scopes");
    while (next_of(&iter, &element)) {
        struct model *model = NULL;
        enum domain domain;
        const char *name = text_of(&element, "domain");
        if (!name || domain_parse(name, &domain) < 0 || !inner_of(&element, "model", &saved_model))
            return damaged(err, "scopes");
        int r = ops->new (&model, domain, NULL, err);
        if (r < 0)
            return r;
        fprintf(out, "%s %s %lld\n", text_of(saved, "sensor"), name,
                (long long)number_of(&element, "package"));
        r = model ? ops->load(model, &saved_model, err) : 0;
        if (r >= 0 && model && ops->show)
            ops->show(model, out);
        if (model)
            ops->free(model);
        if (r < 0)
            return r;
    }
    return 0;
}

int formula_show(const bson_t *state, FILE *out, struct error *err)
{
    const char *name = text_of(state, "model");
    const struct model_ops *ops = name ? model_find(name) : NULL;
    bson_t array, element;
    bson_iter_t iter;
    if (!ops || !ops->load)
        return damaged(err, "model");
    if (!inner_of(state, "sensors", &array) || !bson_iter_init(&iter, &array))
        return damaged(err, "sensors");
    int r = 0;
    while (r >= 0 && next_of(&iter, &element))
        r = show_sensor(ops, &element, out, err);
    return r;
}
