/* SPDX-License-Identifier: BSD-3-Clause */
/* What a model was trained on, and how its misses have moved: for people who want to know whether to trust it. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <bson/bson.h>

struct error;

/* Zeroed: nothing learned. */
struct training {
    uint64_t n_ticks;          /* learned from */
    uint64_t first_ms, last_ms; /* their timestamps */
    uint64_t n_missed;         /* of these, predicted before */
    double square_w2;          /* sum of squared misses */
    double recent_square_w2, recent_miss_w; /* decaying means over some 100 ticks: of squares, and of measured - predicted */
};

/* A tick was learned from. predicted_w: NAN where nothing was predicted. */
void training_add(struct training *training, int64_t timestamp_ms, double measured_w, double predicted_w);
/* "  learned from 148 ticks, ... to ...; missed by 0.82 W (root mean square), ...; drift ..." */
void training_print(const struct training *training, FILE *out);
void training_save(const struct training *training, bson_t *document);
/* Reads it where training_save wrote it. -EBADMSG. */
int training_load(struct training *training, const bson_t *document, struct error *err);
