/* SPDX-License-Identifier: BSD-3-Clause */
/* One formula: takes documents from wherever a reader finds them, keeps an assembly and the models' state per sensor, and emits power records. It opens nothing,
 * knows no wall clock and no store: stream and post-mortem differ only in who calls formula_add. */
#pragma once

#include <stdio.h>

#include "common/power_record.h"
#include "formula/model.h"

struct log;
struct formula;

struct formula_settings {
    const struct model_ops *model;
    const void *model_settings;
    const char *label;      /* NULL: the model's name */
    bool leave_open;        /* publish each model's own watts, do not close the balance; a model with an original is fed as that is */
    unsigned wait_ticks;    /* assembly.h */
    bool goes_on;           /* a later run goes on from the state saved at the end: what more input could still change is left to it */
    const char *const *sensors; /* only these; n_sensors 0: all */
    size_t n_sensors;
    /* Which tick of a sensor was attributed last, asked when the sensor is first seen: 1 and *ret_last, or 0 for none. Ticks up to it emit nothing; those of the
     * hour before it are still learned from, older ones are not even decoded. NULL: every tick is attributed. */
    int (*resume)(const char *sensor, struct record_key *ret_last, void *context);
};

/* emit gets each power record, in order per sensor; a nonzero return ends the call and is forwarded. context is also resume's. */
int formula_new(struct formula **ret_formula, const struct formula_settings *settings, const struct log *log,
                int (*emit)(const struct power_record *power, void *context), void *context, struct error *err);
void formula_free(struct formula *formula);

/* One document of any kind; kinds it has no use for are skipped. A damaged report is counted, logged (the first ten), and left out: 0. Returns 0, -ENOMEM, or
 * what emit returned. */
int formula_add(struct formula *formula, const struct document *document, struct error *err);
/* End of input: closes the ticks still held, but those that a model's original would never have processed. */
int formula_finish(struct formula *formula, struct error *err);

struct formula_health {
    uint64_t n_documents, n_reports, n_ticks, n_bad, n_late;
    uint64_t n_models_taken, n_models_refused; /* sensors that began with formula_use_models, or could not */
    uint64_t n_known; /* reports left out because the restored state had learned from them already */
};
void formula_health(const struct formula *formula, struct formula_health *ret_health);

/* Everything learned and everything the next tick depends on, as one document; between ticks. */
int formula_save(const struct formula *formula, bson_t *state, struct error *err);
/* Goes on where the state ends: its ticks are neither attributed nor learned from again. Before the first document. -EBADMSG: it is not a state of
 * this model and these settings, or damaged; the formula must then be freed. What it knows of a sensor is forgotten, and that is logged, as soon as a host record says
 * that CPU or events are others. */
int formula_load(struct formula *formula, const bson_t *state, struct error *err);
/* Every new scope of any sensor begins with what a saved state knows of the same domain and package (else of the domain's first package), of the sensor of that name, else
 * of its first; if CPU and events are the same: else that is logged as an error, and the sensor learns without. */
int formula_use_models(struct formula *formula, const bson_t *state, struct error *err);
/* Prints the machine, the training span, the drift and the coefficients of a saved state for people. -EBADMSG. */
int formula_show(const bson_t *state, FILE *out, struct error *err);
