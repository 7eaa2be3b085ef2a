/* SPDX-License-Identifier: BSD-3-Clause */
/* Host and target records: each holds from a tick on, and takes effect just before that tick is
 * stepped, whatever else had arrived by then. A host record also says on what a model rests: a
 * model of another CPU or of other events is forgotten, in a running formula as after a restart, so
 * that a replay in pieces gives what a replay in one gives. */
#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"
#include "common/target_record.h"
#include "formula/formula_inside.h"

#define WHY_SIZE 1024

int formula_set_host(struct formula *formula, struct sensor_state *sensor,
                     const struct document *document, struct error *err)
{
    host_record_clear(&sensor->host);
    int r = host_record_decode(document, &sensor->host, err);
    sensor->has_host = r >= 0;
    bson_destroy(sensor->host_document);
    sensor->host_document =
        r < 0 ? NULL : bson_new_from_data(document->bytes, document->size_bytes);
    if (r < 0 || !sensor->host_document)
        return r < 0 ? r : -ENOMEM;
    struct origin now;
    char why[WHY_SIZE];
    origin_of_host(&sensor->host, &now);
    if (origin_differs(&sensor->origin, &now, why, sizeof(why)))
        formula_forget_models(formula, sensor, why);
    origin_update(&sensor->origin, &now);
    return 0;
}

/* The restored state holds the very record that came, but with another CPU or other events: it is
 * of another recording, and so are the ticks it says it knows. */
static int check_restored(struct formula *formula, struct sensor_state *sensor,
                          const struct document *document)
{
    struct host_record host;
    struct origin now;
    char why[WHY_SIZE];
    if (!sensor->has_host || record_key_compare(&document->key, &sensor->host.key) != 0)
        return 0;
    host_record_init(&host);
    int r = host_record_decode(document, &host, NULL);
    if (r >= 0)
        origin_of_host(&host, &now);
    host_record_deinit(&host);
    if (r < 0 || !origin_differs(&sensor->origin, &now, why, sizeof(why)))
        return 0;
    formula_forget_models(formula, sensor, why);
    r = formula_renew_sensor(formula, sensor);
    return r < 0 ? r : 1;
}

static int use_host(struct formula *formula, struct sensor_state *sensor,
                    const struct document *document)
{
    struct error damage = {0};
    int r = formula_set_host(formula, sensor, document, &damage);
    return r == -ENOMEM ? r : r < 0 ? formula_refuse(formula, document, &damage) : 0;
}

/* Who a target is: what was learned of its kind is its own from its first tick on. */
static int use_target(struct formula *formula, struct sensor_state *sensor,
                      const struct document *document)
{
    struct error damage = {0};
    struct target_record target;
    int r = target_record_decode(document, &target, &damage);
    if (r >= 0)
        r = scopes_note_target(sensor->scopes, target.target, target.cgroup, target.comm);
    return r == -ENOMEM ? r : r < 0 ? formula_refuse(formula, document, &damage) : 0;
}

static bool is_known(const struct sensor_state *sensor, const struct document *document)
{
    return sensor->has_learned && notice_holds(&document->key, &sensor->learned);
}

static bool must_wait(const struct sensor_state *sensor)
{
    return sensor->notices.n > 0 || assembly_is_waiting(sensor->assembly);
}

int formula_add_host(struct formula *formula, struct sensor_state *sensor,
                     const struct document *document)
{
    if (is_known(sensor, document)) {
        int r = check_restored(formula, sensor, document);
        if (r <= 0)
            return r;
    }
    return must_wait(sensor) ? notices_add(&sensor->notices, document)
                             : use_host(formula, sensor, document);
}

int formula_add_target(struct formula *formula, struct sensor_state *sensor,
                       const struct document *document)
{
    if (is_known(sensor, document))
        return 0;
    return must_wait(sensor) ? notices_add(&sensor->notices, document)
                             : use_target(formula, sensor, document);
}

/* ---- before a tick ---- */

struct notice_context {
    struct formula *formula;
    struct sensor_state *sensor;
};

static int use(const struct document *document, void *opaque)
{
    const struct notice_context *context = opaque;
    return document->kind == RECORD_HOST ? use_host(context->formula, context->sensor, document)
                                         : use_target(context->formula, context->sensor, document);
}

int formula_begin_tick(struct formula *formula, struct sensor_state *sensor,
                       const struct report *tick)
{
    struct notice_context context = {formula, sensor};
    char why[WHY_SIZE];
    int r = sensor->notices.n > 0 ? notices_take(&sensor->notices, &tick->key, use, &context) : 0;
    if (r >= 0 && !sensor->origin.is_told &&
        origin_gather(&sensor->origin, tick->n_events, tick->events, why, sizeof(why)))
        formula_forget_models(formula, sensor, why);
    return r;
}
