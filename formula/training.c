/* SPDX-License-Identifier: BSD-3-Clause */
/* Drift is the mean of what was lately measured above the prediction: a model that still fits is
 * wrong to both sides alike. */
#include "formula/training.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "common/error.h"
#include "common/timestamp.h"
#include "formula/state_io.h"

#define RECENT_TICKS 100

void training_add(struct training *training, int64_t timestamp_ms, double measured_w,
                  double predicted_w)
{
    if (training->n_ticks++ == 0)
        training->first_ms = (uint64_t)timestamp_ms;
    training->last_ms = (uint64_t)timestamp_ms;
    double miss_w = measured_w - predicted_w;
    if (!isfinite(miss_w))
        return;
    training->n_missed++;
    /* A plain mean at first, then one that decays. */
    double step =
        1.0 / (double)(training->n_missed < RECENT_TICKS ? training->n_missed : RECENT_TICKS);
    training->square_w2 += miss_w * miss_w;
    training->recent_square_w2 += step * (miss_w * miss_w - training->recent_square_w2);
    training->recent_miss_w += step * (miss_w - training->recent_miss_w);
}

void training_print(const struct training *training, FILE *out)
{
    char first[TIMESTAMP_TEXT_SIZE], last[TIMESTAMP_TEXT_SIZE];
    if (training->n_ticks == 0) {
        fprintf(out, "  nothing learned yet\n");
        return;
    }
    timestamp_format((int64_t)training->first_ms, first);
    timestamp_format((int64_t)training->last_ms, last);
    fprintf(out, "  learned from %" PRIu64 " ticks, %s to %s\n", training->n_ticks, first, last);
    if (training->n_missed == 0)
        return;
    uint64_t n_recent = training->n_missed < RECENT_TICKS ? training->n_missed : RECENT_TICKS;
    fprintf(out,
            "  predictions missed by %.2f W (root mean square); in the last %" PRIu64
            " ticks by %.2f W, drift %+.2f W\n",
            sqrt(training->square_w2 / (double)training->n_missed), n_recent,
            sqrt(training->recent_square_w2), training->recent_miss_w);
}

static void visit(struct training *training, struct state_io *io)
{
    state_words(io, "n_ticks", &training->n_ticks, 1);
    state_words(io, "first_ms", &training->first_ms, 1);
    state_words(io, "last_ms", &training->last_ms, 1);
    state_words(io, "n_missed", &training->n_missed, 1);
    state_doubles(io, "square_w2", &training->square_w2, 1);
    state_doubles(io, "recent_square_w2", &training->recent_square_w2, 1);
    state_doubles(io, "recent_miss_w", &training->recent_miss_w, 1);
}

void training_save(const struct training *training, bson_t *document)
{
    struct training copy = *training;
    struct state_io io = {.out = document}, inner;
    bson_t room;
    state_enter(&io, "training", &inner, &room);
    visit(&copy, &inner);
    state_leave(&io, &inner, &room);
}

int training_load(struct training *training, const bson_t *document, struct error *err)
{
    struct training loaded = {0};
    struct state_io io = {.in = document}, inner;
    bson_t room;
    state_enter(&io, "training", &inner, &room);
    visit(&loaded, &inner);
    state_leave(&io, &inner, &room);
    if (io.is_damaged)
        return error_set(err, -EBADMSG, "state: 'training' is missing or wrong");
    *training = loaded;
    return 0;
}
