/* SPDX-License-Identifier: BSD-3-Clause */
/* The line from document to power record: decode, assemble, cut into scopes, ask the model of each
 * scope, close its balance. Everything a tick needs is kept per sensor and grows once. */
#include "formula/formula.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/log.h"
#include "common/powerapi.h"
#include "formula/assembly.h"
#include "formula/balance.h"
#include "formula/formula_inside.h"

#define BAD_LOGGED_MAX 10
#define WARM_UP_MS \
    ((int64_t)3600 * 1000) /* of ticks before the last attributed one, to learn from */

int formula_new(struct formula **ret_formula, const struct formula_settings *settings,
                const struct log *log, int (*emit)(const struct power_record *power, void *context),
                void *context, struct error *err)
{
    const char *label = settings->label ? settings->label : settings->model->name;
    if (!sensor_name_is_valid(label))
        return error_set(err, -EINVAL, "label '%s' must be 1 to 63 of A-Z a-z 0-9 . _ -", label);
    struct formula *formula = calloc(1, sizeof(*formula));
    if (!formula)
        return error_set(err, -ENOMEM, "formula: out of memory");
    formula->settings = *settings;
    if (settings->leave_open && settings->model->original_interval_s)
        formula->original_interval_s =
            settings->model->original_interval_s(settings->model_settings);
    (void)snprintf(formula->label, sizeof(formula->label), "%s", label);
    formula->log = log;
    formula->emit = emit;
    formula->context = context;
    report_init(&formula->report);
    hwpc_report_init(&formula->hwpc);
    power_record_init(&formula->power);
    *ret_formula = formula;
    return 0;
}

static void free_models(struct sensor_state *sensor)
{
    for (size_t i = 0; i < sensor->n_states; i++)
        if (sensor->states[i].model)
            sensor->states[i].model->ops->free(sensor->states[i].model);
    sensor->n_states = 0;
}

static void empty_sensor(struct sensor_state *sensor)
{
    free_models(sensor);
    free(sensor->states);
    assembly_free(sensor->assembly);
    scopes_free(sensor->scopes);
    notices_deinit(&sensor->notices);
    host_record_deinit(&sensor->host);
    bson_destroy(sensor->host_document);
}

static void free_sensor(struct sensor_state *sensor)
{
    empty_sensor(sensor);
    free(sensor);
}

void formula_free(struct formula *formula)
{
    if (!formula)
        return;
    for (size_t i = 0; i < formula->n_sensors; i++)
        free_sensor(formula->sensors[i]);
    free(formula->sensors);
    report_deinit(&formula->report);
    hwpc_report_deinit(&formula->hwpc);
    power_record_deinit(&formula->power);
    bson_destroy(formula->model_file);
    free(formula->dynamic_w);
    free(formula->target_sigma_w);
    free(formula);
}

/* ---- sensors ---- */

static bool is_wanted(const struct formula *formula, const char *sensor)
{
    for (size_t i = 0; i < formula->settings.n_sensors; i++)
        if (strcmp(formula->settings.sensors[i], sensor) == 0)
            return true;
    return formula->settings.n_sensors == 0;
}

static int fill_sensor(const struct formula *formula, struct sensor_state *sensor, const char *name)
{
    *sensor = (struct sensor_state){0};
    host_record_init(&sensor->host);
    origin_init(&sensor->origin);
    (void)snprintf(sensor->name, sizeof(sensor->name), "%s", name);
    unsigned lag_ticks =
        formula->original_interval_s > 0 ? formula->settings.model->original_lag_ticks : 0;
    unsigned wait_ticks = lag_ticks > 0 ? lag_ticks : formula->settings.wait_ticks;
    int r = assembly_new(&sensor->assembly, wait_ticks, lag_ticks > 0);
    return r < 0 ? r : scopes_new(&sensor->scopes, formula->original_interval_s);
}

int formula_renew_sensor(struct formula *formula, struct sensor_state *sensor)
{
    struct sensor_state old = *sensor;
    empty_sensor(&old);
    int r = fill_sensor(formula, sensor, old.name);
    sensor->last = old.last;
    sensor->has_last = old.has_last;
    return r;
}

static int add_sensor(struct formula *formula, const char *name, struct sensor_state **ret_sensor)
{
    int r = array_reserve(&formula->sensors, &formula->sensors_capacity, formula->n_sensors + 1,
                          sizeof(struct sensor_state *));
    struct sensor_state *sensor = r < 0 ? NULL : calloc(1, sizeof(*sensor));
    if (!sensor)
        return -ENOMEM;
    r = fill_sensor(formula, sensor, name);
    if (r < 0) {
        free_sensor(sensor);
        return r;
    }
    if (formula->settings.resume)
        sensor->has_last = formula->settings.resume(name, &sensor->last, formula->context) > 0;
    formula->sensors[formula->n_sensors++] = sensor;
    *ret_sensor = sensor;
    return 0;
}

