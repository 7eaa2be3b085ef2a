/* SPDX-License-Identifier: BSD-3-Clause */
/* What the replay tests share: JSON lines as documents in memory, and a formula whose records are kept as bytes. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "formula/formula.h"

/* Documents of one recording, with their bytes. */
struct recording {
    bson_t **bsons; /* a bson_t must not move */
    size_t n, capacity;
};

/* What came out: the encoded documents one after the other, and the number of records. */
struct outcome {
    uint8_t *bytes;
    size_t size, capacity;
    size_t n_records;
    void (*check)(const struct power_record *power); /* may be NULL */
    bson_t scratch;
};

static inline void recording_add(struct recording *recording, const char *text)
{
    struct error err = {0};
    if (recording->n == recording->capacity) {
        recording->capacity = recording->capacity ? recording->capacity * 2 : 64;
        recording->bsons =
            realloc(recording->bsons, recording->capacity * sizeof(*recording->bsons));
        assert_non_null(recording->bsons);
    }
    bson_t *bson = aligned_alloc(_Alignof(bson_t), sizeof(*bson));
    assert_non_null(bson);
    if (json_parse(text, strlen(text), bson, &err) < 0)
        fail_msg("%s", err.text);
    recording->bsons[recording->n++] = bson;
}

static inline void recording_load(struct recording *recording, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    *recording = (struct recording){0};
    if (!file)
        fail_msg("%s cannot be opened", path);
    for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        recording_add(recording, line);
    }
    free(line);
    (void)fclose(file);
}

static inline void recording_free(struct recording *recording)
{
    for (size_t i = 0; i < recording->n; i++) {
        bson_destroy(recording->bsons[i]);
        free(recording->bsons[i]);
    }
    free(recording->bsons);
}

static inline int outcome_keep(const struct document *document, void *context)
{
    struct outcome *outcome = context;
    if (outcome->size + document->size_bytes > outcome->capacity) {
        outcome->capacity = (outcome->size + document->size_bytes) * 2;
        outcome->bytes = realloc(outcome->bytes, outcome->capacity);
        assert_non_null(outcome->bytes);
    }
    memcpy(outcome->bytes + outcome->size, document->bytes, document->size_bytes);
    outcome->size += document->size_bytes;
    return 0;
}

static inline int outcome_take(const struct power_record *power, void *context)
{
    struct outcome *outcome = context;
    struct error err = {0};
    if (outcome->check)
        outcome->check(power);
    outcome->n_records++;
    int r = power_record_encode(power, &outcome->scratch, outcome_keep, outcome, &err);
    if (r != 0)
        fail_msg("%s", err.text);
    return 0;
}

static inline void outcome_init(struct outcome *outcome,
                                void (*check)(const struct power_record *power))
{
    *outcome = (struct outcome){.check = check};
    bson_init(&outcome->scratch);
}

static inline void outcome_free(struct outcome *outcome)
{
    bson_destroy(&outcome->scratch);
    free(outcome->bytes);
}

static inline struct formula *formula_of(const char *model, unsigned wait_ticks,
                                         struct outcome *outcome)
{
    struct formula_settings settings = {.model = model_find(model), .wait_ticks = wait_ticks};
    struct formula *formula;
    struct error err = {0};
    if (formula_new(&formula, &settings, NULL, outcome_take, outcome, &err) < 0)
        fail_msg("%s", err.text);
    return formula;
}

/* Feeds one document; what cannot even be described is left out, as stores do. */
static inline void formula_feed(struct formula *formula, const bson_t *bson)
{
    struct document document;
    struct error err = {0};
    if (document_describe(bson_get_data(bson), bson->len, &document, &err) < 0)
        return;
    if (formula_add(formula, &document, &err) != 0)
        fail_msg("%s", err.text);
}