int formula_find_sensor(struct formula *formula, const char *name, struct sensor_state **ret_sensor)
{
    *ret_sensor = formula->current;
    if (*ret_sensor && strcmp((*ret_sensor)->name, name) == 0)
        return 0;
    for (size_t i = 0; i < formula->n_sensors; i++) {
        *ret_sensor = formula->sensors[i];
        if (strcmp((*ret_sensor)->name, name) == 0)
            return 0;
    }
    return add_sensor(formula, name, ret_sensor);
}

void formula_forget_models(struct formula *formula, struct sensor_state *sensor, const char *why)
{
    if (sensor->n_states == 0)
        return;
    log_warning(formula->log, "sensor '%s': what was learned is of no use: %s; learning anew",
                sensor->name, why);
    free_models(sensor);
    sensor->model_file_use = MODEL_FILE_UNDECIDED;
}

int formula_add_state(struct formula *formula, struct sensor_state *sensor, enum domain domain,
                      int32_t package, struct scope_state **ret_state, struct error *err)
{
    int r = array_reserve(&sensor->states, &sensor->states_capacity, sensor->n_states + 1,
                          sizeof(*sensor->states));
    if (r < 0)
        return error_set(err, r, "formula: out of memory");
    struct scope_state *state = &sensor->states[sensor->n_states];
    *state = (struct scope_state){.domain = domain, .package = package};
    const struct model_ops *ops = formula->settings.model;
    r = ops->new (&state->model, domain, formula->settings.model_settings, err);
    if (r < 0)
        return error_wrap(err, r, "model %s", ops->name);
    if (r == MODEL_DISABLED)
        state->model = NULL;
    sensor->n_states++;
    *ret_state = state;
    return 0;
}

static int find_state(struct formula *formula, struct sensor_state *sensor,
                      const struct scope *scope, struct scope_state **ret_state, struct error *err)
{
    for (size_t i = 0; i < sensor->n_states; i++) {
        *ret_state = &sensor->states[i];
        if ((*ret_state)->domain == scope->domain && (*ret_state)->package == scope->package)
            return 0;
    }
    int r = formula_add_state(formula, sensor, scope->domain, scope->package, ret_state, err);
    if (r >= 0 && (*ret_state)->model && formula->model_file)
        formula_begin_model(formula, sensor, *ret_state);
    return r;
}

/* ---- one tick ---- */

/* A model gives no watts to what it knows nothing of; to publish that as 0 W would be a claim. */
static bool is_unknown(const struct activity *activity, size_t n_events, double dynamic_w)
{
    for (size_t e = 0; e < n_events; e++)
        if (!isnan(activity->rates[e]))
            return false;
    return dynamic_w == 0;
}

/* Each target's microjoules are the steps of a running sum, so that they add up to the domain's
 * dynamic energy. */
static int add_targets(struct formula *formula, const struct scope *scope,
                       const struct balance_row *row)
{
    double sum_w = 0, share_divisor = row->dynamic_w > 0 ? row->dynamic_w : 1;
    int64_t done_uj = 0;
    for (size_t i = 0; i < scope->tick.n_activities; i++) {
        double dynamic_w = formula->dynamic_w[i];
        if (is_unknown(&scope->tick.activities[i], scope->tick.n_events, dynamic_w)) {
            reasons_add(&formula->power.reasons, "not_counted");
            continue;
        }
        struct power_row *target;
        int r = power_record_add_target(&formula->power, &target);
        if (r < 0)
            return r;
        sum_w += dynamic_w;
        int64_t sum_uj = llround(sum_w * scope->tick.dt_s * 1e6);
        double share = dynamic_w / share_divisor;
        *target = (struct power_row){
            .target = scope->tick.activities[i].name,
            .domain = scope->domain,
            .package = scope->package,
            .dynamic_w = dynamic_w,
            .static_w = row->idle_w * share,
            .dynamic_uj = sum_uj - done_uj,
            .share = share,
            .sigma_w = formula->target_sigma_w[i],
        };
        done_uj = sum_uj;
    }
    return 0;
}

/* The row says why it does not add up. */
static void leave_open(struct formula *formula, const struct scope_tick *tick,
                       struct model_output *output, struct balance_row *row, bool *has_targets)
{
    bool is_said = balance_leave_open(tick, output, row);
    *has_targets = *has_targets && is_said;
    if (!is_said)
        formula->power.valid = false;
    if (!row->reason[0])
        (void)snprintf(row->reason, sizeof(row->reason), is_said ? "not_closed" : "silent");
}

static bool is_modelled(const struct formula *formula, const struct scope *scope)
{
    return formula->is_modelled && isnan(scope->tick.measured_w);
}

/* Nothing was measured: the model's own watts are all there is. Its idle is another machine's. */
static void publish_model(struct formula *formula, const struct scope_tick *tick,
                          struct model_output *output, struct balance_row *row, bool *has_targets)
{
    *has_targets = balance_leave_open(tick, output, row);
    row->idle_w = NAN;
    row->predicted_w = row->dynamic_w;
    row->estimate = true;
    if (!*has_targets)
        formula->power.valid = false;
}

static int step_model(struct formula *formula, struct scope_state *state, const struct scope *scope,
                      struct balance_row *row, bool *ret_has_targets)
{
    size_t n = scope->tick.n_activities;
    int r = array_reserve(&formula->dynamic_w, &formula->dynamic_w_capacity, n + 1, sizeof(double));
    if (r >= 0)
        r = array_reserve(&formula->target_sigma_w, &formula->target_sigma_w_capacity, n + 1,
                          sizeof(double));
    if (r < 0)
        return r;
    struct scope_tick tick = scope->tick;
    tick.is_first = !state->was_seen;
    state->was_seen = true;
    struct model_output output = {
        .predicted_w = NAN,
        .sigma_w = NAN,
        .idle_w = NAN,
        .dynamic_w = formula->dynamic_w,
        .target_sigma_w = formula->target_sigma_w,
    };
    r = state->model->ops->step(state->model, &tick, &output);
    if (r < 0)
        return r;
    if (tick.learn)
        training_add(&state->training, formula->power.key.timestamp_ms, tick.measured_w,
                     output.predicted_w);
    *ret_has_targets = !output.is_silent && !isnan(row->measured_w);
    if (is_modelled(formula, scope))
        publish_model(formula, &tick, &output, row, ret_has_targets);
    else if (formula->settings.leave_open)
        leave_open(formula, &tick, &output, row, ret_has_targets);
    else
        balance_close(&tick, &output, row);
    return 0;
}

static int add_scope(struct formula *formula, struct sensor_state *sensor,
                     const struct scope *scope, struct error *err)
{
    struct scope_state *state = NULL;
    if (is_modelled(formula, scope) && scope->tick.n_activities == 0)
        return 0; /* a package that this machine does not have */
    int r = find_state(formula, sensor, scope, &state, err);
    if (r < 0 || !state->model)
        return r;
    struct balance_row *row = NULL;
    bool has_targets = false;
    r = power_record_add_balance(&formula->power, &row);
    if (r >= 0) {
        row->domain = scope->domain;
        row->package = scope->package;
        row->dt_ns = scope->dt_ns;
        row->measured_uj = scope->measured_uj;
        row->measured_w = scope->tick.measured_w;
        row->measured_low_w = scope->tick.low_w;
        row->measured_high_w = scope->tick.high_w;
        row->estimate = scope->tick.is_estimate;
        (void)snprintf(row->reason, sizeof(row->reason), "%s", scope->reason);
        r = step_model(formula, state, scope, row, &has_targets);
    }
    if (r >= 0 && isnan(row->measured_w) && !is_modelled(formula, scope))
        formula->power.valid = false;
    if (r >= 0 && has_targets)
        r = add_targets(formula, scope, row);
    if (scope->reason[0] && isnan(scope->tick.measured_w))
        reasons_add(&formula->power.reasons, scope->reason);
    return r < 0 ? error_set(err, r, "formula: out of memory") : 0;
}

static int step_tick(struct formula *formula, struct sensor_state *sensor,
                     const struct report *tick, struct error *err)
{
    struct power_record *power = &formula->power;
    power_record_clear(power);
    power->key = tick->key;
    if (power->key.run[0] == '\0')
        power->key.seq = 0; /* counted from our own start: says nothing to others */
    power->dt_ns = tick->dt_ns;
    power->valid = true;
    power->reasons = tick->reasons;
    (void)snprintf(power->label, sizeof(power->label), "%s", formula->label);
    (void)snprintf(power->model, sizeof(power->model), "%s", formula->settings.model->name);
    const struct scope *scopes;
    size_t n_scopes;
    struct report modelled;
    int r = formula_begin_tick(formula, sensor, tick);
    formula->is_modelled = r >= 0 && formula_may_model(formula, sensor, tick);
    if (formula->is_modelled) {
        modelled = *tick;
        modelled.energy = sensor->modelled;
        modelled.n_energy = sensor->n_modelled;
        tick = &modelled;
    }
    if (r >= 0)
        r = scopes_build(sensor->scopes, tick, sensor->has_host ? &sensor->host : NULL,
                         &power->reasons, &scopes, &n_scopes);
    if (r < 0)
        return error_set(err, r, "formula: out of memory");
    for (size_t i = 0; i < n_scopes && r >= 0; i++)
        r = add_scope(formula, sensor, &scopes[i], err);
    if (r < 0)
        return r;
    if (n_scopes == 0) {
        power->valid = false;
        reasons_add(&power->reasons, "no_energy");
    }
    formula->health.n_ticks++;
    if (sensor->has_last && record_key_compare(&power->key, &sensor->last) <= 0)
        return 0;
    return formula->emit(power, formula->context);
}

static int drain(struct formula *formula, struct sensor_state *sensor, struct error *err)
{
    const struct report *tick;
    int r;
    while ((r = assembly_next(sensor->assembly, &tick, err)) > 0) {
        r = step_tick(formula, sensor, tick, err);
        if (r != 0)
            return r;
    }
    return r;
}

/* ---- documents ---- */

int formula_refuse(struct formula *formula, const struct document *document,
                   const struct error *damage)
{
    formula->health.n_bad++;
    if (formula->health.n_bad <= BAD_LOGGED_MAX)
        log_warning(formula->log, "left out a damaged record of sensor '%s' (%s %" PRId64 "): %s",
                    document->key.sensor, document->id[0] ? document->id : "timestamp",
                    document->key.timestamp_ms, damage->text);
    if (formula->health.n_bad == BAD_LOGGED_MAX)
        log_warning(formula->log, "further damaged records are counted, not shown");
    return 0;
}

/* 0, -ENOMEM, or -EBADMSG for a report that cannot be used. */
static int decode(struct formula *formula, const struct document *document, struct error *err)
{
    report_clear(&formula->report);
    if (document->kind == RECORD_RAW)
        return report_decode(document, &formula->report, err);
    int r = hwpc_report_decode(document, &formula->hwpc, err);
    bool as_counted = formula->original_interval_s > 0;
    return r < 0 ? r : hwpc_to_report(&formula->hwpc, as_counted, &formula->report, err);
}

static int add_report(struct formula *formula, struct sensor_state *sensor,
                      const struct document *document, struct error *err)
{
    if (sensor->has_learned && record_key_compare(&document->key, &sensor->learned) <= 0) {
        formula->health.n_known++;
        return 0;
    }
    if (sensor->has_last && document->key.timestamp_ms < sensor->last.timestamp_ms - WARM_UP_MS)
        return 0;
    struct error damage = {0};
    int r = decode(formula, document, &damage);
    if (r == -ENOMEM)
        return error_set(err, r, "formula: out of memory");
    if (r < 0)
        return formula_refuse(formula, document, &damage);
    formula->health.n_reports++;
    r = assembly_add(sensor->assembly, &formula->report, document->kind == RECORD_HWPC, err);
    return r < 0 ? r : drain(formula, sensor, err);
}

int formula_add(struct formula *formula, const struct document *document, struct error *err)
{
    formula->health.n_documents++;
    bool is_report = document->kind == RECORD_RAW || document->kind == RECORD_HWPC;
    bool is_used = is_report || document->kind == RECORD_HOST || document->kind == RECORD_TARGET;
    if (!is_used || !is_wanted(formula, document->key.sensor))
        return 0;
    struct sensor_state *sensor;
    int r = formula_find_sensor(formula, document->key.sensor, &sensor);
    if (r < 0)
        return error_set(err, r, "formula: out of memory");
    formula->current = sensor;
    if (is_report)
        return add_report(formula, sensor, document, err);
    return document->kind == RECORD_HOST ? formula_add_host(formula, sensor, document)
                                         : formula_add_target(formula, sensor, document);
}

int formula_finish(struct formula *formula, struct error *err)
{
    for (size_t i = 0; i < formula->n_sensors; i++) {
        assembly_finish(formula->sensors[i]->assembly, formula->settings.goes_on);
        int r = drain(formula, formula->sensors[i], err);
        if (r != 0)
            return r;
    }
    return 0;
}

void formula_health(const struct formula *formula, struct formula_health *ret_health)
{
    *ret_health = formula->health;
    for (size_t i = 0; i < formula->n_sensors; i++)
        ret_health->n_late += assembly_late(formula->sensors[i]->assembly);
}
